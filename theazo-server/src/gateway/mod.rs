//! What leads out of a sandbox: the bridge to the control plane, and the network as far as it was granted.
//!
//! Programs find both at one port of their own loopback interface. Its connections are accepted here, outside of the sandbox,
//! so a program that has no network reaches exactly what this module lets through.

mod allowance;
mod door;
mod proxy;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::net::TcpStream;

use crate::outbound::Refusal;

pub use door::PlaneGateway;

/// Makes the ways out of sandboxes.
pub trait Gateway: Send + Sync {
    /// The way out for the programs of one sandbox.
    fn open(&self, programs: Programs) -> Arc<dyn Door>;
}

/// The way out of one sandbox.
pub trait Door: Send + Sync {
    /// Serves one connection of a program to its end.
    fn serve(&self, connection: TcpStream) -> BoxFuture<'static, ()>;
}

/// Who may use a way out, and for what.
#[derive(Clone)]
pub struct Programs {
    /// The token of their bridge, if they have one.
    pub token: Option<String>,
    /// What they may reach.
    pub reach: Arc<dyn Reach>,
}

/// Says which hosts programs may reach. It is asked at each of their connections, so that a change holds from the next one
/// on.
pub trait Reach: Send + Sync {
    /// Refuses a host that they may not reach.
    fn admit<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<(), Refusal>>;

    /// Is told why something could not be connected to.
    fn failed(&self, reason: &str) {
        let _ = reason;
    }
}
