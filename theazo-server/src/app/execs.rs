//! Programs in sandboxes.

use base64::{Engine, prelude::BASE64_STANDARD};
use theazo_api::{
    AgentId, ErrorCode, ExecEvent, ExecId, ExecInputOpts, ExecKillOpts, ExecOpts, ExecResult, ExecSignal,
    ExecStreamOpts, FileEncoding, JobId, Page, ProcessInfo, ProcessListOpts,
};

use super::{
    Context,
    agents::{check_usable, find_agent},
    commands::AgentCommand,
    pages::parse_cursor,
};
use crate::{
    error::{AppError, AppResult},
    event::Event,
    store::{EventFilter, StoredEvent},
};

/// The program that a job runs: the two are one thing under two names.
pub fn exec_id_of(job_id: &JobId) -> ExecId {
    ExecId::from_suffix(job_id.as_str().trim_start_matches(JobId::PREFIX))
}

/// The job that runs a program.
pub fn job_id_of(exec_id: &ExecId) -> JobId {
    JobId::from_suffix(exec_id.as_str().trim_start_matches(ExecId::PREFIX))
}

impl Context {
    /// Runs a program and returns what it printed.
    pub async fn exec(&self, agent_id: AgentId, opts: ExecOpts) -> AppResult<ExecResult> {
        self.command(agent_id, AgentCommand::Exec(opts), check_usable).await
    }

    /// Starts a program, and returns which events tell of it. The same key attaches to the program that it started.
    pub async fn stream_exec(
        &self,
        agent_id: AgentId,
        opts: ExecStreamOpts,
        seen: Option<i64>,
    ) -> AppResult<(ExecId, EventFilter)> {
        let (context, id) = (self.clone(), agent_id.clone());
        let started = self.app.store.write(move |tx| {
            let now = context.app.clock.now();
            tx.once(&context.tenant, context.claim.as_ref(), now, || {
                let agent = find_agent(tx, &context.tenant, &id)?;
                check_usable(&agent)?;
                let before = tx.last_sequence()?;
                let job_id = AgentCommand::StreamExec(opts).enqueue(tx, &context.tenant, &agent, now)?;
                Ok((job_id, before))
            })
        });
        let (job_id, before) = self.replayable(started.await?);
        let exec_id = exec_id_of(&job_id);
        let _ = self.report.exec_id.set(exec_id.clone());
        let mut filter = EventFilter {
            agent_id: Some(agent_id.to_string()),
            kinds: vec!["exec.running", "output", "exec.finished"],
            after: before,
            ..EventFilter::default()
        };
        if let Some(seen) = seen {
            let endings = EventFilter { kinds: vec!["exec.finished"], ..filter.clone() };
            let endings = self.app.store.read(|view| Ok::<_, AppError>(view.events(&self.tenant, &endings)?))?;
            let ended = endings.iter().find(|stored| show_exec(&exec_id, stored).is_some());
            // Who has seen the end is shown it once more, or the stream would wait for what never comes.
            filter.after = seen.min(ended.map_or(i64::MAX, |stored| stored.sequence - 1));
        }
        Ok((exec_id, filter))
    }

    /// Writes to the standard input of a program.
    pub async fn write_to_exec(&self, agent_id: AgentId, exec_id: ExecId, opts: ExecInputOpts) -> AppResult<()> {
        self.find_exec(&agent_id, &exec_id)?;
        let data = match opts.encoding {
            Some(FileEncoding::Base64) => {
                let known = BASE64_STANDARD.decode(&opts.data);
                known.map_err(|_| AppError::invalid_field("data", "is not base64, as `encoding` says"))?;
                opts.data
            }
            _ => BASE64_STANDARD.encode(opts.data),
        };
        let command = AgentCommand::Input { exec_id, data, close: opts.close.unwrap_or(false) };
        self.command(agent_id, command, |_| Ok(())).await
    }

    /// Sends a signal to a program. One that has ended stays as it is.
    pub async fn kill_exec(&self, agent_id: AgentId, exec_id: ExecId, opts: ExecKillOpts) -> AppResult<()> {
        self.find_exec(&agent_id, &exec_id)?;
        let command = AgentCommand::Signal { exec_id, signal: opts.signal.unwrap_or(ExecSignal::Kill) };
        self.command(agent_id, command, |_| Ok(())).await
    }

    /// Lists the processes in the sandbox of an agent.
    pub async fn processes(&self, agent_id: AgentId, opts: ProcessListOpts) -> AppResult<Page<ProcessInfo>> {
        let after = opts.cursor.as_deref().filter(|cursor| !cursor.is_empty()).map(parse_cursor).transpose()?;
        let mut processes: Vec<ProcessInfo> = self.command(agent_id, AgentCommand::Processes, check_usable).await?;
        processes.retain(|process| after.is_none_or(|after| process.pid > after));
        let limit = usize::try_from(opts.limit.unwrap_or(20)).unwrap_or(usize::MAX);
        let has_more = processes.len() > limit;
        processes.truncate(limit);
        let cursor = match processes.last() {
            Some(last) if has_more => format!("c{}", last.pid),
            _ => String::new(),
        };
        Ok(Page { data: processes, has_more, cursor })
    }

    /// Says that there is no such program of this agent, if so.
    fn find_exec(&self, agent_id: &AgentId, exec_id: &ExecId) -> AppResult<()> {
        let started =
            EventFilter { agent_id: Some(agent_id.to_string()), kinds: vec!["exec.started"], ..EventFilter::default() };
        let is_known = self.app.store.read(|view| {
            find_agent(view, &self.tenant, agent_id)?;
            // One that waits for its turn has not begun, and the job of one that has ended may be forgotten.
            let asked_for = view.job_subject(&self.tenant, &job_id_of(exec_id))?;
            let begun = |stored: &StoredEvent| matches!(&stored.event, Event::ExecStarted { exec_id: id, .. } if id == exec_id.as_str());
            Ok::<_, AppError>(match asked_for {
                Some(subject) => subject == agent_id.as_str(),
                None => view.events(&self.tenant, &started)?.iter().any(begun),
            })
        })?;
        if is_known { Ok(()) } else { Err(AppError::not_found("program", exec_id.as_str(), ExecId::PREFIX)) }
    }
}

/// What the stream of a program shows of an event, if anything.
pub fn show_exec(exec_id: &ExecId, stored: &StoredEvent) -> Option<ExecEvent> {
    let is_its = |id: &str| id == exec_id.as_str();
    match &stored.event {
        Event::ExecRunning { exec_id: id, pid } if is_its(id) => {
            Some(ExecEvent::Started { exec_id: exec_id.clone(), pid: *pid })
        }
        Event::Output { stream, text, exec_id: Some(id) } if is_its(id) => Some(match stream.as_str() {
            "stderr" => ExecEvent::Stderr { data: text.clone() },
            _ => ExecEvent::Stdout { data: text.clone() },
        }),
        Event::ExecFinished { exec_id: id, exit_code, duration_ms, truncated, limit, error } if is_its(id) => {
            Some(match (exit_code, error) {
                (Some(exit_code), None) => ExecEvent::Exit {
                    exit_code: *exit_code,
                    duration_ms: *duration_ms,
                    truncated: *truncated,
                    limit: limit.clone(),
                },
                (_, error) => {
                    let lost = || AppError::new(ErrorCode::Interrupted, "the program was lost").into_detail();
                    ExecEvent::Error { error: error.clone().unwrap_or_else(lost) }
                }
            })
        }
        _ => None,
    }
}
