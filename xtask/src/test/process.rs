//! Running a command: its output is kept, and it may not take forever.

use std::{
    ffi::OsStr,
    io::{Read, pipe},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::{Outcome, counts::Counts};
use crate::repository;

/// Longer than the longest step takes on a slow machine, shorter than a person waits for one that hangs.
const LIMIT: Duration = Duration::from_secs(40 * 60);

/// The variables that point our clients at a server, and our planes at real models.
const POINTERS: [&str; 12] = [
    "THEAZO_BASE_URL",
    "THEAZO_API_KEY",
    "THEAZO_TIMEOUT",
    "THEAZO_MAX_RETRIES",
    "THEAZO_MODEL",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "GEMINI_API_KEY",
    "GEMINI_BASE_URL",
    "OLLAMA_HOST",
];

/// A command in the root of the repository, without the variables that point it elsewhere, and without those
/// that `cargo run` sets for xtask: build scripts take them for changed settings, and everything would be built again.
pub fn command(program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(repository::root()).stdin(Stdio::null()).env("NO_COLOR", "1");
    command.env("CARGO_TERM_COLOR", "never").env("TERM", "dumb");
    for variable in POINTERS {
        command.env_remove(variable);
    }
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&variable);
        }
    }
    command
}

/// Runs the command as one check: it passes if the command succeeds.
pub fn check(command: &mut Command) -> Outcome {
    let (succeeded, log) = output(command);
    Outcome::check(succeeded, log)
}

/// Runs the command as a runner of tests, which `count` counts. Failing without a failed test, or running none, is a
/// failure too.
pub fn tests(command: &mut Command, count: fn(&str) -> Counts) -> Outcome {
    let (succeeded, mut log) = output(command);
    let mut counts = count(&log);
    if counts.failed == 0 && (!succeeded || counts.passed == 0) {
        counts.failed = 1;
        log.push_str(if succeeded { "no tests ran\n" } else { "the runner failed\n" });
    }
    Outcome { counts, log, note: String::new() }
}

/// Whether the command succeeded, and what it printed on both streams.
pub fn output(command: &mut Command) -> (bool, String) {
    let shown = format!("$ {}\n", show(command));
    match run(command) {
        Ok((status, log)) => {
            let ending = if status.success() { String::new() } else { format!("{status}\n") };
            (status.success(), shown + &log + &ending)
        }
        Err(error) => (false, format!("{shown}{error:#}\n")),
    }
}

fn run(command: &mut Command) -> Result<(ExitStatus, String)> {
    let (mut reader, writer) = pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    own_group(command);
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command.spawn().with_context(|| format!("`{program}` cannot be run; is it installed?"))?;
    // The command holds the writing ends: with them gone here, reading ends when the child does.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = reader.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    match receiver.recv_timeout(LIMIT) {
        Ok(bytes) => Ok((child.wait()?, String::from_utf8_lossy(&bytes).into_owned())),
        Err(_) => {
            stop(&mut child);
            anyhow::bail!("`{program}` did not end within {} minutes and was stopped", LIMIT.as_secs() / 60)
        }
    }
}

/// The command as a person would type it.
fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Gives the command a process group, so that what it starts can be stopped with it.
fn own_group(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(not(unix))]
    let _ = command;
}

/// Stops the command and what it started.
fn stop(child: &mut Child) {
    #[cfg(unix)]
    let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).status();
    let _ = child.kill();
    let _ = child.wait();
}

/// A server in the background, stopped when it is dropped.
pub struct Background {
    child: Child,
}

impl Background {
    /// Starts the command and waits for the first line that it prints.
    pub fn start(command: &mut Command, patience: Duration) -> Result<(Self, String)> {
        own_group(command);
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.stdout(Stdio::piped()).spawn();
        let mut background = Self { child: child.with_context(|| format!("`{program}` cannot be run"))? };
        let stdout = background.child.stdout.take().context("the output is not piped")?;
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stdout));
            let _ = sender.send(lines.next());
            // The rest is read away, so that the server never waits for a reader.
            lines.for_each(drop);
        });
        let begin = Instant::now();
        let line = receiver.recv_timeout(patience).ok().flatten();
        let line =
            line.with_context(|| format!("`{program}` said nothing in {:.0} s", begin.elapsed().as_secs_f64()))?;
        Ok((background, line?))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        stop(&mut self.child);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_streams_are_kept_and_the_status_is_told() {
        let (succeeded, log) = output(&mut command("sh", &["-c", "echo out; echo err >&2; exit 3"]));

        assert!(!succeeded);
        assert_eq!(log, "$ sh -c echo out; echo err >&2; exit 3\nout\nerr\nexit status: 3\n");
    }

    #[test]
    fn a_missing_program_fails_and_says_so() {
        let (succeeded, log) = output(&mut command("no-such-program", &[]));

        assert!(!succeeded);
        assert!(log.contains("`no-such-program` cannot be run; is it installed?"), "{log}");
    }

    #[test]
    fn a_runner_without_tests_has_failed() {
        assert_eq!(super::tests(&mut command("true", &[]), |_| Counts::default()).counts.failed, 1);
        assert_eq!(super::tests(&mut command("false", &[]), |_| Counts { passed: 2, failed: 0 }).counts.failed, 1);
        assert_eq!(super::tests(&mut command("false", &[]), |_| Counts { passed: 2, failed: 3 }).counts.failed, 3);
    }

    #[test]
    fn a_server_is_stopped_with_what_it_started() {
        let (mut reader, writer) = pipe().expect("there are pipes");
        let mut server = command("sh", &["-c", "echo ready; sleep 60 & wait"]);
        server.stderr(writer);
        let (background, line) = Background::start(&mut server, Duration::from_secs(10)).expect("it starts");
        assert_eq!(line, "ready");

        drop((background, server));

        // The pipe ends when nobody holds its other end: neither the shell nor what it started.
        let begin = Instant::now();
        assert_eq!(reader.read_to_end(&mut Vec::new()).expect("it can be read"), 0);
        assert!(begin.elapsed() < Duration::from_secs(30), "the server lived on");
    }
}
