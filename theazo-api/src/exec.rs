//! Programs in an agent's sandbox: run them, watch them, talk to them, end them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    agents::{AgentPath, ComputeRuntime, check_runtime},
    check::{Check, Problems},
    compatible::compatible,
    endpoint::{Reply, TimeClass, endpoints},
    error::ErrorDetail,
    files::{FileEncoding, check_encoding},
    id::{AgentId, ExecId},
    open_enum::open_enum,
    page::Page,
    sessions::check_page_limit,
    tagged_union::tagged_union,
    time::{DurationInput, Timestamp},
};

endpoints! {
    /// Runs a program in the agent's sandbox and returns what it printed. Files stay between calls.
    ///
    /// The program has 120 seconds unless `timeout` says otherwise; then it is killed and the call fails with `timeout`.
    /// Of each output stream the first MiB is kept.
    ExecInAgent: Post "/v1/agents/{agentId}/exec" => "agent.exec",
        path: AgentPath, body: ExecOpts, response: ExecResult,
        with { positional: &["language", "code"], time: TimeClass::Run };

    /// Runs a program in the agent's sandbox and streams what it prints, as it prints it.
    ///
    /// `exit` ends a stream whose program ended, whatever its exit code; `error` ends one whose program could not be
    /// started, was killed at its `timeout` or was lost with its sandbox. A stream that breaks resumes after the last
    /// event that arrived; the program is not started again. Leaving the stream early kills the program.
    StreamExec: Post "/v1/agents/{agentId}/exec/stream" => "agent.execStream",
        path: AgentPath, body: ExecStreamOpts, response: ExecEvent,
        with {
            positional: &["language", "code"], time: TimeClass::Stream, reply: Reply::Events,
            last_events: &["exit", "error"], ends_with_caller: true, farewell: "KillExec", ours: true,
        };

    /// Writes to the standard input of a program that was started with `stdin`.
    WriteToExec: Post "/v1/agents/{agentId}/execs/{execId}/stdin" => "agent.execs.write",
        path: ExecPath, body: ExecInputOpts,
        with { positional: &["data"], status: 204, reply: Reply::Empty, ours: true };

    /// Sends a signal to a program and all that it started. A program that has ended stays as it is.
    KillExec: Post "/v1/agents/{agentId}/execs/{execId}/kill" => "agent.execs.kill",
        path: ExecPath, body: ExecKillOpts,
        with { positional: &["signal"], status: 204, reply: Reply::Empty, ours: true };

    /// Lists the processes in the agent's sandbox, by their numbers.
    ListProcesses: Get "/v1/agents/{agentId}/processes" => "agent.processes",
        path: AgentPath, query: ProcessListOpts, response: Page<ProcessInfo>,
        with { ours: true };
}

/// The path of one execution of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ExecPath {
    /// The agent.
    pub agent_id: AgentId,
    /// The execution of the program, as `started` says.
    pub exec_id: ExecId,
}

/// A program to run in a sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ExecOpts {
    /// The language of the program.
    pub language: ComputeRuntime,
    /// The program.
    pub code: String,
    /// How long it may take; 120 seconds by default, an hour at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<DurationInput>,
    /// Environment variables of the program, beside those of its sandbox. They are kept with the call, so they are no place
    /// for secrets: what `session.secrets` has is in the environment anyway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<BTreeMap<String, String>>,
    /// The folder that it starts in, relative to `/workspace`; `/workspace` itself by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Whether the program may be run again if its worker dies while it runs; false by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeatable: Option<bool>,
}

compatible!(ExecOpts, accepts { "lang" as "language" });

impl Check for ExecOpts {
    fn check(&self, problems: &mut Problems) {
        check_program(&self.language, &self.code, self.timeout, problems);
        check_surroundings(self.environment.as_ref(), self.directory.as_deref(), problems);
    }
}

fn check_program(language: &ComputeRuntime, code: &str, timeout: Option<DurationInput>, problems: &mut Problems) {
    check_runtime(language, "language", problems);
    problems.require(code.len() <= 4 << 20, "code", "is larger than 4 MiB");
    if let Some(timeout) = timeout {
        let seconds = timeout.0.as_secs_f64();
        problems.require(seconds > 0.0 && seconds <= 3600.0, "timeout", "must be between nothing and an hour");
    }
}

fn check_surroundings(
    environment: Option<&BTreeMap<String, String>>,
    directory: Option<&str>,
    problems: &mut Problems,
) {
    let entries = environment.into_iter().flatten();
    let size: usize = entries.clone().map(|(name, value)| name.len() + value.len()).sum();
    problems.require(size <= 64 << 10, "environment", "is larger than 64 KiB");
    for (name, value) in entries {
        let usable = !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0');
        problems.require(usable, "environment", "has a name or value that no program can be given");
        let ours = name.starts_with("THEAZO_");
        problems.require(
            !ours,
            "environment",
            "has a name that begins with `THEAZO_`; those are the control plane's own",
        );
    }
    let usable = directory.is_none_or(|path| !path.is_empty() && path.len() <= 4096 && !path.contains('\0'));
    problems.require(usable, "directory", "must be a path of 1 to 4096 bytes");
}

/// What a program did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ExecResult {
    /// What it printed; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// What it printed as errors; bytes that are not UTF-8 are replaced.
    pub stderr: String,
    /// The exit code; 128 plus the signal if one ended it.
    pub exit_code: i32,
    /// Whether output was cut at the limit.
    #[serde(default)]
    pub truncated: bool,
    /// How long it ran, in milliseconds.
    #[serde(default)]
    pub duration_ms: i64,
    /// The limit of its sandbox that ended it, or something that it started: `memory`; absent if none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
}

/// A program to run in a sandbox and to watch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ExecStreamOpts {
    /// The language of the program.
    pub language: ComputeRuntime,
    /// The program.
    pub code: String,
    /// How long it may take; 120 seconds by default, an hour at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<DurationInput>,
    /// Environment variables of the program, beside those of its sandbox. They are kept with the call, so they are no place
    /// for secrets: what `session.secrets` has is in the environment anyway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<BTreeMap<String, String>>,
    /// The folder that it starts in, relative to `/workspace`; `/workspace` itself by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Whether its standard input stays open for `agent.execs.write`; false by default: then it is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<bool>,
}

impl Check for ExecStreamOpts {
    fn check(&self, problems: &mut Problems) {
        check_program(&self.language, &self.code, self.timeout, problems);
        check_surroundings(self.environment.as_ref(), self.directory.as_deref(), problems);
    }
}

tagged_union! {
    /// Something that a program does.
    ///
    /// `exit` and `error` end the stream.
    ExecEvent by "type" {
        /// The program runs.
        Started = "started" {
            /// The execution, for `agent.execs`.
            exec_id: ExecId,
            /// The number of its process in the sandbox; absent where the provider does not say it.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pid: Option<i64>,
        },
        /// The program printed.
        Stdout = "stdout" {
            /// What it printed; bytes that are not UTF-8 are replaced.
            data: String,
        },
        /// The program printed an error.
        Stderr = "stderr" {
            /// What it printed; bytes that are not UTF-8 are replaced.
            data: String,
        },
        /// The program ended.
        Exit = "exit" {
            /// The exit code; 128 plus the signal if one ended it.
            exit_code: i32,
            /// How long it ran, in milliseconds.
            duration_ms: i64,
            /// Whether output was left out because the program printed more than is kept.
            #[serde(default)]
            truncated: bool,
            /// The limit of its sandbox that ended it, or something that it started: `memory`; absent if none did.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            limit: Option<String>,
        },
        /// The program could not be started, was killed at its `timeout`, or was lost with its sandbox.
        Error = "error" {
            /// Why.
            error: ErrorDetail,
        },
    }
}

impl ExecEvent {
    /// Whether nothing follows.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Exit { .. } | Self::Error { .. })
    }
}

/// Something for the standard input of a program.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ExecInputOpts {
    /// What to write, as `encoding` says; it may be empty where `close` is true.
    pub data: String,
    /// How it stands in `data`; `utf-8` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<FileEncoding>,
    /// Whether nothing follows, so that the program reads the end of its input; false by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close: Option<bool>,
}

impl Check for ExecInputOpts {
    fn check(&self, problems: &mut Problems) {
        let says_something = !self.data.is_empty() || self.close == Some(true);
        problems.require(says_something, "data", "must not be empty unless `close` is true");
        problems.require(self.data.len() <= 1 << 20, "data", "is larger than 1 MiB");
        check_encoding(self.encoding.as_ref(), problems);
    }
}

open_enum! {
    /// A signal to a program.
    ExecSignal {
        /// The terminal is gone.
        Hangup = "SIGHUP",
        /// Stop, as by Ctrl+C.
        Interrupt = "SIGINT",
        /// Stop and leave a core dump.
        Quit = "SIGQUIT",
        /// Stop at once; the program cannot refuse.
        Kill = "SIGKILL",
        /// Stop, but in order.
        Terminate = "SIGTERM",
        /// Whatever the program makes of it.
        UserOne = "SIGUSR1",
        /// Whatever the program makes of it.
        UserTwo = "SIGUSR2",
    }
}

/// How to end a program.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ExecKillOpts {
    /// The signal; `SIGKILL` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<ExecSignal>,
}

impl Check for ExecKillOpts {
    fn check(&self, problems: &mut Problems) {
        let known = !matches!(self.signal, Some(ExecSignal::Other(_)));
        problems.require(known, "signal", "must be one of the signals that can be sent, for example `SIGTERM`");
    }
}

/// Which processes to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProcessListOpts {
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for ProcessListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// A process in a sandbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProcessInfo {
    /// Its number in the sandbox.
    pub pid: i64,
    /// The number of the process that started it; 0 if none in the sandbox did.
    #[serde(default)]
    pub parent_pid: i64,
    /// The execution that it belongs to; absent if it belongs to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec_id: Option<ExecId>,
    /// The program with its arguments, at most 1024 bytes of it.
    pub command: String,
    /// How long it used a processor, in milliseconds.
    #[serde(default)]
    pub cpu_ms: i64,
    /// Bytes of memory that it holds.
    #[serde(default)]
    pub memory_bytes: i64,
    /// When it started.
    pub started_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_language_is_accepted_under_its_older_name() {
        let older: ExecOpts = serde_json::from_value(json!({ "lang": "python", "code": "1" })).unwrap();

        assert_eq!(older, serde_json::from_value(json!({ "language": "python", "code": "1" })).unwrap());
    }

    #[test]
    fn surroundings_that_no_program_can_have_are_a_problem() {
        let of = |environment: serde_json::Value, directory: &str| {
            let opts = json!({ "language": "shell", "code": "", "environment": environment, "directory": directory });
            let opts: ExecOpts = serde_json::from_value(opts).unwrap();
            Problems::of(&opts).into_iter().map(|problem| problem.field).collect::<Vec<_>>()
        };

        assert_eq!(of(json!({ "CI": "1" }), "project"), Vec::<String>::new());
        assert_eq!(of(json!({ "": "1" }), "project"), ["environment"]);
        assert_eq!(of(json!({ "THEAZO_AGENT_ID": "agt_other" }), "project"), ["environment"]);
        assert_eq!(of(json!({}), ""), ["directory"]);
    }

    #[test]
    fn nothing_to_write_is_a_problem_unless_the_input_is_closed() {
        let problems = |close| Problems::of(&ExecInputOpts { close, ..ExecInputOpts::default() }).len();

        assert_eq!((problems(None), problems(Some(true))), (1, 0));
    }
}
