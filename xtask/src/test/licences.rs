//! Licences, bans and sources of all crates that the lock file names, by the rules of deny.toml. It is what
//! `cargo deny check licenses bans sources` checks; building cargo-deny takes longer than all else here.

use std::{collections::BTreeSet, fs};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use spdx::{Expression, ParseMode};

use crate::{cargo, repository};

/// The part of deny.toml that is checked here.
#[derive(Deserialize)]
struct Rules {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

/// A crate that may have more licences.
#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    #[serde(default)]
    reason: String,
    /// The crates through which it may come all the same.
    #[serde(default)]
    wrappers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

/// Fails with every crate that breaks a rule.
pub fn check() -> Result<()> {
    let text = fs::read_to_string(repository::root().join("deny.toml")).context("deny.toml cannot be read")?;
    let rules: Rules = toml::from_str(&text).context("deny.toml")?;
    let metadata = cargo::metadata(&[])?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let outside: Vec<&Value> = packages.iter().filter(|package| !package["source"].is_null()).collect();
    ensure!(!outside.is_empty(), "cargo metadata lists no crates from elsewhere");
    let problems: BTreeSet<String> =
        outside.iter().flat_map(|package| problems(package, &dependents(package, &metadata), &rules)).collect();
    ensure!(problems.is_empty(), "{}", problems.into_iter().collect::<Vec<_>>().join("\n"));
    Ok(())
}

/// The names of the crates that depend on a package.
fn dependents<'a>(package: &Value, metadata: &'a Value) -> Vec<&'a str> {
    let items = |list: &'a Value| list.as_array().into_iter().flatten();
    let nodes = items(&metadata["resolve"]["nodes"]);
    let ids: BTreeSet<&str> = nodes
        .filter(|node| items(&node["dependencies"]).any(|id| *id == package["id"]))
        .filter_map(|node| node["id"].as_str())
        .collect();
    let packages = items(&metadata["packages"]);
    packages
        .filter(|package| package["id"].as_str().is_some_and(|id| ids.contains(id)))
        .filter_map(|package| package["name"].as_str())
        .collect()
}

fn problems(package: &Value, dependents: &[&str], rules: &Rules) -> Vec<String> {
    let text = |member: &str| package[member].as_str().unwrap_or_default();
    let (name, version) = (text("name"), text("version"));
    let mut problems = Vec::new();
    match Expression::parse_mode(text("license"), ParseMode::LAX) {
        Ok(expression) => {
            let exceptions = rules.licenses.exceptions.iter().filter(|exception| exception.name == name);
            let allowed: Vec<&String> =
                rules.licenses.allow.iter().chain(exceptions.flat_map(|exception| &exception.allow)).collect();
            if !expression.evaluate(|requirement| allowed.iter().any(|licence| **licence == requirement.to_string())) {
                problems.push(format!("{name} {version}: the licence `{expression}` is not allowed"));
            }
        }
        Err(_) => problems.push(format!("{name} {version}: `{}` is no licence expression", text("license"))),
    }
    let is_wrapped = |ban: &Ban| {
        !dependents.is_empty()
            && dependents.iter().all(|dependent| ban.wrappers.iter().any(|wrapper| wrapper == dependent))
    };
    if let Some(ban) = rules.bans.deny.iter().find(|ban| ban.name == name && !is_wrapped(ban)) {
        problems.push(format!("{name} {version}: the crate is banned: {}", ban.reason));
    }
    let source = text("source");
    let registry = source.strip_prefix("registry+").unwrap_or(source);
    if !rules.sources.allow_registry.iter().any(|allowed| allowed == registry) {
        problems.push(format!("{name} {version}: it comes from `{source}`"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(name: &str, licence: &str, source: &str) -> Vec<String> {
        found_through(&["ours"], name, licence, source)
    }

    fn found_through(dependents: &[&str], name: &str, licence: &str, source: &str) -> Vec<String> {
        let rules = Rules {
            licenses: Licenses {
                allow: vec!["MIT".to_owned(), "Apache-2.0 WITH LLVM-exception".to_owned()],
                exceptions: vec![Exception { name: "roots".to_owned(), allow: vec!["CDLA-Permissive-2.0".to_owned()] }],
            },
            bans: Bans {
                deny: vec![Ban {
                    name: "chrono".to_owned(),
                    reason: "times are jiff's".to_owned(),
                    wrappers: vec!["certificates".to_owned()],
                }],
            },
            sources: Sources { allow_registry: vec!["https://github.com/rust-lang/crates.io-index".to_owned()] },
        };
        problems(&json!({ "name": name, "version": "1.0.0", "license": licence, "source": source }), dependents, &rules)
    }

    const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

    #[test]
    fn licences_are_expressions() {
        assert_eq!(found("a", "MIT OR GPL-3.0-only", CRATES_IO), Vec::<String>::new());
        assert_eq!(found("a", "MIT/Apache-2.0", CRATES_IO), Vec::<String>::new());
        assert_eq!(found("a", "Apache-2.0 WITH LLVM-exception", CRATES_IO), Vec::<String>::new());
        assert_eq!(found("roots", "CDLA-Permissive-2.0", CRATES_IO), Vec::<String>::new());
        assert_eq!(
            found("a", "MIT AND GPL-3.0-only", CRATES_IO),
            ["a 1.0.0: the licence `MIT AND GPL-3.0-only` is not allowed"]
        );
        assert_eq!(found("a", "", CRATES_IO).len(), 1);
    }

    #[test]
    fn banned_crates_and_other_sources_are_refused() {
        assert_eq!(found("chrono", "MIT", CRATES_IO), ["chrono 1.0.0: the crate is banned: times are jiff's"]);
        assert_eq!(found_through(&["certificates"], "chrono", "MIT", CRATES_IO), Vec::<String>::new());
        assert_eq!(found_through(&["certificates", "ours"], "chrono", "MIT", CRATES_IO).len(), 1);
        assert_eq!(
            found("a", "MIT", "git+https://example.org/a"),
            ["a 1.0.0: it comes from `git+https://example.org/a`"]
        );
    }
}
