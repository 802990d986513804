//! Tasks that take turns in orders that are chosen at random, as often as a test wants: for what must hold in every order.
//!
//! Each task has a thread of its own, but only one of them runs at a time. The next one is chosen where a task waits, and
//! before it takes a lock, so that it is also stopped in the middle of what looks like one step. When every task waits and
//! none was woken, a wake-up was lost or there is a deadlock, and the test fails with the number of the schedule.

use std::{
    cell::RefCell,
    future::Future,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

/// A schedule in which so many turns are taken has no end.
const MOST_TURNS: usize = 100_000;

/// A task of a test.
pub struct Actor {
    work: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Whether the schedule goes on until it is done.
    is_awaited: bool,
}

impl Actor {
    /// A task that must come to its end.
    pub fn new(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { work: Box::pin(work), is_awaited: true }
    }

    /// A task that serves the others and is dropped when they are done.
    pub fn servant(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { work: Box::pin(work), is_awaited: false }
    }
}

/// Lets the actors of a play act it in so many orders.
pub fn in_many_orders(orders: u64, play: impl Fn() -> Vec<Actor>) {
    for seed in 1..=orders {
        if let Err(problem) = act(seed, play()) {
            panic!("schedule {seed}: {problem}");
        }
    }
}

/// Lets others have a turn.
pub async fn turn() {
    let mut had = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut had, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Lets others have a turn before a lock is taken, until it is free.
pub fn before_lock(is_free: impl Fn() -> bool) {
    let Some((stage, index)) = STAGE.with_borrow(Clone::clone) else { return };
    loop {
        stage.give_turn(index, State::Ready);
        if is_free() || stage.state().is_over {
            return;
        }
    }
}

thread_local! {
    /// Where the thread of an actor acts, and which actor it is.
    static STAGE: RefCell<Option<(Arc<Stage>, usize)>> = const { RefCell::new(None) };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ready,
    Waiting,
    Done,
}

struct Stage {
    state: Mutex<Turns>,
    changed: Condvar,
}

struct Part {
    state: State,
    /// Whether it was woken since it was last asked to go on.
    is_woken: bool,
    is_awaited: bool,
}

struct Turns {
    parts: Vec<Part>,
    /// Whose turn it is.
    acting: usize,
    taken: usize,
    random: u64,
    /// From now on nobody waits for a turn.
    is_over: bool,
    problem: Option<String>,
}

fn act(seed: u64, actors: Vec<Actor>) -> Result<(), String> {
    let turns = Turns {
        parts: actors
            .iter()
            .map(|actor| Part { state: State::Ready, is_woken: false, is_awaited: actor.is_awaited })
            .collect(),
        acting: 0,
        taken: 0,
        random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
        is_over: false,
        problem: None,
    };
    let stage = Arc::new(Stage { state: Mutex::new(turns), changed: Condvar::new() });
    std::thread::scope(|scope| {
        for (index, actor) in actors.into_iter().enumerate() {
            let stage = stage.clone();
            scope.spawn(move || {
                STAGE.set(Some((stage.clone(), index)));
                stage.wait_for_turn(index);
                let acted = std::panic::catch_unwind(AssertUnwindSafe(|| stage.act(index, actor.work)));
                if let Err(panic) = acted {
                    let text = panic.downcast_ref::<String>().cloned();
                    stage.end(text.unwrap_or_else(|| "an actor panicked".to_owned()));
                }
                stage.give_turn(index, State::Done);
            });
        }
    });
    let problem = stage.state().problem.take();
    problem.map_or(Ok(()), Err)
}

impl Stage {
    fn act(self: &Arc<Self>, index: usize, work: Pin<Box<dyn Future<Output = ()> + Send>>) {
        let waker = Waker::from(Arc::new(Call { stage: self.clone(), index }));
        let mut work = pin!(work);
        loop {
            // What wakes it from now on is not lost.
            self.state().parts[index].is_woken = false;
            if work.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                return;
            }
            let is_woken = self.state().parts[index].is_woken;
            self.give_turn(index, if is_woken { State::Ready } else { State::Waiting });
            if self.state().is_over {
                return;
            }
        }
    }

    /// Says how an actor is, lets another one act, and returns when it is this one's turn again.
    fn give_turn(&self, index: usize, now: State) {
        let mut turns = self.state();
        if turns.is_over {
            return;
        }
        turns.parts[index].state = now;
        turns.taken += 1;
        let ready: Vec<usize> =
            (0..turns.parts.len()).filter(|other| turns.parts[*other].state == State::Ready).collect();
        let is_done = turns.parts.iter().all(|part| part.state == State::Done || !part.is_awaited);
        if is_done || ready.is_empty() || turns.taken > MOST_TURNS {
            let problem = match (is_done, ready.is_empty()) {
                (true, _) => None,
                (false, true) => Some("everybody waits and nobody was woken".to_owned()),
                (false, false) => Some("it has no end".to_owned()),
            };
            turns.problem = turns.problem.take().or(problem);
            turns.is_over = true;
            self.changed.notify_all();
            return;
        }
        turns.random ^= turns.random << 13;
        turns.random ^= turns.random >> 7;
        turns.random ^= turns.random << 17;
        turns.acting = ready[usize::try_from(turns.random % ready.len() as u64).unwrap_or(0)];
        self.changed.notify_all();
        drop(turns);
        if now != State::Done {
            self.wait_for_turn(index);
        }
    }

    fn wait_for_turn(&self, index: usize) {
        let turns = self.state();
        drop(self.changed.wait_while(turns, |turns| turns.acting != index && !turns.is_over));
    }

    fn end(&self, problem: String) {
        let mut turns = self.state();
        turns.problem.get_or_insert(problem);
        turns.is_over = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, Turns> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes an actor.
struct Call {
    stage: Arc<Stage>,
    index: usize,
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        let mut turns = self.stage.state();
        let part = &mut turns.parts[self.index];
        part.is_woken = true;
        if part.state == State::Waiting {
            part.state = State::Ready;
        }
    }
}
