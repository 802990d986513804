//! What a model call costs.

use theazo_api::MICRO_CENTS_PER_CENT;

use super::TokenCount;

/// How many parts of a micro-cent a price counts in, so that 7.5 cents a million tokens is a whole number.
const PARTS: i128 = 1000;

/// The price of a model: thousandths of a micro-cent for one token, which are thousandths of a cent for a million.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Price {
    /// For a token that goes in.
    pub input: i64,
    /// For a token that comes out.
    pub output: i64,
    /// For a token that goes in and is in the provider's cache.
    pub cache_read: i64,
    /// For a token that goes in and is put into the provider's cache.
    pub cache_write: i64,
    /// What a managed call costs on top of what its provider takes, in percent.
    pub margin_percent: i64,
}

impl Price {
    /// Nothing: whoever has the key pays the provider.
    pub const FREE: Self = Self { input: 0, output: 0, cache_read: 0, cache_write: 0, margin_percent: 0 };

    /// What the provider takes for a call, in micro-cents, rounded up.
    pub fn of_provider(self, tokens: TokenCount) -> i64 {
        rounded_up(self.parts(tokens), PARTS)
    }

    /// What a call costs in micro-cents, margin included, rounded up.
    pub fn of(self, tokens: TokenCount) -> i64 {
        rounded_up(self.parts(tokens) * i128::from(100 + self.margin_percent), 100 * PARTS)
    }

    /// How many tokens may come out of a call whose tokens that go in are these, so that it costs at most `amount`.
    pub fn output_within(self, tokens: TokenCount, amount: i64) -> i64 {
        if self.output == 0 {
            return tokens.output;
        }
        let left = i128::from(amount) * 100 * PARTS / i128::from(100 + self.margin_percent);
        let left = left - self.parts(TokenCount { output: 0, ..tokens });
        i64::try_from(left / i128::from(self.output)).unwrap_or(i64::MAX)
    }

    fn parts(self, tokens: TokenCount) -> i128 {
        const { assert!(MICRO_CENTS_PER_CENT == 1_000_000) };
        let cost = |tokens: i64, price: i64| i128::from(tokens.max(0)) * i128::from(price);
        let fresh = tokens.input.saturating_sub(tokens.cache_read).saturating_sub(tokens.cache_write);
        cost(fresh, self.input)
            + cost(tokens.output, self.output)
            + cost(tokens.cache_read, self.cache_read)
            + cost(tokens.cache_write, self.cache_write)
    }
}

/// What managed models cost on top of what the provider takes, in micro-cents.
pub fn margin_on(price: Price, tokens: TokenCount) -> i64 {
    price.of(tokens) - price.of_provider(tokens)
}

fn rounded_up(amount: i128, by: i128) -> i64 {
    i64::try_from((amount + by - 1) / by).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SONNET: Price =
        Price { input: 300_000, output: 1_500_000, cache_read: 30_000, cache_write: 375_000, margin_percent: 10 };

    #[test]
    fn a_call_costs_what_the_provider_takes_and_the_margin() {
        assert_eq!(SONNET.of(TokenCount::plain(50_000, 2_000)), 19_800_000);
        assert_eq!(SONNET.of_provider(TokenCount::plain(50_000, 2_000)), 18_000_000);
        assert_eq!(margin_on(SONNET, TokenCount::plain(50_000, 2_000)), 1_800_000);
        assert_eq!(SONNET.of(TokenCount::plain(1, 0)), 330);
        assert_eq!(Price::FREE.of(TokenCount::plain(50_000, 2_000)), 0);
    }

    #[test]
    fn what_a_cache_had_and_took_has_its_own_price() {
        let tokens = TokenCount { cache_read: 700, cache_write: 200, ..TokenCount::plain(1_000, 0) };

        // 100 fresh at 300, 700 read at 30 and 200 written at 375 micro-cents each.
        assert_eq!(SONNET.of_provider(tokens), 30_000 + 21_000 + 75_000);
    }

    #[test]
    fn an_answer_can_be_as_long_as_an_amount_has_room_for() {
        let tokens = TokenCount::plain(1_000, 16_384);
        let output = SONNET.output_within(tokens, 3_000_000);

        assert!(SONNET.of(TokenCount { output, ..tokens }) <= 3_000_000);
        assert!(SONNET.of(TokenCount { output: output + 1, ..tokens }) > 3_000_000);
        assert!(SONNET.output_within(tokens, 1_000) < 0);
    }

    #[test]
    fn a_price_of_parts_of_a_cent_is_exact_and_a_senseless_count_does_not_overflow() {
        let mini = Price { input: 7_500, ..Price::FREE };

        assert_eq!(mini.of_provider(TokenCount::plain(2, 0)), 15);
        assert_eq!(mini.of_provider(TokenCount::plain(1, 0)), 8);
        assert_eq!(SONNET.of(TokenCount::plain(i64::MAX, i64::MAX)), i64::MAX);
        assert_eq!(SONNET.of(TokenCount::plain(-5, -5)), 0);
    }
}
