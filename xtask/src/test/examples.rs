//! The quickstarts in the three languages: embedded, and against `theazo serve`.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{
    Outcome,
    process::{Background, check, command},
    steps::{cargo, npm, python_tool},
};
use crate::cargo::metadata;

/// How long the server may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// Variables for a program that is run.
type Variables<'a> = &'a [(&'a str, &'a str)];

/// Builds the binary and all examples, and runs the quickstart.
///
/// Naming an example makes cargo choose the same features as for the tests, so that nothing is built a second time.
pub fn rust() -> Outcome {
    check(&mut build()).and(rust_quickstart(&[]))
}

fn build() -> Command {
    cargo(&["build", "--bin", "theazo", "--examples"])
}

fn rust_quickstart(variables: Variables) -> Outcome {
    check(cargo(&["run", "--quiet", "--example", "quickstart"]).envs(variables.iter().copied()))
}

/// Runs the Node quickstart: the script `quickstart` of examples/node.
pub fn node(variables: Variables) -> Outcome {
    check(npm("examples/node", &["run", "--silent", "quickstart"]).envs(variables.iter().copied()))
}

/// Runs the Python quickstart.
pub fn python(variables: Variables) -> Outcome {
    check(python_tool("python", &["examples/python/quickstart.py"]).envs(variables.iter().copied()))
}

/// Runs all three against a server of their own.
pub fn served() -> Outcome {
    let built = check(&mut build());
    let data = std::env::temp_dir().join(format!("theazo-xtask-{}", std::process::id()));
    let outcome = match serve(&data) {
        Ok((_server, url, key)) => {
            let variables = [("THEAZO_BASE_URL", url.as_str()), ("THEAZO_API_KEY", key.as_str())];
            rust_quickstart(&variables).and(node(&variables)).and(python(&variables))
        }
        Err(error) => Outcome::of(Err(error)),
    };
    let _ = fs::remove_dir_all(data);
    built.and(outcome)
}

/// Starts `theazo serve` on a free port with an empty data directory: the server, its address and its live key.
fn serve(data: &std::path::Path) -> Result<(Background, String, String)> {
    let mut serve = command(binary()?, &["serve", "--listen", "127.0.0.1:0", "--json", "--data-dir"]);
    serve.arg(data);
    let (server, line) = Background::start(&mut serve, PATIENCE)?;
    let ready: Value =
        serde_json::from_str(&line).with_context(|| format!("`theazo serve --json` printed `{line}`, not JSON"))?;
    let member = |name: &str| {
        ready[name].as_str().map(str::to_owned).with_context(|| format!("`theazo serve --json` gave no `{name}`"))
    };
    Ok((server, member("url")?, member("liveKey")?))
}

fn binary() -> Result<PathBuf> {
    let target = metadata(&["--no-deps"])?;
    let target = target["target_directory"].as_str().context("cargo metadata names no target folder")?;
    Ok(PathBuf::from(target).join("debug").join(format!("theazo{}", std::env::consts::EXE_SUFFIX)))
}
