//! Limits at four levels, low enough to be reached, and raised by those who reach them; never lowered. The fourth, a run's own cap, stays.

use std::collections::BTreeMap;

use theazo::{
    Error, Session, Theazo,
    types::{BillingBudgetConfig, Cost, CostLimit, ErrorCode, Period, SessionLimits},
};
use tokio::sync::Mutex;

use super::persist;

/// What each limit allows at first, in cents, and by how much more it is raised each time.
pub const FIRST: i64 = 3;

/// What nobody reaches, in cents.
const ENOUGH: i64 = 1_000_000;

/// What a run with a cap of its own may cost, in micro-cents: less than the first answer of a model.
pub const CAP: i64 = 1;

/// A limit, as it is by now.
#[derive(Clone, Copy)]
struct Allowed {
    cents: i64,
    raised: usize,
}

/// The limits, and who can raise them.
pub struct Purse {
    theazo: Theazo,
    poor: Session,
    /// What each limit allows by now, by its name in errors. One raises at a time, so that no later one is lower.
    allowed: Mutex<BTreeMap<&'static str, Allowed>>,
}

const LEVELS: [(&str, &str); 3] = [
    ("maxCost", "times the limit of a session was raised"),
    ("user.maxCost", "times the budget of every user was raised"),
    ("platform.maxCost", "times the budget of the account was raised"),
];

impl Purse {
    /// Sets the first limits. That of the session is set already.
    pub async fn fill(theazo: &Theazo, poor: &Session) -> Self {
        let purse = Self {
            theazo: theazo.clone(),
            poor: poor.clone(),
            allowed: Mutex::new(LEVELS.map(|(name, _)| (name, Allowed { cents: FIRST, raised: 0 })).into()),
        };
        for (level, _) in &LEVELS[1..] {
            purse.set(level, FIRST).await.expect("a budget is set");
        }
        purse
    }

    /// Raises the limit at which somebody stands, and says whether that helps. The cap of a run stays.
    pub async fn raise_for(&self, error: &Error) -> Result<bool, Error> {
        let reached = error.details()["limit"].as_str().unwrap_or_default();
        let Some((level, _)) = LEVELS.iter().find(|(level, _)| *level == reached) else { return Ok(false) };
        let told = error.details()["value"].as_i64().unwrap_or_default();
        let mut allowed = self.allowed.lock().await;
        let now = allowed[level];
        // Another may have raised it since.
        if told >= now.cents {
            let more = Allowed { cents: now.cents + FIRST, raised: now.raised + 1 };
            persist(|| self.set(level, more.cents)).await?;
            allowed.insert(level, more);
        }
        Ok(true)
    }

    /// Raises every limit beyond what anybody reaches. That is not counted.
    pub async fn open(&self) -> Result<(), Error> {
        let mut allowed = self.allowed.lock().await;
        for (level, now) in allowed.iter_mut() {
            persist(|| self.set(level, ENOUGH)).await?;
            now.cents = ENOUGH;
        }
        Ok(())
    }

    async fn set(&self, level: &str, cents: i64) -> Result<(), Error> {
        let most = Some(Cost::cents(cents));
        match level {
            "maxCost" => {
                let max_cost = Some(CostLimit::cents(cents, Period::Day));
                self.poor.update_limits(SessionLimits { max_cost, ..Default::default() }).await.map(drop)
            }
            "user.maxCost" => {
                let daily = BillingBudgetConfig { daily: most, ..Default::default() };
                self.theazo.billing().set_user_budget(daily).await.map(drop)
            }
            _ => {
                let monthly = BillingBudgetConfig { monthly: most, ..Default::default() };
                self.theazo.billing().set_budget(monthly).await.map(drop)
            }
        }
    }

    /// How often each limit was raised.
    pub async fn raised(&self) -> Vec<(&'static str, usize)> {
        let allowed = self.allowed.lock().await;
        LEVELS.iter().map(|(level, name)| (*name, allowed[level].raised)).collect()
    }
}

/// Whether somebody stands at a limit.
pub fn is_limit(error: &Error) -> bool {
    *error.code() == ErrorCode::SessionLimitExceeded
}
