//! Budgets: what the account and each of its end users may spend.

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::{
    check::{Check, Problems},
    endpoint::{Repeat, Reply, endpoints},
    money::{Cost, Period},
    open_enum::open_enum,
    sessions::UserPath,
    time::Timestamp,
};

endpoints! {
    /// Sets the budget of the whole account, in place of the one before.
    ///
    /// A budget holds against whatever is below it: an account's budget against each user's, a user's against each
    /// session's limits, those against each run's. What would pass any of them is refused with `session_limit_exceeded`
    /// before it is spent.
    SetBudget: Post "/v1/billing/budget" => "billing.setBudget",
        body: BillingBudgetConfig, response: BillingBudgetStatus,
        with { positional: &["config"], strict: &[""], repeat: Repeat::Idempotent };

    /// Reports the budget of the whole account and how far it is used. Fails with `not_found` if none is set.
    GetBudget: Get "/v1/billing/budget" => "billing.getBudget",
        response: BillingBudgetStatus;

    /// Removes the budget of the whole account. What each user may spend stays limited as it is.
    DeleteBudget: Delete "/v1/billing/budget" => "billing.deleteBudget",
        with { status: 204, reply: Reply::Empty, ours: true };

    /// Sets the budget that each end user has who has none of its own, in place of the one before.
    SetUserBudget: Post "/v1/billing/user-budget" => "billing.setUserBudget",
        body: BillingBudgetConfig, response: BillingBudgetConfig,
        with { positional: &["config"], strict: &[""], repeat: Repeat::Idempotent };

    /// Fetches the budget that each end user has who has none of its own. Fails with `not_found` if none is set.
    GetUserBudget: Get "/v1/billing/user-budget" => "billing.getUserBudget",
        response: BillingBudgetConfig,
        with { ours: true };

    /// Removes the budget that each end user has who has none of its own.
    DeleteUserBudget: Delete "/v1/billing/user-budget" => "billing.deleteUserBudget",
        with { status: 204, reply: Reply::Empty, ours: true };

    /// Sets the budget of one end user, in place of the one before and of the default for every user.
    SetBudgetOfUser: Put "/v1/billing/user-budgets/{userId}" => "billing.setBudgetOfUser",
        path: UserPath, body: BillingBudgetConfig, response: BillingBudgetStatus,
        with { positional: &["config"], strict: &[""], ours: true };

    /// Reports the budget of one end user and how far it is used, the default for every user if it has none of its own.
    ///
    /// Fails with `not_found` if neither is set.
    GetBudgetOfUser: Get "/v1/billing/user-budgets/{userId}" => "billing.getBudgetOfUser",
        path: UserPath, response: BillingBudgetStatus,
        with { ours: true };

    /// Removes the budget of one end user, who then has the default for every user.
    DeleteBudgetOfUser: Delete "/v1/billing/user-budgets/{userId}" => "billing.deleteBudgetOfUser",
        path: UserPath,
        with { status: 204, reply: Reply::Empty, ours: true };
}

/// A budget: what may be spent in a month, in a day, or both, by the UTC calendar.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BillingBudgetConfig {
    /// What may be spent from the first of a month to the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monthly: Option<Cost>,
    /// What may be spent from midnight to midnight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily: Option<Cost>,
    /// What happens on the way to the limit; nothing by default.
    #[serde(default)]
    pub alerts: Vec<BudgetAlert>,
}

/// A budget as clients of any version send it. It is read member by member, without a buffer in between, so that the
/// server notices members that do not exist: a typo must not mean "no limit".
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SentBudget {
    #[serde(default)]
    monthly: Option<Cost>,
    #[serde(default)]
    daily: Option<Cost>,
    #[serde(default)]
    alerts: Option<Vec<BudgetAlert>>,
    /// The documentation has one amount and its period instead.
    #[serde(default)]
    max_cost: Option<Cost>,
    #[serde(default)]
    period: Option<Period>,
}

impl<'de> Deserialize<'de> for BillingBudgetConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let sent = SentBudget::deserialize(deserializer)?;
        let (monthly, daily) = match (sent.max_cost, sent.period) {
            (cost, None | Some(Period::Month)) => (cost, None),
            (cost, Some(Period::Day)) => (None, cost),
            (_, Some(Period::Other(other))) => {
                return Err(D::Error::custom(format!("the period of a budget is `day` or `month`, not `{other}`")));
            }
        };
        Ok(Self {
            monthly: sent.monthly.or(monthly),
            daily: sent.daily.or(daily),
            alerts: sent.alerts.unwrap_or_default(),
        })
    }
}

impl Check for BillingBudgetConfig {
    fn check(&self, problems: &mut Problems) {
        problems.require(
            self.monthly.is_some() || self.daily.is_some(),
            "monthly",
            "must be given, or `daily`, or both: a budget without either limits nothing",
        );
        if let Some(monthly) = &self.monthly {
            problems.within("monthly", monthly);
        }
        if let Some(daily) = &self.daily {
            problems.within("daily", daily);
        }
        problems.require(self.alerts.len() <= 20, "alerts", "must be at most 20 alerts");
        for (index, alert) in self.alerts.iter().enumerate() {
            problems.within(&format!("alerts[{index}]"), alert);
        }
    }
}

open_enum! {
    /// Where an alert of a budget is reported.
    BudgetAlertChannel {
        /// As the event `budget.alert` of webhooks.
        Webhook = "webhook",
    }
}

open_enum! {
    /// What an alert of a budget does beside reporting.
    BudgetAlertAction {
        /// It pauses every session of the account.
        PauseAll = "pause_all",
        /// It pauses the sessions of the user who passed the threshold.
        PauseUser = "pause_user",
    }
}

/// What happens when a part of a budget is spent. It happens once in a period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BudgetAlert {
    /// The part, 0 to 1.
    pub threshold: f64,
    /// Where it is reported; `webhook` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<BudgetAlertChannel>,
    /// What it does beside reporting; nothing by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<BudgetAlertAction>,
}

impl Check for BudgetAlert {
    fn check(&self, problems: &mut Problems) {
        problems.require((0.0..=1.0).contains(&self.threshold), "threshold", "must be from 0 to 1: 0.8 is 80 percent");
        if let Some(BudgetAlertChannel::Other(_)) = &self.channel {
            problems.add("channel", "must be `webhook`");
        }
        if let Some(BudgetAlertAction::Other(_)) = &self.action {
            problems.add("action", "must be `pause_all` or `pause_user`");
        }
    }
}

/// A budget and how far it is used: that of the month, or that of the day where only the day has one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BillingBudgetStatus {
    /// The end user whose budget it is; empty for the account's own.
    #[serde(default)]
    pub user_id: String,
    /// Whether it is the default for every user, because this one has none of its own.
    #[serde(default)]
    pub is_default: bool,
    /// The period, by the UTC calendar.
    #[serde(default = "month")]
    pub period: Period,
    /// What may be spent in the period.
    pub budget: Cost,
    /// What was spent in the period.
    pub spent: Cost,
    /// What is left; steps in flight may have reserved a part of it.
    pub remaining: Cost,
    /// What steps in flight have reserved, in millionths of a cent.
    #[serde(default)]
    pub reserved_micro_cents: i64,
    /// How much of the budget is spent, 0 to 100.
    pub percentage: f64,
    /// The alerts, by their thresholds.
    #[serde(default)]
    pub alerts: Vec<BudgetAlertStatus>,
    /// When the period ends and the whole budget is there again.
    #[serde(default)]
    pub resets_at: Option<Timestamp>,
    /// The budget of the day, where both the month and the day have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily: Option<DailyBudgetStatus>,
}

fn month() -> Period {
    Period::Month
}

/// The budget of a day and how far it is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct DailyBudgetStatus {
    /// What may be spent in the day.
    pub budget: Cost,
    /// What was spent in the day.
    pub spent: Cost,
    /// What is left; steps in flight may have reserved a part of it.
    pub remaining: Cost,
    /// How much of the budget is spent, 0 to 100.
    pub percentage: f64,
    /// The alerts, by their thresholds.
    #[serde(default)]
    pub alerts: Vec<BudgetAlertStatus>,
    /// When the day ends and the whole budget is there again.
    pub resets_at: Timestamp,
}

/// An alert of a budget, and whether it happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BudgetAlertStatus {
    /// The part of the budget, 0 to 1.
    pub threshold: f64,
    /// Whether it happened in this period.
    pub fired: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(json: Value) -> Result<BillingBudgetConfig, String> {
        serde_json::from_value(json).map_err(|error| error.to_string())
    }

    #[test]
    fn an_amount_and_a_period_are_a_budget_of_that_period() {
        let cost = json!({ "amount": 50_000, "currency": "usd" });
        let monthly = read(json!({ "monthly": cost })).unwrap();
        let daily = read(json!({ "daily": cost })).unwrap();

        assert_eq!(read(json!({ "maxCost": cost, "period": "day" })).unwrap(), daily);
        assert_eq!(read(json!({ "maxCost": cost, "period": "month" })).unwrap(), monthly);
        assert_eq!(read(json!({ "maxCost": cost })).unwrap(), monthly);
        assert_eq!(
            read(json!({ "maxCost": cost, "period": "week" })).unwrap_err(),
            "the period of a budget is `day` or `month`, not `week`"
        );
        assert_eq!(serde_json::to_value(&daily).unwrap(), json!({ "daily": cost, "alerts": [] }));
    }

    #[test]
    fn a_budget_limits_something() {
        let fields = |json: Value| {
            let problems = Problems::of(&read(json).unwrap());
            problems.into_iter().map(|problem| problem.field).collect::<Vec<_>>()
        };

        assert_eq!(fields(json!({ "alerts": [] })), ["monthly"]);
        assert_eq!(fields(json!({ "daily": { "amount": -1 } })), ["daily.amount"]);
        assert_eq!(
            fields(json!({ "daily": { "amount": 1 }, "alerts": [{ "threshold": 80, "action": "pause" }] })),
            ["alerts[0].threshold", "alerts[0].action"]
        );
    }
}
