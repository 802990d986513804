//! Calls on the thread that waits for them: that of an event loop of another language, or one that does nothing else.
//!
//! A call that another thread makes costs the waking of that thread, and of the caller when the answer is there; on a machine
//! that idles that is more than all else. Here the thread that waits writes the request and reads the answer. Reading order: the
//! reactor, which tells futures that their sockets have news; [`socket`]; [`client`], HTTP/1.1 over it.

mod client;
mod socket;

#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use mio::{Events, Interest, Registry, Token, event::Source};

pub(super) use self::client::Client;
use self::socket::Readiness;
use crate::error::Error;

/// How often [`Reactor::run_watching`] asks whether to go on.
pub const WATCH_INTERVAL: Duration = Duration::from_millis(50);

/// What ringing comes as among the news of sockets.
const BELL: Token = Token(usize::MAX);

/// How much news is taken at once; the descriptor stays readable while there is more.
const BATCH: usize = 128;

/// How often a turn does its work again because the work itself rang. Then the event loop has its say first.
const ROUNDS: usize = 4;

/// Nothing is due.
const IDLE: u8 = 0;
/// A turn is due, or one that is under way is to do its work again.
const RUNG: u8 = 1;
/// A turn is under way.
const TURNING: u8 = 2;

/// Tells futures that their sockets have news, on the thread that polls them.
///
/// An event loop of another language watches its file descriptor (`AsFd`, on Unix). When that is readable, it calls
/// [`Reactor::turn`]. A thread without an event loop lets [`Reactor::run`] do both. Futures that are polled there, over a
/// transport of [`Transport::on`](super::Transport::on), get their answers without any other thread having to be woken. One
/// thread at a time takes its turns; any may ring.
///
/// ```no_run
/// # fn example(transport: theazo::Transport, wait_until_readable: fn(std::os::fd::BorrowedFd)) -> Result<(), theazo::Error> {
/// use std::{os::fd::AsFd, pin::pin, task::{Context, Poll}};
/// use theazo::transport::{self, Call, Reactor};
///
/// let reactor = Reactor::new()?;
/// let transport = transport.on(&reactor).expect("it needs no proxy");
/// let operation = transport::operation("GetSession").expect("the table has it");
///
/// // Somewhere a runtime of tokio runs, for names and timers; it is entered wherever a call is polled.
/// let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads");
/// let _inside = runtime.enter();
///
/// // On a thread that waits.
/// let answer = reactor.run(transport.call(Call::new(operation).path(["ses_a1b2c3"])))?;
///
/// // On the thread of an event loop.
/// let mut answer = pin!(transport.call(Call::new(operation).path(["ses_a1b2c3"])));
/// let waker = reactor.waker();
/// loop {
///     let mut outcome = Poll::Pending;
///     reactor.turn(|| outcome = answer.as_mut().poll(&mut Context::from_waker(&waker)));
///     if let Poll::Ready(answer) = outcome {
///         println!("{}", String::from_utf8_lossy(&answer?.body));
///         return Ok(());
///     }
///     wait_until_readable(reactor.as_fd());
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Reactor(Arc<Inner>);

struct Inner {
    polling: Mutex<Polling>,
    sockets: Mutex<Sockets>,
    registry: Registry,
    bell: mio::Waker,
    state: AtomicU8,
    /// The process that it was made in: one that is forked shares what is watched, and must not change it.
    process: u32,
}

struct Polling {
    poll: mio::Poll,
    events: Events,
}

#[derive(Default)]
struct Sockets {
    watched: HashMap<Token, Arc<Readiness>>,
    next: usize,
}

impl Reactor {
    /// A reactor without sockets. It has three files open.
    ///
    /// # Errors
    ///
    /// If the operating system gives no more files.
    pub fn new() -> Result<Self, Error> {
        Self::open().map_err(|error| {
            Error::configuration(format!("connections cannot be watched: {error}")).with_hint(
                "each thread and each event loop that waits for calls needs three open files; raise the limit of the \
                 process",
            )
        })
    }

    fn open() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        Ok(Self(Arc::new(Inner {
            bell: mio::Waker::new(poll.registry(), BELL)?,
            registry: poll.registry().try_clone()?,
            polling: Mutex::new(Polling { poll, events: Events::with_capacity(BATCH) }),
            sockets: Mutex::default(),
            state: AtomicU8::new(IDLE),
            process: std::process::id(),
        })))
    }

    /// Makes the descriptor readable, from any thread, so that the event loop takes a turn.
    ///
    /// ```
    /// let reactor = theazo::transport::Reactor::new()?;
    /// let bell = reactor.clone();
    /// std::thread::spawn(move || bell.ring());
    /// # Ok::<(), theazo::Error>(())
    /// ```
    pub fn ring(&self) {
        self.0.ring();
    }

    /// What to poll futures with: woken, it rings.
    pub fn waker(&self) -> Waker {
        self.0.clone().into()
    }

    /// Takes the news of the sockets, and then does `work`: once, and again if that or another thread rang meanwhile.
    pub fn turn(&self, work: impl FnMut()) {
        self.turn_within(Duration::ZERO, work);
    }

    /// As [`Reactor::turn`], and waits so long for news if there is none.
    fn turn_within(&self, limit: Duration, mut work: impl FnMut()) {
        let news = self.news(limit);
        let mut turn = Turn { inner: &self.0, is_due: true };
        self.0.state.store(TURNING, Ordering::SeqCst);
        news.into_iter().for_each(Waker::wake);
        for _ in 0..ROUNDS {
            self.0.state.store(TURNING, Ordering::SeqCst);
            work();
            if self.0.state.compare_exchange(TURNING, IDLE, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
                turn.is_due = false;
                return;
            }
        }
    }

    /// Runs `work` to its end on this thread.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        match self.run_watching(work, || Ok::<_, Infallible>(())) {
            Ok(outcome) => outcome,
            Err(never) => match never {},
        }
    }

    /// As [`Reactor::run`], and asks `watch` every [`WATCH_INTERVAL`] whether to go on: its error ends the work at once. That is
    /// where a language looks for signals.
    ///
    /// ```
    /// use theazo::transport::Reactor;
    ///
    /// let reactor = Reactor::new()?;
    /// let interrupted = reactor.run_watching(std::future::pending::<()>(), || Err("interrupted"));
    /// assert_eq!(interrupted, Err("interrupted"));
    /// # Ok::<(), theazo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What `watch` gave.
    pub fn run_watching<T, E>(
        &self,
        work: impl Future<Output = T>,
        mut watch: impl FnMut() -> Result<(), E>,
    ) -> Result<T, E> {
        let (mut work, waker) = (pin!(work), self.waker());
        let (mut outcome, mut limit) = (Poll::Pending, Duration::ZERO);
        let mut watch_at = Instant::now() + WATCH_INTERVAL;
        loop {
            self.turn_within(limit, || {
                if outcome.is_pending() {
                    outcome = work.as_mut().poll(&mut Context::from_waker(&waker));
                }
            });
            if let Poll::Ready(outcome) = outcome {
                return Ok(outcome);
            }
            limit = watch_at.saturating_duration_since(Instant::now());
            if limit.is_zero() {
                watch()?;
                (watch_at, limit) = (Instant::now() + WATCH_INTERVAL, WATCH_INTERVAL);
            }
        }
    }

    /// Whom to wake for what the system tells within this time.
    fn news(&self, limit: Duration) -> Vec<Waker> {
        let mut polling = self.0.polling.lock().unwrap_or_else(PoisonError::into_inner);
        let Polling { poll, events } = &mut *polling;
        // Interrupted, it is asked again; what was not taken is told again.
        if poll.poll(events, Some(limit)).is_err() {
            return Vec::new();
        }
        let sockets = self.sockets();
        events
            .iter()
            .filter_map(|event| Some((event, sockets.watched.get(&event.token())?)))
            .flat_map(|(event, readiness)| readiness.note(event))
            .flatten()
            .collect()
    }

    fn watch(&self, socket: &mut impl Source) -> io::Result<(Token, Arc<Readiness>)> {
        let mut sockets = self.sockets();
        let token = Token(sockets.next);
        // In the table first: the news of it may come at once.
        let readiness = sockets.watched.entry(token).or_default().clone();
        sockets.next += 1;
        drop(sockets);
        let registered = self.0.registry.register(socket, token, Interest::READABLE | Interest::WRITABLE);
        registered.inspect_err(|_| drop(self.sockets().watched.remove(&token)))?;
        Ok((token, readiness))
    }

    fn forget(&self, token: Token, socket: &mut impl Source) {
        if self.0.process == std::process::id() {
            // Fails only for what is not watched.
            let _ = self.0.registry.deregister(socket);
        }
        let gone = self.sockets().watched.remove(&token);
        // Outside the lock, because it can hold the last reference to whoever waited.
        drop(gone);
    }

    fn sockets(&self) -> MutexGuard<'_, Sockets> {
        self.0.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Readable when a turn is due.
#[cfg(unix)]
impl AsFd for Reactor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.registry.as_fd()
    }
}

impl Inner {
    fn ring(&self) {
        if self.state.fetch_or(RUNG, Ordering::SeqCst) == IDLE {
            self.write();
        }
    }

    fn write(&self) {
        // Fails only when the descriptor is closed, which it is not while this is there.
        let _ = self.bell.wake();
    }
}

impl Wake for Inner {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

/// However a turn ends: when more is to be done, the next one is due.
struct Turn<'a> {
    inner: &'a Inner,
    is_due: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.is_due {
            self.inner.state.store(RUNG, Ordering::SeqCst);
            self.inner.write();
        }
    }
}

impl std::fmt::Debug for Reactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reactor").finish_non_exhaustive()
    }
}
