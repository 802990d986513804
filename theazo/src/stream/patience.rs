//! How long a stream waits: for a sign of life, and in all.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// The server sends a heartbeat every 15 s, so three missing ones mean a dead peer.
pub(super) const SILENCE: Duration = Duration::from_secs(45);

/// Whoever listens looks at the stream this soon after a heartbeat is overdue; who comes later was not listening then.
const ATTENTION: Duration = Duration::from_secs(5);

/// The timers of one stream.
pub(super) struct Patience {
    silence: Pin<Box<Sleep>>,
    /// Whether somebody waits for the next event.
    is_listening: bool,
    /// The limit of the whole stream: what was asked for, and when that is.
    deadline: Option<(Duration, Pin<Box<Sleep>>)>,
}

/// What ran out.
pub(super) enum Impatience {
    /// Nothing arrived for too long.
    Silence,
    /// The stream took longer than this in all.
    Deadline(Duration),
}

impl Patience {
    pub fn new(deadline: Option<(Duration, Instant)>) -> Self {
        Self {
            silence: Box::pin(sleep(SILENCE)),
            is_listening: false,
            deadline: deadline.map(|(limit, until)| (limit, Box::pin(sleep_until(until)))),
        }
    }

    /// Something arrived; the limit of the stream if it has passed meanwhile.
    ///
    /// While bytes keep coming nobody looks at the timers, so a peer that never stops talking is found out here.
    pub fn heard(&mut self) -> Option<Duration> {
        let now = Instant::now();
        self.silence.as_mut().reset(now + SILENCE);
        self.deadline.as_ref().filter(|(_, until)| now >= until.deadline()).map(|(limit, _)| *limit)
    }

    /// Whether somebody waits for the next event, from now on.
    pub fn listening(&mut self, is_listening: bool) {
        self.is_listening = is_listening;
    }

    /// Waits until something runs out.
    ///
    /// Of silence only the time counts in which somebody listened: what arrives while nobody asks waits in the socket, and
    /// a slow consumer must not take its own slowness for a dead peer.
    pub fn poll(&mut self, context: &mut Context<'_>) -> Poll<Impatience> {
        let now = Instant::now();
        if !self.is_listening || now > self.silence.deadline() + ATTENTION {
            self.silence.as_mut().reset(now + SILENCE);
        }
        if self.silence.as_mut().poll(context).is_ready() {
            return Poll::Ready(Impatience::Silence);
        }
        self.poll_deadline(context).map(Impatience::Deadline)
    }

    /// Waits until the limit of the stream has passed.
    pub fn poll_deadline(&mut self, context: &mut Context<'_>) -> Poll<Duration> {
        match &mut self.deadline {
            Some((limit, until)) => {
                ready!(until.as_mut().poll(context));
                Poll::Ready(*limit)
            }
            None => Poll::Pending,
        }
    }
}
