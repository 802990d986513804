//! Alerts: what happens when a part of a budget is spent.

use serde::{Deserialize, Serialize};
use theazo_api::{
    BillingBudgetConfig, BudgetAlert, BudgetAlertAction, BudgetEventData, Cost, JobId, Period, Timestamp,
};

use super::{
    budgets::{BudgetOf, budget_of_user, limit_of},
    scopes::{PERIODS, Payer, account_scope, payer_scope},
};
use crate::{
    event::Event,
    random,
    store::{EventScope, NewJob, StoreError, Tenant, Tx},
};

/// The sessions that an alert pauses, as a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PauseForBudget {
    /// Those of the account.
    All,
    /// Those of a user.
    User(String),
    /// One anonymous session.
    Session(String),
}

impl PauseForBudget {
    /// The kind of the job.
    pub const JOB: &'static str = "budget.pause";

    fn enqueue(&self, tx: &Tx<'_>, tenant: &Tenant, now: Timestamp) -> Result<(), StoreError> {
        let payload = serde_json::to_value(self).map_err(|source| StoreError::Document { kind: "job", source })?;
        let id = JobId::from_suffix(random::id_suffix(now));
        tx.enqueue(tenant, &NewJob { id, kind: Self::JOB, subject: String::new(), payload, due_at: now })
    }
}

/// A threshold in millionths of a budget.
pub fn millionths(alert: &BudgetAlert) -> i64 {
    (alert.threshold * 1e6).round() as i64
}

/// Gives the alerts whose thresholds a charge to `payer` has passed: each once in a period.
pub(super) fn give_alerts(tx: &Tx<'_>, tenant: &Tenant, payer: Payer<'_>, now: Timestamp) -> Result<(), StoreError> {
    if payer != Payer::Account
        && let Some(budget) = budget_of_user(tx, tenant, payer.user_id())?
    {
        let scope_of = |period: &Period| payer_scope(tenant, payer, period, now);
        give_alerts_of(tx, tenant, (&budget.config, payer.user_id()), payer, scope_of, now)?;
    }
    if let Some(budget) = BudgetOf::Account.find(tx, tenant)? {
        let scope_of = |period: &Period| account_scope(tenant, period, now);
        give_alerts_of(tx, tenant, (&budget.config, ""), payer, scope_of, now)?;
    }
    Ok(())
}

fn give_alerts_of(
    tx: &Tx<'_>,
    tenant: &Tenant,
    (config, user_id): (&BillingBudgetConfig, &str),
    payer: Payer<'_>,
    scope_of: impl Fn(&Period) -> String,
    now: Timestamp,
) -> Result<(), StoreError> {
    if config.alerts.is_empty() {
        return Ok(());
    }
    for period in PERIODS {
        let Some(limit) = limit_of(config, &period) else { continue };
        let scope = scope_of(&period);
        let (spent, _) = tx.budget(&scope)?;
        for alert in &config.alerts {
            let threshold = millionths(alert);
            let passed = i128::from(spent) * 1_000_000 >= i128::from(limit.to_micro_cents()) * i128::from(threshold);
            if !passed || !tx.note_alert(&scope, threshold)? {
                continue;
            }
            let data = BudgetEventData {
                user_id: user_id.to_owned(),
                period: period.clone(),
                threshold: alert.threshold,
                budget: limit.clone(),
                spent: Cost::from_micro_cents(spent),
            };
            let about = EventScope { user_id: user_id.to_owned(), ..EventScope::default() };
            tx.append(tenant, now, &about, &Event::BudgetAlert { data })?;
            match (&alert.action, payer) {
                (Some(BudgetAlertAction::PauseAll), _) => PauseForBudget::All.enqueue(tx, tenant, now)?,
                (Some(BudgetAlertAction::PauseUser), Payer::User(id)) => {
                    PauseForBudget::User(id.to_owned()).enqueue(tx, tenant, now)?;
                }
                (Some(BudgetAlertAction::PauseUser), Payer::Session(id)) => {
                    PauseForBudget::Session(id.to_owned()).enqueue(tx, tenant, now)?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}
