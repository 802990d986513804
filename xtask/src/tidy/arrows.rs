//! The crate arrows of the map: who may depend on whom, and which outside crates stay out of where.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cargo;

/// Each of our crates, with those of ours that it may depend on; a `?` says: only optionally.
const ARROWS: &[(&str, &[&str])] = &[
    ("theazo-api", &[]),
    ("theazo-sandbox", &[]),
    ("theazo-server", &["theazo-api", "theazo-sandbox"]),
    ("theazo", &["theazo-api", "theazo-server?"]),
    ("theazo-node", &["theazo", "theazo-api"]),
    ("theazo-py", &["theazo", "theazo-api"]),
    ("theazo-tests", &["theazo", "theazo-api", "theazo-sandbox", "theazo-server"]),
    ("theazo-examples", &["theazo", "theazo-api"]),
    ("xtask", &["theazo-api"]),
];

/// Outside crates by the start of their name, with the only crates of ours that may depend on them; a `?` as above.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("napi", &["theazo-node"]),
    ("pyo3", &["theazo-py"]),
    ("axum", &["theazo-server", "theazo?", "theazo-tests"]),
    // The harness that kills a server looks into what is left with other eyes than the server's.
    ("rusqlite", &["theazo-server", "theazo-tests"]),
    ("reqwest", &["theazo", "theazo-server", "theazo-tests"]),
    (
        "tokio",
        &["theazo", "theazo-sandbox", "theazo-server", "theazo-node", "theazo-py", "theazo-tests", "theazo-examples"],
    ),
    ("schemars", &["theazo-api?", "xtask"]),
];

/// Every dependency that the tables do not allow. Tests inside a crate may use what its users do.
pub fn check() -> Result<Vec<String>> {
    let metadata = cargo::metadata(&["--no-deps"])?;
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    Ok(packages.iter().flat_map(package_problems).collect())
}

fn package_problems(package: &Value) -> Vec<String> {
    let name = text(package, "name");
    let Some((_, allowed)) = ARROWS.iter().find(|(crate_name, _)| *crate_name == name) else {
        return vec![format!(
            "{name}: the crate has no place in the map; add it to `ARROWS` in xtask/src/tidy/arrows.rs"
        )];
    };
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    dependencies
        .filter_map(|dependency| {
            let target = text(dependency, "name");
            let optional = dependency["optional"] == true;
            let is_ours = ARROWS.iter().any(|(crate_name, _)| *crate_name == target);
            if is_ours {
                (!allows(allowed, target, optional)).then(|| match allows(allowed, target, true) {
                    true => format!("{name}: may depend on `{target}` only optionally"),
                    false => format!("{name}: must not depend on `{target}`; the arrows of the map do not go there"),
                })
            } else if dependency["kind"] == "dev" {
                None
            } else {
                let (outside, users) = OUTSIDE.iter().find(|(start, _)| is_family(target, start))?;
                (!allows(users, name, optional)).then(|| {
                    format!("{name}: must not depend on `{target}` (`{outside}` stays in {})", users.join(", "))
                })
            }
        })
        .collect()
}

fn allows(list: &[&str], name: &str, optional: bool) -> bool {
    list.iter().any(|entry| match entry.strip_suffix('?') {
        Some(entry) => entry == name && optional,
        None => *entry == name,
    })
}

/// `tokio` and `tokio-util`, but not `tokiox`.
fn is_family(name: &str, start: &str) -> bool {
    name.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(name: &str, dependency: Value) -> Vec<String> {
        package_problems(&json!({ "name": name, "dependencies": [dependency] }))
    }

    #[test]
    fn arrows_go_one_way() {
        let on = |name: &str| json!({ "name": name, "optional": false, "kind": null });
        assert_eq!(problems("theazo-server", on("theazo-api")), Vec::<String>::new());
        assert_eq!(
            problems("theazo-server", on("theazo")),
            ["theazo-server: must not depend on `theazo`; the arrows of the map do not go there"]
        );
        assert_eq!(problems("theazo", on("theazo-server")), ["theazo: may depend on `theazo-server` only optionally"]);
        assert_eq!(
            problems("theazo", json!({ "name": "theazo-server", "optional": true, "kind": null })),
            Vec::<String>::new()
        );
    }

    #[test]
    fn outside_crates_stay_where_they_belong() {
        let on = |name: &str, kind: Value| json!({ "name": name, "optional": false, "kind": kind });
        assert_eq!(
            problems("theazo", on("napi-derive", Value::Null)),
            ["theazo: must not depend on `napi-derive` (`napi` stays in theazo-node)"]
        );
        assert_eq!(problems("theazo-api", on("tokio-util", Value::Null)).len(), 1);
        assert_eq!(problems("theazo-sandbox", on("tokio", json!("dev"))), Vec::<String>::new());
    }
}
