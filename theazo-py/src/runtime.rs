//! The tokio runtime that all clients of a process share, and how a thread of Python waits for it.

use std::{
    future::Future,
    sync::{
        Mutex, PoisonError,
        mpsc::{RecvTimeoutError, sync_channel},
    },
    time::Duration,
};

use pyo3::{exceptions::PyRuntimeError, prelude::*};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::Failure;

/// How often a waiting thread looks for signals such as Ctrl-C.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);

/// The runtime with the process that it belongs to: a fork copies the memory but not the threads.
///
/// The lock is held only by threads that hold the GIL, as a forking thread does, so no child ever finds it locked.
static SHARED: Mutex<Option<(u32, &'static Runtime)>> = Mutex::new(None);

/// The runtime of this process. The first call makes it; a child made by `fork` gets its own.
pub fn runtime(_holds_gil: Python<'_>) -> PyResult<&'static Handle> {
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if let Some((owner, runtime)) = *shared
        && owner == process
    {
        return Ok(runtime.handle());
    }
    let threads = std::thread::available_parallelism().map_or(2, |count| count.get().clamp(2, 8));
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("theazo")
        .enable_all()
        .build()
        .map_err(|error| PyRuntimeError::new_err(format!("cannot start the threads of the Theazo SDK: {error}")))?;
    // It lives as long as the process: threads of Python may be inside it at any time.
    let runtime: &'static Runtime = Box::leak(Box::new(runtime));
    *shared = Some((process, runtime));
    Ok(runtime.handle())
}

/// Waits for `future` without the GIL. A signal handler that raises, as Ctrl-C does, ends the wait and drops the future.
pub fn wait<T: Send + 'static>(
    py: Python<'_>,
    future: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> PyResult<T> {
    let (sender, mut receiver) = sync_channel(1);
    let task = runtime(py)?.spawn(async move {
        // Fails only if the waiting thread left, and then nobody wants the result.
        let _ = sender.send(future.await);
    });
    loop {
        let (received, back) = py.detach(move || (receiver.recv_timeout(SIGNAL_INTERVAL), receiver));
        receiver = back;
        match received {
            Ok(outcome) => return outcome.map_err(|failure| failure.into_python(py)),
            Err(RecvTimeoutError::Timeout) => py.check_signals().inspect_err(|_| task.abort())?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::bug("a call ended without a result").into_python(py));
            }
        }
    }
}
