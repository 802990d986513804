//! Ports of sandboxes that are reachable from outside.

use theazo_api::{AgentId, AgentStatus, ExposedPort, Page, PortExposeOpts, PortListOpts};

use super::{
    Context,
    agents::{check_usable, find_agent},
    commands::{AgentCommand, PortCommand},
    pages::parse_cursor,
};
use crate::{
    error::{AppError, AppResult},
    records::PortRecord,
};

/// How many ports a page has where the caller does not say.
const DEFAULT_LIMIT: i64 = 20;

impl Context {
    /// Makes a port reachable.
    pub async fn expose_port(&self, agent_id: AgentId, opts: PortExposeOpts) -> AppResult<ExposedPort> {
        let port = u16::try_from(opts.port).map_err(|_| not_a_port())?;
        let command = AgentCommand::Port(PortCommand::Expose { port });
        let exposed: PortRecord = self.command(agent_id, command, check_usable).await?;
        Ok(exposed.data())
    }

    /// Lists the ports that are reachable, by their numbers.
    pub fn list_ports(&self, agent_id: &AgentId, opts: &PortListOpts) -> AppResult<Page<ExposedPort>> {
        let agent = self.app.store.read(|view| find_agent(view, &self.tenant, agent_id))?;
        let cursor = opts.cursor.as_deref().filter(|cursor| !cursor.is_empty());
        let after = cursor.map(parse_cursor).transpose()?.unwrap_or(0);
        let limit = usize::try_from(opts.limit.unwrap_or(DEFAULT_LIMIT)).unwrap_or(usize::MAX);
        // With its end its addresses ended.
        let open = if agent.has_ended() { Vec::new() } else { agent.ports };
        let mut data: Vec<ExposedPort> = open.iter().map(PortRecord::data).filter(|open| open.port > after).collect();
        let has_more = data.len() > limit;
        data.truncate(limit);
        let cursor = data.last().filter(|_| has_more).map(|last| format!("c{}", last.port)).unwrap_or_default();
        Ok(Page { data, has_more, cursor })
    }

    /// Makes a port unreachable.
    pub async fn close_port(&self, agent_id: AgentId, port: &str) -> AppResult<()> {
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(not_a_port)?;
        let command = AgentCommand::Port(PortCommand::Close { port });
        self.command(agent_id, command, move |agent| {
            let is_open = agent.ports.iter().any(|open| open.port == port);
            if is_open && agent.data.status != AgentStatus::Completed { Ok(()) } else { Err(not_exposed(port)) }
        })
        .await
    }
}

fn not_a_port() -> AppError {
    AppError::invalid_field("port", "must be a whole number from 1 to 65535")
}

/// There is no such port that is reachable.
pub fn not_exposed(port: u16) -> AppError {
    AppError::not_found("exposed port", &port.to_string(), "")
}
