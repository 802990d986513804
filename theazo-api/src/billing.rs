//! Billing: the account's plan, its payment pages and its credits.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    check::{Check, Problems},
    compatible::{Compatible, compatible},
    endpoint::endpoints,
    id::SubscriptionId,
    money::Cost,
    open_enum::open_enum,
    time::Timestamp,
    tools::check_url,
};

endpoints! {
    /// Fetches the account's subscription.
    ///
    /// An account that never chose a plan has the plan `free` in the state `active`.
    GetSubscription: Get "/v1/billing/subscription" => "billing.getSubscription",
        response: BillingSubscription;

    /// Makes a page on which a person pays for a plan, and returns its address.
    CreateCheckout: Post "/v1/billing/checkout" => "billing.createCheckout",
        body: BillingCheckoutOpts, response: BillingPage,
        with { positional: &["plan", "successUrl", "cancelUrl"], status: 201 };

    /// Returns the address of the page on which a person changes the plan, the payment method and the invoices.
    GetBillingPortal: Get "/v1/billing/portal" => "billing.getPortalUrl",
        response: BillingPage;

    /// Tells how many credits the account has left.
    GetCreditBalance: Get "/v1/billing/credits" => "billing.getCreditBalance",
        response: CreditBalance;
}

open_enum! {
    /// A plan.
    BillingPlan {
        /// Free of charge, with a few credits and no overages.
        Free = "free",
        /// Paid by the month, with credits included and overages at the rate card. It was once called `cloud`.
        Pro = "pro",
        /// By agreement.
        Enterprise = "enterprise",
    }
}

open_enum! {
    /// The state of a subscription.
    SubscriptionStatus {
        /// It is in force.
        Active = "active",
        /// It is in force and not paid for yet.
        Trialing = "trialing",
        /// A payment failed; it stays in force for a while.
        PastDue = "past_due",
        /// It has ended.
        Cancelled = "cancelled",
    }
}

/// The account's subscription.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct BillingSubscription {
    /// The id.
    pub id: SubscriptionId,
    /// The plan.
    pub plan: BillingPlan,
    /// The state.
    pub status: SubscriptionStatus,
    /// When the present period began; a period is a month.
    pub current_period_start: Timestamp,
    /// When the present period ends.
    pub current_period_end: Timestamp,
    /// Whether it ends with the present period.
    #[serde(default)]
    pub cancel_at_period_end: bool,
}

compatible!(BillingSubscription by functions);

impl Compatible for BillingSubscription {
    const TOUCHED: &[&str] = &["plan"];

    fn accept(members: &mut Map<String, Value>) {
        accept_older_plan(members);
    }
}

/// The first versions of the published client, and the documentation, call the plan `pro` `cloud`.
fn accept_older_plan(members: &mut Map<String, Value>) {
    if let Some(plan) = members.get_mut("plan")
        && plan == "cloud"
    {
        *plan = "pro".into();
    }
}

/// A plan to pay for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct BillingCheckoutOpts {
    /// The plan.
    pub plan: BillingPlan,
    /// Where the person goes when it is paid.
    pub success_url: String,
    /// Where the person goes who does not pay.
    pub cancel_url: String,
}

compatible!(BillingCheckoutOpts by functions);

impl Compatible for BillingCheckoutOpts {
    const TOUCHED: &[&str] = &["plan"];

    fn accept(members: &mut Map<String, Value>) {
        accept_older_plan(members);
    }
}

impl Check for BillingCheckoutOpts {
    fn check(&self, problems: &mut Problems) {
        if let BillingPlan::Other(_) = &self.plan {
            problems.add("plan", "must be `free`, `pro` or `enterprise`");
        }
        check_url("successUrl", &self.success_url, problems);
        check_url("cancelUrl", &self.cancel_url, problems);
    }
}

/// A page of the payment service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct BillingPage {
    /// Its address, for the person who pays; it works for a short while.
    pub url: String,
}

/// How many credits the account has left. A credit is one cent.
///
/// Credits are a budget: what they do not cover is refused with `session_limit_exceeded` before it is spent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct CreditBalance {
    /// Credits that are left, rounded half up; below zero where overages are allowed. Exactly: `cost`.
    pub credits: i64,
    /// The currency, `usd`.
    pub currency: String,
    /// The same as an amount of money.
    pub cost: Cost,
    /// What was consumed since midnight, UTC.
    pub consumed_today: Cost,
    /// Whether the account was never given credits, so that they do not limit it; `credits` is then as large as it can be.
    #[serde(default)]
    pub unlimited: bool,
}

compatible!(CreditBalance by functions);

impl Compatible for CreditBalance {
    const TOUCHED: &[&str] = &["credits", "cost", "consumedToday"];

    /// The published server may tell of credits alone, with fractions of one.
    fn accept(members: &mut Map<String, Value>) {
        let exact = members.get("credits").and_then(Value::as_f64).unwrap_or_default();
        let in_money = Cost::from_micro_cents((exact * 1_000_000.0).round() as i64);
        if members.get("credits").is_some_and(|credits| credits.as_i64().is_none()) {
            members.insert("credits".to_owned(), in_money.amount.into());
        }
        let nothing = Cost::from_micro_cents(0);
        for (name, cost) in [("cost", in_money), ("consumedToday", nothing)] {
            members.entry(name).or_insert_with(|| serde_json::to_value(cost).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_plan_cloud_is_the_plan_pro() {
        let urls =
            json!({ "plan": "cloud", "successUrl": "https://a.example/ok", "cancelUrl": "https://a.example/no" });
        let opts: BillingCheckoutOpts = serde_json::from_value(urls).unwrap();
        let subscription: BillingSubscription = serde_json::from_value(json!({
            "id": "sub_1", "plan": "cloud", "status": "active", "cancelAtPeriodEnd": false,
            "currentPeriodStart": "2026-11-01T00:00:00Z", "currentPeriodEnd": "2026-12-01T00:00:00Z",
        }))
        .unwrap();

        assert_eq!((opts.plan.clone(), subscription.plan), (BillingPlan::Pro, BillingPlan::Pro));
        assert_eq!(Problems::of(&opts), []);
    }

    #[test]
    fn a_balance_without_money_is_read() {
        let balance: CreditBalance = serde_json::from_value(json!({ "credits": 12.5, "currency": "usd" })).unwrap();

        assert_eq!((balance.credits, balance.cost), (13, Cost::from_micro_cents(12_500_000)));
        assert_eq!(balance.consumed_today.to_micro_cents(), 0);
    }
}
