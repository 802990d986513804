//! Starts sandboxes, through a helper that is replaced when it dies.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::connection::{self, Connection};
use super::protocol::{Action, Outcome};
use super::sandbox::Sandbox;
use super::{packet, sys};
use crate::{Error, Isolation, LauncherConfig, SandboxSpec, Unavailable};

/// How long building a sandbox may take; it takes milliseconds, unless a directory is on a dead network drive.
const CREATE_TIMEOUT: Duration = Duration::from_secs(20);

/// Starts sandboxes. Any number of launchers may live in one process, each with a helper of its own.
///
/// Dropping it ends the helper once its sandboxes are dropped too.
pub struct Launcher {
    config: LauncherConfig,
    user_namespaces: bool,
    isolation: Isolation,
    current: Mutex<Arc<Connection>>,
}

impl Launcher {
    /// Starts a helper and tries out one sandbox, so that what [`Launcher::isolation`] says has been seen to work.
    ///
    /// # Errors
    /// [`Unavailable`] where this machine offers neither root's rights nor user namespaces.
    pub async fn start(config: LauncherConfig) -> Result<Self, Unavailable> {
        Self::probe(config).await.map_err(|reason| Unavailable { reason })
    }

    async fn probe(config: LauncherConfig) -> Result<Self, String> {
        if config.user == 0 {
            return Err("the sandbox's user must not be 0".into());
        }
        connection::prepare(&config.state_dir)?;
        let root = rustix::process::geteuid().is_root();
        let ways: &[bool] = if root && !config.force_user_namespaces { &[false, true] } else { &[true] };
        let mut reasons = Vec::new();
        for user_namespaces in ways.iter().copied() {
            let way = if user_namespaces { "with user namespaces" } else { "as root" };
            match try_out(&config, user_namespaces).await {
                Ok((connection, mut isolation)) => {
                    isolation.fallback = reasons.pop();
                    return Ok(Self { config, user_namespaces, isolation, current: Mutex::new(Arc::new(connection)) });
                }
                Err(reason) => reasons.push(format!("{way}: {reason}")),
            }
        }
        Err(reasons.join("; "))
    }

    /// How well sandboxes are isolated here.
    pub fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    /// The process id of the helper that starts the next sandbox.
    pub async fn helper_pid(&self) -> u32 {
        self.current.lock().await.pid
    }

    /// Creates a sandbox.
    ///
    /// Dropping the future before it is done leaves nothing behind.
    ///
    /// # Errors
    /// [`Error::Create`] says which step failed; [`Error::HelperDied`] when the helper was killed meanwhile and so was the one
    /// that took its place.
    pub async fn create(&self, spec: SandboxSpec) -> Result<Sandbox, Error> {
        check(&spec)?;
        let connection = self.connection().await?;
        match self.build_with(connection.clone(), spec.clone()).await {
            // It may have been dead for a while without anybody noticing. What it began to build ended with it.
            Err(Error::HelperDied) => {
                connection.ended().await;
                self.build_with(self.connection().await?, spec).await
            }
            outcome => outcome,
        }
    }

    async fn build_with(&self, connection: Arc<Connection>, spec: SandboxSpec) -> Result<Sandbox, Error> {
        let mut read_only = self.config.runtimes.read_only.clone();
        read_only.extend(spec.read_only.iter().cloned());
        let given_to = (!self.user_namespaces || rustix::process::geteuid().is_root()).then_some(self.config.user);
        build(connection, spec, read_only, given_to, self.config.runtimes.clone()).await
    }

    /// Ends the helper and every sandbox, and waits until they are gone.
    pub async fn shutdown(self) {
        self.current.into_inner().close().await;
    }

    async fn connection(&self) -> Result<Arc<Connection>, Error> {
        let mut current = self.current.lock().await;
        if !current.is_alive() {
            let opened = Connection::open(&self.config, self.user_namespaces).await;
            *current = Arc::new(opened.map_err(|reason| Unavailable { reason })?);
        }
        Ok(Arc::clone(&current))
    }
}

/// Starts a helper and runs through the life of one sandbox with it.
async fn try_out(config: &LauncherConfig, user_namespaces: bool) -> Result<(Connection, Isolation), String> {
    let connection = Arc::new(Connection::open(config, user_namespaces).await?);
    let directory = config.state_dir.join(format!("probe-{}", connection.pid));
    let spec = SandboxSpec::new("probe", directory.join("workspace"), directory.join("data"));
    let root = rustix::process::geteuid().is_root();
    let built =
        build(Arc::clone(&connection), spec, Vec::new(), root.then_some(config.user), config.runtimes.clone()).await;
    let tried = match built {
        Ok(sandbox) => sandbox.destroy().await.map_err(|error| error.to_string()),
        Err(Error::Create { reason, .. }) => Err(reason),
        Err(error) => Err(error.to_string()),
    };
    let _ = std::fs::remove_dir_all(&directory);
    tried?;
    let Ok(connection) = Arc::try_unwrap(connection) else {
        return Err("the probe is still running".into());
    };
    let reached = |limit: &&str| connection.enforced.iter().any(|name| name == limit);
    let enforced = ["memory", "cpu", "processes", "paths"].into_iter().filter(reached);
    let isolation = Isolation {
        level: if user_namespaces { "namespaces" } else { "container" },
        enforced: enforced.chain(["network", "syscalls", "time"]).collect(),
        fallback: None,
    };
    if let Some(missing) = config.required.iter().find(|name| !isolation.has(name)) {
        let reached = isolation.enforced.join(", ");
        let level = isolation.level;
        return Err(format!("`{missing}` is required, and there is only `{level}` with limits on {reached}"));
    }
    Ok((connection, isolation))
}

async fn build(
    connection: Arc<Connection>,
    spec: SandboxSpec,
    read_only: Vec<PathBuf>,
    given_to: Option<u32>,
    runtimes: crate::Runtimes,
) -> Result<Sandbox, Error> {
    let failed = |reason: String| Error::Create { id: spec.id.clone(), reason };
    let own = |path: &Path| {
        give(path, given_to).map_err(|error| Error::io(format!("prepare the directory {}", path.display()), error))
    };
    let (workspace, data) = (own(&spec.workspace)?, own(&spec.data)?);
    let (socket, theirs) = packet::pair().map_err(|error| Error::io("make a socket", error))?;
    let socket = sys::watch(socket).map_err(|error| Error::io("watch a socket", error))?;
    let key = connection.next_number();
    let limits = spec.limits.clone();
    let action = Action::Create { workspace, data, read_only, limits };
    // From here on, dropping it destroys whatever the helper has built.
    let sandbox = Sandbox::new(Arc::clone(&connection), key, socket, &spec, runtimes, given_to);
    let descriptors = [theirs.as_fd()];
    let asked = connection.ask(key, action, &descriptors);
    let reply = tokio::time::timeout(CREATE_TIMEOUT, asked).await;
    match reply.map_err(|_| failed(format!("it took longer than {} s", CREATE_TIMEOUT.as_secs())))?? {
        Outcome::Failed { reason } => Err(failed(reason)),
        _ => Ok(sandbox),
    }
}

/// Makes a directory and gives it to the sandbox's user; returns its absolute path.
fn give(path: &Path, user: Option<u32>) -> io::Result<PathBuf> {
    path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
    // The host's other users may not read it. What was there before keeps the mode that it was given.
    match std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700).create(path) {
        Err(error) if !path.is_dir() => return Err(error),
        _ => {}
    }
    if user.is_some() {
        std::os::unix::fs::chown(path, user, user)?;
    }
    path.canonicalize()
}

fn check(spec: &SandboxSpec) -> Result<(), Error> {
    let invalid = |parameter, problem: &str| Err(Error::InvalidInput { parameter, problem: problem.into() });
    if !(spec.limits.cpus.is_finite() && spec.limits.cpus > 0.0) {
        return invalid("limits.cpus", "must be more than 0");
    }
    if spec.limits.memory < 16 << 20 {
        return invalid("limits.memory", "must be at least 16 MiB");
    }
    if spec.limits.processes < 4 {
        return invalid("limits.processes", "must be at least 4");
    }
    if let Some(path) = spec.read_only.iter().find(|path| !path.is_absolute() || path.parent().is_none()) {
        return invalid("read_only", &format!("must hold absolute paths below /, not {}", path.display()));
    }
    Ok(())
}
