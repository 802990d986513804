//! How results reach an event loop: in batches, with one wake-up for as many as are ready.
//!
//! A worker thread never takes the GIL to hand over a result. It pushes it on the loop's queue and rings the doorbell, a
//! socket that the loop watches; the loop's own thread then completes the futures. Loops that cannot watch sockets
//! (Windows' default one) are rung with `call_soon_threadsafe`.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use pyo3::{
    exceptions::{PyNotImplementedError, PyRuntimeError},
    intern,
    prelude::*,
    sync::PyOnceLock,
    types::PyWeakrefReference,
};

use crate::{
    error::Failure,
    runtime::{Pool, runtime},
};

/// Makes a Python value from a result, on the thread of the loop.
pub type Ready = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// What a call came to.
pub type Outcome = Result<Ready, Failure>;

/// The result of what has none: `None`.
pub fn nothing() -> Ready {
    Box::new(|py| Ok(py.None()))
}

/// The queue of one event loop.
pub struct Mailbox {
    queue: Mutex<Queue>,
    doorbell: Doorbell,
}

#[derive(Default)]
struct Queue {
    ready: Vec<(Py<PyAny>, Outcome)>,
    /// Whether the loop was woken and has not come yet.
    rung: bool,
}

impl Mailbox {
    /// The mailbox of the running loop; the first call on a loop makes it.
    pub fn of_running_loop(py: Python<'_>) -> PyResult<(Arc<Self>, Bound<'_, PyAny>)> {
        static GET_RUNNING_LOOP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let event_loop = GET_RUNNING_LOOP.import(py, "asyncio", "get_running_loop")?.call0();
        let event_loop = event_loop.map_err(|_| {
            PyRuntimeError::new_err(
                "AsyncTheazo needs a running event loop of asyncio; elsewhere use Theazo in a thread, under trio for \
                 example `await trio.to_thread.run_sync(session.run, \"researcher\", \"prices\")`",
            )
        })?;

        // Locked only with the GIL held and without running Python code inside, so neither a fork nor a switch of
        // threads ever finds it locked.
        static MAILBOXES: Mutex<Vec<(Py<PyWeakrefReference>, Arc<Mailbox>)>> = Mutex::new(Vec::new());
        let lock = || MAILBOXES.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock()
            .iter()
            .find(|(reference, _)| reference.bind(py).upgrade().is_some_and(|target| target.is(&event_loop)))
            .map(|(_, mailbox)| mailbox.clone());
        if let Some(mailbox) = known {
            return Ok((mailbox, event_loop));
        }
        let mailbox = Self::watched_by(&event_loop)?;
        let reference = PyWeakrefReference::new(&event_loop)?.unbind();
        let mut mailboxes = lock();
        let (living, gone) = std::mem::take(&mut *mailboxes)
            .into_iter()
            .partition::<Vec<_>, _>(|(reference, _)| reference.bind(py).upgrade().is_some());
        *mailboxes = living;
        mailboxes.push((reference, mailbox.clone()));
        drop(mailboxes);
        // Outside the lock, because dropping a Python object can run Python code.
        drop(gone);
        Ok((mailbox, event_loop))
    }

    fn watched_by(event_loop: &Bound<'_, PyAny>) -> PyResult<Arc<Self>> {
        let py = event_loop.py();
        #[cfg(unix)]
        {
            use std::os::{fd::AsRawFd, unix::net::UnixStream};
            let (ringer, listener) = UnixStream::pair()?;
            ringer.set_nonblocking(true)?;
            listener.set_nonblocking(true)?;
            let number = listener.as_raw_fd();
            let mailbox = Arc::new(Self { queue: Mutex::default(), doorbell: Doorbell::Socket { ringer, listener } });
            let collector = Bound::new(py, Collector(mailbox.clone()))?;
            match event_loop.call_method1(intern!(py, "add_reader"), (number, collector)) {
                Ok(_) => return Ok(mailbox),
                Err(error) if error.is_instance_of::<PyNotImplementedError>(py) => {}
                Err(error) => return Err(error),
            }
        }
        let call_soon = event_loop.getattr(intern!(py, "call_soon_threadsafe"))?.unbind();
        Ok(Arc::new(Self { queue: Mutex::default(), doorbell: Doorbell::Call(call_soon) }))
    }

    fn put(self: &Arc<Self>, future: Py<PyAny>, outcome: Outcome) {
        let ring = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.ready.push((future, outcome));
            !std::mem::replace(&mut queue.rung, true)
        };
        if ring {
            self.ring();
        }
    }

    fn ring(self: &Arc<Self>) {
        match &self.doorbell {
            #[cfg(unix)]
            Doorbell::Socket { ringer, .. } => {
                use std::io::Write;
                // A full socket has rung already, and a closed loop wants nothing.
                let _ = (&mut &*ringer).write(&[1]);
            }
            Doorbell::Call(call_soon) => {
                // `None` when the interpreter is going away; an error when the loop is closed. Nobody waits in either.
                let _ =
                    Python::try_attach(|py| call_soon.call1(py, (Bound::new(py, Collector(self.clone()))?,)).map(drop));
            }
        }
    }

    /// Completes the futures whose results are there.
    fn collect(&self, py: Python<'_>) -> PyResult<()> {
        #[cfg(unix)]
        if let Doorbell::Socket { listener, .. } = &self.doorbell {
            use std::io::Read;
            let mut bytes = [0; 16];
            // Empty after a spurious wake-up; there is nothing else that could go wrong with our own socket.
            let _ = (&mut &*listener).read(&mut bytes);
        }
        let ready = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.rung = false;
            std::mem::take(&mut queue.ready)
        };
        for (future, outcome) in ready {
            let future = future.bind(py);
            let completed = match outcome.map_err(|failure| failure.into_python(py)).and_then(|ready| ready(py)) {
                Ok(value) => future.call_method1(intern!(py, "set_result"), (value,)),
                Err(error) => future.call_method1(intern!(py, "set_exception"), (error.into_value(py),)),
            };
            if let Err(error) = completed
                && !future.call_method0(intern!(py, "done"))?.is_truthy()?
            {
                return Err(error);
            }
        }
        Ok(())
    }
}

enum Doorbell {
    #[cfg(unix)]
    Socket {
        ringer: std::os::unix::net::UnixStream,
        listener: std::os::unix::net::UnixStream,
    },
    Call(Py<PyAny>),
}

/// The callback of the loop.
#[pyclass(frozen)]
struct Collector(Arc<Mailbox>);

#[pymethods]
impl Collector {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        self.0.collect(py)
    }
}

/// A future of asyncio to be completed from any thread. Dropped without a result, it fails, so that nobody waits for ever.
struct Promise {
    mailbox: Arc<Mailbox>,
    future: Option<Py<PyAny>>,
}

impl Promise {
    fn complete(mut self, outcome: Outcome) {
        if let Some(future) = self.future.take() {
            self.mailbox.put(future, outcome);
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            self.mailbox.put(future, Err(Failure::bug("a call ended without a result")));
        }
    }
}

/// A call under way. Await `future`; letting go of this object ends the call.
#[pyclass(frozen, module = "theazo._native")]
pub struct Pending {
    /// What the running loop waits for.
    #[pyo3(get)]
    future: Py<PyAny>,
    task: tokio::task::AbortHandle,
}

impl Pending {
    /// Starts `work` for the running event loop.
    pub fn start(py: Python<'_>, pool: Pool, work: impl Future<Output = Outcome> + Send + 'static) -> PyResult<Self> {
        let runtime = runtime(py, pool)?;
        let (mailbox, event_loop) = Mailbox::of_running_loop(py)?;
        let future = event_loop.call_method0(intern!(py, "create_future"))?.unbind();
        let promise = Promise { mailbox, future: Some(future.clone_ref(py)) };
        let task = runtime.spawn(work.map(|outcome| promise.complete(outcome)));
        Ok(Self { future, task: task.abort_handle() })
    }
}

#[pymethods]
impl Pending {
    /// Ends the call if it is still under way.
    fn cancel(&self) {
        self.task.abort();
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.task.abort();
    }
}
