//! `theazo serve`.

use std::net::SocketAddr;

use theazo_server::ControlPlane;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use super::{Failure, options::Options};

/// What `theazo serve` takes.
#[derive(clap::Args)]
pub struct Serve {
    #[command(flatten)]
    options: Options,
    /// Says that it is ready with one line of JSON: {"url": ..., "liveKey": ..., "testKey": ...}.
    #[arg(long)]
    json: bool,
}

impl Serve {
    /// Serves until the process is told to stop.
    pub async fn run(self) -> Result<(), Failure> {
        let config = self.options.plane()?;
        let listen = self.options.listen;
        let listener = TcpListener::bind(listen).await.map_err(|error| cannot_listen(listen, &error))?;
        let address = listener.local_addr()?;
        allow_many_files();
        let mut terminate = signal(SignalKind::terminate())?;
        let plane = ControlPlane::start(config).await?;
        self.announce(&plane, address);
        let stop = async move {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        };
        theazo_server::serve(listener, plane.router(), self.options.serving(), stop).await;
        plane.shutdown().await;
        Ok(())
    }

    fn announce(&self, plane: &ControlPlane, address: SocketAddr) {
        let url = format!("http://{address}");
        if self.json {
            let line = serde_json::json!({ "url": url, "liveKey": plane.live_key(), "testKey": plane.test_key() });
            println!("{line}");
            return;
        }
        println!("Theazo is ready at {url}");
        println!("Everything is kept in {}", self.options.place.data_dir.display());
        if !address.ip().is_loopback() {
            println!("Others can reach it, and HTTP hides nothing: put a proxy with TLS before it.");
        }
        match (plane.live_key(), plane.test_key()) {
            (Some(live), Some(test)) => {
                println!("\nTwo API keys were made. They are shown this once; only their hashes are kept.");
                println!("  live  {live}");
                println!("  test  {test}");
                println!("\nTry it:\n  export THEAZO_BASE_URL={url}\n  export THEAZO_API_KEY={live}");
            }
            _ => println!("It has API keys already; `theazo keys create` makes another."),
        }
        println!("\nCtrl-C stops it.");
    }
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> String {
    let advice = match error.kind() {
        std::io::ErrorKind::AddrInUse => "another server listens there; stop it, or choose another port with --listen",
        std::io::ErrorKind::PermissionDenied => "ports below 1024 are for root; choose another with --listen",
        std::io::ErrorKind::AddrNotAvailable => "this machine does not have that address",
        _ => return format!("cannot listen on {address}: {error}"),
    };
    format!("cannot listen on {address}: {advice}")
}

/// Every connection is an open file, and the usual limit of 1,024 is for programs of another kind.
fn allow_many_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}
