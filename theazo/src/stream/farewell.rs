//! What happens to the server's work when a caller leaves a stream early: the server is told, in every case once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use super::EventStream;
use crate::{
    error::Error,
    transport::{Call, CallOptions, Transport, new_idempotency_key},
};

/// How long telling the server that a caller left may take.
const FAREWELL: Duration = Duration::from_secs(30);

/// The call that ends the work of a stream. Dropping it makes the call in the background.
pub(super) struct Farewell {
    transport: Transport,
    /// `None` once the server has been told.
    call: Option<Call>,
    /// Where the call is made from: a drop can happen outside the runtime.
    runtime: Option<Handle>,
}

impl Farewell {
    pub fn new(transport: &Transport, call: Call, runtime: Option<Handle>) -> Self {
        // The key is fixed here, because a call that is left half done is made again.
        let options = CallOptions::new().deadline(FAREWELL).idempotency_key(new_idempotency_key());
        Self { transport: transport.clone(), call: Some(call.options(options)), runtime }
    }

    /// Tells the server and waits until it knows. Dropping the future only ends the waiting.
    pub async fn tell(mut self) -> Result<(), Error> {
        let Some(call) = self.call.clone() else { return Ok(()) };
        let told = self.transport.call(call).await;
        self.call = None;
        told.map(drop)
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        let (Some(call), Some(runtime)) = (self.call.take(), &self.runtime) else { return };
        let transport = self.transport.clone();
        in_background(runtime, Box::pin(async move { transport.call(call).await.map(drop) }));
    }
}

/// Ends the work of a stream whose caller left while it was being opened, when its run was not known yet: the same call
/// with the same key attaches to whatever the first one started, and leaving that cancels it.
pub(super) struct Abandoned {
    transport: Transport,
    /// `None` once the stream is open or has failed, and where leaving it ends nothing.
    call: Option<Call>,
    is_unclear: Arc<AtomicBool>,
    runtime: Option<Handle>,
}

impl Abandoned {
    /// Guards the opening of a stream, if leaving it is to end its work.
    pub fn guard(transport: &Transport, call: &Call) -> Self {
        let call = call.operation.ends_with_caller.then(|| call.clone());
        Self { transport: transport.clone(), call, is_unclear: Arc::default(), runtime: Handle::try_current().ok() }
    }

    /// Whether the server may have begun the work, which whoever sends the call keeps up to date: while it has not, there
    /// is nothing to end, and asking for it again would only begin it.
    pub fn is_unclear(&self) -> Arc<AtomicBool> {
        self.is_unclear.clone()
    }

    /// The stream is open or has failed: there is nothing to end any more.
    pub fn disarm(&mut self) {
        self.call = None;
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        let (Some(mut call), Some(runtime)) = (self.call.take(), &self.runtime) else { return };
        if !self.is_unclear.load(Ordering::Relaxed) {
            return;
        }
        call.options.deadline = Some(FAREWELL);
        let transport = self.transport.clone();
        in_background(runtime, Box::pin(async move { EventStream::open(transport, call).await?.close().await }));
    }
}

/// Nobody can wait for this task: it ends by itself, within its deadline. A runtime that has shut down drops it.
fn in_background(runtime: &Handle, telling: BoxFuture<'static, Result<(), Error>>) {
    runtime.spawn(async move {
        if let Err(error) = telling.await {
            tracing::warn!(%error, "the work of a stream could not be ended when the stream was left");
        }
    });
}
