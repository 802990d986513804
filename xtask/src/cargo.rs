//! What cargo says about the workspace.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::repository;

/// `cargo metadata` with more arguments.
pub fn metadata(arguments: &[&str]) -> Result<Value> {
    let output = Command::new(program())
        .args(["metadata", "--format-version", "1"])
        .args(arguments)
        .current_dir(repository::root())
        .output()
        .context("`cargo` cannot be run")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
    serde_json::from_slice(&output.stdout).context("cargo metadata is not JSON")
}

/// The folder that cargo builds into.
pub fn target() -> Result<PathBuf> {
    let metadata = metadata(&["--no-deps"])?;
    metadata["target_directory"].as_str().map(PathBuf::from).context("cargo metadata names no target folder")
}

/// The cargo that runs this program.
pub fn program() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
