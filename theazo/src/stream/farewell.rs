//! What happens to the server's work when a caller leaves while a stream is still being opened.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use super::EventStream;
use crate::transport::{Call, Transport};

/// How long telling the server that a caller left may take.
pub(super) const FAREWELL: Duration = Duration::from_secs(30);

/// Ends the work of a stream whose caller left while it was being opened, when its run was not known yet: the same call
/// with the same key attaches to whatever the first one started, and leaving that cancels it.
pub(super) struct Abandoned {
    transport: Transport,
    /// `None` once the stream is open or has failed.
    call: Option<Call>,
    runtime: Option<Handle>,
}

impl Abandoned {
    /// Guards the opening of a stream, if leaving it is to end its work.
    pub fn guard(transport: &Transport, call: &Call) -> Self {
        let call = call.operation.ends_with_caller.then(|| call.clone());
        Self { transport: transport.clone(), call, runtime: Handle::try_current().ok() }
    }

    /// The stream is open or has failed: there is nothing to end any more.
    pub fn disarm(&mut self) {
        self.call = None;
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        let (Some(mut call), Some(runtime)) = (self.call.take(), &self.runtime) else { return };
        call.options.deadline = Some(FAREWELL);
        let transport = self.transport.clone();
        let farewell: BoxFuture<'static, ()> = Box::pin(async move {
            let outcome = match EventStream::open(transport, call).await {
                Ok(stream) => stream.close().await,
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                tracing::warn!(%error, "a run could not be cancelled when its stream was left");
            }
        });
        runtime.spawn(farewell);
    }
}
