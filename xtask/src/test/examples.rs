//! The examples in the three languages: all of them embedded, the quickstarts against `theazo serve` too.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{
    Outcome,
    process::{Background, check, command},
    steps::{cargo, python_tool},
};
use crate::{cargo::target, repository};

/// How long the server may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// Variables for a program that is run.
type Variables<'a> = &'a [(&'a str, &'a str)];

/// Builds the binary and all Rust examples, and runs each, embedded.
///
/// Naming examples makes cargo choose the same features as for the tests, so that nothing is built a second time.
pub fn rust() -> Outcome {
    check(&mut build()).and(each("examples/rust/", ".rs", |name| rust_example(name, &[])))
}

/// Runs each Node example, embedded.
pub fn node() -> Outcome {
    each("examples/node/", ".ts", |name| node_example(name, &[]))
}

/// Runs each Python example, embedded.
pub fn python() -> Outcome {
    each("examples/python/", ".py", |name| python_example(name, &[]))
}

/// Builds what the examples and the server need.
pub fn build() -> Command {
    cargo(&["build", "--bin", "theazo", "--examples"])
}

fn rust_example(name: &str, variables: Variables) -> Outcome {
    check(cargo(&["run", "--quiet", "--example", name]).envs(variables.iter().copied()))
}

fn node_example(name: &str, variables: Variables) -> Outcome {
    let mut node = command("node", &["--import", "tsx", &format!("{name}.ts")]);
    check(node.current_dir(repository::root().join("examples/node")).envs(variables.iter().copied()))
}

fn python_example(name: &str, variables: Variables) -> Outcome {
    let path = format!("examples/python/{name}.py");
    check(python_tool("python", &[&path]).envs(variables.iter().copied()))
}

/// Runs every program right in the folder; having none is a failure.
fn each(folder: &str, extension: &str, run: impl Fn(&str) -> Outcome) -> Outcome {
    let files = match repository::files() {
        Ok(files) => files,
        Err(error) => return Outcome::of(Err(error)),
    };
    let names = files.iter().filter_map(|path| path.strip_prefix(folder)?.strip_suffix(extension));
    let outcomes = names.filter(|name| !name.contains('/')).map(run);
    let none = || Outcome::check(false, format!("there is no program in {folder}\n"));
    outcomes.reduce(Outcome::and).unwrap_or_else(none)
}

/// Runs all three against a server of their own.
pub fn served() -> Outcome {
    check(&mut build()).and(with_server(|server| {
        let variables = [("THEAZO_BASE_URL", server.url.as_str()), ("THEAZO_API_KEY", server.live_key.as_str())];
        let name = "quickstart";
        rust_example(name, &variables).and(node_example(name, &variables)).and(python_example(name, &variables))
    }))
}

/// A server that runs while it is used.
pub struct Server {
    _process: Background,
    /// Where it listens.
    pub url: String,
    /// The live key of its account.
    pub live_key: String,
    /// The test key of its account.
    pub test_key: String,
}

/// Uses `theazo serve` on a free port with an empty data directory.
pub fn with_server(use_it: impl FnOnce(&Server) -> Outcome) -> Outcome {
    let data = std::env::temp_dir().join(format!("theazo-xtask-{}", std::process::id()));
    let outcome = match serve(&data) {
        Ok(server) => use_it(&server),
        Err(error) => Outcome::of(Err(error)),
    };
    let _ = fs::remove_dir_all(data);
    outcome
}

fn serve(data: &std::path::Path) -> Result<Server> {
    let mut serve = command(binary()?, &["serve", "--listen", "127.0.0.1:0", "--json", "--data-dir"]);
    serve.arg(data);
    let (process, line) = Background::start(&mut serve, PATIENCE)?;
    let ready: Value =
        serde_json::from_str(&line).with_context(|| format!("`theazo serve --json` printed `{line}`, not JSON"))?;
    let member = |name: &str| {
        ready[name].as_str().map(str::to_owned).with_context(|| format!("`theazo serve --json` gave no `{name}`"))
    };
    let (url, live_key, test_key) = (member("url")?, member("liveKey")?, member("testKey")?);
    Ok(Server { _process: process, url, live_key, test_key })
}

fn binary() -> Result<PathBuf> {
    Ok(target()?.join("debug").join(format!("theazo{}", std::env::consts::EXE_SUFFIX)))
}
