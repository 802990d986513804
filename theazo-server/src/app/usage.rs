//! Usage: sums of what was charged, by account, user, day and provider.

use std::collections::BTreeMap;

use theazo_api::{
    ComputeUsage, Cost, DailyPeriod, DailyUsage, DailyUsageOpts, ModelUsage, OrchestrationUsage, StorageUsage,
    Timestamp, TopUser, UsageDay, UsagePeriod, UsageSummary, UserUsage,
};

use super::Context;
use crate::{
    error::AppResult,
    records::{AgentRecord, SessionRecord},
    spending::cost_parts,
    store::{Filter, Totals, UsageOf},
};

const DAY_MILLIS: i64 = 24 * 3600 * 1000;

/// How storage is called among the providers: it has none of its own.
const STORAGE: &str = "storage";

/// The first midnight of a period that ends now.
pub(super) fn start_of(period: Option<&UsagePeriod>, now: Timestamp) -> Timestamp {
    let midnight = Timestamp::from_millis(now.as_millis().div_euclid(DAY_MILLIS) * DAY_MILLIS);
    match period {
        Some(UsagePeriod::Today) => midnight,
        Some(UsagePeriod::Week) => Timestamp::from_millis(midnight.as_millis() - 7 * DAY_MILLIS),
        _ => format!("{}-01T00:00:00Z", now.month()).parse().unwrap_or(midnight),
    }
}

/// Every day from that of one time to that of another, as `2026-11-24`.
fn days(first: Timestamp, last: Timestamp) -> Vec<String> {
    let day_of = |time: Timestamp| time.as_millis().div_euclid(DAY_MILLIS);
    (day_of(first)..=day_of(last)).map(|day| Timestamp::from_millis(day * DAY_MILLIS).day()).collect()
}

impl Context {
    fn days_of(&self, period: Option<&UsagePeriod>) -> Vec<String> {
        let now = self.app.clock.now();
        days(start_of(period, now), now)
    }

    /// Sums up what the account used.
    pub fn usage_summary(&self, period: Option<&UsagePeriod>) -> AppResult<UsageSummary> {
        let days = self.days_of(period);
        self.app.store.read(|view| {
            let active = Filter { statuses: vec!["active".to_owned()], ..Filter::default() };
            let running = Filter { statuses: AgentRecord::ACTIVE.map(str::to_owned).to_vec(), ..Filter::default() };
            let by_user = view.usage_by_user(&self.tenant, &days)?;
            let top_user = by_user
                .into_iter()
                .filter(|(_, of_user)| of_user.total() > 0)
                .max_by_key(|(_, of_user)| of_user.total());
            Ok(UsageSummary {
                total_cost: Cost::from_micro_cents(
                    sum(&view.usage_by_day(&self.tenant, UsageOf::Account, &days)?).total(),
                ),
                active_sessions: view.count::<SessionRecord>(&self.tenant, &active)?,
                running_agents: view.count::<AgentRecord>(&self.tenant, &running)?,
                top_user: top_user
                    .map(|(user_id, totals)| TopUser { user_id, cost: Cost::from_micro_cents(totals.total()) }),
            })
        })
    }

    /// Reports what one user used.
    pub fn user_usage(&self, user_id: &str, period: Option<&UsagePeriod>) -> AppResult<UserUsage> {
        let days = self.days_of(period);
        let by_day = self.app.store.read(|view| view.usage_by_day(&self.tenant, UsageOf::User(user_id), &days))?;
        let totals = sum(&by_day);
        let [compute, model, orchestration, storage] = cost_parts(&totals);
        Ok(UserUsage {
            compute: ComputeUsage { minutes: totals.minutes(), cost: compute },
            models: ModelUsage { calls: totals.model_calls, tokens: totals.tokens, cost: model },
            orchestration: OrchestrationUsage { cost: orchestration },
            storage: StorageUsage { gb_hours: totals.gigabyte_hours(), cost: storage },
            total: Cost::from_micro_cents(totals.total()),
            breakdown: by_day
                .into_iter()
                .map(|(date, totals)| UsageDay { date, total: Cost::from_micro_cents(totals.total()) })
                .collect(),
        })
    }

    /// Reports day by day.
    pub fn daily_usage(&self, opts: &DailyUsageOpts) -> AppResult<Vec<DailyUsage>> {
        let count = if opts.period == Some(DailyPeriod::Last30Days) { 30 } else { 7 };
        let now = self.app.clock.now();
        let days = days(Timestamp::from_millis(now.as_millis() - (count - 1) * DAY_MILLIS), now);
        let by_day = self.app.store.read(|view| view.usage_by_day(&self.tenant, UsageOf::Account, &days))?;
        let mut by_day: BTreeMap<String, Totals> = by_day.into_iter().collect();
        let usage = days.into_iter().map(|date| {
            let totals = by_day.remove(&date).unwrap_or_default();
            DailyUsage {
                date,
                cost: Cost::from_micro_cents(totals.total()),
                compute_minutes: totals.minutes(),
                model_calls: totals.model_calls,
            }
        });
        Ok(usage.collect())
    }

    /// Reports by provider.
    pub fn provider_usage(&self, period: Option<&UsagePeriod>) -> AppResult<BTreeMap<String, Cost>> {
        let days = self.days_of(period);
        self.app.store.read(|view| {
            let by_provider = view.usage_by_provider(&self.tenant, &days)?;
            let mut costs: BTreeMap<String, Cost> =
                by_provider.into_iter().map(|(name, totals)| (name, Cost::from_micro_cents(totals.total()))).collect();
            let storage = sum(&view.usage_by_day(&self.tenant, UsageOf::Account, &days)?).storage;
            if storage > 0 {
                costs.insert(STORAGE.to_owned(), Cost::from_micro_cents(storage));
            }
            Ok(costs)
        })
    }
}

fn sum(by_day: &[(String, Totals)]) -> Totals {
    let mut totals = Totals::default();
    by_day.iter().for_each(|(_, of_day)| totals.add(of_day));
    totals
}
