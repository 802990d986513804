//! The one way out of each sandbox: a port of its own loopback interface, where a gateway outside serves what programs ask.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use theazo_api::{AgentId, Secret};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};
use tokio_util::task::AbortOnDropHandle;

use super::{Engine, reach::AgentReach};
use crate::{
    app::{BridgeRecord, revoke_bridges},
    compute::{ComputeError, Sandbox},
    error::{AppError, AppResult},
    gateway::{Door, Programs},
    outbound::DomainRules,
    random,
    records::AgentRecord,
    store::{Document, Tenant},
};

/// The port of a sandbox's loopback interface that leads out. It is listened on before any program runs.
pub(super) const WAY_OUT: u16 = 7701;

/// How many connections of one sandbox are served at once; more wait.
const MAX_CONNECTIONS: usize = 64;

/// The ways out of the sandboxes that run, by agent.
#[derive(Default)]
pub(super) struct Bridges {
    open: Mutex<HashMap<AgentId, Bridge>>,
}

struct Bridge {
    tenant: Tenant,
    /// Ends every connection when it is dropped.
    _serving: AbortOnDropHandle<()>,
}

impl Bridges {
    /// Closes every way out.
    pub fn close(&self) {
        self.open().clear();
    }

    fn open(&self) -> MutexGuard<'_, HashMap<AgentId, Bridge>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A way out that is about to be opened.
pub(super) struct NewBridge {
    token: String,
    /// The domains that were granted.
    granted: Vec<String>,
}

impl NewBridge {
    /// A way out for the programs of an agent's sandbox.
    pub fn of(agent: &AgentRecord) -> Self {
        let granted = agent.network.as_ref().map(|network| network.allow.clone()).unwrap_or_default();
        Self { token: random::secret(), granted }
    }

    /// What tells programs of their way out.
    pub fn environment(&self) -> Vec<(String, Secret)> {
        let address = format!("http://127.0.0.1:{WAY_OUT}");
        let mut environment = vec![("THEAZO_ENDPOINT", format!("{address}/bridge/{}", self.token))];
        if !self.granted.is_empty() {
            for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
                environment.push((name, address.clone()));
            }
            for name in ["NO_PROXY", "no_proxy"] {
                environment.push((name, "localhost,127.0.0.1,::1".to_owned()));
            }
            // Node looks at the others only then.
            environment.push(("NODE_USE_ENV_PROXY", "1".to_owned()));
        }
        environment.into_iter().map(|(name, value)| (name.to_owned(), Secret::from(value))).collect()
    }
}

impl Engine {
    /// Opens the way out of a new sandbox. One whose provider has no such way is left without.
    pub(super) async fn open_bridge(
        &self,
        tenant: &Tenant,
        agent: &AgentRecord,
        sandbox: &Arc<dyn Sandbox>,
        bridge: NewBridge,
    ) -> AppResult<()> {
        let listener = match sandbox.listen(WAY_OUT).await {
            Err(ComputeError::Unsupported(_)) => return Ok(()),
            listening => listening?,
        };
        let record = BridgeRecord::new(&bridge.token, agent, self.app.clock.now());
        let (owner, id) = (tenant.clone(), agent.data.id.clone());
        let stored = self.app.store.write(move |tx| {
            revoke_bridges(tx, &owner, &id)?;
            Ok::<_, AppError>(tx.insert(&owner, &record)?)
        });
        stored.await?;
        let granted = DomainRules { allowed: Some(bridge.granted), blocked: Vec::new() };
        let reach = AgentReach::new(self.app.clone(), tenant.clone(), agent.data.id.clone(), granted);
        let programs = Programs { token: Some(bridge.token), reach: Arc::new(reach) };
        let serving = AbortOnDropHandle::new(tokio::spawn(serve_all(listener, self.gateway.open(programs))));
        let bridge = Bridge { tenant: tenant.clone(), _serving: serving };
        self.bridges.open().insert(agent.data.id.clone(), bridge);
        Ok(())
    }

    /// Takes away the tokens of sandboxes that ended with an earlier process.
    pub(super) async fn revoke_all_bridges(&self) -> AppResult<()> {
        let revoked = self.app.store.write(|tx| {
            for (tenant, record) in tx.list_everywhere::<BridgeRecord>(&[BridgeRecord::OPEN])? {
                tx.remove::<BridgeRecord>(&tenant, record.id())?;
            }
            Ok::<_, AppError>(())
        });
        revoked.await
    }

    /// Closes the way out of a sandbox that is gone: its token is worth nothing from now on.
    pub(super) async fn close_bridge(&self, agent_id: &AgentId) {
        let Some(Bridge { tenant, .. }) = self.bridges.open().remove(agent_id) else { return };
        let id = agent_id.clone();
        let revoked = self.app.store.write(move |tx| revoke_bridges(tx, &tenant, &id));
        if let Err(error) = revoked.await {
            tracing::error!(agent = %agent_id, %error, "the token of a sandbox cannot be revoked");
        }
    }
}

/// Serves the connections of a sandbox to its way out.
pub(super) async fn serve_all(listener: TcpListener, door: Arc<dyn Door>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = room.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((connection, _)) => {
                let served = door.serve(connection);
                connections.spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            Err(error) => {
                // Too many descriptors are open, most likely; the next one may have more luck.
                tracing::warn!(%error, "a connection of a sandbox could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
