//! `run_code`: a program in the agent's sandbox.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::json;
use theazo_api::{ComputeRuntime, ExecResult};

use super::{Call, Failure, Outcome, Tool, cut, schema};
use crate::{
    compute::{DEFAULT_TIMEOUT, Exec},
    model::ToolSpec,
};

/// How long a program may ask for.
const LONGEST_TIMEOUT: u64 = 600;

pub struct RunCode;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    language: Option<String>,
    code: String,
    timeout_seconds: Option<u64>,
}

impl Tool for RunCode {
    fn specification(&self) -> ToolSpec {
        ToolSpec {
            name: "run_code",
            description: "Runs a program in the sandbox and returns what it prints.",
            input_schema: schema(
                json!({
                    "language": { "type": "string", "enum": ["python", "node", "go", "shell"] },
                    "code": { "type": "string" },
                    "timeout_seconds": timeout_schema(),
                }),
                &["language", "code"],
            ),
        }
    }

    fn call<'a>(&'a self, call: &'a Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            let Input { language, code, timeout_seconds } = call.input()?;
            let language = ComputeRuntime::from(language.as_deref().unwrap_or("python"));
            if let ComputeRuntime::Other(name) = &language {
                return Err(Failure::told(format!("`{name}` is not one of `python`, `node`, `go` and `shell`")));
            }
            run(call, language, code, timeout_seconds).await
        })
    }
}

/// The schema of a time limit.
pub(super) fn timeout_schema() -> serde_json::Value {
    json!({ "type": "integer", "minimum": 1, "maximum": LONGEST_TIMEOUT, "description": "120 by default." })
}

/// Runs a program and describes what came of it.
pub(super) async fn run(
    call: &Call<'_>,
    language: ComputeRuntime,
    code: String,
    timeout_seconds: Option<u64>,
) -> Outcome {
    if timeout_seconds.is_some_and(|seconds| !(1..=LONGEST_TIMEOUT).contains(&seconds)) {
        return Err(Failure::told(format!("the input `timeout_seconds` must be 1 to {LONGEST_TIMEOUT}")));
    }
    let timeout = timeout_seconds.map_or(DEFAULT_TIMEOUT, Duration::from_secs);
    let sandbox = call.sandbox().await?;
    let exec = Exec { timeout, ..Exec::new(language, code) };
    let ran = call.engine.exec_logged(call.tenant, call.scope, &sandbox, exec).await;
    let result = ran.map_err(|error| call.failed(&sandbox, error))?;
    Ok(cut(describe(&result), "print less, or write it to a file and read parts of it"))
}

fn describe(result: &ExecResult) -> String {
    let cut_off = if result.truncated { "\n[the program printed more than is kept]" } else { "" };
    if result.exit_code == 0 && result.stderr.is_empty() {
        return format!("{}{cut_off}", result.stdout);
    }
    format!("exit code {}\nstdout:\n{}\nstderr:\n{}{cut_off}", result.exit_code, result.stdout, result.stderr)
}
