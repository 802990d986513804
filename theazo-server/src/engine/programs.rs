//! Programs in sandboxes: they run, and what they print is in the log while they do.

use std::{collections::HashMap, sync::Arc, time::Duration};

use theazo_api::ExecResult;
use tokio::sync::mpsc;

use super::Engine;
use crate::{
    compute::{ComputeError, Exec, Output, Sandbox},
    error::AppError,
    event::Event,
    store::{EventScope, Tenant},
};

/// How long a program has where nobody says.
pub(super) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(120);

/// How much of what a program prints goes to the log as it is printed; the result holds more.
const LOGGED_BYTES: usize = 64 * 1024;

impl Engine {
    /// Runs a program, and writes what it prints to the log as it prints it.
    pub(super) async fn exec_logged(
        &self,
        tenant: &Tenant,
        scope: &EventScope,
        sandbox: &Arc<dyn Sandbox>,
        exec: Exec,
    ) -> Result<ExecResult, ComputeError> {
        // The bound lets a program print ahead of the log without holding more than a little of it.
        let (output, mut printed) = mpsc::channel::<Output>(16);
        let log = async {
            let mut lines = Lines::default();
            while let Some(piece) = printed.recv().await {
                if let Some(text) = lines.add(&piece) {
                    self.log_output(tenant, scope, piece.stream, text).await;
                }
            }
            for (stream, text) in lines.rest() {
                self.log_output(tenant, scope, stream, text).await;
            }
        };
        let (result, ()) = tokio::join!(sandbox.exec(exec, output), log);
        result
    }

    async fn log_output(&self, tenant: &Tenant, scope: &EventScope, stream: &str, text: String) {
        let event = Event::Output { stream: stream.to_owned(), text };
        let (tenant, scope, now) = (tenant.clone(), scope.clone(), self.app.clock.now());
        let appended = self.app.store.write(move |tx| Ok::<_, AppError>(tx.append(&tenant, now, &scope, &event)?));
        if let Err(error) = appended.await {
            tracing::error!(%error, "what a program printed could not be logged");
        }
    }
}

/// Puts what a program prints together to whole lines, up to the limit of what is logged.
#[derive(Default)]
struct Lines {
    logged: usize,
    open: HashMap<&'static str, Vec<u8>>,
}

impl Lines {
    /// Adds a piece and returns the lines that it completes, if any.
    fn add(&mut self, piece: &Output) -> Option<String> {
        let bytes = &piece.bytes[..piece.bytes.len().min(LOGGED_BYTES - self.logged)];
        self.logged += bytes.len();
        let open = self.open.entry(piece.stream).or_default();
        open.extend_from_slice(bytes);
        let end = open.iter().rposition(|byte| *byte == b'\n')? + 1;
        let complete: Vec<u8> = open.drain(..end).collect();
        Some(String::from_utf8_lossy(&complete).into_owned())
    }

    /// What no line end followed.
    fn rest(self) -> impl Iterator<Item = (&'static str, String)> {
        let open = self.open.into_iter().filter(|(_, bytes)| !bytes.is_empty());
        open.map(|(stream, bytes)| (stream, String::from_utf8_lossy(&bytes).into_owned()))
    }
}
