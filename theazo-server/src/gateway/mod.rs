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
#[derive(Debug, Clone)]
pub struct Programs {
    /// The token of their bridge.
    pub token: String,
    /// The domains that they may reach.
    pub domains: Vec<String>,
}
