//! What things cost, and how they are paid for.

use theazo_api::Secret;
use theazo_server::{PlaneConfig, RateCard, StripeConfig};

use crate::cli::Failure;

/// Prices of a control plane. A micro-cent is a millionth of a cent.
#[derive(clap::Args)]
pub struct MoneyOptions {
    /// What a minute of a sandbox costs, in micro-cents; the published price by default.
    #[arg(long, env = "THEAZO_COMPUTE_PER_MINUTE", value_name = "MICRO_CENTS")]
    compute_per_minute: Option<i64>,
    /// What a minute of the control plane's own work in a run costs, in micro-cents.
    #[arg(long, env = "THEAZO_ORCHESTRATION_PER_MINUTE", value_name = "MICRO_CENTS")]
    orchestration_per_minute: Option<i64>,
    /// What a call of a model costs on top of what its provider asks, in percent.
    #[arg(long, env = "THEAZO_MODEL_MARKUP_PERCENT", value_name = "PERCENT")]
    model_markup_percent: Option<i64>,
    /// What a gigabyte that is stored for a month costs, in micro-cents.
    #[arg(long, env = "THEAZO_STORAGE_PER_GIGABYTE_MONTH", value_name = "MICRO_CENTS")]
    storage_per_gigabyte_month: Option<i64>,
    /// How many credits every account begins with; a credit is worth a cent. Without it credits limit nobody who was not
    /// given some with `theazo accounts credit`.
    #[arg(long, env = "THEAZO_CREDITS", value_name = "NUMBER")]
    credits: Option<i64>,
    /// The secret key of an account at Stripe, with which plans are sold.
    #[arg(long, env = "THEAZO_STRIPE_SECRET_KEY", value_name = "KEY", hide_env_values = true)]
    stripe_secret_key: Option<String>,
    /// The id of the price of the plan `pro` at Stripe.
    #[arg(long, env = "THEAZO_STRIPE_PRO_PRICE", value_name = "ID")]
    stripe_pro_price: Option<String>,
    /// The id of the price of the plan `enterprise` at Stripe; without one it is not sold on a page.
    #[arg(long, env = "THEAZO_STRIPE_ENTERPRISE_PRICE", value_name = "ID")]
    stripe_enterprise_price: Option<String>,
}

impl MoneyOptions {
    /// The control plane with these prices.
    pub fn apply(&self, mut config: PlaneConfig) -> Result<PlaneConfig, Failure> {
        let usual = RateCard::default();
        config.rates = RateCard {
            compute_per_minute: self.compute_per_minute.unwrap_or(usual.compute_per_minute),
            orchestration_per_minute: self.orchestration_per_minute.unwrap_or(usual.orchestration_per_minute),
            model_markup_percent: self.model_markup_percent.unwrap_or(usual.model_markup_percent),
            storage_per_gigabyte_month: self.storage_per_gigabyte_month.unwrap_or(usual.storage_per_gigabyte_month),
        };
        config.credits = self.credits;
        config.stripe = match (&self.stripe_secret_key, &self.stripe_pro_price) {
            (Some(key), Some(price)) => {
                let mut stripe = StripeConfig::new(Secret::new(key.as_str()), price.as_str());
                stripe.enterprise_price.clone_from(&self.stripe_enterprise_price);
                Some(stripe)
            }
            (None, None) if self.stripe_enterprise_price.is_none() => None,
            _ => return Err("`stripe_secret_key` and `stripe_pro_price` belong together; set both or neither".into()),
        };
        Ok(config)
    }
}
