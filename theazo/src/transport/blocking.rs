//! Calls of a thread that waits for each of them, and drives its connection itself.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Runtime},
    task::yield_now,
    time::{Interval, MissedTickBehavior, interval_at},
};

use super::{Transport, http_pool::IdleLimits};
use crate::error::Error;

/// How often [`Blocking::run_watching`] asks whether to go on.
pub const WATCH_INTERVAL: Duration = Duration::from_millis(50);

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
/// let mut blocking = idle.pop().map_or_else(|| transport.blocking(), Ok)?;
/// for id in ["ses_a1b2c3", "ses_d4e5f6"] {
///     let answer = blocking.run(async |transport| transport.call(Call::new(operation).path([id])).await)?;
///     println!("{}", String::from_utf8_lossy(&answer.body));
/// }
///
/// // One that Ctrl-C may end.
/// let watch = || if is_interrupted() { Err("interrupted") } else { Ok(()) };
/// match blocking.run_watching(async |transport| transport.call(Call::new(operation).path(["ses_1"])).await, watch) {
///     Ok(answer) => println!("{}", String::from_utf8_lossy(&answer?.body)),
///     // Dropped, it closes the connection of a call that was cut short.
///     Err(interrupted) => return Ok(drop((blocking, interrupted))),
/// }
/// blocking.keep_in(&mut idle);
/// # Ok(()) }
/// ```
pub struct Blocking {
    transport: Transport,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    /// Always there, because the first timer of a runtime wakes its thread once more.
    ticks: Interval,
    limits: IdleLimits,
    last_used: Instant,
    /// The process that it was made in: a fork copies it, but the sockets stay those of the parent.
    process: u32,
}

impl Blocking {
    pub(super) fn new(transport: Transport, limits: IdleLimits) -> Result<Self, Error> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            Error::configuration(format!("a thread cannot wait for calls: {error}"))
                .with_hint("each thread that waits for a call needs three open files; raise the limit of the process")
        })?;
        let ticks = {
            let _inside = runtime.enter();
            let mut ticks = interval_at(tokio::time::Instant::now() + WATCH_INTERVAL, WATCH_INTERVAL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        };
        let (last_used, process) = (Instant::now(), std::process::id());
        Ok(Self { transport, runtime: Some(runtime), ticks, limits, last_used, process })
    }

    /// Runs `work` to its end on this thread. What it leaves behind, such as a stream, is not driven any more.
    ///
    /// # Panics
    ///
    /// On a thread that drives a runtime of tokio already: there `await` is the way.
    pub fn run<T>(&mut self, work: impl AsyncFnOnce(&Transport) -> T) -> T {
        match self.run_watching(work, || Ok::<_, Infallible>(())) {
            Ok(outcome) => outcome,
            Err(never) => match never {},
        }
    }

    /// As [`Blocking::run`], and asks `watch` every [`WATCH_INTERVAL`] whether to go on: its error ends the work at once. That
    /// is where a language looks for signals.
    ///
    /// # Errors
    ///
    /// What `watch` gave.
    ///
    /// # Panics
    ///
    /// As [`Blocking::run`].
    pub fn run_watching<T, E>(
        &mut self,
        work: impl AsyncFnOnce(&Transport) -> T,
        mut watch: impl FnMut() -> Result<(), E>,
    ) -> Result<T, E> {
        let Self { transport, runtime, ticks, .. } = self;
        let runtime = runtime.as_ref().expect("it is there until the end");
        let outcome = runtime.block_on(async {
            // Once for the news of the sockets, and once for the connections that they are for.
            yield_now().await;
            yield_now().await;
            let mut work = pin!(work(transport));
            poll_fn(|context| {
                if let Poll::Ready(outcome) = work.as_mut().poll(context) {
                    return Poll::Ready(Ok(outcome));
                }
                while ticks.poll_tick(context).is_ready() {
                    watch()?;
                }
                Poll::Pending
            })
            .await
        });
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

impl Drop for Blocking {
    fn drop(&mut self) {
        match self.runtime.take() {
            // Closed here, connections would end for the parent too.
            Some(runtime) if self.process != std::process::id() => std::mem::forget(runtime),
            // Without waiting for a name that is being looked up.
            Some(runtime) => runtime.shutdown_background(),
            None => {}
        }
    }
}

impl std::fmt::Debug for Blocking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blocking").field("transport", &self.transport).finish_non_exhaustive()
    }
}
