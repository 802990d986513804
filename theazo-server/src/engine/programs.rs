//! Programs while they run: what they print goes to the log, and what others say to them goes to them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use theazo_api::{AgentId, ExecId, ExecResult, Secret};
use tokio::sync::{mpsc, oneshot};

use super::{
    Engine,
    hiding::{hide_output, hide_result},
    places::without_place,
};
use crate::{
    compute::{Attached, ComputeError, Exec, Output, Sandbox},
    error::AppError,
    event::Event,
    store::{EventScope, Tenant},
};

/// How much of what a program prints goes to the log as it is printed, if nobody watches it; the result holds more.
const LOGGED_BYTES: usize = 64 * 1024;

/// How much of what a program prints ahead of the log becomes one entry of it.
const ENTRY_BYTES: usize = 64 * 1024;

/// What runs, by its id, for those who write to a program or send it a signal.
#[derive(Default)]
pub(super) struct Programs {
    running: Mutex<HashMap<ExecId, Channels>>,
}

/// The ways to a program.
#[derive(Clone)]
pub(super) struct Channels {
    pub agent_id: AgentId,
    /// `None` once its input is closed, or if it never was open.
    pub input: Option<mpsc::Sender<Vec<u8>>>,
    pub signals: mpsc::Sender<i32>,
}

impl Programs {
    /// Makes a program known until the guard is dropped; what is said to it meanwhile waits until it runs.
    pub fn register(&self, exec_id: &ExecId, agent_id: &AgentId, input: bool) -> (Attached, Registered<'_>) {
        let (to_input, from_input) = mpsc::channel(1);
        let (signals, from_signals) = mpsc::channel(16);
        let channels = Channels { agent_id: agent_id.clone(), input: input.then_some(to_input), signals };
        self.running().insert(exec_id.clone(), channels);
        let attached = Attached { input: Some(from_input), signals: Some(from_signals), ..Attached::default() };
        (attached, Registered { programs: self, exec_id: exec_id.clone() })
    }

    /// The ways to a program that runs.
    pub fn get(&self, exec_id: &ExecId) -> Option<Channels> {
        self.running().get(exec_id).cloned()
    }

    /// Lets a program read the end of its input once it has read what was written before.
    pub fn close_input(&self, exec_id: &ExecId) {
        if let Some(channels) = self.running().get_mut(exec_id) {
            channels.input = None;
        }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<ExecId, Channels>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A program that others can reach.
pub(super) struct Registered<'a> {
    programs: &'a Programs,
    exec_id: ExecId,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        self.programs.running().remove(&self.exec_id);
    }
}

/// A program that was asked for from outside, rather than by a tool.
pub(super) struct Asked<'a> {
    pub exec_id: &'a ExecId,
    /// Whether somebody watches it.
    pub watched: bool,
    pub attached: Attached,
}

impl Engine {
    /// Runs a program of a tool, and writes what it prints to the log as it prints it.
    pub(super) async fn exec_logged(
        &self,
        tenant: &Tenant,
        scope: &EventScope,
        sandbox: &Arc<dyn Sandbox>,
        exec: Exec,
    ) -> Result<ExecResult, ComputeError> {
        self.run_program(tenant, scope, sandbox, exec, None).await
    }

    /// Runs a program, and writes what it prints to the log as it prints it: in whole lines, or if somebody watches it, at
    /// once and all that is kept.
    pub(super) async fn run_program(
        &self,
        tenant: &Tenant,
        scope: &EventScope,
        sandbox: &Arc<dyn Sandbox>,
        mut exec: Exec,
        asked: Option<Asked<'_>>,
    ) -> Result<ExecResult, ComputeError> {
        let (exec_id, watched, mut attached) = match asked {
            Some(Asked { exec_id, watched, attached }) => (Some(exec_id), watched, attached),
            None => (None, false, Attached::default()),
        };
        let mut environment = self.environment(tenant, scope);
        environment.extend(exec_id.map(|id| ("THEAZO_EXEC_ID".to_owned(), Secret::new(id.as_str()))));
        environment.append(&mut exec.environment);
        exec.environment = environment;
        // The bound lets a program print ahead of the log without holding more than a little of it.
        let (output, raw) = mpsc::channel::<Output>(16);
        let (shown, mut printed) = mpsc::channel::<Output>(16);
        let (started, pid) = oneshot::channel();
        (attached.output, attached.started) = (Some(output), Some(started));
        let mask = self.masks.of(&scope.agent_id);
        let log = async {
            // A program that could not be started has no number, and prints nothing.
            if let (Ok(pid), Some(exec_id)) = (pid.await, exec_id) {
                self.log_program(tenant, scope, Event::ExecRunning { exec_id: exec_id.to_string(), pid }).await;
            }
            let mut transcript = Transcript::new(watched);
            let event = |stream: &str, text| Event::Output {
                stream: stream.to_owned(),
                text,
                exec_id: exec_id.map(ToString::to_string),
            };
            let mut next = printed.recv().await;
            while let Some(mut piece) = next {
                next = gather(&mut piece, &mut printed).await;
                if let Some(text) = transcript.add(&piece) {
                    self.log_program(tenant, scope, event(piece.stream, text)).await;
                }
                if next.is_none() {
                    next = printed.recv().await;
                }
            }
            for (stream, text) in transcript.rest() {
                self.log_program(tenant, scope, event(stream, text)).await;
            }
        };
        let program = async { tokio::join!(sandbox.exec(exec, attached), hide_output(&mask, raw, shown), log).0 };
        let result = without_place(Box::pin(program)).await;
        hide_result(&mask, result)
    }

    async fn log_program(&self, tenant: &Tenant, scope: &EventScope, event: Event) {
        let (tenant, scope, now) = (tenant.clone(), scope.clone(), self.app.clock.now());
        let appended = self.app.store.write(move |tx| Ok::<_, AppError>(tx.append(&tenant, now, &scope, &event)?));
        if let Err(error) = appended.await {
            tracing::error!(%error, "what a program did could not be logged");
        }
    }
}

/// Adds to a piece what is there of the same stream already; returns the piece that is not.
async fn gather(piece: &mut Output, printed: &mut mpsc::Receiver<Output>) -> Option<Output> {
    while piece.bytes.len() < ENTRY_BYTES {
        match printed.try_recv() {
            Ok(more) if more.stream == piece.stream => piece.bytes.extend(more.bytes),
            other => return other.ok(),
        }
    }
    None
}

/// Puts what a program prints together to pieces of text: whole lines up to the limit of what is logged, or whole
/// characters as they come.
struct Transcript {
    watched: bool,
    logged: usize,
    open: HashMap<&'static str, Vec<u8>>,
}

impl Transcript {
    fn new(watched: bool) -> Self {
        Self { watched, logged: 0, open: HashMap::new() }
    }

    /// Adds a piece and returns the text that it completes, if any.
    fn add(&mut self, piece: &Output) -> Option<String> {
        let room = if self.watched { usize::MAX } else { LOGGED_BYTES - self.logged };
        let bytes = &piece.bytes[..piece.bytes.len().min(room)];
        self.logged += bytes.len();
        let open = self.open.entry(piece.stream).or_default();
        open.extend_from_slice(bytes);
        let end = if self.watched {
            whole_characters(open)
        } else {
            open.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1)
        };
        let complete: Vec<u8> = open.drain(..end).collect();
        (!complete.is_empty()).then(|| String::from_utf8_lossy(&complete).into_owned())
    }

    /// What nothing followed that would have completed it.
    fn rest(self) -> impl Iterator<Item = (&'static str, String)> {
        let open = self.open.into_iter().filter(|(_, bytes)| !bytes.is_empty());
        open.map(|(stream, bytes)| (stream, String::from_utf8_lossy(&bytes).into_owned()))
    }
}

/// How many bytes there are before a character that has only begun.
fn whole_characters(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(3);
    let begun = bytes[tail..].iter().rposition(|byte| *byte >= 0xc0).map(|place| tail + place);
    match begun {
        Some(place) if matches!(std::str::from_utf8(&bytes[place..]), Err(error) if error.error_len().is_none()) => {
            place
        }
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(watched: bool, pieces: &[&[u8]]) -> Vec<String> {
        let mut transcript = Transcript::new(watched);
        let pieces = pieces.iter().map(|bytes| Output { stream: "stdout", bytes: bytes.to_vec() });
        let mut texts: Vec<String> = pieces.filter_map(|piece| transcript.add(&piece)).collect();
        texts.extend(transcript.rest().map(|(_, text)| text));
        texts
    }

    #[test]
    fn what_is_watched_comes_at_once_but_in_whole_characters() {
        assert_eq!(
            texts(true, &[b"name? ", b"caf\xc3", b"\xa9 \xf0\x9f\x98", b"\x80\xff"]),
            ["name? ", "caf", "é ", "😀\u{fffd}"]
        );
        assert_eq!(texts(true, &[b"\xe2\x82"]), ["\u{fffd}"]);
    }

    #[test]
    fn what_is_logged_comes_in_lines_up_to_the_limit() {
        assert_eq!(texts(false, &[b"one\ntw", b"o\nthree"]), ["one\n", "two\n", "three"]);
        let long = [b'x'; 40 * 1024];
        let lengths: Vec<usize> = texts(false, &[&long, &long, b"more"]).iter().map(String::len).collect();
        assert_eq!(lengths, [LOGGED_BYTES]);
    }
}
