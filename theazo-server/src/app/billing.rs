//! The account's plan and its payment pages.

use theazo_api::{
    BillingCheckoutOpts, BillingPage, BillingPlan, BillingSubscription, ErrorCode, SubscriptionId, SubscriptionStatus,
};

use super::{Context, budgets::end_of, usage::start_of};
use crate::error::{AppError, AppResult};

impl Context {
    /// The account's subscription: without a payment service there is one plan, and it is free.
    pub fn subscription(&self) -> AppResult<BillingSubscription> {
        let now = self.app.clock.now();
        Ok(BillingSubscription {
            id: SubscriptionId::from_suffix(self.tenant.account_id()),
            plan: BillingPlan::Free,
            status: SubscriptionStatus::Active,
            current_period_start: start_of(None, now),
            current_period_end: end_of(&theazo_api::Period::Month, now),
            cancel_at_period_end: false,
        })
    }

    /// A page on which a person pays for a plan.
    pub fn create_checkout(&self, _: BillingCheckoutOpts) -> AppResult<BillingPage> {
        Err(no_payments())
    }

    /// A page on which a person changes the plan.
    pub fn billing_portal(&self) -> AppResult<BillingPage> {
        Err(no_payments())
    }
}

fn no_payments() -> AppError {
    AppError::new(
        ErrorCode::Conflict,
        "no payment service is set up here, so there is nothing to pay and no page for it",
    )
    .with("reason", "payments_not_configured")
}
