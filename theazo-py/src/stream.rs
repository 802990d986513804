//! A stream of events, read in batches: one wake-up of Python for as many events as have arrived.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use pyo3::prelude::*;
use tokio::sync::Notify;

use crate::{
    call::Entry,
    error::Failure,
    event_loop::{EventLoop, Outcome, Pending, nothing},
    runtime::{Pool, runtime, wait},
};

/// How many events are taken at once at most: it bounds what a slow reader keeps in memory.
const BATCH: usize = 256;

/// When so many are left, those that arrived meanwhile are made ready beside the program that takes them.
const READ_AHEAD_AT: usize = BATCH / 2;

/// A stream of events. The classes of the package are around it.
#[pyclass(frozen, module = "theazo._native")]
pub struct EventStream {
    shared: Arc<Shared>,
    pool: Pool,
    run_id: Option<String>,
}

struct Shared {
    entry: &'static Entry,
    /// None after its end. One reader at a time holds it.
    source: tokio::sync::Mutex<Option<theazo::EventStream>>,
    /// Events that Python has not taken. They stay when a reader is cancelled, so that none is lost.
    ready: Mutex<VecDeque<Outcome>>,
    ended: AtomicBool,
    /// Told when the stream is to be left, so that a waiting reader lets go of the source.
    leaving: Notify,
}

impl Shared {
    fn ready(&self) -> std::sync::MutexGuard<'_, VecDeque<Outcome>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until an event is ready or the stream has ended.
    async fn fill(&self) {
        let mut source = self.source.lock().await;
        if !self.ready().is_empty() {
            return;
        }
        let Some(stream) = source.as_mut() else {
            self.ended.store(true, Ordering::Release);
            return;
        };
        let item = tokio::select! {
            item = stream.next() => item,
            () = self.leaving.notified() => return,
        };
        if self.keep(&mut source, item) {
            self.take_more(&mut source).await;
        }
    }

    /// Makes ready what has arrived, while Python is busy with what was ready before.
    async fn read_ahead(&self) {
        // Whoever has the source reads it.
        if let Ok(mut source) = self.source.try_lock() {
            self.take_more(&mut source).await;
        }
    }

    /// Takes what has arrived, without waiting for more.
    async fn take_more(&self, source: &mut Option<theazo::EventStream>) {
        while let Some(stream) = source.as_mut() {
            let next = {
                let mut next = pin!(stream.next());
                poll_fn(|context| Poll::Ready(next.as_mut().poll(context))).await
            };
            let Poll::Ready(item) = next else { return };
            if !self.keep(source, item) {
                return;
            }
        }
    }

    /// Makes an event ready, or notes the end. Says whether there is room for another.
    fn keep(
        &self,
        source: &mut Option<theazo::EventStream>,
        item: Option<Result<theazo::RawEvent, theazo::Error>>,
    ) -> bool {
        let Some(event) = item else {
            *source = None;
            self.ended.store(true, Ordering::Release);
            return false;
        };
        let event = event.map_err(Failure::from).and_then(|event| self.entry.ready(&event.data, 200, ""));
        let mut ready = self.ready();
        ready.push_back(event);
        ready.len() < BATCH
    }

    async fn leave(&self, detach: bool) -> Result<(), Failure> {
        self.leaving.notify_one();
        let source = self.source.lock().await.take();
        self.ready().clear();
        self.ended.store(true, Ordering::Release);
        match source {
            Some(stream) if detach => stream.detach(),
            Some(stream) => stream.close().await?,
            None => {}
        }
        Ok(())
    }
}

impl EventStream {
    /// A stream whose events are those of an operation.
    pub fn new(entry: &'static Entry, pool: Pool, stream: theazo::EventStream) -> Self {
        let run_id = stream.run_id().map(str::to_owned);
        let shared = Shared {
            entry,
            source: tokio::sync::Mutex::new(Some(stream)),
            ready: Mutex::default(),
            ended: AtomicBool::new(false),
            leaving: Notify::new(),
        };
        Self { shared: Arc::new(shared), pool, run_id }
    }
}

#[pymethods]
impl EventStream {
    /// Whether nothing follows.
    #[getter]
    fn ended(&self) -> bool {
        // In this order: the last event is made ready before the end is told.
        self.shared.ended.load(Ordering::Acquire) && self.shared.ready().is_empty()
    }

    /// The run that the stream belongs to.
    #[getter]
    fn run_id(&self) -> Option<&str> {
        self.run_id.as_deref()
    }

    /// The next event that is ready, or `None`.
    fn pop(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let (next, left) = {
            let mut ready = self.shared.ready();
            (ready.pop_front(), ready.len())
        };
        // So many were there only if they come faster than they are taken.
        if left == READ_AHEAD_AT && next.is_some() && !self.shared.ended.load(Ordering::Acquire) {
            let shared = self.shared.clone();
            runtime(py, self.pool)?.spawn(async move { shared.read_ahead().await });
        }
        match next {
            None => Ok(None),
            Some(Ok(ready)) => ready(py).map(Some),
            Some(Err(failure)) => Err(failure.into_python(py)),
        }
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    /// Waits for the next event.
    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        loop {
            if let Some(event) = self.pop(py)? {
                return Ok(Some(event));
            }
            if self.ended() {
                return Ok(None);
            }
            let shared = self.shared.clone();
            wait(py, self.pool, async move {
                shared.fill().await;
                Ok(())
            })?;
        }
    }

    /// Waits in the running event loop until an event is ready or the stream has ended.
    fn fill(&self, py: Python<'_>) -> PyResult<Pending> {
        let shared = self.shared.clone();
        Pending::start(&EventLoop::running(py)?, self.pool, async move {
            shared.fill().await;
            Ok(nothing())
        })
    }

    /// Leaves the stream and waits until the server knows.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if self.ended() {
            return Ok(());
        }
        let shared = self.shared.clone();
        wait(py, self.pool, async move { shared.leave(false).await })
    }

    /// The same for the running event loop.
    fn close_soon(&self, py: Python<'_>) -> PyResult<Pending> {
        let shared = self.shared.clone();
        Pending::start(
            &EventLoop::running(py)?,
            self.pool,
            async move { shared.leave(false).await.map(|()| nothing()) },
        )
    }

    /// Leaves the stream and lets the server's work go on.
    fn detach(&self, py: Python<'_>) -> PyResult<()> {
        let shared = self.shared.clone();
        wait(py, self.pool, async move { shared.leave(true).await })
    }

    /// The same for the running event loop.
    fn detach_soon(&self, py: Python<'_>) -> PyResult<Pending> {
        let shared = self.shared.clone();
        Pending::start(&EventLoop::running(py)?, self.pool, async move { shared.leave(true).await.map(|()| nothing()) })
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        if self.ended() {
            return;
        }
        let shared = self.shared.clone();
        // Without an interpreter the process is ending, and the connection with it.
        let _ = Python::try_attach(|py| {
            runtime(py, self.pool).map(|runtime| {
                runtime.spawn(async move {
                    // Nobody is there to be told that the server could not be told.
                    let _ = shared.leave(false).await;
                })
            })
        });
    }
}
