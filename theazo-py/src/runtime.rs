//! The tokio runtimes that all clients of a process share, and how a thread of Python waits for them.

use std::{
    future::Future,
    io,
    sync::{
        Mutex, PoisonError,
        mpsc::{RecvTimeoutError, sync_channel},
    },
    task::{Context, Waker},
};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, abortable},
};
use pyo3::{exceptions::PyRuntimeError, prelude::*};
use theazo::{
    Transport,
    transport::{Blocking, WATCH_INTERVAL},
};
use tokio::runtime::{Builder, Handle};

use crate::error::Failure;

/// What the threads are called.
const NAME: &str = "theazo";

/// Which threads do the work.
#[derive(Clone, Copy)]
pub enum Pool {
    /// Calls over HTTP that neither a waiting thread nor an event loop makes itself, and all streams, on one thread: Python
    /// takes results one at a time, and a second thread costs more in handing work over than it does (measured: a third of
    /// the CPU time of a call).
    Calls,
    /// Control planes inside this process, and the calls to them.
    Planes,
}

/// What a runtime is reached by, with the process that it belongs to: a fork copies the memory but not the threads.
type Shared = Mutex<Option<(u32, Handle)>>;

/// The runtime of a pool in this process. The first call makes it; a child made by `fork` gets its own.
pub fn runtime(_holds_gil: Python<'_>, pool: Pool) -> PyResult<Handle> {
    // The locks are held only with the GIL held, as a forking thread holds it, so no child ever finds them locked.
    static CALLS: Shared = Mutex::new(None);
    static PLANES: Shared = Mutex::new(None);
    let (shared, start): (_, fn() -> io::Result<Handle>) = match pool {
        Pool::Calls => (&CALLS, start_thread),
        Pool::Planes => (&PLANES, start_threads),
    };
    let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if let Some((owner, handle)) = &*shared
        && *owner == process
    {
        return Ok(handle.clone());
    }
    let handle = start()
        .map_err(|error| PyRuntimeError::new_err(format!("cannot start the threads of the Theazo SDK: {error}")))?;
    // Dropped, the parent's would let go of what is shared with threads that are not here.
    std::mem::forget(shared.replace((process, handle.clone())));
    Ok(handle)
}

/// Starts one thread. It lives as long as the process: threads of Python may wait for it at any time.
fn start_thread() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let run = move || runtime.block_on(std::future::pending::<()>());
    std::thread::Builder::new().name(NAME.to_owned()).spawn(run)?;
    Ok(handle)
}

/// Starts a thread for each processor. They live as long as the process, too.
fn start_threads() -> io::Result<Handle> {
    let threads = std::thread::available_parallelism().map_or(2, |count| count.get().clamp(2, 8));
    let runtime = Builder::new_multi_thread().worker_threads(threads).thread_name(NAME).enable_all().build()?;
    let handle = runtime.handle().clone();
    std::mem::forget(runtime);
    Ok(handle)
}

/// Begins `work` on this thread without the GIL, and leaves it to `runtime` only if it must wait: what a control plane reads in
/// its memory takes less time than to wake another thread.
pub fn begin_here(py: Python<'_>, runtime: &Handle, mut work: BoxFuture<'static, ()>) {
    py.detach(|| {
        let _inside = runtime.enter();
        // Who goes on with it polls it again, so that nobody has to be woken by now.
        if work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            runtime.spawn(work);
        }
    });
}

/// Waits for `future` without the GIL. A signal handler that raises, as Ctrl-C does, ends the wait and drops the future.
pub fn wait<T: Send + 'static>(
    py: Python<'_>,
    pool: Pool,
    future: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> PyResult<T> {
    let (sender, mut receiver) = sync_channel(1);
    let (work, handle) = abortable(async move {
        // Fails only if the waiting thread left, and then nobody wants the result.
        let _ = sender.send(future.await);
    });
    let runtime = runtime(py, pool)?;
    match pool {
        Pool::Calls => drop(runtime.spawn(work)),
        Pool::Planes => begin_here(py, &runtime, work.map(drop).boxed()),
    }
    loop {
        let (received, back) = py.detach(move || (receiver.recv_timeout(WATCH_INTERVAL), receiver));
        receiver = back;
        match received {
            Ok(outcome) => return outcome.map_err(|failure| failure.into_python(py)),
            Err(RecvTimeoutError::Timeout) => py.check_signals().inspect_err(|_| handle.abort())?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Failure::without_result().into_python(py));
            }
        }
    }
}

/// Does `work` on this thread without the GIL. A signal handler that raises, as Ctrl-C does, ends it, and its connection.
pub fn work_here<T: Send>(
    py: Python<'_>,
    blocking: &mut Blocking,
    work: impl AsyncFnOnce(&Transport) -> T + Send,
) -> PyResult<T> {
    py.detach(|| {
        // At the end of the interpreter there is nothing to attach to, and the thread waits until it is gone.
        blocking.run_watching(work, || Python::try_attach(|py| py.check_signals()).unwrap_or(Ok(())))
    })
}
