//! The loop: tries inputs, keeps those that reach something new, and makes further ones from them.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use crate::{Random, coverage::Coverage, limits, mutate::Mutator};

/// How long the loop runs unless `--seconds` says otherwise.
const SECONDS: u64 = 20;

/// Where the random numbers begin unless `--seed` says otherwise.
const SEED: u64 = 1;

/// Tries inputs for a while: the seeds of `corpus/TARGET`, then what is made from them. Ends the program at the first
/// that is wrong. With files as arguments it tries those alone.
pub fn main(target: &'static str, check: fn(&[u8])) -> ExitCode {
    let (mut seconds, mut seed, mut files) = (SECONDS, SEED, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let number = match argument.as_str() {
            "--seconds" => &mut seconds,
            "--seed" => &mut seed,
            _ => {
                files.push(argument);
                continue;
            }
        };
        let Some(value) = arguments.next().and_then(|value| value.parse().ok()) else {
            eprintln!("usage: {target} [--seconds NUMBER] [--seed NUMBER] [FILE...]");
            return ExitCode::from(2);
        };
        *number = value;
    }
    limits::watch_time();
    let mut fuzzer = Fuzzer { target, check, coverage: Coverage::new(), corpus: Vec::new(), executions: 0 };
    if !files.is_empty() {
        files.iter().for_each(|file| fuzzer.attempt(fs::read(file).expect("the file can be read")));
        println!("{target}: {} inputs are fine", fuzzer.executions);
        return ExitCode::SUCCESS;
    }
    if fuzzer.coverage.len() == 0 {
        eprintln!("{target}: built without coverage; `cargo xtask test --only fuzz` has the flags");
        return ExitCode::FAILURE;
    }
    fuzzer.run(Duration::from_secs(seconds), Random::seeded(seed));
    ExitCode::SUCCESS
}

struct Fuzzer {
    target: &'static str,
    check: fn(&[u8]),
    coverage: Coverage,
    /// The inputs that reached something new.
    corpus: Vec<Vec<u8>>,
    executions: u64,
}

impl Fuzzer {
    fn run(&mut self, time: Duration, mut random: Random) {
        let begun = Instant::now();
        let seeds = seeds(self.target);
        let mutator = Mutator::new(&seeds);
        let count = seeds.len();
        seeds.into_iter().for_each(|seed| self.attempt(seed));
        while begun.elapsed() < time {
            // The clock is looked at now and then only.
            for _ in 0..256 {
                let input = mutator.mutate(&mut random, &self.corpus);
                self.attempt(input);
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        println!(
            "{}: {} executions in {seconds:.1} s, {:.0} a second; {} of {} branches reached, {} inputs kept from {count} seeds",
            self.target,
            self.executions,
            self.executions as f64 / seconds,
            self.coverage.reached(),
            self.coverage.len(),
            self.corpus.len(),
        );
    }

    /// Tries an input, and keeps it if it reaches something new.
    fn attempt(&mut self, input: Vec<u8>) {
        limits::enter(self.target, &input);
        self.executions += 1;
        self.coverage.reset();
        // The panic has told its message by itself.
        if catch_unwind(AssertUnwindSafe(|| (self.check)(&input))).is_err() {
            limits::end(&format!("panicked after {} executions", self.executions));
        }
        if self.coverage.take() {
            self.corpus.push(input);
        }
    }
}

/// The seeds of a target, in the order of their names.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries = fs::read_dir(&folder).expect("every target has seeds");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    files.sort();
    files.into_iter().map(|file| fs::read(file).expect("the seed can be read")).collect()
}
