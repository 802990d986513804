//! Clocks: the system's, and one that tests move.

use std::{sync::Arc, time::Duration};

use theazo_api::Timestamp;
use tokio::sync::watch;

/// How often somebody who waits looks at the clock of the machine again: it can be set, and the machine can sleep.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Tells the time of a control plane.
#[derive(Clone)]
pub struct Clock {
    manual: Option<Arc<watch::Sender<Timestamp>>>,
}

impl Clock {
    /// The time of the machine.
    pub fn system() -> Self {
        Self { manual: None }
    }

    /// A clock that stands still until it is moved.
    pub fn manual(start: Timestamp) -> Self {
        Self { manual: Some(Arc::new(watch::channel(start).0)) }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &self.manual {
            Some(time) => *time.borrow(),
            None => {
                let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                Timestamp::EPOCH.plus(since_epoch.unwrap_or_default())
            }
        }
    }

    /// Moves a manual clock forward to `time`. The system's clock cannot be moved.
    pub fn move_to(&self, time: Timestamp) {
        if let Some(now) = &self.manual {
            now.send_modify(|now| *now = time.max(*now));
        }
    }

    /// Returns when the clock has reached `time`.
    pub async fn reached(&self, time: Timestamp) {
        match &self.manual {
            Some(now) => {
                // An error means that the clock is gone, and with it the plane.
                let _ = now.subscribe().wait_for(|now| *now >= time).await;
            }
            None => loop {
                let left = time.since(self.now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(LOOK_AGAIN)).await;
            },
        }
    }
}
