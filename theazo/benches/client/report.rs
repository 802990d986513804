//! A median with its spread, as the line that `cargo xtask bench` reads.

use serde_json::json;

/// What a median is held to.
#[derive(Clone, Copy)]
pub enum Bar {
    AtMost(f64),
    AtLeast(f64),
}

/// A median with its spread: nine of ten values are above `low`, nine of ten below `high`.
pub struct Spread {
    median: f64,
    low: f64,
    high: f64,
    count: usize,
}

impl Spread {
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        Self { median: at(0.5), low: at(0.1), high: at(0.9), count: values.len() }
    }

    pub fn median(&self) -> f64 {
        self.median
    }

    /// Prints the line that `cargo xtask bench` reads.
    pub fn report(&self, name: &str, bar: Bar, detail: &str) {
        let Self { median, low, high, count } = self;
        let (bar, better) = match bar {
            Bar::AtMost(bar) => (bar, "lower"),
            Bar::AtLeast(bar) => (bar, "higher"),
        };
        let spread = (*count > 1).then(|| format!("{low:.2} to {high:.2} (p10 to p90 of {count})"));
        let detail = spread.as_deref().into_iter().chain((!detail.is_empty()).then_some(detail));
        let detail = detail.collect::<Vec<_>>().join(", ");
        println!("{}", json!({ "name": name, "ratio": median, "bar": bar, "better": better, "detail": detail }));
    }
}
