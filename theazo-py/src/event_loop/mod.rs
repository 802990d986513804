//! How an event loop waits for calls.
//!
//! A few at a time it makes itself: its own thread sends the request and reads the answer ([`lane`]). The others, and what is
//! asked of a control plane inside this process, are made by threads of ours ([`pending`]), which leave the results in its
//! [`mailbox`].

#[cfg(unix)]
mod lane;
mod mailbox;
mod pending;

use std::sync::{Arc, Mutex, PoisonError, Weak};

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
    ways: Arc<Ways>,
}

/// How results come to an event loop.
struct Ways {
    mailbox: Arc<Mailbox>,
    /// `None` if the loop can watch nothing, as Windows' default one.
    #[cfg(unix)]
    lane: Option<Lane>,
}

/// The ways to a loop that had them before.
enum Known {
    /// The loop has them, as it watches them, and closing it closes them.
    Watched(Weak<Ways>),
    /// Nothing of them is with the loop.
    Called(Arc<Ways>),
}

impl Known {
    fn ways(&self) -> Option<Arc<Ways>> {
        match self {
            Self::Watched(ways) => ways.upgrade(),
            Self::Called(ways) => Some(ways.clone()),
        }
    }
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
        static LOOPS: Mutex<Vec<(Py<PyWeakrefReference>, Known)>> = Mutex::new(Vec::new());
        let lock = || LOOPS.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock()
            .iter()
            .find(|(reference, _)| reference.bind(py).upgrade().is_some_and(|target| target.is(&object)))
            .and_then(|(_, known)| known.ways());
        if let Some(ways) = known {
            return Ok(Self { object, ways });
        }
        let (ways, known) = Ways::to(&object)?;
        let reference = PyWeakrefReference::new(&object)?.unbind();
        let mut loops = lock();
        let (living, gone) = std::mem::take(&mut *loops).into_iter().partition::<Vec<_>, _>(|(reference, known)| {
            reference.bind(py).upgrade().is_some() && known.ways().is_some()
        });
        *loops = living;
        loops.push((reference, known));
        drop(loops);
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
    pub fn lane(&self) -> Option<&Lane> {
        self.ways.lane.as_ref()
    }
}

impl Ways {
    fn to(event_loop: &Bound<'_, PyAny>) -> PyResult<(Arc<Self>, Known)> {
        let py = event_loop.py();
        #[cfg(unix)]
        {
            use std::os::fd::{AsFd, AsRawFd};
            let lane = Lane::new(py)?;
            let reactor = lane.reactor().clone();
            let mailbox = Arc::new(Mailbox::by_reactor(reactor.clone()));
            let ways = Arc::new(Self { mailbox, lane: Some(lane) });
            let collector = Bound::new(py, Collector(ways.clone()))?;
            let watched = event_loop.call_method1(intern!(py, "add_reader"), (reactor.as_fd().as_raw_fd(), collector));
            match watched {
                Ok(_) => return Ok((ways.clone(), Known::Watched(Arc::downgrade(&ways)))),
                Err(error) if error.is_instance_of::<PyNotImplementedError>(py) => {}
                Err(error) => return Err(error),
            }
        }
        let mailbox = Arc::new(Mailbox::by_call(PyWeakrefReference::new(event_loop)?.unbind()));
        let ways = Arc::new(Self {
            mailbox,
            #[cfg(unix)]
            lane: None,
        });
        Ok((ways.clone(), Known::Called(ways)))
    }
}

/// The callback of a loop that watches.
#[cfg(unix)]
#[pyclass(frozen)]
struct Collector(Arc<Ways>);

#[cfg(unix)]
#[pymethods]
impl Collector {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(lane) = &self.0.lane {
            lane.turn(py)?;
        }
        self.0.mailbox.collect(py)
    }
}

/// Gives futures of asyncio their results: all of them, whatever becomes of one.
fn complete_all(py: Python<'_>, ended: impl IntoIterator<Item = (Py<PyAny>, Outcome)>) -> PyResult<()> {
    ended.into_iter().map(|(future, outcome)| complete(future.bind(py), outcome)).fold(Ok(()), Result::and)
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
