//! Usage: sums of the charges in the event log.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use theazo_api::{
    ComputeUsage, Cost, DailyPeriod, DailyUsage, DailyUsageOpts, ExportFormat, ModelUsage, OrchestrationUsage,
    StorageUsage, Timestamp, TopUser, UsageDay, UsageExport, UsageExportOpts, UsagePeriod, UsageSummary, UserUsage,
    testing::Charge, usage::TokenUsage,
};

use super::Context;
use crate::{
    error::{AppError, AppResult},
    event::Event,
    records::{AgentRecord, SessionRecord},
    spending::Totals,
    store::{EventFilter, Filter},
};

const DAY_MILLIS: i64 = 24 * 3600 * 1000;

/// A charge with what was counted for it.
struct Counted {
    charge: Charge,
    tokens: TokenUsage,
    milliseconds: i64,
}

impl Context {
    fn charges_since(&self, since: Timestamp, user_id: Option<&str>) -> AppResult<Vec<Counted>> {
        let filter = EventFilter {
            since: Some(since),
            user_id: user_id.map(str::to_owned),
            kinds: vec!["charged"],
            ..EventFilter::default()
        };
        let events = self.app.store.read(|view| Ok::<_, AppError>(view.events(&self.tenant, &filter)?))?;
        let counted = events.into_iter().filter_map(|stored| match stored.event {
            Event::Charged { charge, tokens, milliseconds } => Some(Counted { charge, tokens, milliseconds }),
            _ => None,
        });
        Ok(counted.collect())
    }

    fn start_of(&self, period: Option<&UsagePeriod>) -> Timestamp {
        let now = self.app.clock.now();
        let midnight = Timestamp::from_millis(now.as_millis().div_euclid(DAY_MILLIS) * DAY_MILLIS);
        match period {
            Some(UsagePeriod::Today) => midnight,
            Some(UsagePeriod::Week) => Timestamp::from_millis(now.as_millis() - 7 * DAY_MILLIS),
            _ => format!("{}-01T00:00:00Z", now.month()).parse().unwrap_or(midnight),
        }
    }

    /// Every charge of the tenant, for tests to look at.
    pub fn all_charges(&self) -> AppResult<Vec<Charge>> {
        let counted = self.charges_since(Timestamp::EPOCH, None)?;
        Ok(counted.into_iter().map(|counted| counted.charge).collect())
    }

    /// Sums up what the account used.
    pub fn usage_summary(&self, period: Option<&UsagePeriod>) -> AppResult<UsageSummary> {
        let charges = self.charges_since(self.start_of(period), None)?;
        let total: i64 = charges.iter().map(|counted| counted.charge.cost.to_micro_cents()).sum();
        let mut by_user: BTreeMap<&str, i64> = BTreeMap::new();
        for Counted { charge, .. } in charges.iter().filter(|counted| !counted.charge.user_id.is_empty()) {
            *by_user.entry(&charge.user_id).or_default() += charge.cost.to_micro_cents();
        }
        let top_user = by_user
            .iter()
            .max_by_key(|(_, spent)| **spent)
            .map(|(user_id, spent)| TopUser { user_id: (*user_id).to_owned(), cost: Cost::from_micro_cents(*spent) });
        self.app.store.read(|view| {
            let active = Filter { statuses: vec!["active".to_owned()], ..Filter::default() };
            let running = Filter { statuses: AgentRecord::ACTIVE.map(str::to_owned).to_vec(), ..Filter::default() };
            Ok(UsageSummary {
                total_cost: Cost::from_micro_cents(total),
                active_sessions: view.count::<SessionRecord>(&self.tenant, &active)?,
                running_agents: view.count::<AgentRecord>(&self.tenant, &running)?,
                top_user,
            })
        })
    }

    /// Reports what one user used.
    pub fn user_usage(&self, user_id: &str, period: Option<&UsagePeriod>) -> AppResult<UserUsage> {
        let charges = self.charges_since(self.start_of(period), Some(user_id))?;
        let mut totals = Totals::default();
        let mut by_day: BTreeMap<String, i64> = BTreeMap::new();
        for Counted { charge, tokens, milliseconds } in &charges {
            totals.add(charge, *tokens, *milliseconds);
            *by_day.entry(charge.at.day()).or_default() += charge.cost.to_micro_cents();
        }
        let [compute, model, orchestration] = totals.parts();
        Ok(UserUsage {
            compute: ComputeUsage { minutes: totals.minutes(), cost: compute },
            models: ModelUsage { calls: totals.model_calls, tokens: totals.tokens, cost: model },
            orchestration: OrchestrationUsage { cost: orchestration },
            storage: StorageUsage { gb_hours: 0.0, cost: Cost::from_micro_cents(0) },
            total: Cost::from_micro_cents(totals.total()),
            breakdown: by_day
                .into_iter()
                .map(|(date, spent)| UsageDay { date, total: Cost::from_micro_cents(spent) })
                .collect(),
        })
    }

    /// Reports day by day.
    pub fn daily_usage(&self, opts: &DailyUsageOpts) -> AppResult<Vec<DailyUsage>> {
        let days = if opts.period == Some(DailyPeriod::Last30Days) { 30 } else { 7 };
        let today = self.start_of(Some(&UsagePeriod::Today)).as_millis();
        let first = Timestamp::from_millis(today - (days - 1) * DAY_MILLIS);
        let mut by_day: BTreeMap<String, Totals> = (0..days)
            .map(|day| (Timestamp::from_millis(first.as_millis() + day * DAY_MILLIS).day(), Totals::default()))
            .collect();
        for Counted { charge, tokens, milliseconds } in &self.charges_since(first, None)? {
            by_day.entry(charge.at.day()).or_default().add(charge, *tokens, *milliseconds);
        }
        let usage = by_day.into_iter().map(|(date, totals)| DailyUsage {
            date,
            cost: Cost::from_micro_cents(totals.total()),
            compute_minutes: totals.minutes(),
            model_calls: totals.model_calls,
        });
        Ok(usage.collect())
    }

    /// Reports by provider.
    pub fn provider_usage(&self, period: Option<&UsagePeriod>) -> AppResult<BTreeMap<String, Cost>> {
        let mut by_provider: BTreeMap<String, i64> = BTreeMap::new();
        for Counted { charge, .. } in self.charges_since(self.start_of(period), None)? {
            *by_provider.entry(charge.provider).or_default() += charge.cost.to_micro_cents();
        }
        Ok(by_provider.into_iter().map(|(name, spent)| (name, Cost::from_micro_cents(spent))).collect())
    }

    /// Exports the charges.
    pub fn export_usage(&self, opts: &UsageExportOpts) -> AppResult<UsageExport> {
        let charges = self.charges_since(self.start_of(opts.period.as_ref()), None)?;
        let total: i64 = charges.iter().map(|counted| counted.charge.cost.to_micro_cents()).sum();
        let mut export = UsageExport {
            format: opts.format.clone(),
            total: Cost::from_micro_cents(total),
            records: Vec::new(),
            csv: None,
        };
        match opts.format {
            ExportFormat::Csv => export.csv = Some(csv(&charges)),
            ExportFormat::Stripe => export.records = charges.iter().map(stripe_event).collect(),
            _ => {
                for Counted { charge, .. } in &charges {
                    if let Value::Object(record) = serde_json::to_value(charge).map_err(AppError::internal)? {
                        export.records.push(record);
                    }
                }
            }
        }
        Ok(export)
    }
}

/// A Stripe meter event. Its identifier is the charge's, so that Stripe counts it once however often it is sent.
fn stripe_event(counted: &Counted) -> Map<String, Value> {
    let charge = &counted.charge;
    Map::from_iter([
        ("event_name".to_owned(), json!(format!("theazo_{}", charge.kind))),
        ("identifier".to_owned(), json!(charge.id)),
        ("timestamp".to_owned(), json!(charge.at.as_millis() / 1000)),
        ("payload".to_owned(), json!({ "user_id": charge.user_id, "value": charge.cost.to_micro_cents().to_string() })),
    ])
}

fn csv(charges: &[Counted]) -> String {
    let mut text = "id,at,kind,user_id,session_id,agent_id,run_id,provider,cents,micro_cents\n".to_owned();
    for Counted { charge, .. } in charges {
        let (at, kind) = (charge.at.to_string(), charge.kind.to_string());
        let (cents, exact) = (charge.cost.amount.to_string(), charge.cost.to_micro_cents().to_string());
        let cells: [&str; 10] = [
            &charge.id,
            &at,
            &kind,
            &charge.user_id,
            &charge.session_id,
            &charge.agent_id,
            &charge.run_id,
            &charge.provider,
            &cents,
            &exact,
        ];
        text.push_str(&cells.map(csv_cell).join(","));
        text.push('\n');
    }
    text
}

/// A cell of a table. A leading sign would make a spreadsheet run it as a formula, so it is quoted away.
fn csv_cell(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
