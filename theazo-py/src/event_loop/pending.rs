//! A call that an event loop waits for.

use std::future::Future;

use futures_util::{
    FutureExt as _,
    future::{AbortHandle, BoxFuture, abortable},
};
use pyo3::prelude::*;
use tokio::runtime::Handle;

use super::{EventLoop, Outcome, mailbox::Promise};
use crate::runtime::{Pool, begin_here, runtime};

/// A call under way. Await `future`; letting go of this object ends the call.
#[pyclass(frozen, module = "theazo._native")]
pub struct Pending {
    /// What the running loop waits for.
    #[pyo3(get)]
    pub(super) future: Py<PyAny>,
    pub(super) work: AbortHandle,
}

impl Pending {
    /// Starts `work` for the running event loop, on a thread of ours.
    pub fn start(
        event_loop: &EventLoop<'_>,
        pool: Pool,
        work: impl Future<Output = Outcome> + Send + 'static,
    ) -> PyResult<Self> {
        Self::launch(event_loop, pool, work, |runtime, work| drop(runtime.spawn(work)))
    }

    /// As [`Pending::start`], for work that is often done at once: it is begun on this thread. The loop goes on in any case
    /// before its result is there, so that nothing else has to wait for ever.
    pub fn begin_here(
        event_loop: &EventLoop<'_>,
        pool: Pool,
        work: impl Future<Output = Outcome> + Send + 'static,
    ) -> PyResult<Self> {
        let py = event_loop.object.py();
        Self::launch(event_loop, pool, work, |runtime, work| begin_here(py, runtime, work))
    }

    fn launch(
        event_loop: &EventLoop<'_>,
        pool: Pool,
        work: impl Future<Output = Outcome> + Send + 'static,
        begin: impl FnOnce(&Handle, BoxFuture<'static, ()>),
    ) -> PyResult<Self> {
        let py = event_loop.object.py();
        let runtime = runtime(py, pool)?;
        let future = event_loop.create_future()?;
        let promise = Promise::new(event_loop.ways.mailbox.clone(), future.clone_ref(py));
        let (work, handle) = abortable(work);
        // The promise of work that was ended goes with it.
        let work = work.map(|outcome| outcome.map(|outcome| promise.complete(outcome)).unwrap_or_default());
        begin(&runtime, work.boxed());
        Ok(Self { future, work: handle })
    }
}

#[pymethods]
impl Pending {
    /// Ends the call if it is still under way.
    fn cancel(&self) {
        self.work.abort();
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.work.abort();
    }
}
