//! `cargo xtask bench`: ratios against their bars, measured side by side in one run.
//!
//! Each program of [`PROGRAMS`] measures ours and a plain alternative in turns, on this machine, and prints one JSON line
//! for each ratio: `{"name": "...", "ratio": 1.04, "bar": 1.1, "better": "lower", "detail": "..."}`. Other lines are
//! notes for people and are shown as they come. A program that does not exist yet is said to be missing.
//!
//! - Client: `theazo/benches/client`, the SDK in Rust alone.
//! - Server: `tests/examples/bench_server`, the control plane, an example of `theazo-tests` (it may use the SDK too).
//! - Node: the script `bench` of `theazo-node/package.json`, after `npm run build`.
//! - Python: `theazo-py/bench/calls.py`, after `maturin develop`.
//!
//! The bindings ask the server of the client's benchmark, so that they are measured and not what answers.

mod table;

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use crate::{
    repository,
    test::steps::{cargo, npm, python_tool},
};
use table::Ratio;

/// A program that measures.
struct Program {
    name: &'static str,
    /// The file that it begins with, relative to the root.
    source: &'static str,
    /// What builds it with optimisations, then what runs it.
    commands: fn() -> Vec<Command>,
}

const PROGRAMS: &[Program] = &[
    Program {
        name: "client",
        source: "theazo/benches/client/main.rs",
        commands: || vec![cargo(&["bench", "--quiet", "--package", "theazo", "--bench", "client"])],
    },
    Program {
        name: "server",
        source: "tests/examples/bench_server/main.rs",
        commands: || {
            let build = ["build", "--release", "--quiet", "--package", "theazo-server", "--bin", "theazo"];
            let run = ["run", "--release", "--quiet", "--package", "theazo-tests", "--example", "bench_server"];
            vec![cargo(&build), cargo(&run)]
        },
    },
    Program {
        name: "node",
        source: "theazo-node/bench/main.ts",
        commands: || {
            vec![
                npm("theazo-node", &["run", "--silent", "build:native", "--", "--profile", "dist"]),
                npm("theazo-node", &["run", "--silent", "bench"]),
            ]
        },
    },
    Program {
        name: "python",
        source: "theazo-py/bench/calls.py",
        commands: || {
            let folder = repository::root().join("theazo-py");
            // As wheels are published.
            let mut build = python_tool("maturin", &["develop", "--profile", "dist", "--quiet"]);
            let mut run = python_tool("python", &["bench/calls.py"]);
            build.current_dir(&folder);
            run.current_dir(&folder);
            vec![build, run]
        },
    },
];

/// Runs all programs, or those that are named, and fails if a ratio misses its bar.
pub fn run(only: &[&str]) -> Result<()> {
    if let Some(unknown) = only.iter().find(|name| !PROGRAMS.iter().any(|program| program.name == **name)) {
        let known: Vec<&str> = PROGRAMS.iter().map(|program| program.name).collect();
        anyhow::bail!("unknown program `{unknown}`; there are {}", known.join(", "));
    }
    let mut ratios = Vec::new();
    for program in PROGRAMS.iter().filter(|program| only.is_empty() || only.contains(&program.name)) {
        if repository::root().join(program.source).exists() {
            ratios.extend(measure(program).with_context(|| format!("the bench program `{}`", program.name))?);
        } else {
            println!("{}: there is no {} yet", program.name, program.source);
        }
    }
    print!("{}", table::render(&ratios));
    let missed = ratios.iter().filter(|ratio| !ratio.reaches_its_bar()).count();
    ensure!(missed == 0, "{missed} of {} ratios miss their bars", ratios.len());
    Ok(())
}

/// Runs the program and collects what it measured.
fn measure(program: &Program) -> Result<Vec<Ratio>> {
    let mut ratios = Vec::new();
    for mut command in (program.commands)() {
        let shown = command.get_program().to_string_lossy().into_owned();
        let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| format!("`{shown}` cannot be run"))?;
        let stdout = child.stdout.take().context("the output is not piped")?;
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            match serde_json::from_str::<Ratio>(&line) {
                Ok(ratio) => ratios.push(ratio),
                Err(error) => {
                    ensure!(!line.starts_with('{'), "`{line}` is no ratio: {error}");
                    println!("{}: {line}", program.name);
                }
            }
        }
        let status = child.wait()?;
        ensure!(status.success(), "`{shown}` failed: {status}");
    }
    Ok(ratios)
}
