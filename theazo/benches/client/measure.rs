//! Two sides that take turns, and what each costs.

use std::time::Duration;

use crate::report::Spread;

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
        let each = |seconds: &[f64]| Spread::of(seconds.iter().copied()).median() * 1e6 / count as f64;
        (each(&self.ours), each(&self.theirs))
    }

    /// How many of `count` pieces of a turn our side does in a second, in millions.
    pub fn our_millions_per_second(&self, count: usize) -> Spread {
        Spread::of(self.ours.iter().map(|seconds| count as f64 / seconds / 1e6))
    }
}
