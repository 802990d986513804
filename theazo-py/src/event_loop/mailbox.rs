//! How results of other threads reach an event loop: in batches, with one wake-up for as many as are ready.
//!
//! A worker thread never takes the GIL to hand over a result. It pushes it on the loop's queue and rings the doorbell, a
//! descriptor that the loop watches; the loop's own thread then completes the futures. Loops that cannot watch one (Windows'
//! default one) are rung with `call_soon_threadsafe`.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::{intern, prelude::*, types::PyWeakrefReference};
#[cfg(unix)]
use theazo::transport::Reactor;

use super::{Outcome, complete_all};
use crate::error::Failure;

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

enum Doorbell {
    #[cfg(unix)]
    Reactor(Reactor),
    /// Of this loop `call_soon_threadsafe` is called.
    Call(Py<PyWeakrefReference>),
}

impl Mailbox {
    /// The mailbox of a loop that watches this reactor.
    #[cfg(unix)]
    pub fn by_reactor(reactor: Reactor) -> Self {
        Self { queue: Mutex::default(), doorbell: Doorbell::Reactor(reactor) }
    }

    /// The mailbox of a loop that can watch nothing.
    pub fn by_call(event_loop: Py<PyWeakrefReference>) -> Self {
        Self { queue: Mutex::default(), doorbell: Doorbell::Call(event_loop) }
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
            Doorbell::Reactor(reactor) => reactor.ring(),
            Doorbell::Call(event_loop) => {
                // `None` when the interpreter is going away; an error when the loop is closed. Nobody waits in either.
                let _ = Python::try_attach(|py| {
                    let Some(event_loop) = event_loop.bind(py).upgrade() else { return Ok(()) };
                    let collector = Bound::new(py, Collector(self.clone()))?;
                    event_loop.call_method1(intern!(py, "call_soon_threadsafe"), (collector,)).map(drop)
                });
            }
        }
    }

    /// Completes the futures whose results are there.
    pub fn collect(&self, py: Python<'_>) -> PyResult<()> {
        let ready = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.rung = false;
            std::mem::take(&mut queue.ready)
        };
        complete_all(py, ready)
    }
}

/// The callback of a loop that can watch nothing.
#[pyclass(frozen)]
struct Collector(Arc<Mailbox>);

#[pymethods]
impl Collector {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        self.0.collect(py)
    }
}

/// A future of asyncio to be completed from any thread. Dropped without a result, it fails, so that nobody waits for ever.
pub struct Promise {
    mailbox: Arc<Mailbox>,
    future: Option<Py<PyAny>>,
}

impl Promise {
    /// The promise to complete `future`, which belongs to the loop of the mailbox.
    pub fn new(mailbox: Arc<Mailbox>, future: Py<PyAny>) -> Self {
        Self { mailbox, future: Some(future) }
    }

    /// Completes it.
    pub fn complete(mut self, outcome: Outcome) {
        if let Some(future) = self.future.take() {
            self.mailbox.put(future, outcome);
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            self.mailbox.put(future, Err(Failure::without_result()));
        }
    }
}
