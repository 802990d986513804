//! What users gave to agents: it is in the sandbox as `/data/` and its name.

use std::sync::Arc;

use super::Engine;
use crate::{
    app::find_agent,
    compute::Sandbox,
    error::{AppError, AppResult},
    file_records::StoredFileRecord,
    records::AgentRecord,
    store::{Filter, Tenant},
};

/// How much is put into a sandbox at once. Where there is more, the newest files come first.
const MAX_BYTES: i64 = 256 << 20;

impl Engine {
    /// Puts what was stored for the agent's user since the last time into its sandbox. A file that cannot be put there is
    /// told in the plane's own log, and keeps nobody from working.
    pub(super) async fn place_input_files(
        &self,
        tenant: &Tenant,
        agent: &AgentRecord,
        sandbox: &Arc<dyn Sandbox>,
    ) -> AppResult<()> {
        if agent.data.user_id.is_empty() {
            return Ok(());
        }
        let filter = Filter {
            user_id: Some(agent.data.user_id.clone()),
            statuses: vec![StoredFileRecord::STORED.to_owned()],
            members: vec![("$.data.purpose", "agent_input".to_owned())],
            after: Some(agent.input_files_up_to),
            ..Filter::default()
        };
        let found = self.app.store.read(|view| Ok::<_, AppError>(view.list::<StoredFileRecord>(tenant, &filter)?))?;
        let Some(&(newest, _)) = found.first() else { return Ok(()) };
        let mut room = MAX_BYTES;
        let fitting = found.into_iter().take_while(|(_, file)| {
            room -= file.data.size;
            room >= 0
        });
        // The oldest first, so that of two with one name the newer stays.
        for (_, file) in fitting.collect::<Vec<_>>().into_iter().rev() {
            let id = &file.data.id;
            let placed = match self.app.read_stored_file(tenant, id).await {
                Ok(download) => {
                    let path = format!("/data/{}", file.data.filename);
                    sandbox.write_file(path, download.content).await.map_err(AppError::from)
                }
                Err(error) => Err(error),
            };
            if let Err(error) = placed {
                tracing::warn!(agent = %agent.data.id, file = %id, %error, "a user's file is not in the sandbox");
            }
        }
        let (owner, agent_id) = (tenant.clone(), agent.data.id.clone());
        self.app
            .store
            .write(move |tx| {
                let mut agent = find_agent(tx, &owner, &agent_id)?;
                agent.input_files_up_to = agent.input_files_up_to.max(newest);
                Ok::<_, AppError>(tx.update(&owner, &agent)?)
            })
            .await
    }
}
