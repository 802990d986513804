//! Simulated sandboxes: files are kept in memory, and no program runs. For tests and for test keys.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::future::BoxFuture;
use theazo_api::{ExecResult, FileEntry, Isolation, IsolationLevel};
use tokio::sync::mpsc;

use super::{ComputeError, Exec, Output, Provider, Sandbox, SandboxSpec};
use crate::clock::Clock;

/// The provider `simulated`.
pub struct SimulatedProvider {
    clock: Clock,
}

impl SimulatedProvider {
    /// A provider whose files carry the time of `clock`.
    pub fn new(clock: Clock) -> Self {
        Self { clock }
    }
}

impl Provider for SimulatedProvider {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn availability(&self) -> BoxFuture<'_, Result<Isolation, String>> {
        Box::pin(async { Ok(simulated()) })
    }

    fn create(&self, _: SandboxSpec) -> BoxFuture<'_, Result<Arc<dyn Sandbox>, ComputeError>> {
        Box::pin(async {
            let sandbox =
                SimulatedSandbox { clock: self.clock.clone(), files: Mutex::default(), paused: AtomicBool::new(false) };
            Ok(Arc::new(sandbox) as Arc<dyn Sandbox>)
        })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

fn simulated() -> Isolation {
    Isolation { level: IsolationLevel::Simulated, enforced: Vec::new() }
}

struct SimulatedSandbox {
    clock: Clock,
    files: Mutex<BTreeMap<String, (Vec<u8>, theazo_api::Timestamp)>>,
    paused: AtomicBool,
}

impl SimulatedSandbox {
    fn files(&self) -> MutexGuard<'_, BTreeMap<String, (Vec<u8>, theazo_api::Timestamp)>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sandbox for SimulatedSandbox {
    fn isolation(&self) -> Isolation {
        simulated()
    }

    fn exec(&self, exec: Exec, output: mpsc::Sender<Output>) -> BoxFuture<'_, Result<ExecResult, ComputeError>> {
        Box::pin(async move {
            if self.paused.load(Ordering::Relaxed) {
                return Err(ComputeError::Paused);
            }
            let stdout = format!("[simulated: {} bytes of {} were not run]\n", exec.code.len(), exec.language);
            // Nobody may be listening.
            let _ = output.send(Output { stream: "stdout", bytes: stdout.clone().into_bytes() }).await;
            Ok(ExecResult { stdout, stderr: String::new(), exit_code: 0, truncated: false, duration_ms: 0 })
        })
    }

    fn write_file(&self, path: String, content: Vec<u8>) -> BoxFuture<'_, Result<(), ComputeError>> {
        Box::pin(async move {
            let path = absolute(&path)?;
            if path == "/workspace" || path == "/data" || path == "/" {
                return Err(ComputeError::InvalidPath { path, reason: "is a folder".to_owned() });
            }
            self.files().insert(path, (content, self.clock.now()));
            Ok(())
        })
    }

    fn read_file(&self, path: String) -> BoxFuture<'_, Result<Vec<u8>, ComputeError>> {
        Box::pin(async move {
            let path = absolute(&path)?;
            self.files().get(&path).map(|(content, _)| content.clone()).ok_or(ComputeError::NotFound(path))
        })
    }

    fn list_files(&self, dir: String) -> BoxFuture<'_, Result<Vec<FileEntry>, ComputeError>> {
        Box::pin(async move {
            let dir = absolute(&dir)?;
            let prefix = format!("{}/", dir.trim_end_matches('/'));
            let mut entries: BTreeMap<String, FileEntry> = BTreeMap::new();
            if dir == "/" {
                for name in ["data", "workspace"] {
                    let entry =
                        FileEntry { name: name.to_owned(), size: 0, modified: self.clock.now(), directory: true };
                    entries.insert(name.to_owned(), entry);
                }
            }
            for (path, (content, modified)) in self.files().iter() {
                let Some(rest) = path.strip_prefix(&prefix) else { continue };
                let (name, directory) = rest.split_once('/').map_or((rest, false), |(name, _)| (name, true));
                let size = if directory { 0 } else { i64::try_from(content.len()).unwrap_or(i64::MAX) };
                let entry = FileEntry { name: name.to_owned(), size, modified: *modified, directory };
                entries.entry(name.to_owned()).or_insert(entry);
            }
            if entries.is_empty() && !["/workspace", "/data"].contains(&dir.as_str()) {
                return Err(ComputeError::NotFound(dir));
            }
            Ok(entries.into_values().collect())
        })
    }

    fn pause(&self) -> BoxFuture<'_, Result<i64, ComputeError>> {
        Box::pin(async {
            self.paused.store(true, Ordering::Relaxed);
            let bytes: usize = self.files().values().map(|(content, _)| content.len()).sum();
            Ok(i64::try_from(bytes).unwrap_or(i64::MAX))
        })
    }

    fn resume(&self) -> BoxFuture<'_, Result<(), ComputeError>> {
        Box::pin(async {
            self.paused.store(false, Ordering::Relaxed);
            Ok(())
        })
    }

    fn destroy(&self) -> BoxFuture<'_, Result<(), ComputeError>> {
        Box::pin(async {
            self.files().clear();
            Ok(())
        })
    }
}

/// The path in the sandbox that `path` means: relative ones are relative to `/workspace`, and `..` stays inside.
fn absolute(path: &str) -> Result<String, ComputeError> {
    let invalid = |reason: &str| ComputeError::InvalidPath { path: path.to_owned(), reason: reason.to_owned() };
    let full = if path.starts_with('/') { path.to_owned() } else { format!("/workspace/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in full.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name if name.contains('\0') => return Err(invalid("has a character that no path can have")),
            name => parts.push(name),
        }
    }
    match parts.first() {
        None => Ok("/".to_owned()),
        Some(&"workspace" | &"data") => Ok(format!("/{}", parts.join("/"))),
        Some(_) => Err(invalid("is outside `/workspace` and `/data`")),
    }
}
