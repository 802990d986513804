//! Turns, ratios with their spread, and the lines that `cargo xtask bench` reads.

use std::time::Duration;

use serde_json::json;

/// How many turns each side has.
const TURNS: usize = 41;

/// The CPU time of this process so far, in every thread and in the kernel.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Seconds of CPU time that `work` takes.
fn cpu_seconds(work: impl FnOnce()) -> f64 {
    let begun = cpu_time();
    work();
    (cpu_time() - begun).as_secs_f64()
}

/// What two sides cost, turn by turn.
pub struct Pairs {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Pairs {
    /// Lets the sides take turns; each is first in every other pair. A turn before the first warms both up.
    pub fn measure(mut ours: impl FnMut(), mut theirs: impl FnMut()) -> Self {
        ours();
        theirs();
        let mut pairs = Self { ours: Vec::new(), theirs: Vec::new() };
        for turn in 0..TURNS {
            if turn % 2 == 0 {
                pairs.ours.push(cpu_seconds(&mut ours));
            }
            pairs.theirs.push(cpu_seconds(&mut theirs));
            if turn % 2 == 1 {
                pairs.ours.push(cpu_seconds(&mut ours));
            }
        }
        pairs
    }

    /// Ours over theirs, pair by pair.
    pub fn ratios(&self) -> Spread {
        Spread::of(self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| ours / theirs))
    }

    /// How much one of `count` pieces of a turn costs, in microseconds: ours and theirs.
    pub fn micros_each(&self, count: usize) -> (f64, f64) {
        let each = |seconds: &[f64]| Spread::of(seconds.iter().copied()).median * 1e6 / count as f64;
        (each(&self.ours), each(&self.theirs))
    }

    /// How many of `count` pieces of a turn our side does in a second, in millions.
    pub fn our_millions_per_second(&self, count: usize) -> Spread {
        Spread::of(self.ours.iter().map(|seconds| count as f64 / seconds / 1e6))
    }
}

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

    /// Prints the line that `cargo xtask bench` reads.
    pub fn report(&self, name: &str, bar: Bar, detail: &str) {
        let Self { median, low, high, count } = self;
        let (bar, better) = match bar {
            Bar::AtMost(bar) => (bar, "lower"),
            Bar::AtLeast(bar) => (bar, "higher"),
        };
        let spread =
            if *count > 1 { format!("{low:.2} to {high:.2} (p10 to p90 of {count}), ") } else { String::new() };
        let detail = format!("{spread}{detail}");
        println!("{}", json!({ "name": name, "ratio": median, "bar": bar, "better": better, "detail": detail }));
    }
}
