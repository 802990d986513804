//! An embedded control plane on an address of the machine, for whoever is not in its process.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use theazo_server::ServeConfig;
use tokio::{net::TcpListener, sync::watch};

use crate::error::Error;

/// How long requests under way may take when the plane stops.
const DRAIN: Duration = Duration::from_secs(1);

/// Serves routes on a free port of this machine alone until the plane stops, and gives the address.
pub(crate) async fn listen(router: axum::Router, mut stopped: watch::Receiver<bool>) -> Result<String, Error> {
    let cannot = |problem: std::io::Error| Error::configuration(format!("the control plane cannot listen: {problem}"));
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    let config = ServeConfig { drain: DRAIN, ..ServeConfig::default() };
    // The task ends when the plane is stopped, or when nothing refers to it any more, which closes the channel.
    tokio::spawn(async move {
        let stop = async move {
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        theazo_server::serve(listener, router, config, stop).await;
    });
    Ok(format!("http://{address}"))
}
