//! Budgets of the account and of its users.

use theazo_api::{
    BillingBudgetConfig, BillingBudgetStatus, BudgetAlertStatus, Cost, DailyBudgetStatus, Period, Problems, Timestamp,
};

use super::{
    Context,
    sessions::{find_session, resume_after_limit},
};
use crate::{
    error::{AppError, AppResult},
    event::Event,
    records::{AgentRecord, PausedBy, SessionRecord},
    spending::{BudgetOf, BudgetRecord, Payer, StandingBudget, budget_of_user, limit_of, millionths, payer_scope},
    store::{EventScope, Filter, Tenant, Tx, View},
};

impl Context {
    /// Sets the budget of the account.
    pub async fn set_budget(&self, config: BillingBudgetConfig) -> AppResult<BillingBudgetStatus> {
        self.put_budget(BudgetOf::Account, config).await?;
        self.get_budget()
    }

    /// Reports the budget of the account.
    pub fn get_budget(&self) -> AppResult<BillingBudgetStatus> {
        let now = self.app.clock.now();
        self.app.store.read(|view| {
            let record = BudgetOf::Account.find(view, &self.tenant)?;
            let record = record.ok_or_else(|| none_set("the account has no budget"))?;
            let budget = StandingBudget { config: record.config, is_default: false };
            status_of(view, &self.tenant, Payer::Account, &budget, now)
        })
    }

    /// Removes the budget of the account.
    pub async fn delete_budget(&self) -> AppResult<()> {
        self.remove_budget(BudgetOf::Account, "the account has no budget").await
    }

    /// Sets the budget of every user who has none of its own.
    pub async fn set_user_budget(&self, config: BillingBudgetConfig) -> AppResult<BillingBudgetConfig> {
        self.put_budget(BudgetOf::EachUser, config).await
    }

    /// The budget of every user who has none of its own.
    pub fn get_user_budget(&self) -> AppResult<BillingBudgetConfig> {
        let record = self.app.store.read(|view| BudgetOf::EachUser.find(view, &self.tenant))?;
        Ok(record.ok_or_else(|| none_set("there is no budget for every user"))?.config)
    }

    /// Removes the budget of every user who has none of its own.
    pub async fn delete_user_budget(&self) -> AppResult<()> {
        self.remove_budget(BudgetOf::EachUser, "there is no budget for every user").await
    }

    /// Sets the budget of one user.
    pub async fn set_budget_of_user(
        &self,
        user_id: String,
        config: BillingBudgetConfig,
    ) -> AppResult<BillingBudgetStatus> {
        let mut problems = Problems::default();
        theazo_api::sessions::check_user_id(&user_id, &mut problems);
        problems.into_result().map_err(|found| AppError::invalid_fields(&found))?;
        self.put_budget(BudgetOf::User(user_id.clone()), config).await?;
        self.get_budget_of_user(&user_id)
    }

    /// Reports the budget that stands for one user.
    pub fn get_budget_of_user(&self, user_id: &str) -> AppResult<BillingBudgetStatus> {
        let now = self.app.clock.now();
        self.app.store.read(|view| {
            let budget = budget_of_user(view, &self.tenant, user_id)?;
            let budget = budget.ok_or_else(|| none_set(format!("the user `{user_id}` has no budget")))?;
            status_of(view, &self.tenant, Payer::User(user_id), &budget, now)
        })
    }

    /// Removes the budget of one user.
    pub async fn delete_budget_of_user(&self, user_id: String) -> AppResult<()> {
        let none = format!("the user `{user_id}` has no budget of its own");
        self.remove_budget(BudgetOf::User(user_id), none).await
    }

    /// Sets a budget, and lets go on what stands at the one before.
    async fn put_budget(&self, of: BudgetOf, config: BillingBudgetConfig) -> AppResult<BillingBudgetConfig> {
        let (clock, tenant) = (self.app.clock.clone(), self.tenant.clone());
        self.app
            .store
            .write(move |tx| {
                let now = clock.now();
                match of.find(tx, &tenant)? {
                    Some(mut record) => {
                        record.config = config.clone();
                        tx.update(&tenant, &record)?;
                    }
                    None => {
                        let (id, user_id) = (of.record_id(&tenant), of.user_id().to_owned());
                        tx.insert(&tenant, &BudgetRecord { id, user_id, config: config.clone(), created_at: now })?;
                    }
                }
                changed(tx, &tenant, &of, Some(config.clone()), now)?;
                Ok(config)
            })
            .await
    }

    async fn remove_budget(&self, of: BudgetOf, none: impl Into<String>) -> AppResult<()> {
        let (clock, tenant, none) = (self.app.clock.clone(), self.tenant.clone(), none.into());
        self.app
            .store
            .write(move |tx| {
                if !tx.remove::<BudgetRecord>(&tenant, &of.record_id(&tenant))? {
                    return Err(none_set(none));
                }
                changed(tx, &tenant, &of, None, clock.now())
            })
            .await
    }
}

fn none_set(message: impl Into<String>) -> AppError {
    AppError::new(theazo_api::ErrorCode::NotFound, message)
}

fn changed(
    tx: &Tx<'_>,
    tenant: &Tenant,
    of: &BudgetOf,
    config: Option<BillingBudgetConfig>,
    now: Timestamp,
) -> AppResult<()> {
    let about = EventScope { user_id: of.user_id().to_owned(), ..EventScope::default() };
    tx.append(tenant, now, &about, &Event::BudgetChanged { of: of.name().to_owned(), config })?;
    let user_id = (!of.user_id().is_empty()).then(|| of.user_id().to_owned());
    resume_at_raised_limits(tx, tenant, user_id, now)
}

/// Lets agents go on that stand at a limit: all of the account, or those of one user. Where a limit still holds they
/// stand still again.
pub(super) fn resume_at_raised_limits(
    tx: &Tx<'_>,
    tenant: &Tenant,
    user_id: Option<String>,
    now: Timestamp,
) -> AppResult<()> {
    let paused = Filter { user_id, statuses: vec!["paused".to_owned()], ..Filter::default() };
    let mut sessions: Vec<SessionRecord> = Vec::new();
    for (_, agent) in tx.list::<AgentRecord>(tenant, &paused)? {
        let is_known = sessions.iter().any(|session| session.data.id == agent.data.session_id);
        if agent.paused_by == Some(PausedBy::Limit) && !is_known {
            sessions.push(find_session(tx, tenant, &agent.data.session_id)?);
        }
    }
    for session in sessions.iter().filter(|session| session.data.status == theazo_api::SessionStatus::Active) {
        resume_after_limit(tx, tenant, session, now)?;
    }
    Ok(())
}

/// A budget and how far it is used in the present period.
fn status_of(
    view: &View<'_>,
    tenant: &Tenant,
    payer: Payer<'_>,
    budget: &StandingBudget,
    now: Timestamp,
) -> AppResult<BillingBudgetStatus> {
    let of_period = |period: Period| -> AppResult<Option<PeriodStatus>> {
        let Some(limit) = limit_of(&budget.config, &period) else { return Ok(None) };
        let scope = payer_scope(tenant, payer, &period, now);
        let (spent, reserved) = view.budget(&scope)?;
        let mut alerts = Vec::new();
        for alert in &budget.config.alerts {
            let fired = view.alert_was_given(&scope, millionths(alert))?;
            alerts.push(BudgetAlertStatus { threshold: alert.threshold, fired });
        }
        let limit = limit.to_micro_cents();
        Ok(Some(PeriodStatus { resets_at: end_of(&period, now), period, limit, spent, reserved, alerts }))
    };
    let (month, day) = (of_period(Period::Month)?, of_period(Period::Day)?);
    let (first, daily) = match (month, day) {
        (Some(month), day) => (month, day),
        (None, Some(day)) => (day, None),
        // `Check` refuses a budget that limits nothing.
        (None, None) => return Err(AppError::internal("a budget without a limit")),
    };
    Ok(BillingBudgetStatus {
        user_id: payer.user_id().to_owned(),
        is_default: budget.is_default,
        budget: Cost::from_micro_cents(first.limit),
        spent: Cost::from_micro_cents(first.spent),
        remaining: first.remaining(),
        reserved_micro_cents: first.reserved,
        percentage: first.percentage(),
        resets_at: Some(first.resets_at),
        period: first.period,
        alerts: first.alerts,
        daily: daily.map(|day| DailyBudgetStatus {
            budget: Cost::from_micro_cents(day.limit),
            spent: Cost::from_micro_cents(day.spent),
            remaining: day.remaining(),
            percentage: day.percentage(),
            resets_at: day.resets_at,
            alerts: day.alerts,
        }),
    })
}

/// How far the budget of one period is used, in micro-cents.
struct PeriodStatus {
    period: Period,
    limit: i64,
    spent: i64,
    reserved: i64,
    alerts: Vec<BudgetAlertStatus>,
    resets_at: Timestamp,
}

impl PeriodStatus {
    /// A budget that was lowered below what is spent has nothing left.
    fn remaining(&self) -> Cost {
        Cost::from_micro_cents((self.limit - self.spent).max(0))
    }

    fn percentage(&self) -> f64 {
        super::sessions::percentage(self.spent as f64, self.limit as f64)
    }
}

/// When the period ends that `now` is in.
pub(super) fn end_of(period: &Period, now: Timestamp) -> Timestamp {
    const DAY_MILLIS: i64 = 24 * 3600 * 1000;
    let midnight = Timestamp::from_millis((now.as_millis().div_euclid(DAY_MILLIS) + 1) * DAY_MILLIS);
    if *period != Period::Month {
        return midnight;
    }
    let mut end = midnight;
    while end.month() == now.month() {
        end = Timestamp::from_millis(end.as_millis() + DAY_MILLIS);
    }
    end
}
