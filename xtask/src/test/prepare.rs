//! What the languages need, installed into the work tree: a virtual environment for Python and npm packages for Node.
//! Nothing is installed twice: a copy of what was asked for is kept beside what was installed.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use super::{
    Outcome,
    process::{command, output},
    steps::{npm, python_tool},
};
use crate::repository;

const REQUIREMENTS: &str = "theazo-py/requirements-dev.txt";

const OLDEST_NODE: u32 = 20;

/// Makes `.venv` and installs the pinned requirements.
pub fn python() -> Outcome {
    Outcome::of(install_python())
}

/// Installs the packages of every package-lock.json.
pub fn node() -> Outcome {
    Outcome::of(install_node())
}

fn install_python() -> Result<()> {
    let environment = repository::root().join(".venv");
    if !environment.join("bin/python").exists() {
        let mut make = command("python3", &["-m", "venv", ".venv"]);
        succeed(
            &mut make,
            "install Python 3.10 or newer with its module `venv` (on Debian: python3 and python3-venv)",
        )?;
    }
    let wanted = fs::read_to_string(repository::root().join(REQUIREMENTS))
        .with_context(|| format!("{REQUIREMENTS} cannot be read: it pins what the checks need"))?;
    let installed = environment.join("installed-requirements.txt");
    if is_same(&installed, &wanted) {
        return Ok(());
    }
    let mut install = python_tool("python", &["-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS]);
    succeed(&mut install, "pip needs the network, or the packages in its cache")?;
    Ok(fs::write(installed, wanted)?)
}

fn install_node() -> Result<()> {
    let (found, version) = output(&mut command("node", &["--version"]));
    let major = version.lines().find_map(|line| line.strip_prefix('v')?.split('.').next()?.parse::<u32>().ok());
    ensure!(
        found && major.is_some_and(|major| major >= OLDEST_NODE),
        "{version}install Node.js {OLDEST_NODE} or newer with npm"
    );
    let files = repository::files()?;
    let folders: Vec<&str> = files.iter().filter_map(|path| path.strip_suffix("/package-lock.json")).collect();
    ensure!(!folders.is_empty(), "there is no package-lock.json: commit the one that `npm install` writes");
    for folder in folders {
        let root = repository::root().join(folder);
        let wanted = fs::read_to_string(root.join("package-lock.json"))?;
        let installed = root.join("node_modules/.installed-package-lock.json");
        if !is_same(&installed, &wanted) {
            succeed(
                &mut npm(folder, &["ci", "--no-audit", "--no-fund"]),
                "npm needs the network, or the packages in its cache",
            )?;
            if root.join("node_modules").is_dir() {
                fs::write(installed, wanted)?;
            }
        }
    }
    Ok(())
}

fn is_same(path: &Path, wanted: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|found| found == wanted)
}

fn succeed(command: &mut Command, advice: &str) -> Result<()> {
    let (succeeded, log) = output(command);
    ensure!(succeeded, "{}\n{advice}", log.trim_end());
    Ok(())
}
