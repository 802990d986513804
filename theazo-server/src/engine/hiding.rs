//! What programs print, without the secrets that their sandbox has: everything that is shown, kept or told to a model comes
//! through here.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use theazo_api::{ExecResult, Secret};
use tokio::sync::mpsc;

use crate::{
    compute::{ComputeError, Output},
    masking::{Mask, Pieces},
};

/// What must be hidden of each sandbox, by its agent.
#[derive(Default)]
pub(super) struct Masks {
    by_agent: Mutex<HashMap<String, Arc<Mask>>>,
}

impl Masks {
    /// Notes what environment the sandbox of an agent was made with.
    pub fn set(&self, agent_id: &str, environment: &[(String, Secret)]) {
        self.by_agent().insert(agent_id.to_owned(), Arc::new(Mask::of(environment)));
    }

    /// What must be hidden of the sandbox of an agent.
    pub fn of(&self, agent_id: &str) -> Arc<Mask> {
        self.by_agent().get(agent_id).cloned().unwrap_or_default()
    }

    /// Forgets the sandbox of an agent.
    pub fn forget(&self, agent_id: &str) {
        self.by_agent().remove(agent_id);
    }

    fn by_agent(&self) -> MutexGuard<'_, HashMap<String, Arc<Mask>>> {
        self.by_agent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands on what a program prints without the secrets.
pub(super) async fn hide_output(mask: &Mask, mut printed: mpsc::Receiver<Output>, shown: mpsc::Sender<Output>) {
    let mut streams: HashMap<&'static str, Pieces<'_>> = HashMap::new();
    while let Some(Output { stream, bytes }) = printed.recv().await {
        let bytes = streams.entry(stream).or_insert_with(|| mask.in_pieces()).add(&bytes);
        // Whoever reads it may have stopped; the program goes on.
        let _ = shown.send(Output { stream, bytes }).await;
    }
    for (stream, mut pieces) in streams {
        let bytes = pieces.rest();
        if !bytes.is_empty() {
            let _ = shown.send(Output { stream, bytes }).await;
        }
    }
}

/// What came of a program without the secrets.
pub(super) fn hide_result(mask: &Mask, result: Result<ExecResult, ComputeError>) -> Result<ExecResult, ComputeError> {
    match result {
        Ok(mut result) => {
            result.stdout = mask.hide(result.stdout);
            result.stderr = mask.hide(result.stderr);
            Ok(result)
        }
        Err(ComputeError::TimedOut { after, stdout, stderr }) => {
            Err(ComputeError::TimedOut { after, stdout: mask.hide(stdout), stderr: mask.hide(stderr) })
        }
        Err(error) => Err(error),
    }
}
