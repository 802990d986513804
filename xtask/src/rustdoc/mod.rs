//! What rustdoc knows about the public items of the two crates that users see: `theazo`, and `theazo-api` as
//! `theazo::types`.
//!
//! Its JSON is read without a crate for it: the form differs from compiler to compiler, and the few members that are
//! read here do not. Reading order: here how the JSON is made and what it says, then the two checks.

mod examples;
mod signatures;

use std::{
    collections::BTreeMap,
    fs,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

use crate::{cargo, repository};

/// The crates that are looked at.
const CRATES: &[&str] = &["theazo", "theazo_api"];

/// Set where this program is to be rustdoc, which cargo calls for each crate.
const STAND_IN: &str = "THEAZO_XTASK_IS_RUSTDOC";

/// Fails on a public signature that names a crate which it may not, and on a public item without documentation or example.
pub fn check() -> Result<()> {
    let crates = load()?;
    let mut problems = Vec::new();
    for documented in &crates {
        problems.extend(signatures::check(documented));
        problems.extend(examples::check(documented));
    }
    ensure!(problems.is_empty(), "{}\n{} public items break a rule", problems.join("\n"), problems.len());
    Ok(())
}

/// Acts as rustdoc with its unstable options allowed, if cargo called this program for that.
///
/// The variable that allows them must not be set for cargo as a whole: build scripts look at it, so everything would be
/// built again.
pub fn stand_in() -> Option<ExitCode> {
    std::env::var_os(STAND_IN)?;
    let status = Command::new("rustdoc").args(std::env::args_os().skip(1)).env("RUSTC_BOOTSTRAP", "1").status();
    Some(match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("`rustdoc` cannot be run: {error}");
            ExitCode::FAILURE
        }
    })
}

/// A crate as rustdoc sees it.
pub struct Documented {
    pub name: String,
    root: u64,
    /// The items by their numbers: those of this crate, and what they implement of others.
    index: BTreeMap<u64, Item>,
    /// The crate that each item which is named is from, by the number of the item.
    crate_of: BTreeMap<u64, String>,
}

/// An item.
pub struct Item {
    pub id: u64,
    pub name: Option<String>,
    pub docs: String,
    /// `function`, `struct`, `impl`, ...
    pub kind: String,
    /// What is said about an item of its kind.
    pub inner: Map<String, Value>,
    /// Whether a derive wrote it.
    pub is_derived: bool,
    /// The file and the line, for people.
    pub place: String,
}

impl Item {
    /// The numbers in a list of items: the items of a module, the methods of an `impl`.
    fn numbers(&self, member: &str) -> impl Iterator<Item = u64> {
        self.inner.get(member).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_u64)
    }

    fn says(&self, member: &str) -> bool {
        self.inner.get(member).is_some_and(|value| !value.is_null() && *value != false)
    }
}

/// Has rustdoc write what it knows, and reads it.
fn load() -> Result<Vec<Documented>> {
    let stand_in = std::env::current_exe().context("this program has no path")?;
    let output = Command::new(cargo::program())
        .args(["doc", "--no-deps", "--package", "theazo", "--package", "theazo-api", "--features", "theazo/embedded"])
        .current_dir(repository::root())
        .env("RUSTDOC", stand_in)
        .env(STAND_IN, "1")
        .env("RUSTDOCFLAGS", "-Z unstable-options --output-format json")
        .output()
        .context("`cargo` cannot be run")?;
    ensure!(output.status.success(), "cargo doc: {}", String::from_utf8_lossy(&output.stderr).trim());
    let folder = cargo::target()?.join("doc");
    CRATES
        .iter()
        .map(|name| {
            let path = folder.join(format!("{name}.json"));
            let text = fs::read(&path).with_context(|| format!("rustdoc wrote no {}", path.display()))?;
            let document: Value = serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
            Documented::read(name, document).with_context(|| format!("rustdoc's JSON of `{name}`"))
        })
        .collect()
}

impl Documented {
    fn read(name: &str, mut document: Value) -> Result<Self> {
        let number = |value: &Value| value.as_u64().context("an item has no number");
        let root = number(&document["root"])?;
        let crates = &document["external_crates"];
        let paths = document["paths"].as_object().context("`paths` is missing")?;
        let mut crate_of = BTreeMap::new();
        for (id, path) in paths {
            let of = match number(&path["crate_id"])? {
                0 => name,
                other => crates[other.to_string()]["name"].as_str().context("a crate has no name")?,
            };
            crate_of.insert(id.parse()?, of.to_owned());
        }
        let Some(Value::Object(items)) = document.get_mut("index").map(Value::take) else {
            anyhow::bail!("`index` is missing");
        };
        let mut index = BTreeMap::new();
        for (id, mut item) in items {
            if item["crate_id"] != 0 {
                continue;
            }
            let Some(Value::Object(inner)) = item.get_mut("inner").map(Value::take) else {
                anyhow::bail!("item {id} has no `inner`");
            };
            let (kind, inner) = inner.into_iter().next().context("an item is of no kind")?;
            let inner = if let Value::Object(inner) = inner { inner } else { Map::new() };
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let id = id.parse()?;
            let is_derived = item["attrs"].as_array().is_some_and(|attributes| {
                attributes.iter().any(|attribute| attribute.to_string().contains("automatically_derived"))
            });
            let place = format!("{}:{}", text(&item["span"]["filename"]), item["span"]["begin"][0]);
            let name = item["name"].as_str().map(str::to_owned);
            index.insert(id, Item { id, name, docs: text(&item["docs"]), kind, inner, is_derived, place });
        }
        ensure!(index.contains_key(&root), "the crate itself is missing");
        Ok(Self { name: name.to_owned(), root, index, crate_of })
    }

    #[cfg(test)]
    fn of(document: Value) -> Self {
        Self::read("ours", document).expect("it has the form of rustdoc's JSON")
    }
}
