//! The rate card: what the plane asks for what it does.

use std::time::Duration;

use theazo_api::MICRO_CENTS_PER_CENT;

/// A month of storage has so many hours: a twelfth of a year.
const HOURS_PER_MONTH: i128 = 730;

const BYTES_PER_GIGABYTE: i128 = 1_000_000_000;

/// What the plane asks for what it does, in micro-cents. The default is the published rate card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateCard {
    /// For a sandbox that runs for a minute.
    pub compute_per_minute: i64,
    /// For the plane's own work in a minute of a run.
    pub orchestration_per_minute: i64,
    /// What a call of a model of the plane costs on top of what its provider asks, in percent.
    pub model_markup_percent: i64,
    /// For a gigabyte (10⁹ bytes) that is stored for a month (730 hours).
    pub storage_per_gigabyte_month: i64,
}

impl Default for RateCard {
    fn default() -> Self {
        Self {
            compute_per_minute: MICRO_CENTS_PER_CENT / 2,
            orchestration_per_minute: MICRO_CENTS_PER_CENT / 5,
            model_markup_percent: 10,
            storage_per_gigabyte_month: 10 * MICRO_CENTS_PER_CENT,
        }
    }
}

impl RateCard {
    /// No rate may be higher than this: a thousand dollars. Above it a bill could pass what `i64` holds.
    const HIGHEST: i64 = 100_000 * MICRO_CENTS_PER_CENT;

    /// Says what is wrong with the rates, if anything.
    ///
    /// # Errors
    ///
    /// When a rate is negative or absurd.
    pub fn check(&self) -> Result<(), String> {
        for (name, rate) in [
            ("compute_per_minute", self.compute_per_minute),
            ("orchestration_per_minute", self.orchestration_per_minute),
            ("storage_per_gigabyte_month", self.storage_per_gigabyte_month),
        ] {
            if !(0..=Self::HIGHEST).contains(&rate) {
                return Err(format!("the rate `{name}` must be from 0 to {} micro-cents, not {rate}", Self::HIGHEST));
            }
        }
        if !(0..=1_000).contains(&self.model_markup_percent) {
            let markup = self.model_markup_percent;
            return Err(format!("the rate `model_markup_percent` must be from 0 to 1000 percent, not {markup}"));
        }
        Ok(())
    }

    /// What storage costs that was used for so many byte-hours, and what is left over of a micro-cent: that many
    /// byte-hours times the rate, to be added next time.
    pub fn storage(&self, byte_hours: i64, left_over: i64) -> (i64, i64) {
        let whole = BYTES_PER_GIGABYTE * HOURS_PER_MONTH;
        let exact = i128::from(byte_hours) * i128::from(self.storage_per_gigabyte_month) + i128::from(left_over);
        let money = i64::try_from(exact / whole).unwrap_or(i64::MAX);
        (money, i64::try_from(exact % whole).unwrap_or_default())
    }
}

/// What a rate by the minute comes to, rounded half up.
pub(super) fn for_minutes(rate: i64, duration: Duration) -> i64 {
    let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    (millis.saturating_mul(rate) + 30_000) / 60_000
}
