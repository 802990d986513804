//! The oldest Rust that the crates build with: `rust-version` in Cargo.toml. It is said in one place, everything that repeats
//! it agrees, and three things keep it true:
//!
//! - no dependency needs a newer one,
//! - the lint `incompatible_msrv` refuses what the standard library got later, with whatever toolchain clippy runs,
//! - the crates that users build are checked with that very toolchain: by all of this command if it is the one that runs, by
//!   this step if rustup has it beside another, and by a job of CI.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::process::{command, output};
use crate::{cargo, repository};

/// The files that repeat the version, each with the words around it.
const REPEATED: &[(&str, &str)] = &[
    ("README.md", "Rust {} or newer"),
    ("CONTRIBUTING.md", "Rust {}"),
    ("theazo/README.md", "Rust {} or newer"),
    (".github/workflows/ci.yml", "rustup toolchain install {} "),
];

/// Major and minor: a release fixes what an older one of the same minor had wrong.
type Version = (u32, u32);

/// Fails with everything that does not hold.
pub fn check() -> Result<()> {
    let read = |path: &str| fs::read_to_string(repository::root().join(path)).with_context(|| path.to_owned());
    let manifest: toml::Value = toml::from_str(&read("Cargo.toml")?).context("Cargo.toml")?;
    let workspace = &manifest["workspace"];
    let said = workspace["package"]["rust-version"].as_str().context("Cargo.toml has no `rust-version`")?;
    let oldest = version(said).with_context(|| format!("`rust-version` is `{said}`"))?;

    let mut problems = Vec::new();
    for (path, words) in REPEATED {
        let words = words.replace("{}", said);
        if !read(path)?.contains(&words) {
            problems.push(format!("{path} does not say `{}`", words.trim_end()));
        }
    }
    let lint = workspace.get("lints").and_then(|lints| lints.get("clippy")?.get("incompatible_msrv")?.as_str());
    if lint != Some("deny") {
        problems.push("Cargo.toml does not deny the lint `incompatible_msrv` for the workspace".to_owned());
    }
    let metadata = cargo::metadata(&[])?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    problems.extend(packages.iter().flat_map(|package| too_new(package, oldest)));
    for package in packages.iter().filter(|package| package["source"].is_null()) {
        problems.extend(departs(package, said)?);
    }
    ensure!(problems.is_empty(), "{}", problems.join("\n"));
    with_oldest(said, oldest)
}

/// What a crate from elsewhere needs that is newer.
fn too_new(package: &Value, oldest: Version) -> Option<String> {
    let needs = package["rust_version"].as_str()?;
    let is_newer = version(needs).is_none_or(|needs| needs > oldest);
    is_newer.then(|| {
        format!("{} {} needs Rust {needs}; take an older version", text(&package["name"]), text(&package["version"]))
    })
}

/// Where a crate of ours does not take what the workspace says.
fn departs(package: &Value, said: &str) -> Result<Vec<String>> {
    let name = text(&package["name"]);
    let mut problems = Vec::new();
    if package["rust_version"] != said {
        problems.push(format!("{name} does not have `rust-version.workspace = true`"));
    }
    let path = PathBuf::from(text(&package["manifest_path"]));
    let manifest = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let manifest: toml::Value = toml::from_str(&manifest).with_context(|| path.display().to_string())?;
    if manifest.get("lints").and_then(|lints| lints.get("workspace")) != Some(&toml::Value::Boolean(true)) {
        problems.push(format!("{name} does not have the lints of the workspace"));
    }
    Ok(problems)
}

/// Checks the crates that users build with the oldest Rust, if another one runs and rustup has it.
fn with_oldest(said: &str, oldest: Version) -> Result<()> {
    let (_, running) = output(&mut command("rustc", &["--version"]));
    if running.lines().find_map(|line| version(line.strip_prefix("rustc ")?)) == Some(oldest) {
        return Ok(());
    }
    let (_, toolchains) = output(&mut command("rustup", &["toolchain", "list"]));
    let is_oldest = |toolchain: &&str| version(toolchain) == Some(oldest);
    let Some(toolchain) = toolchains.lines().find(is_oldest).and_then(|line| line.split(' ').next()) else {
        return Ok(());
    };
    let arguments = ["run", toolchain, "cargo", "check", "--locked", "--package", "theazo", "--all-features"];
    let mut check = command("rustup", &arguments);
    check
        .env_remove("CARGO")
        .env_remove("RUSTUP_TOOLCHAIN")
        .env("CARGO_TARGET_DIR", cargo::target()?.join("oldest-rust"));
    let (succeeded, log) = output(&mut check);
    ensure!(succeeded, "the crates do not build with Rust {said}:\n{}", log.trim_end());
    Ok(())
}

/// Reads `1.95`, `1.95.0` and `1.95.0-x86_64-unknown-linux-gnu`.
fn version(text: &str) -> Option<Version> {
    let mut parts = text.split(|letter: char| !letter.is_ascii_digit()).map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn versions_are_read_in_all_their_forms() {
        for text in ["1.95", "1.95.0", "1.95.0-x86_64-unknown-linux-gnu (active)", "1.95.0 (59807616e 2026-04-14)"] {
            assert_eq!(version(text), Some((1, 95)), "{text}");
        }
        assert_eq!(version("stable-x86_64-unknown-linux-gnu"), None);
        assert_eq!(version("1"), None);
    }

    #[test]
    fn a_crate_that_needs_a_newer_rust_is_named() {
        let package = |needs: Value| json!({ "name": "a", "version": "2.0.0", "rust_version": needs });

        assert_eq!(
            too_new(&package(json!("1.96")), (1, 95)).unwrap(),
            "a 2.0.0 needs Rust 1.96; take an older version"
        );
        assert_eq!(too_new(&package(json!("1.95.1")), (1, 95)), None);
        assert_eq!(too_new(&package(json!(null)), (1, 95)), None, "it may well build; the compiler says");
    }
}
