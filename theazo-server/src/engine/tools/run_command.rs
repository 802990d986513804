//! `run_command`: one command line in the agent's sandbox.

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::json;
use theazo_api::ComputeRuntime;

use super::{
    Call, Outcome, Tool,
    run_code::{run, timeout_schema},
    schema,
};
use crate::model::ToolSpec;

pub struct RunCommand;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    command: String,
    timeout_seconds: Option<u64>,
}

impl Tool for RunCommand {
    fn specification(&self) -> ToolSpec {
        ToolSpec {
            name: "run_command",
            description: "Runs a shell command in the sandbox, in /workspace, and returns what it prints.",
            input_schema: schema(
                json!({ "command": { "type": "string" }, "timeout_seconds": timeout_schema() }),
                &["command"],
            ),
        }
    }

    fn call<'a>(&'a self, call: &'a Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            let Input { command, timeout_seconds } = call.input()?;
            run(call, ComputeRuntime::Shell, command, timeout_seconds).await
        })
    }
}
