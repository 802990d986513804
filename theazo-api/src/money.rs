//! Money: integer cents for people, exact micro-cents beside them for sums.
//!
//! ```
//! use theazo_api::{Cost, CostLimit, Period, round_parts, round_to_cents};
//!
//! let exact = Cost::from_micro_cents(2_600_000);
//! assert_eq!((exact.amount, exact.to_micro_cents()), (3, 2_600_000));
//! assert_eq!(Cost::cents(5).to_micro_cents(), 5_000_000);
//! assert_eq!(round_to_cents(500_000), 1);
//!
//! // Three parts of 0.6 cents are 1.8 cents in all, so two of them are shown as one cent.
//! assert_eq!(round_parts(&[600_000, 600_000, 600_000]), [1, 1, 0]);
//!
//! let limit = CostLimit::cents(500, Period::Day);
//! assert_eq!(limit.currency, "usd");
//! ```

use serde::{Deserialize, Serialize};

use crate::check::{Check, Problems};

/// How many micro-cents make a cent.
pub const MICRO_CENTS_PER_CENT: i64 = 1_000_000;

/// The largest amount that the API takes: ten billion dollars, far below what `i64` micro-cents hold.
pub const MAX_CENTS: i64 = 1_000_000_000_000;

/// The one currency of the API.
pub const CURRENCY: &str = "usd";

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    /// Cents, rounded half up.
    pub amount: i64,
    /// The currency, `usd`.
    #[serde(default = "currency")]
    pub currency: String,
    /// The exact amount in millionths of a cent. Sums are taken here; absent means that `amount` is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_cents: Option<i64>,
}

fn currency() -> String {
    CURRENCY.to_owned()
}

impl Cost {
    /// An exact amount of cents.
    pub fn cents(amount: i64) -> Self {
        Self { amount, currency: currency(), micro_cents: None }
    }

    /// An amount of micro-cents, with the cents rounded half up.
    pub fn from_micro_cents(micro_cents: i64) -> Self {
        Self { amount: round_to_cents(micro_cents), currency: currency(), micro_cents: Some(micro_cents) }
    }

    /// The exact amount in micro-cents.
    pub fn to_micro_cents(&self) -> i64 {
        self.micro_cents.unwrap_or_else(|| self.amount.saturating_mul(MICRO_CENTS_PER_CENT))
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micro_cents = self.to_micro_cents();
        let unit = if self.amount == 1 { "cent" } else { "cents" };
        write!(f, "{} {unit} ({micro_cents} micro-cents)", self.amount)
    }
}

impl Check for Cost {
    fn check(&self, problems: &mut Problems) {
        check_amount(self.amount, &self.currency, problems);
        if let Some(micro_cents) = self.micro_cents {
            problems.require(
                round_to_cents(micro_cents) == self.amount,
                "microCents",
                "must round to `amount`; leave it out for whole cents",
            );
        }
    }
}

/// A cap on spending in a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct CostLimit {
    /// Cents that may be spent in a period.
    pub amount: i64,
    /// The currency, `usd`.
    #[serde(default = "currency")]
    pub currency: String,
    /// The period, by the UTC calendar.
    pub period: Period,
}

impl CostLimit {
    /// A cap of so many cents in each period.
    pub fn cents(amount: i64, period: Period) -> Self {
        Self { amount, currency: currency(), period }
    }
}

impl Check for CostLimit {
    fn check(&self, problems: &mut Problems) {
        check_amount(self.amount, &self.currency, problems);
        problems.require(matches!(self.period, Period::Day | Period::Month), "period", "must be `day` or `month`");
    }
}

fn check_amount(amount: i64, currency: &str, problems: &mut Problems) {
    problems.require(amount >= 0, "amount", "must not be negative: it is an integer number of cents");
    problems.require(amount <= MAX_CENTS, "amount", "is larger than 1000000000000 cents");
    problems.require(currency == CURRENCY, "currency", "must be `usd`");
}

crate::open_enum::open_enum! {
    /// The period of a cap, by the UTC calendar.
    Period {
        /// From midnight to midnight, UTC.
        Day = "day",
        /// From the first of a month to the next, UTC.
        Month = "month",
    }
}

/// Rounds micro-cents to cents, half up.
pub fn round_to_cents(micro_cents: i64) -> i64 {
    let half = MICRO_CENTS_PER_CENT / 2;
    micro_cents.saturating_add(half).div_euclid(MICRO_CENTS_PER_CENT)
}

/// Rounds the parts of a sum to cents so that they add up to the rounded sum.
///
/// Each part is rounded down; the cents that are then missing go to the largest parts, one each, in turn.
pub fn round_parts(parts: &[i64]) -> Vec<i64> {
    let total = round_to_cents(parts.iter().sum());
    let mut cents: Vec<i64> = parts.iter().map(|part| part.div_euclid(MICRO_CENTS_PER_CENT)).collect();
    let mut largest_first: Vec<usize> = (0..parts.len()).collect();
    largest_first.sort_by_key(|&index| std::cmp::Reverse(parts[index]));
    let missing = total - cents.iter().sum::<i64>();
    for &index in largest_first.iter().cycle().take(usize::try_from(missing).unwrap_or(0)) {
        cents[index] += 1;
    }
    cents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cents_are_rounded_half_up() {
        assert_eq!(round_to_cents(499_999), 0);
        assert_eq!(round_to_cents(500_000), 1);
        assert_eq!(round_to_cents(1_499_999), 1);
        assert_eq!(round_to_cents(-500_000), 0);
        assert_eq!(round_to_cents(-500_001), -1);
    }

    #[test]
    fn parts_add_up_to_the_rounded_sum() {
        assert_eq!(round_parts(&[400_000, 400_000, 400_000]), [1, 0, 0]);
        assert_eq!(round_parts(&[2_600_000, 1_600_000]), [3, 1]);
        assert_eq!(round_parts(&[600_000, 600_000, 600_000]), [1, 1, 0]);
        assert_eq!(round_parts(&[]), Vec::<i64>::new());
    }
}
