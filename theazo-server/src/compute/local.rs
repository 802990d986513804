//! Local sandboxes: real processes on this machine, kept apart from it by `theazo-sandbox`.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::UNIX_EPOCH,
};

use futures_util::future::BoxFuture;
use theazo_api::{ComputeCapabilities, ComputeRuntime, ExecResult, FileEntry, Isolation, IsolationLevel, Timestamp};
use theazo_sandbox::{Chunk, Error, Language, Launcher, LauncherConfig, Limits, Runtimes, SpaceLimit, Stream, files};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
};

use super::{
    Attached, ComputeError, Connection, Exec, HOST_DISK, Output, Process, Provider, STORAGE_BYTES, Sandbox,
    SandboxFiles, SandboxSpec, SnapshotPlace,
    browser::{browser_folders, browser_limits},
    snapshots::failed,
};
use crate::clock::Clock;

/// Removes a folder and everything in it, however deep a program made it.
pub fn remove_tree(directory: &Path) -> std::io::Result<()> {
    files::remove_tree(directory)
}

/// How many bytes the files of a sandbox may take at most where nobody says.
const MOST_STORAGE: u64 = 20_000_000_000;

/// How local sandboxes are started.
#[derive(Debug, Clone)]
pub struct LocalConfig {
    /// A folder for the launcher's own things.
    pub state_directory: PathBuf,
    /// Where the interpreters are.
    pub runtimes: Runtimes,
    /// What each sandbox may use.
    pub limits: Limits,
    /// How many bytes the files of one may take at most, where its agent asks for more than what is usual; 20 GB if absent.
    pub most_storage: Option<u64>,
    /// What the isolation must be at least, by the names in `theazo_sandbox::Isolation`.
    pub required: Vec<String>,
}

/// The provider `local`.
pub struct LocalProvider {
    config: LocalConfig,
    /// Empty before the first sandbox and after the end.
    launcher: tokio::sync::OnceCell<Result<Mutex<Option<Arc<Launcher>>>, String>>,
}

impl LocalProvider {
    /// Its name.
    pub const NAME: &str = "local";

    /// A provider that starts its helper process when it is first asked for something.
    pub fn new(config: LocalConfig) -> Self {
        Self { config, launcher: tokio::sync::OnceCell::new() }
    }

    async fn launcher(&self) -> Result<Arc<Launcher>, String> {
        let started = self.launcher.get_or_init(|| async {
            let config = LauncherConfig {
                runtimes: self.config.runtimes.clone(),
                required: self.config.required.clone(),
                ..LauncherConfig::new(self.config.state_directory.clone())
            };
            match Launcher::start(config).await {
                Ok(launcher) => Ok(Mutex::new(Some(Arc::new(launcher)))),
                Err(unavailable) => Err(unavailable.reason),
            }
        });
        let launcher = started.await.as_ref().map_err(Clone::clone)?;
        let launcher = launcher.lock().unwrap_or_else(PoisonError::into_inner);
        launcher.clone().ok_or_else(|| "the control plane is stopping".to_owned())
    }
}

impl LocalProvider {
    async fn create_with(
        &self,
        spec: SandboxSpec,
        limits: Limits,
        read_only: Vec<PathBuf>,
    ) -> Result<Arc<dyn Sandbox>, ComputeError> {
        let launcher = self.launcher().await.map_err(ComputeError::Unsupported)?;
        let limits = match spec.storage {
            // Room for so much is room for one file of that size, too.
            Some(stored) => Limits { stored, file: limits.file.max(stored), ..limits },
            None => limits,
        };
        let roots = roots(&spec.directory);
        let environment = spec.environment.into_iter().map(|(name, value)| (name, value.expose().to_owned()));
        let wanted = theazo_sandbox::SandboxSpec {
            limits,
            environment: environment.collect(),
            read_only,
            ..theazo_sandbox::SandboxSpec::new(spec.id, roots.workspace.clone(), roots.data.clone())
        };
        let sandbox = launcher.create(wanted).await.map_err(translate)?;
        let isolation = isolation(&launcher);
        let sandbox =
            LocalSandbox { sandbox, isolation, roots: Arc::new(roots), moving: tokio::sync::Mutex::default() };
        Ok(Arc::new(sandbox) as Arc<dyn Sandbox>)
    }
}

impl Provider for LocalProvider {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn availability(&self) -> BoxFuture<'_, Result<Isolation, String>> {
        Box::pin(async { Ok(isolation(&*self.launcher().await?)) })
    }

    fn capabilities(&self) -> ComputeCapabilities {
        let runtimes = &self.config.runtimes;
        let most_storage = self.config.most_storage.unwrap_or(MOST_STORAGE);
        let all = [ComputeRuntime::Python, ComputeRuntime::Node, ComputeRuntime::Go, ComputeRuntime::Shell];
        let is_there =
            |runtime: &ComputeRuntime| language(runtime).is_ok_and(|language| runtimes.path(language).exists());
        ComputeCapabilities {
            languages: all.into_iter().filter(is_there).collect(),
            programs: true,
            input: true,
            processes: true,
            pause: true,
            snapshots: true,
            ports: true,
            network: true,
            storage_bytes: i64::try_from(self.config.limits.stored.max(most_storage)).ok(),
            ..ComputeCapabilities::default()
        }
    }

    fn create(&self, spec: SandboxSpec) -> BoxFuture<'_, Result<Arc<dyn Sandbox>, ComputeError>> {
        Box::pin(self.create_with(spec, self.config.limits.clone(), Vec::new()))
    }

    fn create_for_browser(
        &self,
        spec: SandboxSpec,
        browser: PathBuf,
    ) -> BoxFuture<'_, Result<Arc<dyn Sandbox>, ComputeError>> {
        Box::pin(self.create_with(spec, browser_limits(), browser_folders(&browser)))
    }

    fn snapshot(&self, files: SandboxFiles, place: SnapshotPlace) -> BoxFuture<'_, Result<i64, ComputeError>> {
        Box::pin(blocking(move || place.fill(|place| copy(&roots(&files.directory), place))))
    }

    fn restore(&self, place: SnapshotPlace, files: SandboxFiles) -> BoxFuture<'_, Result<(), ComputeError>> {
        Box::pin(blocking(move || restore(&place, &files.directory)))
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let Some(Ok(launcher)) = self.launcher.get() else { return };
            let launcher = launcher.lock().unwrap_or_else(PoisonError::into_inner).take();
            // Whoever else holds the launcher drops it, which ends it too.
            if let Some(launcher) = launcher.and_then(Arc::into_inner) {
                launcher.shutdown().await;
            }
        })
    }
}

fn isolation(launcher: &Launcher) -> Isolation {
    let reached = launcher.isolation();
    Isolation {
        level: IsolationLevel::from(reached.level),
        enforced: reached.enforced.iter().map(|limit| (*limit).to_owned()).collect(),
    }
}

struct LocalSandbox {
    sandbox: theazo_sandbox::Sandbox,
    isolation: Isolation,
    roots: Arc<files::Roots>,
    /// Held while it is stopped, continued, or stands still for a snapshot.
    moving: tokio::sync::Mutex<()>,
}

impl LocalSandbox {
    async fn with_files<T: Send + 'static>(
        &self,
        work: impl FnOnce(&files::Roots) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, ComputeError> {
        let roots = self.roots.clone();
        blocking(move || work(&roots).map_err(translate)).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ComputeError> + Send + 'static,
) -> Result<T, ComputeError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ComputeError::Failed(error.to_string()))?
}

/// The two folders that a sandbox shows, in the folder of the host that holds them.
fn roots(directory: &Path) -> files::Roots {
    files::Roots { workspace: directory.join("workspace"), data: directory.join("data") }
}

/// Copies what a sandbox holds into the folder of a snapshot.
fn copy(from: &files::Roots, place: &SnapshotPlace) -> Result<i64, ComputeError> {
    let to = roots(&place.directory);
    let mut bytes = 0;
    for (from, to) in [(&from.workspace, &to.workspace), (&from.data, &to.data)] {
        // A sandbox that was never made has no files.
        if from.exists() {
            bytes += files::copy_tree(from, to, place.limit - bytes).map_err(translate)?;
        }
    }
    Ok(i64::try_from(bytes).unwrap_or(i64::MAX))
}

/// Puts the files of a snapshot where a sandbox has its own. They are copied aside first, so that a process that dies leaves
/// the old ones or the new ones.
fn restore(place: &SnapshotPlace, directory: &Path) -> Result<(), ComputeError> {
    let aside = directory.with_extension("restored");
    remove_if_there(&aside).map_err(failed("remove what an earlier restore left"))?;
    let parent = directory.parent().unwrap_or(directory);
    std::fs::create_dir_all(parent).map_err(failed("make the folder of sandboxes"))?;
    let copied = SnapshotPlace { directory: aside.clone(), limit: u64::MAX, ..place.clone() };
    copied.fill(|aside| copy(&roots(&place.directory), aside))?;
    files::put_in_place(&aside, directory).map_err(translate)?;
    remove_if_there(&aside).map_err(failed("remove the files that were replaced"))
}

fn remove_if_there(directory: &Path) -> std::io::Result<()> {
    match remove_tree(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Sandbox for LocalSandbox {
    fn isolation(&self) -> Isolation {
        self.isolation.clone()
    }

    fn exec(&self, exec: Exec, attached: Attached) -> BoxFuture<'_, Result<ExecResult, ComputeError>> {
        Box::pin(async move {
            let program = theazo_sandbox::Exec {
                timeout: Some(exec.timeout),
                environment: exec
                    .environment
                    .iter()
                    .map(|(name, value)| (name.clone(), value.expose().into()))
                    .collect(),
                directory: exec.directory.unwrap_or_else(|| "/workspace".to_owned()),
                input: exec.input,
                label: exec.label,
                ..theazo_sandbox::Exec::new(language(&exec.language)?, exec.code)
            };
            let (chunks, printed) = mpsc::channel(16);
            let (tell_pid, pid) = oneshot::channel();
            let ours = theazo_sandbox::Attached {
                output: Some(chunks),
                started: Some(tell_pid),
                input: attached.input,
                signals: attached.signals,
            };
            let running = self.sandbox.exec_attached(program, ours);
            let forward = forward(pid, attached.started, printed, attached.output);
            let (outcome, ()) = tokio::join!(running, forward);
            let outcome = outcome.map_err(translate)?;
            Ok(ExecResult {
                stdout: text(&outcome.stdout),
                stderr: text(&outcome.stderr),
                exit_code: outcome.exit_code,
                truncated: outcome.truncated,
                duration_ms: i64::try_from(outcome.duration.as_millis()).unwrap_or(i64::MAX),
                limit: outcome.out_of_memory.then(|| "memory".to_owned()),
            })
        })
    }

    fn processes(&self) -> BoxFuture<'_, Result<Vec<Process>, ComputeError>> {
        Box::pin(async {
            let now = Clock::system().now();
            let processes = self.sandbox.processes().await.map_err(translate)?;
            let processes = processes.into_iter().map(|process| Process {
                pid: process.pid.into(),
                parent: process.parent.into(),
                label: process.label.unwrap_or_default(),
                command: process.command,
                processor_time: process.processor_time,
                memory: process.memory,
                started_at: now.minus(process.age),
            });
            Ok(processes.collect())
        })
    }

    fn write_file(&self, path: String, content: Vec<u8>) -> BoxFuture<'_, Result<(), ComputeError>> {
        Box::pin(async move {
            self.sandbox.check_space(content.len() as u64).await.map_err(translate)?;
            self.with_files(move |roots| files::write(roots, &path, &content, files::DEFAULT_LIMIT)).await
        })
    }

    fn read_file(&self, path: String) -> BoxFuture<'_, Result<Vec<u8>, ComputeError>> {
        Box::pin(self.with_files(move |roots| files::read(roots, &path, files::DEFAULT_LIMIT)))
    }

    fn list_files(&self, dir: String) -> BoxFuture<'_, Result<Vec<FileEntry>, ComputeError>> {
        Box::pin(async move {
            let entries = self.with_files(move |roots| files::list(roots, &dir)).await?;
            Ok(entries.into_iter().map(file_entry).collect())
        })
    }

    fn remove_file(&self, path: String, recursive: bool) -> BoxFuture<'_, Result<(), ComputeError>> {
        Box::pin(self.with_files(move |roots| files::remove(roots, &path, recursive)))
    }

    fn move_file(
        &self,
        source: String,
        target: String,
        overwrite: bool,
    ) -> BoxFuture<'_, Result<FileEntry, ComputeError>> {
        Box::pin(async move {
            let moved = self.with_files(move |roots| files::rename(roots, &source, &target, overwrite)).await?;
            Ok(file_entry(moved))
        })
    }

    fn make_folder(&self, path: String) -> BoxFuture<'_, Result<FileEntry, ComputeError>> {
        Box::pin(async move {
            self.sandbox.check_space(0).await.map_err(translate)?;
            Ok(file_entry(self.with_files(move |roots| files::make_directory(roots, &path)).await?))
        })
    }

    fn connect(&self, port: u16) -> BoxFuture<'_, Result<Connection, ComputeError>> {
        Box::pin(async move {
            let connected = self.sandbox.connect(port).await.map_err(translate)?;
            Ok(Box::new(connected) as Connection)
        })
    }

    fn listen(&self, port: u16) -> BoxFuture<'_, Result<TcpListener, ComputeError>> {
        Box::pin(async move { self.sandbox.listen(port).await.map_err(translate) })
    }

    fn pause(&self) -> BoxFuture<'_, Result<i64, ComputeError>> {
        Box::pin(async {
            let _moving = self.moving.lock().await;
            self.sandbox.pause().await.map_err(translate)?;
            self.with_files(|roots| Ok(i64::try_from(files::size(roots)).unwrap_or(i64::MAX))).await
        })
    }

    fn resume(&self) -> BoxFuture<'_, Result<(), ComputeError>> {
        Box::pin(async {
            let _moving = self.moving.lock().await;
            self.sandbox.resume().await.map_err(translate)
        })
    }

    fn snapshot(&self, place: SnapshotPlace) -> BoxFuture<'_, Result<i64, ComputeError>> {
        Box::pin(async move {
            let _moving = self.moving.lock().await;
            let was_running = !self.sandbox.is_paused();
            self.sandbox.pause().await.map_err(translate)?;
            let from = self.roots.clone();
            let kept = blocking(move || place.fill(|place| copy(&from, place))).await;
            if was_running {
                self.sandbox.resume().await.map_err(translate)?;
            }
            kept
        })
    }

    fn destroy(&self) -> BoxFuture<'_, Result<(), ComputeError>> {
        Box::pin(async { self.sandbox.destroy().await.map_err(translate) })
    }
}

/// Hands on what a program does, in the words of this seam.
async fn forward(
    pid: oneshot::Receiver<i32>,
    started: Option<oneshot::Sender<Option<i64>>>,
    mut printed: mpsc::Receiver<Chunk>,
    output: Option<mpsc::Sender<Output>>,
) {
    let telling = async {
        // Nobody may want to know, and a program that could not be started has no number.
        if let (Ok(pid), Some(started)) = (pid.await, started) {
            let _ = started.send(Some(pid.into()));
        }
    };
    let printing = async {
        while let Some(chunk) = printed.recv().await {
            let stream = if chunk.stream == Stream::Stdout { "stdout" } else { "stderr" };
            if let Some(output) = &output {
                // Nobody may be listening; the program goes on all the same.
                let _ = output.send(Output { stream, bytes: chunk.bytes }).await;
            }
        }
        drop(output);
    };
    tokio::join!(telling, printing);
}

fn file_entry(entry: files::Entry) -> FileEntry {
    FileEntry {
        name: entry.name,
        size: if entry.directory { 0 } else { i64::try_from(entry.size).unwrap_or(i64::MAX) },
        modified: Timestamp::EPOCH.plus(entry.modified.duration_since(UNIX_EPOCH).unwrap_or_default()),
        directory: entry.directory,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn language(runtime: &ComputeRuntime) -> Result<Language, ComputeError> {
    match runtime {
        ComputeRuntime::Python => Ok(Language::Python),
        ComputeRuntime::Node => Ok(Language::Node),
        ComputeRuntime::Go => Ok(Language::Go),
        ComputeRuntime::Shell => Ok(Language::Shell),
        other => Err(ComputeError::Unsupported(format!("there is no runtime for `{other}`"))),
    }
}

fn translate(error: Error) -> ComputeError {
    match &error {
        Error::TimedOut { after, stdout, stderr } => {
            ComputeError::TimedOut { after: *after, stdout: text(stdout), stderr: text(stderr) }
        }
        Error::OutOfSpace { limit, value, used, stdout, stderr, .. } => ComputeError::OutOfSpace {
            reason: error.to_string(),
            limit: match limit {
                SpaceLimit::Bytes => STORAGE_BYTES,
                SpaceLimit::Entries => "storageEntries",
                SpaceLimit::HostDisk => HOST_DISK,
            },
            value: *value,
            used: *used,
            stdout: text(stdout),
            stderr: text(stderr),
        },
        Error::Exists { .. } | Error::NotEmpty { .. } => ComputeError::Conflict(error.to_string()),
        Error::NotFound { path } => ComputeError::NotFound(path.clone()),
        Error::OutsideSandbox { path } => {
            ComputeError::InvalidPath { path: path.clone(), reason: "is outside `/workspace` and `/data`".to_owned() }
        }
        Error::InvalidInput { parameter, problem } => {
            ComputeError::Invalid { field: parameter, reason: problem.clone() }
        }
        Error::NotAFile { path } => {
            ComputeError::InvalidPath { path: path.clone(), reason: "is not a regular file".to_owned() }
        }
        Error::NotADirectory { path } => {
            ComputeError::InvalidPath { path: path.clone(), reason: "is not a folder".to_owned() }
        }
        Error::TooLarge { path, limit } => {
            ComputeError::InvalidPath { path: path.clone(), reason: format!("is larger than {limit} bytes") }
        }
        Error::NothingListens { port, .. } => ComputeError::NothingListens(*port),
        Error::CannotCopy { reason } => ComputeError::CannotCopy(reason.clone()),
        Error::MissingInterpreter { .. } | Error::Unavailable(_) => ComputeError::Unsupported(error.to_string()),
        Error::Paused { .. } => ComputeError::Paused,
        Error::Ended { .. } | Error::HelperDied => ComputeError::Gone,
        Error::Io { source, .. } => ComputeError::of_host(format!("{error}: {source}"), source),
        _ => ComputeError::Failed(match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        }),
    }
}
