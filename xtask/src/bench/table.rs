//! The table of ratios.

use std::fmt::Write as _;

use serde::Deserialize;

/// A ratio that was measured.
#[derive(Debug, Deserialize)]
pub struct Ratio {
    /// What is compared, for example `node: calls at 64 in flight / fetch`.
    name: String,
    ratio: f64,
    /// What it is held to.
    bar: f64,
    better: Better,
    /// Both sides in their own unit, for people.
    #[serde(default)]
    detail: String,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Better {
    Lower,
    Higher,
}

impl Ratio {
    /// Whether it is as good as its bar or better; what is no number is not.
    pub fn reaches_its_bar(&self) -> bool {
        match self.better {
            Better::Lower => self.ratio <= self.bar,
            Better::Higher => self.ratio >= self.bar,
        }
    }
}

/// One line for each ratio, in columns.
pub fn render(ratios: &[Ratio]) -> String {
    let width = ratios.iter().map(|ratio| ratio.name.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for ratio in ratios {
        let sign = if ratio.better == Better::Lower { "≤" } else { "≥" };
        let verdict = if ratio.reaches_its_bar() { "ok" } else { "MISSED" };
        let _ = writeln!(
            out,
            "{verdict:<7}{:<width$}  {:>7.2} {sign} {:<6} {}",
            ratio.name, ratio.ratio, ratio.bar, ratio.detail
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_held_to_their_bars_in_their_direction() {
        let ratios: Vec<Ratio> = serde_json::from_str(
            r#"[
                {"name": "rust: call / reqwest", "ratio": 1.04, "bar": 1.1, "better": "lower", "detail": "104 µs / 100 µs"},
                {"name": "node: calls / fetch", "ratio": 4.5, "bar": 5, "better": "higher"}
            ]"#,
        )
        .expect("they are ratios");

        let table = render(&ratios);

        assert_eq!(
            table.lines().map(str::trim_end).collect::<Vec<_>>(),
            [
                "ok     rust: call / reqwest     1.04 ≤ 1.1    104 µs / 100 µs",
                "MISSED node: calls / fetch      4.50 ≥ 5",
            ]
        );
    }
}
