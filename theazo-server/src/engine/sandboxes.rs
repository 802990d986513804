//! The sandboxes that this worker holds, each made when it is first needed.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use theazo_api::{AgentId, AgentStatus};
use tokio::sync::OnceCell;

use super::{
    Engine, bridge::NewBridge, lifecycle::idle_again, limits::Stopped, places::without_place, timers::meter_job,
};
use crate::{
    app::find_agent,
    compute::{ComputeError, Sandbox, SandboxSpec, remove_tree},
    error::{AppError, AppResult},
    event::Event,
    spending::{is_charged, start_meter, stop_meter},
    store::Tenant,
};

type Slot = Arc<OnceCell<Arc<dyn Sandbox>>>;

/// The sandboxes by agent.
#[derive(Default)]
pub(super) struct Sandboxes {
    slots: Mutex<HashMap<AgentId, Slot>>,
    /// Those that stand still because they had nothing to do.
    asleep: Mutex<HashSet<AgentId>>,
}

impl Sandboxes {
    fn slots(&self) -> MutexGuard<'_, HashMap<AgentId, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asleep(&self) -> MutexGuard<'_, HashSet<AgentId>> {
        self.asleep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of an agent's sandbox, for somebody who uses it, and whether the sandbox stood still until now.
    fn enter(&self, agent_id: &AgentId) -> (Slot, bool) {
        let mut asleep = self.asleep();
        let slot = self.slots().entry(agent_id.clone()).or_default().clone();
        (slot, asleep.remove(agent_id))
    }

    /// The sandbox of an agent, if it has one.
    pub fn get(&self, agent_id: &AgentId) -> Option<Arc<dyn Sandbox>> {
        self.slots().get(agent_id).and_then(|slot| slot.get().cloned())
    }

    /// Notes that the sandbox of an agent stands still until it is used.
    pub fn put_to_sleep(&self, agent_id: &AgentId) {
        self.asleep().insert(agent_id.clone());
    }

    /// Notes that the sandbox of an agent does not stand still after all.
    pub fn keep_awake(&self, agent_id: &AgentId) {
        self.asleep().remove(agent_id);
    }

    /// Forgets the sandbox of an agent and returns it.
    pub fn take(&self, agent_id: &AgentId) -> Option<Arc<dyn Sandbox>> {
        self.keep_awake(agent_id);
        self.slots().remove(agent_id).and_then(|slot| slot.get().cloned())
    }

    /// Forgets the sandbox of an agent and returns it, unless somebody uses it since it stood still.
    pub fn take_asleep(&self, agent_id: &AgentId) -> Option<Arc<dyn Sandbox>> {
        let mut asleep = self.asleep();
        if !asleep.remove(agent_id) {
            return None;
        }
        self.slots().remove(agent_id).and_then(|slot| slot.get().cloned())
    }

    /// Forgets this sandbox of an agent, and not another that was made in its place.
    fn forget(&self, agent_id: &AgentId, sandbox: &Arc<dyn Sandbox>) {
        let mut slots = self.slots();
        let held = slots.get(agent_id).and_then(|slot| slot.get());
        if held.is_some_and(|held| Arc::ptr_eq(held, sandbox)) {
            slots.remove(agent_id);
        }
    }
}

impl Engine {
    /// The sandbox of an agent. If it has none yet, or had one in a process that died, it is made and metered.
    pub(super) async fn ensure_sandbox(&self, tenant: &Tenant, agent_id: &AgentId) -> AppResult<Arc<dyn Sandbox>> {
        let agent = self.app.store.read(|view| find_agent(view, tenant, agent_id))?;
        if agent.has_ended() || agent.data.status == AgentStatus::Paused {
            let state = if agent.has_ended() { "has ended" } else { "is paused; resume it first" };
            return Err(AppError::conflict(format!("the agent `{agent_id}` {state}")));
        }
        let (slot, was_asleep) = self.sandboxes.enter(agent_id);
        let was_there = slot.initialized();
        if was_there && was_asleep {
            self.meter_agent(tenant, agent_id).await?;
            self.align_sandbox(tenant, agent_id).await?;
        }
        let sandbox = slot.get_or_try_init(|| Box::pin(self.create_sandbox(tenant, agent_id))).await?.clone();
        if !was_there {
            // It may have been paused or ended while the sandbox was made, by somebody who found none to stop.
            let agent = self.app.store.read(|view| find_agent(view, tenant, agent_id))?;
            if agent.has_ended() {
                if let Err(error) = sandbox.destroy().await {
                    tracing::warn!(agent = %agent_id, %error, "a sandbox could not be ended");
                }
                self.remove_sandbox(agent_id).await;
                return Err(AppError::conflict(format!("the agent `{agent_id}` has ended")));
            }
            if agent.data.status == AgentStatus::Paused {
                self.align_sandbox(tenant, agent_id).await?;
                return Err(AppError::conflict(format!("the agent `{agent_id}` is paused; resume it first")));
            }
        }
        self.place_input_files(tenant, &agent, &sandbox).await?;
        Ok(sandbox)
    }

    /// Lets the sandbox of an agent stand still or go on, as the agent does, and returns how many bytes its files have
    /// if it stands still. Others may change the agent meanwhile, so it looks again after each change.
    pub(super) async fn align_sandbox(&self, tenant: &Tenant, agent_id: &AgentId) -> AppResult<i64> {
        let is_paused = || {
            let agent = self.app.store.read(|view| find_agent(view, tenant, agent_id))?;
            Ok::<_, AppError>(agent.data.status == AgentStatus::Paused)
        };
        loop {
            let Some(sandbox) = self.sandboxes.get(agent_id) else { return Ok(0) };
            let paused = is_paused()?;
            let aligned = if paused { sandbox.pause().await } else { sandbox.resume().await.map(|()| 0) };
            let bytes = match aligned {
                Err(ComputeError::Gone) => 0,
                aligned => aligned?,
            };
            if is_paused()? == paused {
                return Ok(bytes);
            }
        }
    }

    /// Forgets a sandbox that is gone, so that the next call makes another on the same files.
    pub(super) fn forget_if_gone(&self, agent_id: &AgentId, sandbox: &Arc<dyn Sandbox>, error: &ComputeError) {
        if *error == ComputeError::Gone {
            self.sandboxes.forget(agent_id, sandbox);
        }
    }

    async fn create_sandbox(&self, tenant: &Tenant, agent_id: &AgentId) -> AppResult<Arc<dyn Sandbox>> {
        let agent = self.app.store.read(|view| find_agent(view, tenant, agent_id))?;
        let provider = self.provider(&agent.data.provider)?;
        let named = agent.secrets.as_deref();
        let mut environment = self.app.environment_for(tenant, &agent.data.session_id, named)?;
        self.masks.set(agent_id.as_str(), &environment);
        self.meter_agent(tenant, agent_id).await?;
        let directory = self.agent_directory(agent_id);
        let bridge = NewBridge::of(&agent);
        // What the customer sets under these names is not what leads out of the sandbox.
        environment.extend(bridge.environment());
        let created = async {
            // Only the first time: later it has files of its own.
            if let Some(origin) = agent.origin.as_ref().filter(|_| !directory.exists()) {
                self.restore_snapshot(tenant, &agent, &origin.snapshot_id).await?;
            }
            let spec = SandboxSpec {
                id: agent_id.to_string(),
                agent: agent.data.name.clone(),
                directory,
                environment,
                storage: agent.storage,
            };
            let sandbox = provider.create(spec).await?;
            self.open_bridge(tenant, &agent, &sandbox, bridge).await?;
            Ok::<_, AppError>(sandbox)
        };
        let created = created.await;
        let clock = self.app.clock.clone();
        let (owner, id) = (tenant.clone(), agent_id.clone());
        match created {
            Ok(sandbox) => {
                let isolation = sandbox.isolation();
                let noted = self
                    .app
                    .store
                    .write(move |tx| {
                        let mut agent = find_agent(tx, &owner, &id)?;
                        let now = clock.now();
                        tx.append(&owner, now, &agent.scope(), &Event::AgentReady { isolation: isolation.clone() })?;
                        agent.data.isolation = Some(isolation);
                        if agent.data.status == AgentStatus::Booting {
                            agent.data.status =
                                if agent.current_run.is_some() { AgentStatus::Running } else { AgentStatus::Ready };
                            idle_again(tx, &owner, &mut agent, now)?;
                        }
                        Ok::<_, AppError>(tx.update(&owner, &agent)?)
                    })
                    .await;
                if noted.is_err() {
                    // The next one is made anew, and two must not have the same files.
                    self.close_bridge(agent_id).await;
                    if let Err(error) = sandbox.destroy().await {
                        tracing::warn!(agent = %agent_id, %error, "a sandbox could not be ended");
                    }
                }
                noted.map(|()| sandbox)
            }
            Err(error) => {
                self.app
                    .store
                    .write(move |tx| {
                        let mut agent = find_agent(tx, &owner, &id)?;
                        stop_meter(tx, &owner, &mut agent, clock.now())?;
                        Ok::<_, AppError>(tx.update(&owner, &agent)?)
                    })
                    .await?;
                Err(error)
            }
        }
    }

    /// Starts the meter of an agent, or stops the session's agents if a limit is reached.
    pub(super) async fn meter_agent(&self, tenant: &Tenant, agent_id: &AgentId) -> AppResult<()> {
        let has_meter =
            || self.app.store.read(|view| Ok::<_, AppError>(find_agent(view, tenant, agent_id)?.meter.is_some()));
        if !is_charged(tenant) || has_meter()? {
            return Ok(());
        }
        let (clock, rates) = (self.app.clock.clone(), self.app.rates);
        let (owner, id) = (tenant.clone(), agent_id.clone());
        let stopped = self
            .app
            .store
            .write(move |tx| {
                let now = clock.now();
                let mut agent = find_agent(tx, &owner, &id)?;
                match start_meter(tx, &owner, &mut agent, &rates, now)? {
                    Ok(()) => {
                        tx.update(&owner, &agent)?;
                        if agent.meter.is_some() {
                            tx.enqueue(&owner, &meter_job(&agent, now))?;
                        }
                        Ok::<_, AppError>(None)
                    }
                    Err(shortfall) => Ok(Some(Stopped::at(tx, &owner, &agent, &shortfall, now)?)),
                }
            })
            .await?;
        match stopped {
            None => Ok(()),
            Some(stopped) => Err(self.freeze(tenant, stopped).await),
        }
    }

    /// Where the files of an agent are kept on this machine.
    pub(super) fn agent_directory(&self, agent_id: &AgentId) -> PathBuf {
        self.directory.join(agent_id.as_str())
    }

    /// Ends the sandbox of an agent, and removes its files if they are not needed again.
    pub(super) async fn remove_sandbox(&self, agent_id: &AgentId) {
        self.end_sandbox(agent_id).await;
        self.forwards.end_all(agent_id);
        self.providers.iter().for_each(|provider| provider.forget(agent_id.as_str()));
        self.masks.forget(agent_id.as_str());
        let directory = self.agent_directory(agent_id);
        if matches!(directory.try_exists(), Ok(false)) {
            return;
        }
        // However many files there are, endings of others go on.
        match without_place(tokio::task::spawn_blocking(move || remove_tree(&directory))).await {
            Ok(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(agent = %agent_id, %error, "the files of a sandbox could not be removed");
            }
            _ => {}
        }
    }

    /// Ends the sandbox of an agent, and leaves its files.
    pub(super) async fn end_sandbox(&self, agent_id: &AgentId) {
        let sandbox = self.sandboxes.take(agent_id);
        self.destroy(agent_id, sandbox).await;
    }

    /// Ends the sandbox of an agent that stands still because it had nothing to do, unless somebody uses it by now.
    pub(super) async fn end_asleep_sandbox(&self, agent_id: &AgentId) {
        if let Some(sandbox) = self.sandboxes.take_asleep(agent_id) {
            self.destroy(agent_id, Some(sandbox)).await;
        }
    }

    async fn destroy(&self, agent_id: &AgentId, sandbox: Option<Arc<dyn Sandbox>>) {
        self.close_bridge(agent_id).await;
        if let Some(sandbox) = sandbox {
            match sandbox.destroy().await {
                Ok(()) | Err(ComputeError::Gone) => {}
                Err(error) => tracing::warn!(agent = %agent_id, %error, "a sandbox could not be ended"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use theazo_api::Timestamp;

    use super::*;
    use crate::{
        clock::Clock,
        compute::{Provider, SimulatedProvider},
    };

    #[tokio::test]
    async fn who_finds_a_sandbox_gone_does_not_take_away_the_one_in_its_place() {
        let provider = SimulatedProvider::new(Clock::manual(Timestamp::EPOCH), Arc::default());
        let spec = SandboxSpec {
            id: "agt_1".to_owned(),
            agent: "analyst".to_owned(),
            directory: PathBuf::new(),
            environment: Vec::new(),
            storage: None,
        };
        let create = || provider.create(spec.clone());
        let (gone, present) = (create().await.expect("it is made"), create().await.expect("it is made"));
        let (sandboxes, agent_id) = (Sandboxes::default(), AgentId::from("agt_1"));
        assert!(sandboxes.enter(&agent_id).0.set(present.clone()).is_ok());

        sandboxes.forget(&agent_id, &gone);
        assert!(sandboxes.get(&agent_id).is_some());
        sandboxes.forget(&agent_id, &present);
        assert!(sandboxes.get(&agent_id).is_none());
    }
}
