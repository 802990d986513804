//! How an event loop waits for calls.
//!
//! A few at a time it makes itself: its own thread sends the request and reads the answer ([`lane`]). The others, and all
//! that a control plane inside this process does, are made by threads of ours, which leave the results in its [`mailbox`].

#[cfg(unix)]
mod lane;
mod mailbox;
mod pending;

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::{
    exceptions::{PyNotImplementedError, PyRuntimeError},
    intern,
    prelude::*,
    sync::PyOnceLock,
    types::PyWeakrefReference,
};

#[cfg(unix)]
use self::lane::Lane;
use self::mailbox::Mailbox;
pub use self::pending::Pending;
use crate::error::Failure;

/// Makes a Python value from a result, on the thread of the loop.
pub type Ready = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// What a call came to.
pub type Outcome = Result<Ready, Failure>;

/// The result of what has none: `None`.
pub fn nothing() -> Ready {
    Box::new(|py| Ok(py.None()))
}

/// The running event loop.
pub struct EventLoop<'py> {
    object: Bound<'py, PyAny>,
    ways: Ways,
}

/// How results come to an event loop.
#[derive(Clone)]
struct Ways {
    mailbox: Arc<Mailbox>,
    /// `None` if the loop can watch no sockets, as Windows' default one.
    #[cfg(unix)]
    lane: Option<std::sync::Weak<Lane>>,
}

impl<'py> EventLoop<'py> {
    /// The running event loop. The first call on a loop makes its ways.
    pub fn running(py: Python<'py>) -> PyResult<Self> {
        static GET_RUNNING_LOOP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let object = GET_RUNNING_LOOP.import(py, "asyncio", "get_running_loop")?.call0();
        let object = object.map_err(|_| {
            PyRuntimeError::new_err(
                "AsyncTheazo needs a running event loop of asyncio; elsewhere use Theazo in a thread, under trio for \
                 example `await trio.to_thread.run_sync(session.run, \"researcher\", \"prices\")`",
            )
        })?;

        // Locked only with the GIL held and without running Python code inside, so neither a fork nor a switch of
        // threads ever finds it locked.
        static KNOWN: Mutex<Vec<(Py<PyWeakrefReference>, Ways)>> = Mutex::new(Vec::new());
        let lock = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock()
            .iter()
            .find(|(reference, _)| reference.bind(py).upgrade().is_some_and(|target| target.is(&object)))
            .map(|(_, ways)| ways.clone());
        if let Some(ways) = known {
            return Ok(Self { object, ways });
        }
        let ways = Ways::to(&object)?;
        let reference = PyWeakrefReference::new(&object)?.unbind();
        let mut known = lock();
        let (living, gone) = std::mem::take(&mut *known)
            .into_iter()
            .partition::<Vec<_>, _>(|(reference, _)| reference.bind(py).upgrade().is_some());
        *known = living;
        known.push((reference, ways.clone()));
        drop(known);
        // Outside the lock, because dropping a Python object can run Python code.
        drop(gone);
        Ok(Self { object, ways })
    }

    /// A future that the loop waits for.
    fn create_future(&self) -> PyResult<Py<PyAny>> {
        self.object.call_method0(intern!(self.object.py(), "create_future")).map(Bound::unbind)
    }

    /// Where it makes calls itself, if it can.
    #[cfg(unix)]
    pub fn lane(&self) -> Option<Arc<Lane>> {
        self.ways.lane.as_ref()?.upgrade()
    }
}

impl Ways {
    fn to(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = event_loop.py();
        #[cfg(unix)]
        {
            use std::os::fd::{AsFd, AsRawFd};
            let lane = Lane::new(py)?;
            let descriptor = lane.reactor().as_fd().as_raw_fd();
            let mailbox = Arc::new(Mailbox::by_reactor(lane.reactor().clone()));
            let weak = Arc::downgrade(&lane);
            let collector = Bound::new(py, Collector { mailbox: mailbox.clone(), lane: Some(lane) })?;
            match event_loop.call_method1(intern!(py, "add_reader"), (descriptor, collector)) {
                Ok(_) => return Ok(Self { mailbox, lane: Some(weak) }),
                Err(error) if error.is_instance_of::<PyNotImplementedError>(py) => {}
                Err(error) => return Err(error),
            }
        }
        let call_soon = event_loop.getattr(intern!(py, "call_soon_threadsafe"))?.unbind();
        let mailbox = Arc::new(Mailbox::by_call(call_soon));
        Ok(Self {
            mailbox,
            #[cfg(unix)]
            lane: None,
        })
    }
}

/// The callback of the loop. What only it holds ends with the loop.
#[pyclass(frozen)]
struct Collector {
    mailbox: Arc<Mailbox>,
    #[cfg(unix)]
    lane: Option<Arc<Lane>>,
}

#[pymethods]
impl Collector {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        #[cfg(unix)]
        if let Some(lane) = &self.lane {
            lane.turn(py)?;
        }
        self.mailbox.collect(py)
    }
}

/// Gives a future of asyncio its result. One that was cancelled wants none.
fn complete(future: &Bound<'_, PyAny>, outcome: Outcome) -> PyResult<()> {
    let py = future.py();
    let completed = match outcome.map_err(|failure| failure.into_python(py)).and_then(|ready| ready(py)) {
        Ok(value) => future.call_method1(intern!(py, "set_result"), (value,)),
        Err(error) => future.call_method1(intern!(py, "set_exception"), (error.into_value(py),)),
    };
    match completed {
        Err(error) if !future.call_method0(intern!(py, "done"))?.is_truthy()? => Err(error),
        _ => Ok(()),
    }
}
