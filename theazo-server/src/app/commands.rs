//! Commands to agents: jobs that a worker does and whose outcome the caller waits for.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use theazo_api::{
    AgentId, CheckpointCreateOpts, ExecId, ExecOpts, ExecSignal, ExecStreamOpts, JobId, ResumeOpts, Timestamp,
};

use super::{
    Context,
    agents::{find_agent, wake},
};
use crate::{
    error::{AppError, AppResult},
    random,
    records::{AgentRecord, PausedBy},
    store::{NewJob, Tenant, Topic, Tx},
};

/// What an agent can be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AgentCommand {
    /// Make its sandbox.
    Boot,
    /// Run a program.
    Exec(ExecOpts),
    /// Run a program that somebody watches.
    StreamExec(ExecStreamOpts),
    /// Write to the standard input of a program; the data is base64.
    Input {
        /// The program.
        exec_id: ExecId,
        /// What to write.
        data: String,
        /// Whether nothing follows.
        close: bool,
    },
    /// Send a signal to a program.
    Signal {
        /// The program.
        exec_id: ExecId,
        /// The signal.
        signal: ExecSignal,
    },
    /// List its processes.
    Processes,
    /// Stand still.
    Pause {
        /// Who says so.
        by: PausedBy,
    },
    /// Go on.
    Resume {
        /// Who says so. Only what paused an agent resumes it; the caller resumes it in any case.
        by: PausedBy,
        /// From where, and where.
        #[serde(default)]
        opts: ResumeOpts,
    },
    /// Make a checkpoint.
    Checkpoint(CheckpointCreateOpts),
    /// Go on from the last checkpoint, because the sandbox was lost.
    Recover,
    /// End.
    Terminate,
    /// Do something with its files.
    File(FileCommand),
    /// Do something with its ports.
    Port(PortCommand),
}

/// What can be done with ports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PortCommand {
    /// Make one reachable.
    Expose {
        /// Its number.
        port: u16,
    },
    /// Make one unreachable.
    Close {
        /// Its number.
        port: u16,
    },
}

/// What can be done with files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FileCommand {
    /// Write one; the content is base64.
    Write {
        /// Its path.
        path: String,
        /// Its content.
        content: String,
    },
    /// Read one; the outcome is base64.
    Read {
        /// Its path.
        path: String,
    },
    /// List a folder.
    List {
        /// Its path.
        dir: String,
    },
    /// Remove a file or folder.
    Remove {
        /// Its path.
        path: String,
        /// Whether a folder goes with all that is in it.
        recursive: bool,
    },
    /// Move a file or folder.
    Move {
        /// Where it is.
        source: String,
        /// Where it is to be.
        target: String,
        /// Whether what is there goes.
        overwrite: bool,
    },
    /// Make a folder.
    MakeFolder {
        /// Its path.
        path: String,
    },
}

impl AgentCommand {
    /// The kind of the jobs that may take long.
    pub const WORK: &'static str = "agent.command";

    /// The kind of the jobs that must not wait for those.
    pub const CONTROL: &'static str = "agent.control";

    /// Whether jobs of this kind are commands.
    pub fn is_job(kind: &str) -> bool {
        matches!(kind, Self::WORK | Self::CONTROL)
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Boot | Self::Exec(_) | Self::StreamExec(_) | Self::File(_) | Self::Port(_) | Self::Processes => {
                Self::WORK
            }
            Self::Pause { .. } | Self::Resume { .. } | Self::Terminate | Self::Checkpoint(_) | Self::Recover => {
                Self::CONTROL
            }
            // They are for programs that have places of work already.
            Self::Input { .. } | Self::Signal { .. } => Self::CONTROL,
        }
    }

    /// Lets go on what somebody paused.
    pub fn resume(by: PausedBy) -> Self {
        Self::Resume { by, opts: ResumeOpts::default() }
    }

    /// Asks for the command. Commands of one agent that change its state are done one after the other.
    pub fn enqueue(&self, tx: &Tx<'_>, tenant: &Tenant, agent: &AgentRecord, now: Timestamp) -> AppResult<JobId> {
        self.enqueue_as(JobId::from_suffix(random::id_suffix(now)), tx, tenant, agent, now)
    }

    /// Asks for an agent to recover, unless that waits to be done already: several tools find out that a sandbox is lost.
    pub fn enqueue_recovery(tx: &Tx<'_>, tenant: &Tenant, agent: &AgentRecord, now: Timestamp) -> AppResult<()> {
        let id = JobId::from_suffix(format!("recover-{}", agent.data.id));
        if tx.is_pending(&id)? { Ok(()) } else { Self::Recover.enqueue_as(id, tx, tenant, agent, now).map(drop) }
    }

    fn enqueue_as(
        &self,
        id: JobId,
        tx: &Tx<'_>,
        tenant: &Tenant,
        agent: &AgentRecord,
        now: Timestamp,
    ) -> AppResult<JobId> {
        let payload = serde_json::to_value(self).map_err(AppError::internal)?;
        let subject = agent.data.id.to_string();
        tx.enqueue(tenant, &NewJob { id: id.clone(), kind: self.kind(), subject, payload, due_at: now })?;
        Ok(id)
    }
}

impl Context {
    /// Tells an agent something, once, and waits for the outcome. `check` refuses what its state does not allow.
    pub(super) async fn command<T: DeserializeOwned>(
        &self,
        agent_id: AgentId,
        command: AgentCommand,
        check: impl FnOnce(&AgentRecord) -> AppResult<()> + Send + 'static,
    ) -> AppResult<T> {
        let context = self.clone();
        let job = self
            .app
            .store
            .write(move |tx| {
                let now = context.app.clock.now();
                tx.once(&context.tenant, context.claim.as_ref(), now, || {
                    let mut agent = find_agent(tx, &context.tenant, &agent_id)?;
                    check(&agent)?;
                    if command.kind() == AgentCommand::WORK {
                        wake(tx, &context.tenant, &mut agent, now)?;
                    }
                    command.enqueue(tx, &context.tenant, &agent, now)
                })
            })
            .await?;
        let job = self.replayable(job);
        let outcome = self.wait_for_job(&job).await?;
        if self.claim.is_none() {
            let job = job.clone();
            self.app.store.write(move |tx| Ok::<_, AppError>(tx.forget(&job)?)).await?;
        }
        serde_json::from_value(outcome).map_err(AppError::internal)
    }

    /// Waits until a job is done.
    pub(super) async fn wait_for_job(&self, id: &JobId) -> AppResult<Value> {
        let done = self.app.store.commits_about(&[Topic::Job(id.as_str())]);
        loop {
            if let Some(outcome) = self.app.store.read(|view| Ok::<_, AppError>(view.job_result(id)?))? {
                return outcome;
            }
            done.changed().await;
        }
    }
}

/// Waits until all of these jobs are done; the first that failed is the outcome.
pub(super) async fn run_commands(context: &Context, jobs: Vec<JobId>) -> AppResult<()> {
    for job in jobs {
        context.wait_for_job(&job).await?;
    }
    Ok(())
}
