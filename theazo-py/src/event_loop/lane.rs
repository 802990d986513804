//! Calls that an event loop makes itself: no other thread takes part, so none has to be woken, nor to wake the loop.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak},
    task::{Context, Poll},
};

use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{BoxFuture, abortable},
    stream::FuturesUnordered,
};
use pyo3::prelude::*;
use theazo::{Transport, transport::Reactor};
use tokio::runtime::Handle;

use super::{EventLoop, Outcome, Pending, complete_all};
use crate::{
    client::Source,
    error::Failure,
    runtime::{Pool, runtime},
};

/// How many calls an event loop makes itself at a time. With more, threads of ours do better: they read answers while the loop
/// runs Python.
const AT_ONCE: usize = 8;

/// Each gives the future to complete, and how; `None` when it was ended.
type Calls = FuturesUnordered<BoxFuture<'static, Option<(Py<PyAny>, Outcome)>>>;

/// The calls that one event loop makes itself, and their connections. The locks are held only with the GIL held.
pub struct Lane {
    reactor: Reactor,
    /// For names and timers.
    runtime: Handle,
    calls: Mutex<Calls>,
    /// How each client calls here; `None` for one that cannot.
    transports: Mutex<Vec<(Weak<Source>, Option<Transport>)>>,
}

impl Lane {
    pub(super) fn new(py: Python<'_>) -> PyResult<Self> {
        let reactor = Reactor::new().map_err(|error| Failure::from(error).into_python(py))?;
        let runtime = runtime(py, Pool::Calls)?;
        Ok(Self { reactor, runtime, calls: Mutex::default(), transports: Mutex::default() })
    }

    pub(super) fn reactor(&self) -> &Reactor {
        &self.reactor
    }

    /// Whether there is room for one more call.
    pub fn has_room(&self) -> bool {
        self.try_calls().is_some_and(|calls| calls.len() < AT_ONCE)
    }

    /// How the client of `source` calls here, over HTTP as `usual` says; `None` if it cannot.
    pub fn transport(
        &self,
        source: &Arc<Source>,
        usual: impl FnOnce() -> PyResult<Transport>,
    ) -> PyResult<Option<Transport>> {
        let is_its = |known: &Weak<Source>| std::ptr::eq(known.as_ptr(), Arc::as_ptr(source));
        let known = self.transports().iter().find(|(known, _)| is_its(known)).map(|(_, transport)| transport.clone());
        if let Some(transport) = known {
            return Ok(transport);
        }
        let transport = usual()?.on(&self.reactor);
        let mut transports = self.transports();
        // Connections of clients that are gone close.
        transports.retain(|(known, _)| known.strong_count() > 0);
        transports.push((Arc::downgrade(source), transport.clone()));
        Ok(transport)
    }

    /// Lets go of the connections of a client.
    pub fn forget(&self, source: &Arc<Source>) {
        self.transports().retain(|(known, _)| !std::ptr::eq(known.as_ptr(), Arc::as_ptr(source)));
    }

    /// Starts `work`, whose transport is one of [`Lane::transport`].
    pub fn start(
        &self,
        event_loop: &EventLoop<'_>,
        work: impl Future<Output = Outcome> + Send + 'static,
    ) -> PyResult<Pending> {
        let py = event_loop.object.py();
        let future = event_loop.create_future()?;
        let promised = future.clone_ref(py);
        // Boxed first, because it is large and all else moves it.
        let (work, handle) = abortable(AssertUnwindSafe(work.boxed()).catch_unwind());
        let call = work.map(|ended| {
            let outcome = ended.ok()?.unwrap_or_else(|_| Err(Failure::without_result()));
            Some((promised, outcome))
        });
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call.boxed());
        self.turn(py)?;
        Ok(Pending { future, work: handle })
    }

    /// Goes on with the calls that have news, and completes the futures of those that ended.
    pub(super) fn turn(&self, py: Python<'_>) -> PyResult<()> {
        let _inside = self.runtime.enter();
        // Locked, a turn is under way, which is run to its end.
        let Some(mut calls) = self.try_calls() else { return Ok(()) };
        let waker = self.reactor.waker();
        let mut ended = Vec::new();
        self.reactor.turn(|| {
            let mut context = Context::from_waker(&waker);
            while let Poll::Ready(Some(call)) = calls.poll_next_unpin(&mut context) {
                ended.extend(call);
            }
        });
        drop(calls);
        complete_all(py, ended)
    }

    fn try_calls(&self) -> Option<MutexGuard<'_, Calls>> {
        match self.calls.try_lock() {
            Ok(calls) => Some(calls),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn transports(&self) -> MutexGuard<'_, Vec<(Weak<Source>, Option<Transport>)>> {
        self.transports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
