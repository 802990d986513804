//! Payments: the service that takes money for plans. There is one adapter, for Stripe; without it nothing is paid here.

mod stripe;

pub use stripe::Stripe;

use theazo_api::{BillingPlan, Secret, SubscriptionStatus, Timestamp};

/// How payments are taken.
#[derive(Debug, Clone)]
pub struct StripeConfig {
    /// The secret key of the account at Stripe.
    pub secret_key: Secret,
    /// The id of the price of the plan `pro`.
    pub pro_price: String,
    /// The id of the price of the plan `enterprise`; without one it is not sold on a page.
    pub enterprise_price: Option<String>,
    /// Where Stripe is; a test has one of its own.
    pub base_url: String,
}

impl StripeConfig {
    /// The real Stripe, with the plan `pro` for sale.
    pub fn new(secret_key: Secret, pro_price: impl Into<String>) -> Self {
        Self {
            secret_key,
            pro_price: pro_price.into(),
            enterprise_price: None,
            base_url: "https://api.stripe.com".to_owned(),
        }
    }
}

/// A subscription at the payment service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its id there.
    pub id: String,
    /// The plan.
    pub plan: BillingPlan,
    /// The state.
    pub status: SubscriptionStatus,
    /// When the present period began.
    pub period_start: Timestamp,
    /// When it ends.
    pub period_end: Timestamp,
    /// Whether the subscription ends with it.
    pub cancel_at_period_end: bool,
}

/// The payment service could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum PaymentError {
    /// It could not be reached, or its answer could not be read.
    #[error("the payment service could not be asked: {0}")]
    Unreachable(String),
    /// It refused.
    #[error("the payment service refused: {0}")]
    Refused(String),
}
