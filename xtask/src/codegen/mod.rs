//! `cargo xtask codegen`: the contract in `theazo-api`, turned into code and documents for each language.
//!
//! `theazo_api::describe` gives operations and JSON Schemas; [`read`] turns them into the [`ir`], and fails on anything
//! outside its small dialect; each renderer turns the IR into files. Reading order: [`ir`], [`read`], [`naming`],
//! [`template`], then one renderer per language.
//!
//! To add a renderer: a module here with `pub fn render(ir: &Ir) -> Result<Vec<GeneratedFile>>`, one line in
//! [`RENDERERS`], and its templates in `xtask/templates/NAME/`.

mod examples;
mod fixture_tests;
pub mod ir;
mod naming;
mod openapi;
mod python;
pub mod read;
mod rust;
mod schema;
mod template;
mod typescript;
mod workflow_cases;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

pub use naming::GENERATED_MARK;

use crate::repository;
use ir::Ir;

/// A file as it should be.
pub struct GeneratedFile {
    /// The path, relative to the root of the repository.
    pub path: String,
    /// The whole content; Rust is formatted afterwards. Has [`naming::GENERATED_MARK`] near its top where the format
    /// has comments, which is how a file that is not generated any more is found.
    pub content: String,
}

type Renderer = fn(&Ir) -> Result<Vec<GeneratedFile>>;

/// What is generated, by name.
const RENDERERS: &[(&str, Renderer)] = &[
    ("openapi", openapi::render),
    ("python", python::render),
    ("rust", rust::render),
    ("typescript", typescript::render),
    ("fixture tests", fixture_tests::render),
    ("workflow cases", workflow_cases::render),
];

/// Writes every generated file that differs and removes those that are not generated any more.
pub fn write() -> Result<()> {
    let wanted = generate()?;
    for path in different(&wanted)? {
        let full = repository::root().join(&path);
        match wanted.get(&path) {
            Some(content) => {
                if let Some(folder) = full.parent() {
                    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
                }
                fs::write(&full, content).with_context(|| format!("cannot write {path}"))?;
                println!("wrote {path}");
            }
            None => {
                fs::remove_file(&full).with_context(|| format!("cannot remove {path}"))?;
                println!("removed {path}");
            }
        }
    }
    Ok(())
}

/// Fails, naming them, if generated files differ from what would be written.
pub fn check() -> Result<()> {
    let different = different(&generate()?)?;
    ensure!(
        different.is_empty(),
        "generated files are out of date:\n  {}\nrun `cargo xtask codegen` and commit what it writes",
        different.join("\n  ")
    );
    Ok(())
}

/// Prints the IR as JSON, as templates see it.
pub fn print_ir() -> Result<()> {
    println!("{}", serde_json::to_string_pretty(&read::contract()?)?);
    Ok(())
}

/// Every generated file by its path.
fn generate() -> Result<BTreeMap<String, String>> {
    let ir = read::contract()?;
    let mut files = BTreeMap::new();
    for (name, render) in RENDERERS {
        for file in render(&ir).with_context(|| format!("cannot render `{name}`"))? {
            let content =
                if file.path.ends_with(".rs") { formatted(&file.path, &file.content, &[])? } else { file.content };
            if files.insert(file.path.clone(), content).is_some() {
                bail!("`{name}` renders {} a second time", file.path);
            }
        }
    }
    Ok(files)
}

/// The paths that differ from what is wanted, those of stale generated files included.
fn different(wanted: &BTreeMap<String, String>) -> Result<Vec<String>> {
    let mut paths = BTreeSet::new();
    for (path, content) in wanted {
        if fs::read_to_string(repository::root().join(path)).ok().as_ref() != Some(content) {
            paths.insert(path.clone());
        }
    }
    for path in repository::files()? {
        // The generator's own sources and templates name the mark without being generated.
        if !wanted.contains_key(&path)
            && !path.starts_with("xtask/")
            && fs::read_to_string(repository::root().join(&path)).is_ok_and(|text| is_generated(&text))
        {
            paths.insert(path);
        }
    }
    Ok(paths.into_iter().collect())
}

/// Whether the mark of generated files is in the first lines.
pub fn is_generated(text: &str) -> bool {
    text.lines().take(6).any(|line| line.contains(GENERATED_MARK))
}

/// Rust in the format of the repository, or in one that differs from it by more arguments.
fn formatted(name: &str, text: &str, arguments: &[&str]) -> Result<String> {
    let mut process = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(repository::root())
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("`rustfmt` cannot be run; install it with `rustup component add rustfmt`")?;
    let mut input = process.stdin.take().context("rustfmt has no input")?;
    let content = text.to_owned();
    // On its own thread: rustfmt may fill its output before it has read all of its input.
    let writer = std::thread::spawn(move || input.write_all(content.as_bytes()));
    let output = process.wait_with_output()?;
    ensure!(
        output.status.success(),
        "{name} is not valid Rust as it is rendered:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    writer.join().ok().context("the writer to rustfmt panicked")??;
    Ok(String::from_utf8(output.stdout)?)
}
