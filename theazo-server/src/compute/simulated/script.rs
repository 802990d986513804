//! What a test says that simulated sandboxes do.

use std::{
    collections::{HashMap, VecDeque},
    sync::Mutex,
};

use theazo_api::testing::{SandboxAction, SandboxFault, ScriptedExec};

use super::lock;
use crate::compute::ComputeError;

/// What programs do and which sandboxes fail; nothing by default.
#[derive(Default)]
pub struct Simulation {
    /// By the name of the agent.
    execs: Mutex<HashMap<String, VecDeque<ScriptedExec>>>,
    /// With how many times each is still to happen.
    faults: Mutex<Vec<(SandboxFault, i64)>>,
}

impl Simulation {
    /// Adds what the programs of an agent do behind what they do already.
    pub fn script(&self, agent: &str, results: Vec<ScriptedExec>) {
        lock(&self.execs).entry(agent.to_owned()).or_default().extend(results);
    }

    /// Makes sandboxes fail.
    pub fn break_sandbox(&self, fault: SandboxFault) {
        let times = fault.times.unwrap_or(1);
        lock(&self.faults).push((fault, times));
    }

    /// What the next program of an agent does, if that is scripted.
    pub(super) fn next_exec(&self, agent: &str) -> Option<ScriptedExec> {
        lock(&self.execs).get_mut(agent)?.pop_front()
    }

    /// Fails if a sandbox of this agent is to fail at this now.
    pub(super) fn check(&self, agent: &str, action: &SandboxAction) -> Result<(), ComputeError> {
        let mut faults = lock(&self.faults);
        let fits = |fault: &SandboxFault| {
            fault.action == *action && fault.agent.as_deref().is_none_or(|wanted| wanted == agent)
        };
        let Some(index) = faults.iter().position(|(fault, _)| fits(fault)) else { return Ok(()) };
        let (fault, left) = &mut faults[index];
        *left -= 1;
        let message = fault.message.clone().unwrap_or_else(|| format!("a test made a sandbox fail at `{action}`"));
        if *left == 0 {
            faults.remove(index);
        }
        Err(ComputeError::Failed(message))
    }
}
