//! Usage: what was used and what it cost, as a view of the event log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    check::{Check, Problems},
    endpoint::endpoints,
    id::{ReservationId, RunId, SessionId},
    money::Cost,
    open_enum::open_enum,
    page::Page,
    sessions::{UserPath, check_page_limit},
    time::Timestamp,
};

endpoints! {
    /// Sums up what the account used.
    GetUsageSummary: Get "/v1/usage/summary" => "usage.summary",
        query: UsagePeriodOpts, response: UsageSummary;

    /// Reports what one end user used.
    GetUserUsage: Get "/v1/usage/users/{userId}" => "usage.forUser",
        path: UserPath, query: UsagePeriodOpts, response: UserUsage;

    /// Reports what was used day by day, the oldest day first; days without use are there too.
    GetDailyUsage: Get "/v1/usage/daily" => "usage.daily",
        query: DailyUsageOpts, response: Vec<DailyUsage>;

    /// Reports what each provider cost.
    GetProviderUsage: Get "/v1/usage/by-provider" => "usage.byProvider",
        query: UsagePeriodOpts, response: BTreeMap<String, Cost>;

    /// Exports the charges of a period for a billing system.
    ///
    /// Every record has a stable identifier, so that exporting twice never bills twice.
    ExportUsage: Get "/v1/usage/export" => "usage.export",
        query: UsageExportOpts, response: UsageExport,
        with { positional: &["format"] };

    /// Lists the entries of the ledger that totals are made of, the oldest first.
    ///
    /// The sum of their exact amounts is what the totals of the same time say.
    ListLedger: Get "/v1/usage/ledger" => "usage.ledger",
        query: LedgerFilters, response: Page<LedgerEntry>,
        with { ours: true };
}

open_enum! {
    /// A period that ends now, by the UTC calendar.
    UsagePeriod {
        /// Since midnight.
        Today = "today",
        /// Since midnight seven days ago.
        Week = "week",
        /// Since the first of the month.
        Month = "month",
    }
}

/// For which period to report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UsagePeriodOpts {
    /// The period; `month` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<UsagePeriod>,
}

impl Check for UsagePeriodOpts {
    fn check(&self, problems: &mut Problems) {
        if let Some(UsagePeriod::Other(_)) = &self.period {
            problems.add("period", "must be `today`, `week` or `month`");
        }
    }
}

open_enum! {
    /// So many days that end today, by the UTC calendar.
    DailyPeriod {
        /// Seven days.
        Last7Days = "last_7_days",
        /// Thirty days.
        Last30Days = "last_30_days",
    }
}

/// For which days to report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DailyUsageOpts {
    /// The days; `last_7_days` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<DailyPeriod>,
}

impl Check for DailyUsageOpts {
    fn check(&self, problems: &mut Problems) {
        if let Some(DailyPeriod::Other(_)) = &self.period {
            problems.add("period", "must be `last_7_days` or `last_30_days`");
        }
    }
}

/// What the account used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UsageSummary {
    /// What it cost.
    pub total_cost: Cost,
    /// Sessions that are active now.
    pub active_sessions: i64,
    /// Agents that are neither paused nor ended now.
    pub running_agents: i64,
    /// The user who cost most; absent if nobody cost anything.
    #[serde(default)]
    pub top_user: Option<TopUser>,
}

/// The user who cost most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TopUser {
    /// The end user.
    pub user_id: String,
    /// What this user cost.
    pub cost: Cost,
}

/// What one end user used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserUsage {
    /// Sandboxes.
    pub compute: ComputeUsage,
    /// Models.
    pub models: ModelUsage,
    /// Orchestration.
    pub orchestration: OrchestrationUsage,
    /// Storage.
    pub storage: StorageUsage,
    /// All of it.
    pub total: Cost,
    /// The total day by day; days without use are left out.
    #[serde(default)]
    pub breakdown: Vec<UsageDay>,
}

/// What sandboxes used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ComputeUsage {
    /// Minutes that sandboxes ran.
    pub minutes: f64,
    /// What they cost.
    pub cost: Cost,
}

/// What models used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ModelUsage {
    /// Calls.
    pub calls: i64,
    /// Tokens.
    pub tokens: TokenUsage,
    /// What they cost.
    pub cost: Cost,
}

/// Tokens that went in and came out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct TokenUsage {
    /// Tokens that went in.
    pub input: i64,
    /// Tokens that came out.
    pub output: i64,
}

/// What orchestration cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct OrchestrationUsage {
    /// What it cost.
    pub cost: Cost,
}

/// What storage used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct StorageUsage {
    /// Gigabytes times hours.
    pub gb_hours: f64,
    /// What they cost.
    pub cost: Cost,
}

/// What one day cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UsageDay {
    /// The day in UTC, `2026-11-24`.
    pub date: String,
    /// What it cost.
    pub total: Cost,
}

/// What one day used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DailyUsage {
    /// The day in UTC, `2026-11-24`.
    pub date: String,
    /// What it cost.
    pub cost: Cost,
    /// Minutes that sandboxes ran.
    pub compute_minutes: f64,
    /// Calls of models.
    pub model_calls: i64,
}

open_enum! {
    /// The form of an export.
    ExportFormat {
        /// Stripe meter events.
        Stripe = "stripe",
        /// Comma-separated values.
        Csv = "csv",
        /// The charges as they are.
        Json = "json",
    }
}

/// What to export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UsageExportOpts {
    /// The form.
    pub format: ExportFormat,
    /// The period; `month` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<UsagePeriod>,
}

impl Check for UsageExportOpts {
    fn check(&self, problems: &mut Problems) {
        if let ExportFormat::Other(_) = &self.format {
            problems.add("format", "must be `stripe`, `csv` or `json`");
        }
        if let Some(UsagePeriod::Other(_)) = &self.period {
            problems.add("period", "must be `today`, `week` or `month`");
        }
    }
}

/// An export of usage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UsageExport {
    /// The form.
    pub format: ExportFormat,
    /// What the records come to.
    pub total: Cost,
    /// The records, for `json` and `stripe`.
    #[serde(default)]
    pub records: Vec<serde_json::Map<String, serde_json::Value>>,
    /// The text, for `csv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csv: Option<String>,
}

/// Which entries of the ledger to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LedgerFilters {
    /// Only entries of this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Only entries of this end user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Only entries of this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// Only entries at or after this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Only entries before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for LedgerFilters {
    fn check(&self, problems: &mut Problems) {
        if let (Some(since), Some(until)) = (self.since, self.until) {
            problems.require(since < until, "until", "must be later than `since`");
        }
        check_page_limit(self.limit, problems);
    }
}

open_enum! {
    /// What an entry of the ledger is for.
    LedgerKind {
        /// A call of a model.
        Model = "model",
        /// A sandbox that ran.
        Compute = "compute",
        /// The control plane's own work.
        Orchestration = "orchestration",
        /// Snapshots, knowledge and files that were kept.
        Storage = "storage",
        /// A correction of an entry before; its amount may be below zero.
        Adjustment = "adjustment",
    }
}

/// An entry of the ledger: one amount that was spent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LedgerEntry {
    /// Stable and unique: an entry is never counted twice. Exports have it as the identifier.
    pub id: String,
    /// What it is for.
    pub kind: LedgerKind,
    /// How much.
    pub cost: Cost,
    /// The end user; empty in an anonymous session.
    #[serde(default)]
    pub user_id: String,
    /// The session; empty where none was involved.
    #[serde(default)]
    pub session_id: String,
    /// The agent; empty where none was involved.
    #[serde(default)]
    pub agent_id: String,
    /// The run; empty where none was involved.
    #[serde(default)]
    pub run_id: String,
    /// The provider of the sandbox or the model; empty where none was involved.
    #[serde(default)]
    pub provider: String,
    /// The model; empty where none was called.
    #[serde(default)]
    pub model: String,
    /// The tokens of a call of a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<TokenUsage>,
    /// The minutes that a sandbox ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute_minutes: Option<f64>,
    /// The gigabytes times hours that something was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gb_hours: Option<f64>,
    /// The reservation that held the money back until it was known how much it would be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_id: Option<ReservationId>,
    /// What the reservation held back: the most that could be spent. What was not spent was given back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<Cost>,
    /// When it was spent.
    pub at: Timestamp,
}
