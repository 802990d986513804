//! The account's plan and its payment pages.

use serde::{Deserialize, Serialize};
use theazo_api::{
    BillingCheckoutOpts, BillingPage, BillingPlan, BillingSubscription, ErrorCode, Period, SubscriptionId,
    SubscriptionStatus, Timestamp,
};

use super::{Context, budgets::end_of, usage::start_of};
use crate::{
    error::{AppError, AppResult},
    payments::{PaymentError, Stripe, Subscription},
    store::{Document, Tenant, World},
};

/// Who an account is at the payment service.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CustomerRecord {
    id: String,
    customer: String,
    created_at: Timestamp,
}

impl CustomerRecord {
    fn id_of(tenant: &Tenant) -> String {
        format!("customer|{}", tenant.as_str())
    }
}

impl Document for CustomerRecord {
    const KIND: &'static str = "customer";

    fn id(&self) -> &str {
        &self.id
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }
}

impl Context {
    /// The account's subscription: the free plan, if it never paid for another.
    pub async fn subscription(&self) -> AppResult<BillingSubscription> {
        let customer: Option<CustomerRecord> =
            self.app.store.read(|view| view.find(&self.tenant, &CustomerRecord::id_of(&self.tenant)))?;
        let paid = match (&self.app.payments, customer) {
            (Some(stripe), Some(record)) => stripe.subscription(&record.customer).await?,
            _ => None,
        };
        let now = self.app.clock.now();
        let subscription = paid.unwrap_or_else(|| Subscription {
            id: self.tenant.account_id().to_owned(),
            plan: BillingPlan::Free,
            status: SubscriptionStatus::Active,
            period_start: start_of(None, now),
            period_end: end_of(&Period::Month, now),
            cancel_at_period_end: false,
        });
        let id = subscription.id;
        Ok(BillingSubscription {
            id: if id.starts_with(SubscriptionId::PREFIX) { id.into() } else { SubscriptionId::from_suffix(id) },
            plan: subscription.plan,
            status: subscription.status,
            current_period_start: subscription.period_start,
            current_period_end: subscription.period_end,
            cancel_at_period_end: subscription.cancel_at_period_end,
        })
    }

    /// A page on which a person pays for a plan. A repeated request gets the same page.
    pub async fn create_checkout(&self, opts: BillingCheckoutOpts) -> AppResult<BillingPage> {
        let stripe = self.payments()?;
        let price = stripe.price_of(&opts.plan).ok_or_else(|| {
            let reason = match opts.plan {
                BillingPlan::Free => "needs no payment",
                _ => "is not sold on a page here; it is had by agreement",
            };
            AppError::invalid_field("plan", format!("`{}` {reason}", opts.plan))
        })?;
        let customer = self.customer(stripe).await?;
        // Keys of different accounts may be the same words.
        let key = self.claim.as_ref().map(|claim| format!("{}-{}", self.tenant.account_id(), claim.key));
        let addresses = (opts.success_url.as_str(), opts.cancel_url.as_str());
        Ok(BillingPage { url: stripe.checkout(&customer, price, addresses, key.as_deref()).await? })
    }

    /// A page on which a person changes the plan.
    pub async fn billing_portal(&self) -> AppResult<BillingPage> {
        let stripe = self.payments()?;
        let customer = self.customer(stripe).await?;
        Ok(BillingPage { url: stripe.portal(&customer).await? })
    }

    /// The payment service. In the test world nothing is paid.
    fn payments(&self) -> AppResult<&Stripe> {
        let stripe = self.app.payments.as_ref().filter(|_| self.tenant.world() == World::Live);
        stripe.ok_or_else(|| {
            let message = "no payment service is set up here, so there is nothing to pay and no page for it";
            AppError::conflict(message).with("reason", "payments_not_configured")
        })
    }

    /// Who the account is at the payment service; it becomes a customer when it is first needed.
    async fn customer(&self, stripe: &Stripe) -> AppResult<String> {
        let id = CustomerRecord::id_of(&self.tenant);
        let known: Option<CustomerRecord> = self.app.store.read(|view| view.find(&self.tenant, &id))?;
        if let Some(record) = known {
            return Ok(record.customer);
        }
        let customer = stripe.customer(self.tenant.account_id()).await?;
        let (tenant, created_at) = (self.tenant.clone(), self.app.clock.now());
        self.app
            .store
            .write(move |tx| {
                // Somebody else may have made it meanwhile: the same one, as the payment service knows the account.
                if let Some(record) = tx.find::<CustomerRecord>(&tenant, &id)? {
                    return Ok(record.customer);
                }
                tx.insert(&tenant, &CustomerRecord { id, customer: customer.clone(), created_at })?;
                Ok(customer)
            })
            .await
    }
}

impl From<PaymentError> for AppError {
    fn from(error: PaymentError) -> Self {
        AppError::new(ErrorCode::ProviderError, error.to_string())
    }
}
