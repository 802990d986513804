//! Calls of a thread that waits for each of them, and drives its connection itself.

use std::{convert::Infallible, time::Instant};

use tokio::runtime::Handle;

use super::{Reactor, Transport, http_pool::IdleLimits};
use crate::error::Error;

/// Makes calls one at a time on the thread that waits for them, over connections of its own: no other thread takes part, so
/// none must be woken. For what a language calls without `await`, where that is much of the time of a call.
///
/// Options, headers, hooks and the retry budget are those of the transport that it came from. Between calls nobody drives its
/// connections; one that the server closed meanwhile is noticed when the next call begins.
///
/// ```no_run
/// # fn example(transport: theazo::Transport, is_interrupted: fn() -> bool) -> Result<(), theazo::Error> {
/// use theazo::transport::{self, Blocking, Call};
///
/// // Those that no thread uses at the moment; the next call of any takes one.
/// let mut idle: Vec<Blocking> = Vec::new();
///
/// let operation = transport::operation("GetSession").expect("the table has it");
/// let mut blocking = match idle.pop() {
///     Some(blocking) => blocking,
///     None => transport.blocking()?.expect("it needs no proxy"),
/// };
/// for id in ["ses_a1b2c3", "ses_d4e5f6"] {
///     let answer = blocking.run(async |transport| transport.call(Call::new(operation).path([id])).await)?;
///     println!("{}", String::from_utf8_lossy(&answer.body));
/// }
///
/// // One that Ctrl-C may end, and its connection with it.
/// let watch = || if is_interrupted() { Err("interrupted") } else { Ok(()) };
/// match blocking.run_watching(async |transport| transport.call(Call::new(operation).path(["ses_1"])).await, watch) {
///     Ok(answer) => println!("{}", String::from_utf8_lossy(&answer?.body)),
///     Err(interrupted) => println!("{interrupted}"),
/// }
/// blocking.keep_in(&mut idle);
/// # Ok(()) }
/// ```
pub struct Blocking {
    transport: Transport,
    reactor: Reactor,
    /// For names and timers.
    runtime: Handle,
    limits: IdleLimits,
    last_used: Instant,
}

impl Blocking {
    pub(super) fn new(transport: &Transport, limits: IdleLimits) -> Result<Option<Self>, Error> {
        let runtime = Handle::try_current().map_err(|_| {
            Error::configuration("a thread that waits for calls needs a runtime of tokio for names and timers")
                .with_hint("enter one where `Transport::blocking` is called")
        })?;
        let reactor = Reactor::new()?;
        let last_used = Instant::now();
        Ok(transport.on(&reactor).map(|transport| Self { transport, reactor, runtime, limits, last_used }))
    }

    /// Runs `work` to its end on this thread. What it leaves behind, such as a stream, is not driven any more.
    pub fn run<T>(&mut self, work: impl AsyncFnOnce(&Transport) -> T) -> T {
        match self.run_watching(work, || Ok::<_, Infallible>(())) {
            Ok(outcome) => outcome,
            Err(never) => match never {},
        }
    }

    /// As [`Blocking::run`], and asks `watch` every [`WATCH_INTERVAL`](super::WATCH_INTERVAL) whether to go on: its error ends
    /// the work at once. That is where a language looks for signals.
    ///
    /// # Errors
    ///
    /// What `watch` gave.
    pub fn run_watching<T, E>(
        &mut self,
        work: impl AsyncFnOnce(&Transport) -> T,
        watch: impl FnMut() -> Result<(), E>,
    ) -> Result<T, E> {
        let _inside = self.runtime.enter();
        let outcome = self.reactor.run_watching(work(&self.transport), watch);
        self.last_used = Instant::now();
        outcome
    }

    /// Puts it among those that are `idle` until a thread has another call, as far as the settings of the pool allow; those
    /// whose connections are too old by now go.
    pub fn keep_in(self, idle: &mut Vec<Self>) {
        idle.retain(|other| other.last_used.elapsed() < other.limits.longest);
        if idle.len() < self.limits.most {
            idle.push(self);
        }
    }
}

impl std::fmt::Debug for Blocking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blocking").field("transport", &self.transport).finish_non_exhaustive()
    }
}
