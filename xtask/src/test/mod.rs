//! `cargo xtask test`: the one test command. It prepares what the languages need, then checks everything and goes on
//! after a failure; the last line says how many passed and failed.
//!
//! Reading order: [`steps`] (what is checked, in order), [`process`] (how a command is run), [`counts`] (how tests are
//! counted), then what single steps need.

mod counts;
mod examples;
pub mod fuzz;
mod licences;
mod msrv;
mod prepare;
mod process;
mod python;
mod schema_fuzz;
pub mod steps;

use std::{
    io::Write as _,
    process::ExitCode,
    time::{Duration, Instant},
};

use counts::Counts;
use steps::{STEPS, Step};

/// What a step came to.
pub struct Outcome {
    counts: Counts,
    /// Everything that was printed, shown if something failed.
    log: String,
    /// What is shown in any case; may be empty.
    note: String,
}

impl Outcome {
    /// One check that passed or failed.
    fn check(passed: bool, log: String) -> Self {
        Self { counts: Counts { passed: passed.into(), failed: (!passed).into() }, log, note: String::new() }
    }

    /// One check that gives an error or nothing.
    fn of(result: anyhow::Result<()>) -> Self {
        Self::check(result.is_ok(), result.err().map_or_else(String::new, |error| format!("{error:#}\n")))
    }

    /// The same, with a note that is shown in any case.
    fn noting(self, note: String) -> Self {
        Self { note, ..self }
    }

    /// Both, one after the other.
    fn and(mut self, other: Self) -> Self {
        self.counts = self.counts.plus(other.counts);
        self.log.push_str(&other.log);
        self
    }
}

/// Runs all steps, or those that are named; `node` names all that begin with `node-`.
pub fn run(only: Option<&str>) -> ExitCode {
    let chosen = match choose(only) {
        Ok(chosen) => chosen,
        Err(unknown) => {
            eprintln!("unknown step `{unknown}`; `cargo xtask test --list` shows them");
            return ExitCode::from(2);
        }
    };
    let begin = Instant::now();
    let mut total = Counts::default();
    for step in chosen {
        print!("{:<18}", step.name);
        // The name is shown while the step runs.
        let _ = std::io::stdout().flush();
        let step_begin = Instant::now();
        let outcome = (step.run)();
        report(&outcome, step_begin.elapsed());
        total = total.plus(outcome.counts);
    }
    println!("in {:.1} s", begin.elapsed().as_secs_f64());
    println!("{} passed, {} failed", total.passed, total.failed);
    if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the names of the steps and what they check.
pub fn list() {
    for step in STEPS {
        println!("{:<18}{}", step.name, step.about);
    }
}

fn report(outcome: &Outcome, elapsed: Duration) {
    let Counts { passed, failed } = outcome.counts;
    let word = if failed == 0 { "ok" } else { "FAILED" };
    let failures = if failed == 0 { String::new() } else { format!(", {failed} failed") };
    let note = if outcome.note.is_empty() { String::new() } else { format!("; {}", outcome.note) };
    println!("{word:<8}{:>7.1} s   {passed} passed{failures}{note}", elapsed.as_secs_f64());
    if failed > 0 {
        for line in outcome.log.lines() {
            println!("    {line}");
        }
    }
}

fn choose(only: Option<&str>) -> Result<Vec<&'static Step>, String> {
    let Some(only) = only else { return Ok(STEPS.iter().collect()) };
    let names: Vec<&str> = only.split(',').collect();
    let is_named = |step: &Step, name: &str| {
        step.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    if let Some(unknown) = names.iter().find(|name| !STEPS.iter().any(|step| is_named(step, name))) {
        return Err((*unknown).to_owned());
    }
    Ok(STEPS.iter().filter(|step| names.iter().any(|name| is_named(step, name))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_chosen_by_name_or_by_the_start_of_it_and_keep_their_order() {
        let names = |only| choose(Some(only)).map(|steps| steps.iter().map(|step| step.name).collect::<Vec<_>>());
        assert_eq!(names("tidy,fmt"), Ok(vec!["fmt", "tidy"]));
        assert_eq!(names("node"), Ok(vec!["node-build", "node-check", "node-test", "node-examples"]));
        assert_eq!(names("nod"), Err("nod".to_owned()));
        assert_eq!(choose(None).map(|steps| steps.len()), Ok(STEPS.len()));
    }
}
