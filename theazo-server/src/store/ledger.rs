//! The ledger: reservations and settlements against budgets, atomic across all the scopes that a spend touches.
//!
//! Spent plus reserved never exceeds a limit: a reservation takes from every budget or from none, and a settlement never
//! takes more than was reserved.

use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};
use theazo_api::{ReservationId, Timestamp};

use super::{StoreError, Tx, View};

/// What an amount counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Micro-cents.
    Money,
    /// Milliseconds that a sandbox runs.
    Milliseconds,
}

/// What a reservation takes from one budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The budget.
    pub scope: String,
    /// What the amount counts.
    pub unit: Unit,
    /// How much.
    pub amount: i64,
    /// The limit of the budget, if it has one, with its name on the wire.
    pub limit: Option<(String, i64)>,
}

/// A budget that lacks what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
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

impl Tx<'_> {
    /// Takes every hold, or none and says which budget lacks it.
    pub fn reserve(
        &self,
        id: &ReservationId,
        holds: &[Hold],
        expires_at: Timestamp,
    ) -> Result<Result<(), Shortfall>, StoreError> {
        for hold in holds {
            let Some((limit, value)) = &hold.limit else { continue };
            let (spent, reserved) = self.budget(&hold.scope)?;
            if spent.saturating_add(reserved).saturating_add(hold.amount) > *value {
                let shortfall = Shortfall { limit: limit.clone(), unit: hold.unit, value: *value, spent, reserved };
                return Ok(Err(shortfall));
            }
        }
        for hold in holds {
            self.connection
                .prepare_cached(
                    "INSERT INTO budgets (scope, spent, reserved) VALUES (?1, 0, ?2) \
                     ON CONFLICT (scope) DO UPDATE SET reserved = reserved + excluded.reserved",
                )?
                .execute((&hold.scope, hold.amount))?;
        }
        let text =
            serde_json::to_string(holds).map_err(|source| StoreError::Document { kind: "reservation", source })?;
        self.connection
            .prepare_cached("INSERT INTO reservations (id, holds, expires_at) VALUES (?1, ?2, ?3)")?
            .execute((id.as_str(), text, expires_at.as_millis()))?;
        Ok(Ok(()))
    }

    /// Turns a reservation into spending and returns what is left of it. Returns what was spent in money, at most what
    /// was reserved; `None` if the reservation was settled before, so that nothing is counted twice.
    pub fn settle(&self, id: &ReservationId, money: i64, milliseconds: i64) -> Result<Option<i64>, StoreError> {
        let holds: Option<String> = self
            .connection
            .prepare_cached("DELETE FROM reservations WHERE id = ?1 RETURNING holds")?
            .query_row([id.as_str()], |row| row.get(0))
            .optional()?;
        let Some(holds) = holds else { return Ok(None) };
        let holds: Vec<Hold> =
            serde_json::from_str(&holds).map_err(|source| StoreError::Document { kind: "reservation", source })?;
        let mut settled_money = money.max(0);
        for hold in &holds {
            let actual = match hold.unit {
                Unit::Money => money,
                Unit::Milliseconds => milliseconds,
            };
            let actual = actual.clamp(0, hold.amount);
            if hold.unit == Unit::Money {
                settled_money = actual;
            }
            self.connection
                .prepare_cached("UPDATE budgets SET reserved = reserved - ?2, spent = spent + ?3 WHERE scope = ?1")?
                .execute((&hold.scope, hold.amount, actual))?;
        }
        Ok(Some(settled_money))
    }

    /// Settles every reservation that outlived its time as unspent: whoever made it is gone.
    pub fn release_expired(&self, now: Timestamp) -> Result<usize, StoreError> {
        let expired: Vec<String> = self
            .connection
            .prepare_cached("SELECT id FROM reservations WHERE expires_at <= ?1")?
            .query_map([now.as_millis()], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for id in &expired {
            self.settle(&ReservationId::from(id.as_str()), 0, 0)?;
        }
        Ok(expired.len())
    }
}

impl View<'_> {
    /// What is spent and what is reserved of a budget.
    pub fn budget(&self, scope: &str) -> Result<(i64, i64), StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT spent, reserved FROM budgets WHERE scope = ?1")?;
        let row = statement.query_row([scope], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        Ok(row.unwrap_or((0, 0)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::Store;

    const LIMIT: i64 = 100;

    /// What a worker can do with money.
    #[derive(Debug, Clone)]
    enum Act {
        Reserve { amount: i64, scopes: u8 },
        Settle { which: usize, actual: i64 },
        SettleAgain { which: usize },
        Expire,
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            4 => (0..60_i64, 1..4_u8).prop_map(|(amount, scopes)| Act::Reserve { amount, scopes }),
            3 => (any::<usize>(), 0..80_i64).prop_map(|(which, actual)| Act::Settle { which, actual }),
            1 => any::<usize>().prop_map(|which| Act::SettleAgain { which }),
            1 => Just(Act::Expire),
        ];
        prop::collection::vec(act, 1..60)
    }

    fn holds(amount: i64, scopes: u8) -> Vec<Hold> {
        (0..scopes)
            .map(|scope| Hold {
                scope: format!("scope {scope}"),
                unit: Unit::Money,
                amount,
                // The first scope has the limit; the others only count along.
                limit: (scope == 0).then(|| ("maxCost".to_owned(), LIMIT)),
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// Whatever is reserved and settled in whatever order: no limit is passed, nothing is counted twice, and what
        /// is spent is exactly what was settled.
        #[test]
        fn spent_plus_reserved_never_exceeds_a_limit(acts in acts()) {
            let store = Store::in_memory().expect("it opens");
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it starts");
            runtime.block_on(store.write(move |tx| {
                let mut open: Vec<(ReservationId, i64)> = Vec::new();
                let mut closed: Vec<ReservationId> = Vec::new();
                let (mut spent, mut next) = (0, 0);
                for act in acts {
                    match act {
                        Act::Reserve { amount, scopes } => {
                            let id = ReservationId::from_suffix(next);
                            next += 1;
                            let reserved: i64 = open.iter().map(|(_, amount)| amount).sum();
                            let fits = spent + reserved + amount <= LIMIT;
                            let outcome = tx.reserve(&id, &holds(amount, scopes), Timestamp::from_millis(10))?;
                            assert_eq!(outcome.is_ok(), fits);
                            if let Err(shortfall) = outcome {
                                assert_eq!((shortfall.spent, shortfall.reserved), (spent, reserved));
                            } else {
                                open.push((id, amount));
                            }
                        }
                        Act::Settle { which, actual } if !open.is_empty() => {
                            let (id, amount) = open.swap_remove(which % open.len());
                            assert_eq!(tx.settle(&id, actual, 0)?, Some(actual.min(amount)));
                            spent += actual.min(amount);
                            closed.push(id);
                        }
                        Act::SettleAgain { which } if !closed.is_empty() => {
                            assert_eq!(tx.settle(&closed[which % closed.len()], 50, 0)?, None);
                        }
                        Act::Expire => {
                            assert_eq!(tx.release_expired(Timestamp::from_millis(11))?, open.len());
                            closed.extend(open.drain(..).map(|(id, _)| id));
                        }
                        _ => {}
                    }
                    let reserved: i64 = open.iter().map(|(_, amount)| amount).sum();
                    assert_eq!(tx.budget("scope 0")?, (spent, reserved));
                    assert!(spent + reserved <= LIMIT);
                }
                Ok::<_, StoreError>(())
            })).expect("the store works");
        }
    }
}
