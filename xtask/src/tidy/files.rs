//! Rules of single files: a first line that says what it is for, a size that can be read, nothing of one machine in it,
//! and tests that neither skip nor sleep.

use std::fs;

use anyhow::Result;

use super::has_token;
use crate::{codegen::is_generated, repository};

/// More lines than this, and a second idea has moved in.
const LONGEST: usize = 600;

/// Texts that only one machine has. The slash at the end leaves `/workspace` alone.
const MACHINE_PATHS: &[&str] = &["/work/", "/root/", "/home/", "/Users/"];

/// Settings that name where one machine gets its packages from.
const REGISTRIES: &[&str] =
    &["index-url", "--find-links", "replace-with", "registry=", "[registries.", "[source.", "NPM_CONFIG_REGISTRY"];

/// What makes a test wait for time to pass, by language.
const SLEEPS: &[(&str, &[&str])] = &[
    ("rs", &["thread::sleep", "time::sleep"]),
    ("py", &["time.sleep", "asyncio.sleep(0.", "asyncio.sleep(1"]),
    ("ts", &["setTimeout", "timers/promises"]),
];

/// What leaves a test out, by language.
const SKIPS: &[(&str, &[&str])] = &[
    ("rs", &["#[ignore"]),
    ("py", &["pytest.mark.skip(", "pytest.mark.xfail", "unittest.skip("]),
    ("ts", &["test.skip", "it.skip", "describe.skip", "test.only", "it.only", "describe.only", "test.todo"]),
];

/// Tests that may sleep, each with the reason.
const MAY_SLEEP: &[(&str, &str)] = &[
    ("theazo-py/tests/test_waiting.py", "asks again and again whether another process has sent its request"),
    ("theazo/tests/support/memory.rs", "answers late, by the stopped clock of the tests that use it"),
    ("tests/src/crash/mod.rs", "kills a server after a random time, which is what it is for"),
    ("tests/src/crash/caller.rs", "waits for others to raise limits while the server comes and goes"),
    ("theazo-sandbox/tests/life.rs", "that a paused program does nothing shows only while time passes"),
    ("theazo-sandbox/tests/common/mod.rs", "asks again and again whether a process is there, which nothing announces"),
];

/// Files that may name such a path, each with the reason.
const MAY_NAME_PATHS: &[(&str, &str)] = &[("xtask/src/tidy/files.rs", "the rule itself names them")];

/// A text file of the repository.
pub struct Source {
    /// Relative to the root.
    pub path: String,
    pub text: String,
}

impl Source {
    fn extension(&self) -> &str {
        match self.path.rsplit_once('.').map_or("", |(_, extension)| extension) {
            "js" | "mjs" | "cjs" | "mts" | "tsx" => "ts",
            "pyi" => "py",
            extension => extension,
        }
    }

    fn is_test(&self) -> bool {
        self.path.split('/').rev().skip(1).any(|folder| matches!(folder, "tests" | "test"))
    }
}

/// Every text file that git knows or would know.
pub fn sources() -> Result<Vec<Source>> {
    let texts = repository::files()?.into_iter().filter_map(|path| {
        let text = fs::read_to_string(repository::root().join(&path)).ok()?;
        Some(Source { path, text })
    });
    Ok(texts.collect())
}

/// Every breach of the rules of single files.
pub fn check(sources: &[Source]) -> Vec<String> {
    sources.iter().flat_map(|source| [shape(source), machine(source), tests(source)].concat()).collect()
}

fn shape(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    // A crate may have its README as its page.
    let says_its_purpose = source.text.starts_with("//!") || source.text.starts_with("#![doc = include_str!(");
    if source.extension() == "rs" && !says_its_purpose {
        problems.push(format!("{}:1: must begin with a `//!` line that says what the file is for", source.path));
    }
    let is_code = matches!(source.extension(), "rs" | "ts" | "py" | "j2");
    let lines = source.text.lines().count();
    if is_code && lines > LONGEST && !is_generated(&source.text) {
        problems.push(format!("{}: {lines} lines, more than {LONGEST}: a second idea moved in", source.path));
    }
    problems
}

fn machine(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    let may_name_paths = MAY_NAME_PATHS.iter().any(|(path, _)| *path == source.path);
    for (number, line) in numbered(source) {
        let path = MACHINE_PATHS.iter().find(|path| starts_a_path(line, path));
        if let Some(path) = path.filter(|_| !may_name_paths) {
            problems.push(format!("{}:{number}: a path of one machine: `{path}`", source.path));
        }
        let registry = REGISTRIES.iter().find(|setting| line.contains(**setting));
        if let Some(setting) = registry.filter(|_| !may_name_paths) {
            problems.push(format!("{}:{number}: `{setting}` says where one machine gets its packages", source.path));
        }
        if source.path.ends_with("package-lock.json")
            && line.contains("\"resolved\": \"http")
            && !line.contains("\"https://registry.npmjs.org/")
        {
            problems.push(format!("{}:{number}: resolved from another registry than npm's own", source.path));
        }
        if source.path.ends_with("Cargo.lock")
            && line.starts_with("source = ")
            && line != "source = \"registry+https://github.com/rust-lang/crates.io-index\""
        {
            problems.push(format!("{}:{number}: a crate from elsewhere than crates.io", source.path));
        }
    }
    problems
}

fn tests(source: &Source) -> Vec<String> {
    let extension = source.extension();
    let tokens = |table: &'static [(&str, &[&str])]| {
        table.iter().filter(move |(language, _)| *language == extension).flat_map(|(_, tokens)| tokens.iter())
    };
    // The rules name what they forbid.
    if source.path.starts_with("xtask/src/tidy/") {
        return Vec::new();
    }
    let may_sleep = !source.is_test() || MAY_SLEEP.iter().any(|(path, _)| *path == source.path);
    let mut problems = Vec::new();
    for (number, line) in numbered(source) {
        for token in tokens(SKIPS).filter(|token| line.contains(**token)) {
            problems.push(format!("{}:{number}: `{token}` leaves a test out", source.path));
        }
        for token in
            tokens(SLEEPS).filter(|token| !may_sleep && (has_token(line, token) || line.contains(&format!("{token}("))))
        {
            problems.push(format!("{}:{number}: `{token}`: a test waits for what happens, not for time", source.path));
        }
    }
    problems
}

/// Whether an absolute path begins there: not a part of a longer path or a URL.
fn starts_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + path.len()..].chars().next();
        !before.is_some_and(|letter| letter.is_alphanumeric() || "._-/}*)".contains(letter))
            && after.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == '.')
    })
}

fn numbered(source: &Source) -> impl Iterator<Item = (usize, &str)> {
    source.text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod unit {
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<String> {
        check(&[Source { path: path.to_owned(), text: text.to_owned() }])
    }

    #[test]
    fn rust_says_first_what_it_is_for() {
        assert_eq!(problems("a.rs", "//! Something.\n"), Vec::<String>::new());
        assert_eq!(
            problems("a.rs", "use b;\n"),
            ["a.rs:1: must begin with a `//!` line that says what the file is for"]
        );
    }

    #[test]
    fn paths_of_one_machine_are_found_and_others_are_not() {
        assert_eq!(problems("a.md", "see /home/ada/x").len(), 1);
        assert_eq!(
            problems("a.md", "`/workspace/report.md`, /rooted/x, a/home/b, https://x.org/home/a, `/home/`"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn tests_neither_skip_nor_sleep() {
        assert_eq!(problems("tests/a.rs", "//! A.\n    std::thread::sleep(x);").len(), 1);
        assert_eq!(problems("src/a.rs", "//! A.\n    std::thread::sleep(x);").len(), 0);
        assert_eq!(problems("theazo-node/test/a.test.ts", "test.skip('x')").len(), 1);
    }

    #[test]
    fn long_files_are_refused_unless_they_are_generated() {
        let long = "//! A.\n".to_owned() + &"\n".repeat(LONGEST);
        assert_eq!(problems("a.rs", &long).len(), 1);
        assert_eq!(problems("a.rs", &format!("//! {}.\n{long}", crate::codegen::GENERATED_MARK)).len(), 0);
    }
}
