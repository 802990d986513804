//! What callers do with the files of a sandbox.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use theazo_api::AgentId;

use super::Engine;
use crate::{
    app::{FileCommand, find_agent},
    compute::{ComputeError, Sandbox},
    error::{AppError, AppResult},
    event::Event,
    store::Tenant,
};

impl Engine {
    pub(super) async fn file(&self, tenant: &Tenant, agent_id: &AgentId, command: FileCommand) -> AppResult<Value> {
        let sandbox = self.ensure_sandbox(tenant, agent_id).await?;
        let done = change(&*sandbox, command).await;
        let (value, event) = done.inspect_err(|error| self.forget_if_gone(agent_id, &sandbox, error))?;
        if let Some(event) = event {
            let (clock, owner, id) = (self.app.clock.clone(), tenant.clone(), agent_id.clone());
            self.app
                .store
                .write(move |tx| {
                    let agent = find_agent(tx, &owner, &id)?;
                    Ok::<_, AppError>(tx.append(&owner, clock.now(), &agent.scope(), &event)?)
                })
                .await?;
        }
        Ok(value)
    }
}

/// Does it, and returns what the caller gets and what happened, if anything changed.
async fn change(sandbox: &dyn Sandbox, command: FileCommand) -> Result<(Value, Option<Event>), ComputeError> {
    Ok(match command {
        FileCommand::Write { path, content } => {
            let content = BASE64_STANDARD.decode(content).map_err(|error| ComputeError::Failed(error.to_string()))?;
            let bytes = i64::try_from(content.len()).unwrap_or(i64::MAX);
            sandbox.write_file(path.clone(), content).await?;
            (Value::Null, Some(Event::FileWritten { path, bytes }))
        }
        FileCommand::Read { path } => (json!(BASE64_STANDARD.encode(sandbox.read_file(path).await?)), None),
        FileCommand::List { dir } => (json!(sandbox.list_files(dir).await?), None),
        FileCommand::Remove { path, recursive } => {
            sandbox.remove_file(path.clone(), recursive).await?;
            (Value::Null, Some(Event::FileRemoved { path }))
        }
        FileCommand::Move { source, target, overwrite } => {
            let moved = sandbox.move_file(source.clone(), target.clone(), overwrite).await;
            let entry = moved.map_err(|error| name_field(error, &source))?;
            (json!(entry), Some(Event::FileMoved { source, target }))
        }
        FileCommand::MakeFolder { path } => {
            let entry = sandbox.make_folder(path.clone()).await?;
            (json!(entry), Some(Event::FolderMade { path }))
        }
    })
}

/// A move has two paths, and its caller must know which of them is wrong.
fn name_field(error: ComputeError, source: &str) -> ComputeError {
    match error {
        ComputeError::InvalidPath { path, reason } => {
            let field = if path == source { "source" } else { "target" };
            ComputeError::Invalid { field, reason: format!("`{path}` {reason}") }
        }
        other => other,
    }
}
