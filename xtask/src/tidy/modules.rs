//! The rules between modules. The contract does no I/O and flattens nothing. In the server, `http/` knows no SQL and no
//! providers, `app/` no axum and no status codes, `engine/` traits and the clock only, and adapters never see each
//! other. The bindings reach the control plane through the core alone.

use super::{files::Source, has_token};

const SERVER: &str = "theazo-server/src/";

/// A folder and what its code must not name.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("theazo-api/src/", &["std::env", "std::fs", "std::net", "SystemTime", "Instant::now", "serde(flatten)"]),
    ("theazo-node/src/", &["reqwest", "theazo_server"]),
    ("theazo-py/src/", &["reqwest", "theazo_server"]),
    (
        "theazo-server/src/http/",
        &["rusqlite", "theazo_sandbox", "compute::local", "compute::simulated", "model::scripted", "model::offline"],
    ),
    ("theazo-server/src/app/", &["axum", "StatusCode", "rusqlite", "crate::http"]),
    (
        "theazo-server/src/engine/",
        &[
            "axum",
            "StatusCode",
            "rusqlite",
            "theazo_sandbox",
            "crate::http",
            "crate::app",
            "compute::local",
            "compute::simulated",
            "model::scripted",
            "model::offline",
            "SystemTime",
            "Instant::now",
        ],
    ),
    ("theazo-server/src/compute/", &["axum", "rusqlite", "crate::http", "crate::app", "crate::engine", "crate::store"]),
    ("theazo-server/src/model/", &["axum", "rusqlite", "crate::http", "crate::app", "crate::engine", "crate::store"]),
    (
        "theazo-server/src/outbound/",
        &["axum", "rusqlite", "crate::http", "crate::app", "crate::engine", "crate::store", "crate::compute"],
    ),
    (
        "theazo-server/src/store/",
        &["axum", "theazo_sandbox", "crate::http", "crate::app", "crate::engine", "crate::compute", "crate::model"],
    ),
];

/// The adapters behind each seam.
const ADAPTERS: &[(&str, &[&str])] = &[
    ("compute", &["simulated", "local", "docker", "e2b", "fly", "webhook"]),
    ("model", &["scripted", "offline", "anthropic", "openai"]),
];

/// Every line that names what its module must not know. Tests at the foot of a file may.
pub fn check(sources: &[Source]) -> Vec<String> {
    let mut problems = Vec::new();
    for source in sources {
        if !source.path.ends_with(".rs") {
            continue;
        }
        for (number, line) in code_lines(&source.text) {
            for token in forbidden(&source.path) {
                if has_token(line, token) {
                    problems.push(format!("{}:{number}: this module must not know `{token}`", source.path));
                }
            }
            for other in other_adapters(&source.path).into_iter().filter(|other| has_token(line, other)) {
                problems.push(format!("{}:{number}: adapters never see each other: `{other}`", source.path));
            }
        }
    }
    problems
}

fn forbidden(path: &str) -> impl Iterator<Item = &'static str> {
    FORBIDDEN.iter().filter(move |(folder, _)| path.starts_with(folder)).flat_map(|(_, tokens)| tokens.iter().copied())
}

/// The paths of the adapters beside the one that this module is.
fn other_adapters(path: &str) -> Vec<String> {
    let mut parts = path.strip_prefix(SERVER).unwrap_or_default().split('/');
    let Some((seam, adapters)) = parts.next().and_then(|seam| ADAPTERS.iter().find(|(name, _)| *name == seam)) else {
        return Vec::new();
    };
    let own = parts.next().unwrap_or_default().trim_end_matches(".rs");
    if !adapters.contains(&own) {
        return Vec::new();
    }
    let others = adapters.iter().filter(|adapter| **adapter != own);
    others.flat_map(|other| [format!("{seam}::{other}"), format!("super::{other}")]).collect()
}

/// The numbered lines that are code, without comments and without the tests at the foot.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<String> {
        check(&[Source { path: path.to_owned(), text: text.to_owned() }])
    }

    #[test]
    fn a_module_names_only_what_it_may_know() {
        assert_eq!(
            problems("theazo-server/src/app/runs.rs", "//! Runs.\nuse axum::http::StatusCode;\n"),
            [
                "theazo-server/src/app/runs.rs:2: this module must not know `axum`",
                "theazo-server/src/app/runs.rs:2: this module must not know `StatusCode`",
            ]
        );
        assert_eq!(
            problems("theazo-server/src/app/runs.rs", "// Unlike axum.\nuse crate::store;"),
            Vec::<String>::new()
        );
        assert_eq!(problems("theazo-server/src/http/mod.rs", "use axum::Router;"), Vec::<String>::new());
    }

    #[test]
    fn adapters_never_see_each_other() {
        assert_eq!(
            problems("theazo-server/src/compute/local.rs", "use super::simulated::Sandbox;"),
            ["theazo-server/src/compute/local.rs:1: adapters never see each other: `super::simulated`"]
        );
        assert_eq!(problems("theazo-server/src/compute/mod.rs", "mod simulated; mod local;"), Vec::<String>::new());
        assert_eq!(
            problems("theazo-server/src/engine/loop.rs", "fn run() {}\n#[cfg(test)]\nuse crate::compute::simulated;"),
            Vec::<String>::new()
        );
    }
}
