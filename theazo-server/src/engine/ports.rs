//! Ports of sandboxes that are reachable from outside: a loopback address of this machine each, whose connections are led to
//! what listens in the sandbox.

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use theazo_api::AgentId;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;

use super::{Engine, sandboxes::Sandboxes};
use crate::{
    app::{find_agent, not_exposed},
    compute::ComputeError,
    error::{AppError, AppResult},
    event::Event,
    records::{AgentRecord, PortRecord},
    store::Tenant,
};

/// How many ports of one agent can be reachable.
const MAX_PORTS: usize = 32;

/// How many connections to one port are led at once; more wait.
const MAX_CONNECTIONS: usize = 256;

/// How long a program may take to accept a connection.
const ACCEPT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a caller is listened to who is told that nothing listens.
const FAREWELL: Duration = Duration::from_secs(2);

/// The addresses that lead to ports of sandboxes, by agent and port. Each ends when it is dropped.
#[derive(Default)]
pub(super) struct Forwards {
    open: Mutex<HashMap<AgentId, BTreeMap<u16, AbortOnDropHandle<()>>>>,
}

impl Forwards {
    fn open(&self) -> MutexGuard<'_, HashMap<AgentId, BTreeMap<u16, AbortOnDropHandle<()>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_open(&self, agent_id: &AgentId, port: u16) -> bool {
        self.open().get(agent_id).is_some_and(|ports| ports.contains_key(&port))
    }

    fn start(&self, sandboxes: Arc<Sandboxes>, agent_id: &AgentId, port: u16, listener: TcpListener) {
        let target = Target { sandboxes, agent_id: agent_id.clone(), port };
        let task = AbortOnDropHandle::new(tokio::spawn(target.lead_all(listener)));
        self.open().entry(agent_id.clone()).or_default().insert(port, task);
    }

    fn end(&self, agent_id: &AgentId, port: u16) {
        if let Some(ports) = self.open().get_mut(agent_id) {
            ports.remove(&port);
        }
    }

    /// Ends every address that leads to an agent.
    pub fn end_all(&self, agent_id: &AgentId) {
        self.open().remove(agent_id);
    }

    /// Ends every address.
    pub fn close(&self) {
        self.open().clear();
    }
}

impl Engine {
    /// Makes a port of an agent's sandbox reachable. One that is already keeps its address.
    pub(super) async fn expose_port(&self, tenant: &Tenant, agent_id: &AgentId, port: u16) -> AppResult<PortRecord> {
        self.ensure_sandbox(tenant, agent_id).await?;
        let agent = self.app.store.read(|view| find_agent(view, tenant, agent_id))?;
        let before = agent.ports.iter().find(|open| open.port == port).cloned();
        if let Some(open) = before.clone().filter(|_| self.forwards.is_open(agent_id, port)) {
            return Ok(open);
        }
        let listener = listen(before.map(|open| open.host_port)).await.map_err(AppError::internal)?;
        let host_port = listener.local_addr().map_err(AppError::internal)?.port();
        let (clock, owner, id) = (self.app.clock.clone(), tenant.clone(), agent_id.clone());
        let exposed = self.app.store.write(move |tx| {
            let now = clock.now();
            let mut agent = find_agent(tx, &owner, &id)?;
            if agent.has_ended() {
                return Err(AppError::conflict(format!("the agent `{id}` has ended")));
            }
            agent.ports.retain(|open| open.port != port);
            if agent.ports.len() >= MAX_PORTS {
                let message = format!("the agent `{id}` has {MAX_PORTS} ports exposed, which is the most; close one");
                return Err(AppError::conflict(message));
            }
            let exposed = PortRecord { port, host_port, created_at: now };
            agent.ports.push(exposed.clone());
            agent.ports.sort_by_key(|open| open.port);
            tx.update(&owner, &agent)?;
            tx.append(&owner, now, &agent.scope(), &Event::PortExposed { port, url: exposed.url() })?;
            Ok::<_, AppError>(exposed)
        });
        let exposed = exposed.await?;
        self.forwards.start(self.sandboxes.clone(), agent_id, port, listener);
        Ok(exposed)
    }

    /// Makes a port unreachable.
    pub(super) async fn close_port(&self, tenant: &Tenant, agent_id: &AgentId, port: u16) -> AppResult<()> {
        let (clock, owner, id) = (self.app.clock.clone(), tenant.clone(), agent_id.clone());
        let closed = self.app.store.write(move |tx| {
            let mut agent = find_agent(tx, &owner, &id)?;
            let open = agent.ports.len();
            agent.ports.retain(|open| open.port != port);
            if agent.ports.len() == open {
                return Err(not_exposed(port));
            }
            tx.update(&owner, &agent)?;
            tx.append(&owner, clock.now(), &agent.scope(), &Event::PortClosed { port })?;
            Ok::<_, AppError>(())
        });
        closed.await?;
        self.forwards.end(agent_id, port);
        Ok(())
    }

    /// Opens the addresses again that were open when an earlier process ended; one that is taken meanwhile gets another
    /// number, which the agent's list and log show.
    pub(super) async fn reopen_ports(&self) -> AppResult<()> {
        let agents = self.app.store.read(|view| {
            Ok::<_, AppError>(view.list_everywhere::<AgentRecord>(&["booting", "ready", "running", "paused"])?)
        })?;
        for (tenant, mut agent) in agents.into_iter().filter(|(_, agent)| !agent.ports.is_empty()) {
            let mut moved = Vec::new();
            for open in &mut agent.ports {
                let listener = listen(Some(open.host_port)).await.map_err(AppError::internal)?;
                let host_port = listener.local_addr().map_err(AppError::internal)?.port();
                if host_port != open.host_port {
                    open.host_port = host_port;
                    moved.push(Event::PortExposed { port: open.port, url: open.url() });
                }
                self.forwards.start(self.sandboxes.clone(), &agent.data.id, open.port, listener);
            }
            let now = self.app.clock.now();
            let stored = self.app.store.write(move |tx| {
                tx.update(&tenant, &agent)?;
                for event in &moved {
                    tx.append(&tenant, now, &agent.scope(), event)?;
                }
                Ok::<_, AppError>(())
            });
            stored.await?;
        }
        Ok(())
    }
}

/// Listens on the loopback interface of this machine: on the port that is wanted, or on any if that one is taken.
async fn listen(wanted: Option<u16>) -> std::io::Result<TcpListener> {
    if let Some(wanted) = wanted
        && let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted)).await
    {
        return Ok(listener);
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await
}

/// Where an address leads.
struct Target {
    sandboxes: Arc<Sandboxes>,
    agent_id: AgentId,
    port: u16,
}

impl Target {
    async fn lead_all(self, listener: TcpListener) {
        let (target, room) = (Arc::new(self), Arc::new(Semaphore::new(MAX_CONNECTIONS)));
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let Ok(place) = room.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((caller, _)) => {
                    let target = target.clone();
                    connections.spawn(async move {
                        target.lead(caller).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    // Too many descriptors are open, most likely; the next one may have more luck.
                    tracing::warn!(%error, "a connection to an exposed port could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn lead(&self, mut caller: TcpStream) {
        match self.connect().await {
            Ok(mut program) => {
                // Whichever side breaks off ends it; there is nobody to tell.
                let _ = copy_bidirectional(&mut caller, &mut program).await;
            }
            Err((status, reason)) => refuse(caller, status, &reason).await,
        }
    }

    async fn connect(&self) -> Result<crate::compute::Connection, (&'static str, String)> {
        let Self { agent_id, port, .. } = self;
        let Some(sandbox) = self.sandboxes.get(agent_id) else {
            return Err(("502 Bad Gateway", format!("the agent `{agent_id}` has no sandbox that runs now")));
        };
        match tokio::time::timeout(ACCEPT_TIMEOUT, sandbox.connect(*port)).await {
            Ok(Ok(program)) => Ok(program),
            Ok(Err(ComputeError::Paused)) => {
                Err(("503 Service Unavailable", format!("the agent `{agent_id}` is paused; resume it first")))
            }
            Ok(Err(ComputeError::NothingListens(_))) => {
                Err(("502 Bad Gateway", format!("nothing listens on port {port} of the agent `{agent_id}`")))
            }
            Ok(Err(error)) => Err(("502 Bad Gateway", error.to_string())),
            Err(_) => Err((
                "504 Gateway Timeout",
                format!("what listens on port {port} of the agent `{agent_id}` accepts nothing"),
            )),
        }
    }
}

/// Says in HTTP why a connection leads nowhere.
async fn refuse(mut caller: TcpStream, status: &str, reason: &str) {
    let body = format!("{reason}\n");
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let farewell = async {
        // Closing before the question was read would throw away the answer with it.
        let mut question = [0; 4096];
        if caller.read(&mut question).await? == 0 {
            return Ok(());
        }
        caller.write_all(answer.as_bytes()).await?;
        caller.shutdown().await?;
        while caller.read(&mut question).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
}
