//! The built-in tools of the model loop. They work in the agent's sandbox.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use theazo_api::{AgentId, ComputeRuntime, ExecResult, agents::BUILT_IN_TOOLS};
use tokio::sync::mpsc;

use super::{Engine, journal::text_of};
use crate::{
    compute::{ComputeError, Exec, Output, Sandbox},
    error::AppError,
    event::Event,
    model::ToolSpec,
    store::{EventScope, Tenant},
};

/// How long a program has where nobody says.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

/// How much of what a program prints goes to the log as it is printed; the result holds more.
const LOGGED_BYTES: usize = 64 * 1024;

/// How much a tool returns to the model at most.
const TOOL_OUTPUT_BYTES: usize = 64 * 1024;

/// The tools that an agent's model may call.
pub(super) fn specifications(allowed: Option<&[String]>) -> Vec<ToolSpec> {
    let object = |properties: Value, required: Value| json!({ "type": "object", "properties": properties, "required": required });
    let all = [
        ToolSpec {
            name: BUILT_IN_TOOLS[0],
            description: "Runs a program in the sandbox and returns what it prints.",
            input_schema: object(
                json!({
                    "language": { "type": "string", "enum": ["python", "node", "go", "shell"] },
                    "code": { "type": "string" },
                }),
                json!(["language", "code"]),
            ),
        },
        ToolSpec {
            name: BUILT_IN_TOOLS[1],
            description: "Writes a text file in the sandbox.",
            input_schema: object(
                json!({ "path": { "type": "string" }, "content": { "type": "string" } }),
                json!(["path", "content"]),
            ),
        },
        ToolSpec {
            name: BUILT_IN_TOOLS[2],
            description: "Reads a text file from the sandbox.",
            input_schema: object(json!({ "path": { "type": "string" } }), json!(["path"])),
        },
        ToolSpec {
            name: BUILT_IN_TOOLS[3],
            description: "Lists a folder of the sandbox.",
            input_schema: object(json!({ "dir": { "type": "string" } }), json!(["dir"])),
        },
    ];
    all.into_iter().filter(|tool| allowed.is_none_or(|names| names.iter().any(|name| name == tool.name))).collect()
}

/// Does what a model asked for. What fails is told to the model, which may do something about it.
pub(super) async fn call(
    engine: &Engine,
    tenant: &Tenant,
    scope: &EventScope,
    agent_id: &AgentId,
    tool: &str,
    input: &Map<String, Value>,
) -> Result<Result<String, String>, AppError> {
    let missing = |name: &str| Ok(Err(format!("the input `{name}` is missing or is not text")));
    let sandbox = engine.ensure_sandbox(tenant, agent_id).await?;
    let outcome = match tool {
        "run_code" => {
            let Some(code) = text_of(input, "code") else { return missing("code") };
            let language = ComputeRuntime::from(text_of(input, "language").unwrap_or("python"));
            let exec = Exec { language, code: code.to_owned(), timeout: DEFAULT_TIMEOUT };
            engine.exec_logged(tenant, scope, &sandbox, exec).await.map(|result| describe(&result))
        }
        "write_file" => {
            let Some(path) = text_of(input, "path") else { return missing("path") };
            let Some(content) = text_of(input, "content") else { return missing("content") };
            let written = sandbox.write_file(path.to_owned(), content.as_bytes().to_vec()).await;
            written.map(|()| format!("wrote {} bytes to {path}", content.len()))
        }
        "read_file" => {
            let Some(path) = text_of(input, "path") else { return missing("path") };
            sandbox.read_file(path.to_owned()).await.map(|content| String::from_utf8_lossy(&content).into_owned())
        }
        "list_files" => {
            let dir = text_of(input, "dir").unwrap_or("/workspace");
            let entries = sandbox.list_files(dir.to_owned()).await;
            entries.map(|entries| entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>().join("\n"))
        }
        other => return Ok(Err(format!("there is no tool `{other}`"))),
    };
    Ok(outcome.map(cut).map_err(|error| {
        engine.forget_if_gone(agent_id, &sandbox, &error);
        AppError::from(error).into_detail().message
    }))
}

fn cut(mut text: String) -> String {
    if text.len() > TOOL_OUTPUT_BYTES {
        text.truncate(text.floor_char_boundary(TOOL_OUTPUT_BYTES));
        text.push_str("\n[cut]");
    }
    text
}

fn describe(result: &ExecResult) -> String {
    if result.exit_code == 0 && result.stderr.is_empty() {
        return result.stdout.clone();
    }
    format!("exit code {}\nstdout:\n{}\nstderr:\n{}", result.exit_code, result.stdout, result.stderr)
}

impl Engine {
    /// Runs a program, and writes what it prints to the log as it prints it.
    pub(super) async fn exec_logged(
        &self,
        tenant: &Tenant,
        scope: &EventScope,
        sandbox: &Arc<dyn Sandbox>,
        exec: Exec,
    ) -> Result<ExecResult, ComputeError> {
        // The bound lets a program print ahead of the log without holding more than a little of it.
        let (output, mut printed) = mpsc::channel::<Output>(16);
        let log = async {
            let mut lines = Lines::default();
            while let Some(piece) = printed.recv().await {
                if let Some(text) = lines.add(&piece) {
                    self.log_output(tenant, scope, piece.stream, text).await;
                }
            }
            for (stream, text) in lines.rest() {
                self.log_output(tenant, scope, stream, text).await;
            }
        };
        let (result, ()) = tokio::join!(sandbox.exec(exec, output), log);
        result
    }

    async fn log_output(&self, tenant: &Tenant, scope: &EventScope, stream: &str, text: String) {
        let event = Event::Output { stream: stream.to_owned(), text };
        let (tenant, scope, now) = (tenant.clone(), scope.clone(), self.app.clock.now());
        let appended = self.app.store.write(move |tx| Ok::<_, AppError>(tx.append(&tenant, now, &scope, &event)?));
        if let Err(error) = appended.await {
            tracing::error!(%error, "what a program printed could not be logged");
        }
    }
}

/// Puts what a program prints together to whole lines, up to the limit of what is logged.
#[derive(Default)]
struct Lines {
    logged: usize,
    open: HashMap<&'static str, Vec<u8>>,
}

impl Lines {
    /// Adds a piece and returns the lines that it completes, if any.
    fn add(&mut self, piece: &Output) -> Option<String> {
        let bytes = &piece.bytes[..piece.bytes.len().min(LOGGED_BYTES - self.logged)];
        self.logged += bytes.len();
        let open = self.open.entry(piece.stream).or_default();
        open.extend_from_slice(bytes);
        let end = open.iter().rposition(|byte| *byte == b'\n')? + 1;
        let complete: Vec<u8> = open.drain(..end).collect();
        Some(String::from_utf8_lossy(&complete).into_owned())
    }

    /// What no line end followed.
    fn rest(self) -> impl Iterator<Item = (&'static str, String)> {
        let open = self.open.into_iter().filter(|(_, bytes)| !bytes.is_empty());
        open.map(|(stream, bytes)| (stream, String::from_utf8_lossy(&bytes).into_owned()))
    }
}
