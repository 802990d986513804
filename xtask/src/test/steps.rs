//! What the test command checks, in order. Cheap checks come first; the commands share one target folder.

use std::process::Command;

use super::{
    Outcome, counts, examples, fuzz, licences, msrv, prepare,
    process::{check, command, tests},
    python, schema_fuzz,
};
use crate::{cargo, codegen, repository, rustdoc, tidy};

/// One step.
pub struct Step {
    pub name: &'static str,
    pub about: &'static str,
    pub run: fn() -> Outcome,
}

/// Everything, in order.
pub const STEPS: &[Step] = &[
    step("prepare-python", "the virtual environment .venv with the pinned requirements", prepare::python),
    step("prepare-node", "the npm packages of each package-lock.json", prepare::node),
    step("fmt", "rustfmt changes nothing", || {
        let fuzz = &["fmt", "--manifest-path", "theazo/fuzz/Cargo.toml", "--check"];
        check(&mut cargo(&["fmt", "--all", "--check"])).and(check(&mut cargo(fuzz)))
    }),
    step("tidy", "the arrows of the map and the house rules", || Outcome::of(tidy::run())),
    step("codegen", "generated files are up to date", || Outcome::of(codegen::check())),
    step("licences", "licences, bans and sources of all crates, as deny.toml says", || Outcome::of(licences::check())),
    step(
        "msrv",
        "`rust-version` is the same everywhere, and nothing needs a newer Rust",
        || Outcome::of(msrv::check()),
    ),
    step("openapi", "openapi.json is valid, each operation has its examples, and all examples fit", openapi),
    step("clippy", "no lints in any crate, the bindings included", || {
        check(&mut cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    }),
    step("doc", "the documentation builds without warnings", || {
        check(cargo(&["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))
    }),
    step("public-api", "public signatures name no foreign client, and every public item has its example", || {
        Outcome::of(rustdoc::check())
    }),
    step("rust-test", "the Rust tests", || tests(&mut cargo(&["test", "--no-fail-fast"]), counts::cargo)),
    step("fuzz", "the SSE parser against its oracle for 20 s, as coverage guides", fuzz::step),
    step("rust-examples", "the Rust examples run embedded", examples::rust),
    step("node-build", "the Node package builds", || check(&mut npm("theazo-node", &["run", "build"]))),
    step("node-check", "the Node package: types and lints", || check(&mut npm("theazo-node", &["run", "check"]))),
    step("node-test", "the Node tests", || tests(&mut npm("theazo-node", &["test"]), counts::node)),
    step("python-build", "the Python package builds into .venv", || {
        check(python_tool("maturin", &["develop"]).current_dir(repository::root().join("theazo-py")))
    }),
    step(
        "python-check",
        "the Python package: lints, format, strict types, and the native part as typed",
        python::lints,
    ),
    step("python-test", "the Python tests", || {
        tests(python_tool("pytest", &[]).current_dir(repository::root().join("theazo-py")), counts::pytest)
    }),
    step("python-package", "the wheel installs into an empty environment, and the sdist builds", python::package),
    step("node-examples", "the Node examples run embedded", examples::node),
    step("python-examples", "the Python examples run embedded", examples::python),
    step("serve", "the three quickstarts run against `theazo serve`", examples::served),
    step("schema-fuzz", "schemathesis finds nothing in `theazo serve`", schema_fuzz::step),
];

const fn step(name: &'static str, about: &'static str, run: fn() -> Outcome) -> Step {
    Step { name, about, run }
}

fn openapi() -> Outcome {
    check(&mut python_tool("python", &["xtask/python/check_openapi.py", "theazo-api/openapi.json"]))
}

/// A cargo command.
pub fn cargo(arguments: &[&str]) -> Command {
    command(cargo::program(), arguments)
}

/// An npm command in a folder.
pub fn npm(folder: &str, arguments: &[&str]) -> Command {
    let mut command = command("npm", arguments);
    command.current_dir(repository::root().join(folder));
    command
}

/// A tool of the virtual environment.
pub fn python_tool(tool: &str, arguments: &[&str]) -> Command {
    let environment = repository::root().join(".venv");
    let tools = environment.join("bin");
    let mut command = command(tools.join(tool), arguments);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(tools).chain(std::env::split_paths(&path));
    if let Ok(path) = std::env::join_paths(path) {
        command.env("PATH", path);
    }
    command.env("VIRTUAL_ENV", environment).env_remove("PYTHONHOME");
    command
}
