//! What models cost.

use theazo_api::{MICRO_CENTS_PER_CENT, usage::TokenUsage};

/// The part that a managed model call costs on top of the provider's price, in percent.
const MARGIN_PERCENT: i64 = 10;

/// The price of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// Cents for a million tokens that go in.
    pub input_cents: i64,
    /// Cents for a million tokens that come out.
    pub output_cents: i64,
}

impl Price {
    /// What a call costs in micro-cents, margin included, rounded up.
    pub fn of(self, tokens: TokenUsage) -> i64 {
        // Cents for a million tokens are micro-cents for one.
        const { assert!(MICRO_CENTS_PER_CENT == 1_000_000) };
        let cost = tokens.input * self.input_cents + tokens.output * self.output_cents;
        (cost * (100 + MARGIN_PERCENT) + 99) / 100
    }
}

/// The models that this plane knows, with their prices. `offline` has one, so that limits and bills are exercised.
const PRICES: &[(&str, Price)] = &[
    ("offline", Price { input_cents: 300, output_cents: 1500 }),
    ("anthropic/claude-sonnet", Price { input_cents: 300, output_cents: 1500 }),
    ("anthropic/claude-haiku", Price { input_cents: 25, output_cents: 125 }),
    ("openai/gpt-4o", Price { input_cents: 250, output_cents: 1000 }),
    ("openai/gpt-4o-mini", Price { input_cents: 15, output_cents: 60 }),
    ("google/gemini-2.0-flash", Price { input_cents: 10, output_cents: 40 }),
];

/// The price of a model, if it is known.
pub fn price_of(model: &str) -> Option<Price> {
    PRICES.iter().find(|(name, _)| *name == model).map(|(_, price)| *price)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_costs_the_provider_price_and_ten_percent() {
        let price = price_of("anthropic/claude-sonnet").expect("it is in the table");
        assert_eq!(price.of(TokenUsage { input: 50_000, output: 2_000 }), 19_800_000);
        assert_eq!(price.of(TokenUsage { input: 1, output: 0 }), 330);
        assert_eq!(price_of("nobody/nothing"), None);
    }
}
