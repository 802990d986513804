//! The fuzz targets of `theazo/fuzz`, run by the loop in its library. That needs a flag of the compiler, and neither nightly
//! Rust nor the C++ compiler that libFuzzer asks for.

use std::process::Command;

use anyhow::{Result, ensure};

use super::{Outcome, process::output, steps::cargo};

/// Makes LLVM count at every branch. The counters are what the loop looks at.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters";

/// Where the package is, and a target folder that nothing else uses: everything in it is built with the flags.
const PACKAGE: &[&str] = &["--manifest-path", "theazo/fuzz/Cargo.toml", "--target-dir", "target/fuzz"];

/// Fuzzes what is quick to build for a short time, with the same random numbers each time.
pub fn step() -> Outcome {
    let short = &["sse_parser", "--no-default-features", "--", "--seconds", "20", "--seed", "1"];
    let (succeeded, log) = output(&mut program(short));
    let told = log.lines().find(|line| line.contains(" executions in ")).unwrap_or_default().to_owned();
    Outcome::check(succeeded && !told.is_empty(), log).noting(told)
}

/// `cargo xtask fuzz TARGET [-- ARGUMENT...]`.
pub fn run(arguments: &[&str]) -> Result<()> {
    let status = program(arguments).status()?;
    ensure!(status.success(), "the fuzz target failed: {status}");
    Ok(())
}

/// A command on the package, without its flags.
pub fn on_package(command: &str, arguments: &[&str]) -> Command {
    cargo(&[&[command], PACKAGE, arguments].concat())
}

fn program(arguments: &[&str]) -> Command {
    // With a target named, the flags do not concern build scripts, which have nobody to count for.
    let build = ["--release", "--target", "host-tuple", "--bin"];
    let mut command = on_package("run", &[&build, arguments].concat());
    command.env("RUSTFLAGS", FLAGS).env_remove("CARGO_ENCODED_RUSTFLAGS");
    command
}
