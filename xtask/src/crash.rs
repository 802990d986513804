//! `cargo xtask crash`: the harness of `tests/src/crash/`, built with optimisations and run for long.

use anyhow::{Result, ensure};

use crate::test::steps::cargo;

/// Runs it; the numbers are how often the server is killed, and the seed.
pub fn run(numbers: &[&str]) -> Result<()> {
    let mut harness = cargo(&["run", "--release", "--quiet", "--package", "theazo-tests", "--example", "crash", "--"]);
    let status = harness.args(numbers).status()?;
    ensure!(status.success(), "the harness found something, or failed: {status}");
    Ok(())
}
