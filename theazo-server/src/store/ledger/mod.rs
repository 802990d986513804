//! The ledger: reservations and settlements against budgets, atomic across all the budgets that a spend touches.
//!
//! Spent plus reserved never exceeds a limit: a reservation takes from every budget or from none, and a settlement never
//! takes more than was reserved.

use std::borrow::Cow;

use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};
use theazo_api::{ReservationId, Timestamp};

use super::{StoreError, Tx, View};

/// What a budget counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Micro-cents.
    Money,
    /// Milliseconds that a sandbox runs.
    Milliseconds,
}

/// What is spent, in each unit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amounts {
    /// Micro-cents.
    pub money: i64,
    /// Milliseconds that a sandbox runs.
    pub milliseconds: i64,
}

impl Amounts {
    /// So many micro-cents and no time.
    pub fn money(micro_cents: i64) -> Self {
        Self { money: micro_cents, milliseconds: 0 }
    }

    fn of(self, unit: Unit) -> i64 {
        match unit {
            Unit::Money => self.money,
            Unit::Milliseconds => self.milliseconds,
        }
    }

    fn clamp(self, most: Self) -> Self {
        Self { money: self.money.clamp(0, most.money), milliseconds: self.milliseconds.clamp(0, most.milliseconds) }
    }
}

/// A budget that a spend touches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Which one. It names its period, so that the next period is another budget.
    pub scope: String,
    /// What it counts.
    pub unit: Unit,
    /// What it may come to. One budget can stand under several limits; they are of the moment, so they are not kept.
    #[serde(skip)]
    pub limits: Vec<Limit>,
}

/// A limit of a budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Its name on the wire, for example `maxCost`.
    pub name: Cow<'static, str>,
    /// How much.
    pub value: i64,
}

/// A budget that lacks what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// The budget.
    pub scope: String,
    /// The name of the limit, for example `maxCost`.
    pub limit: String,
    /// What the amounts count.
    pub unit: Unit,
    /// The limit.
    pub value: i64,
    /// What is spent.
    pub spent: i64,
    /// What others have reserved.
    pub reserved: i64,
}

/// What a reservation holds until it is settled.
#[derive(Debug, Serialize, Deserialize)]
struct Held {
    amounts: Amounts,
    budgets: Vec<Budget>,
}

/// What became of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// What was spent, at most what was reserved.
    pub spent: Amounts,
    /// What was reserved.
    pub reserved: Amounts,
}

impl Tx<'_> {
    /// Takes `amounts` from every budget, or nothing from any and says which lacks it.
    pub fn reserve(
        &self,
        id: &ReservationId,
        amounts: Amounts,
        budgets: Vec<Budget>,
        expires_at: Timestamp,
    ) -> Result<Result<(), Shortfall>, StoreError> {
        if let Some(shortfall) = self.shortfall(amounts, &budgets)? {
            return Ok(Err(shortfall));
        }
        // One row at a time: SQLite keeps what many would change until all of them are, and one needs none of that.
        let mut hold =
            self.connection.prepare_cached("UPDATE budgets SET reserved = reserved + ?2 WHERE scope = ?1")?;
        for budget in &budgets {
            let held = (&budget.scope, amounts.of(budget.unit));
            if hold.execute(held)? == 0 {
                self.connection
                    .prepare_cached("INSERT INTO budgets (scope, spent, reserved) VALUES (?1, 0, ?2)")?
                    .execute(held)?;
            }
        }
        let text = serde_json::to_string(&Held { amounts, budgets })
            .map_err(|source| StoreError::Document { kind: "reservation", source })?;
        self.connection.prepare_cached("INSERT INTO holds (id, held, expires_at) VALUES (?1, ?2, ?3)")?.execute((
            id.as_str(),
            text,
            expires_at.as_millis(),
        ))?;
        Ok(Ok(()))
    }

    /// The first limit that `amounts` would pass. What costs nothing passes none, whatever was spent before.
    fn shortfall(&self, amounts: Amounts, budgets: &[Budget]) -> Result<Option<Shortfall>, StoreError> {
        for budget in budgets.iter().filter(|budget| !budget.limits.is_empty() && amounts.of(budget.unit) > 0) {
            let (spent, reserved) = self.budget(&budget.scope)?;
            let wanted = spent.saturating_add(reserved).saturating_add(amounts.of(budget.unit));
            if let Some(limit) = budget.limits.iter().find(|limit| wanted > limit.value) {
                let (limit, value) = (limit.name.to_string(), limit.value);
                let scope = budget.scope.clone();
                return Ok(Some(Shortfall { scope, limit, unit: budget.unit, value, spent, reserved }));
            }
        }
        Ok(None)
    }

    /// Turns a reservation into spending and returns what is left of it. `None` if it was settled or released before,
    /// so that nothing is counted twice.
    pub fn settle(&self, id: &ReservationId, actual: Amounts) -> Result<Option<Settled>, StoreError> {
        let mut find = self.connection.prepare_cached("SELECT held FROM holds WHERE id = ?1")?;
        let text: Option<String> = find.query_row([id.as_str()], |row| row.get(0)).optional()?;
        let Some(text) = text else { return Ok(None) };
        self.connection.prepare_cached("DELETE FROM holds WHERE id = ?1")?.execute([id.as_str()])?;
        let held: Held =
            serde_json::from_str(&text).map_err(|source| StoreError::Document { kind: "reservation", source })?;
        let spent = actual.clamp(held.amounts);
        let mut spend = self
            .connection
            .prepare_cached("UPDATE budgets SET reserved = reserved - ?2, spent = spent + ?3 WHERE scope = ?1")?;
        for Budget { scope, unit, .. } in &held.budgets {
            spend.execute((scope, held.amounts.of(*unit), spent.of(*unit)))?;
        }
        Ok(Some(Settled { spent, reserved: held.amounts }))
    }

    /// Settles every reservation that outlived its time as unspent: whoever made it is gone.
    pub fn release_expired(&self, now: Timestamp) -> Result<usize, StoreError> {
        let expired: Vec<String> = self
            .connection
            .prepare_cached("SELECT id FROM holds WHERE expires_at <= ?1")?
            .query_map([now.as_millis()], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for id in &expired {
            self.settle(&ReservationId::from(id.as_str()), Amounts::default())?;
        }
        Ok(expired.len())
    }

    /// Forgets the budgets of days before `day`, of which nothing is held any more.
    pub fn forget_budgets_before(&self, day: &str) -> Result<usize, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "DELETE FROM budgets WHERE scope GLOB '*|day|*' AND substr(scope, -10) < ?1 AND reserved = 0",
        )?;
        Ok(statement.execute([day])?)
    }

    /// Notes that an alert of a budget is given. False if it was given before.
    pub fn note_alert(&self, scope: &str, threshold: i64) -> Result<bool, StoreError> {
        let noted = self
            .connection
            .prepare_cached("INSERT OR IGNORE INTO budget_alerts (scope, threshold) VALUES (?1, ?2)")?
            .execute((scope, threshold))?;
        Ok(noted == 1)
    }
}

impl View<'_> {
    /// What is spent and what is reserved of a budget.
    pub fn budget(&self, scope: &str) -> Result<(i64, i64), StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT spent, reserved FROM budgets WHERE scope = ?1")?;
        let row = statement.query_row([scope], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok(row.unwrap_or((0, 0)))
    }

    /// Whether an alert of a budget was given.
    pub fn alert_was_given(&self, scope: &str, threshold: i64) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM budget_alerts WHERE scope = ?1 AND threshold = ?2)";
        Ok(self.connection.prepare_cached(sql)?.query_row((scope, threshold), |row| row.get(0))?)
    }
}

#[cfg(test)]
mod tests;
