//! The checks of the Python package that are more than one command.

use std::process::Command;

use super::{Outcome, process::check, steps::python_tool};
use crate::repository;

/// Lints, format, types as the package says them, and types as its native part has them.
pub fn lints() -> Outcome {
    let run = |tool: &str, arguments: &[&str]| check(&mut in_package(tool, arguments));
    // The files that mypy reads are named in pyproject.toml.
    let examples = "../examples/python";
    run("ruff", &["check", "--config", "pyproject.toml", ".", examples])
        .and(run("ruff", &["format", "--check", "--config", "pyproject.toml", ".", examples]))
        .and(run("mypy", &["--strict"]))
        .and(run("pyright", &["--verifytypes", "theazo", "--ignoreexternal"]))
        .and(run("stubtest", &["theazo", "--mypy-config-file", "pyproject.toml"]))
}

/// The wheel and the source distribution, installed and built as users do.
pub fn package() -> Outcome {
    check(&mut python_tool("python", &["xtask/python/check_python_package.py"]))
}

fn in_package(tool: &str, arguments: &[&str]) -> Command {
    let mut command = python_tool(tool, arguments);
    command.current_dir(repository::root().join("theazo-py"));
    command
}
