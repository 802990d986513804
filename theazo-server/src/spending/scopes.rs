//! The budgets that a spend touches: those of the run, of whoever pays for the session, of the account, and its credits.

use std::borrow::Cow;

use theazo_api::{CostLimit, MICRO_CENTS_PER_CENT, Period, ReservationId, Timestamp};

use super::{
    RESERVATION_LIFE, RUN_LIMIT,
    budgets::{BudgetOf, budget_of_user, limit_of},
    credits::granted_credits,
    is_charged,
};
use crate::{
    random,
    records::{RunRecord, SessionRecord},
    store::{Amounts, Budget, Limit, Shortfall, StoreError, Tenant, Tx, Unit, View},
};

/// The periods of budgets.
pub const PERIODS: [Period; 2] = [Period::Day, Period::Month];

/// The name of the limit that the budget of a user sets, as errors give it.
const USER_LIMIT: &str = "user.maxCost";

/// The name of the limit that the budget of the account sets, as errors give it.
const ACCOUNT_LIMIT: &str = "platform.maxCost";

/// The name of the limit that prepaid credits set, as errors give it.
const CREDITS_LIMIT: &str = "credits";

/// Whose budget a spend counts on, below the account's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payer<'a> {
    /// An end user.
    User(&'a str),
    /// An anonymous session, which is a user of its own.
    Session(&'a str),
    /// Nobody but the account.
    Account,
}

impl<'a> Payer<'a> {
    /// Who pays for what belongs to this user and session, either of which may be empty.
    pub fn of(user_id: &'a str, session_id: &'a str) -> Self {
        match (user_id, session_id) {
            ("", "") => Self::Account,
            ("", session_id) => Self::Session(session_id),
            (user_id, _) => Self::User(user_id),
        }
    }

    /// The end user; empty if there is none.
    pub fn user_id(self) -> &'a str {
        match self {
            Self::User(user_id) => user_id,
            Self::Session(_) | Self::Account => "",
        }
    }
}

/// A period by its name, and which one of its kind a time is in.
fn period_of(period: &Period, now: Timestamp) -> String {
    match period {
        Period::Month => format!("month|{}", now.month()),
        _ => format!("day|{}", now.day()),
    }
}

/// When a budget begins anew, if it is one of a period.
pub fn renewed_at(scope: &str, now: Timestamp) -> Option<Timestamp> {
    let is_of = |period| scope.ends_with(&period_of(&period, now));
    if is_of(Period::Day) {
        return Some(next_day(now));
    }
    is_of(Period::Month).then(|| {
        let mut day = next_day(now);
        while day.month() == now.month() {
            day = next_day(day);
        }
        day
    })
}

/// The beginning of the next day in UTC.
fn next_day(now: Timestamp) -> Timestamp {
    const DAY: i64 = 24 * 3600 * 1000;
    Timestamp::from_millis((now.as_millis().div_euclid(DAY) + 1) * DAY)
}

/// The budget of a payer for a period.
pub fn payer_scope(tenant: &Tenant, payer: Payer<'_>, period: &Period, now: Timestamp) -> String {
    let (tenant, period) = (tenant.as_str(), period_of(period, now));
    match payer {
        Payer::User(id) => format!("{tenant}|user|{id}|{period}"),
        Payer::Session(id) => format!("{tenant}|session|{id}|{period}"),
        Payer::Account => format!("{tenant}|account|{period}"),
    }
}

/// The budget of the whole account for a period.
pub fn account_scope(tenant: &Tenant, period: &Period, now: Timestamp) -> String {
    payer_scope(tenant, Payer::Account, period, now)
}

/// The budget of a session's compute time.
pub fn compute_scope(tenant: &Tenant, session_id: &str) -> String {
    format!("{}|compute|{session_id}", tenant.as_str())
}

/// The prepaid credits of an account.
pub fn credits_scope(tenant: &Tenant) -> String {
    format!("{}|credits", tenant.as_str())
}

/// What limits a spend, beside the account's and the user's own budgets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spender<'a> {
    pub payer: Payer<'a>,
    pub session_limit: Option<&'a CostLimit>,
    pub run: Option<&'a RunRecord>,
}

impl<'a> Spender<'a> {
    pub fn in_session(session: &'a SessionRecord, run: Option<&'a RunRecord>) -> Self {
        Self { payer: session.payer(), session_limit: session.data.limits.max_cost.as_ref(), run }
    }
}

fn limit(name: &'static str, value: i64) -> Limit {
    Limit { name: Cow::Borrowed(name), value }
}

/// The budgets of money that a spend touches, the innermost first: where several lack something, the innermost is named.
///
/// Those of the user and the account are there without a limit, too: one that is set later counts what was spent before.
pub(super) fn money_budgets(
    view: &View<'_>,
    tenant: &Tenant,
    spender: Spender<'_>,
    now: Timestamp,
) -> Result<Vec<Budget>, StoreError> {
    let mut budgets = Vec::with_capacity(6);
    let mut add = |scope, limits| budgets.push(Budget { scope, unit: Unit::Money, limits });
    if let Some(run) = spender.run
        && let Some(max_cost) = run.max_cost
    {
        add(format!("{}|run|{}", tenant.as_str(), run.data.id), vec![limit(RUN_LIMIT, max_cost)]);
    }
    if spender.payer != Payer::Account {
        let of_user = budget_of_user(view, tenant, spender.payer.user_id())?;
        for period in PERIODS {
            let of_session = spender.session_limit.filter(|limit| limit.period == period);
            let of_session = of_session.map(|cost| limit("maxCost", cost.amount.saturating_mul(MICRO_CENTS_PER_CENT)));
            let of_user = of_user.as_ref().and_then(|budget| limit_of(&budget.config, &period));
            let of_user = of_user.map(|cost| limit(USER_LIMIT, cost.to_micro_cents()));
            let limits = of_session.into_iter().chain(of_user).collect();
            add(payer_scope(tenant, spender.payer, &period, now), limits);
        }
    }
    let of_account = BudgetOf::Account.find(view, tenant)?;
    for period in PERIODS {
        let cost = of_account.as_ref().and_then(|budget| limit_of(&budget.config, &period));
        let limits = cost.map(|cost| limit(ACCOUNT_LIMIT, cost.to_micro_cents())).into_iter().collect();
        add(account_scope(tenant, &period, now), limits);
    }
    if let Some(granted) = granted_credits(view, tenant)? {
        add(credits_scope(tenant), vec![limit(CREDITS_LIMIT, granted)]);
    }
    Ok(budgets)
}

/// Reserves money for one step of a run.
pub fn reserve_step(
    tx: &Tx<'_>,
    tenant: &Tenant,
    session: &SessionRecord,
    run: &RunRecord,
    amount: i64,
    now: Timestamp,
) -> Result<Result<ReservationId, Shortfall>, StoreError> {
    let id = ReservationId::from_suffix(random::id_suffix(now));
    if !is_charged(tenant) {
        return Ok(Ok(id));
    }
    let budgets = money_budgets(tx, tenant, Spender::in_session(session, Some(run)), now)?;
    Ok(tx.reserve(&id, Amounts::money(amount), budgets, now.plus(RESERVATION_LIFE))?.map(|()| id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_begins_anew_with_its_period_in_utc() {
        let now = Timestamp::from_millis(1_798_671_600_000);
        assert_eq!((now.to_string().as_str(), now.day().as_str()), ("2026-12-30T23:00:00.000Z", "2026-12-30"));
        let tenant = Tenant::new("acct_1", crate::store::World::Live);
        let renewed = |scope: String| renewed_at(&scope, now).map(|time| time.to_string());

        let of_day = renewed(payer_scope(&tenant, Payer::User("ada|day|"), &Period::Day, now));
        let of_month = renewed(account_scope(&tenant, &Period::Month, now));

        assert_eq!(of_day.as_deref(), Some("2026-12-31T00:00:00.000Z"));
        assert_eq!(of_month.as_deref(), Some("2027-01-01T00:00:00.000Z"));
        assert_eq!(renewed(credits_scope(&tenant)), None);
        assert_eq!(renewed(compute_scope(&tenant, "ses_1|day|")), None);
    }
}
