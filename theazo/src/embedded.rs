//! A whole control plane inside this process.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), theazo::Error> {
//! use theazo::embedded::{Plane, PlaneOptions};
//!
//! let plane = Plane::start(PlaneOptions::default()).await?;
//! let session = plane.client().sessions().for_user("user_123").await?;
//! assert_eq!(session.data().user_id, "user_123");
//! plane.shutdown().await;
//! # Ok(()) }
//! ```

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use theazo_api::{
    Secret,
    testing::{Conversation, ScriptedTurn},
};
use theazo_server::{ControlPlane, ModelKeys, PlaneConfig, StartError};
use tokio::{runtime::Handle, sync::watch};

use crate::{config::Config, error::Error, surface::Theazo, transport::Transport};

/// How to start an embedded control plane.
///
/// ```no_run
/// # async fn example() -> Result<(), theazo::Error> {
/// use theazo::embedded::{Plane, PlaneOptions};
///
/// // It keeps its data, and goes on where it was when it starts again.
/// let plane = Plane::start(PlaneOptions { data_dir: Some("./theazo-data".into()), ..PlaneOptions::default() }).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct PlaneOptions {
    /// Where its data is kept; in memory if there is none. A plane that starts again in the same folder goes on.
    pub data_dir: Option<PathBuf>,
    /// Whether it is a test plane: a clock that the test moves, a scripted model, simulated sandboxes, faults.
    pub test: bool,
    /// The provider of sandboxes where none is asked for; `local` by default, `simulated` on a test plane.
    pub default_provider: Option<String>,
    /// How long the offline model waits before each word; not at all by default.
    pub offline_pace: Duration,
    /// The interpreter of Python in local sandboxes, that of a virtual environment for example; `/usr/bin/python3` by
    /// default.
    pub sandbox_python: Option<PathBuf>,
    /// Directories outside of `/usr` that the interpreters need, a virtual environment for example: every local sandbox
    /// sees them at the same path and cannot write there.
    pub sandbox_read_only: Vec<PathBuf>,
}

/// The API keys of an embedded control plane.
#[derive(Clone)]
pub struct PlaneKeys {
    /// The live key: real work, counted and charged.
    pub live: Secret,
    /// The test key: simulated work that leaves no usage.
    pub test: Secret,
}

impl fmt::Debug for PlaneKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlaneKeys([hidden])")
    }
}

/// A control plane inside this process. Clones are the same plane.
///
/// It works until [`shutdown`](Self::shutdown) is called, or until the last clone and the last client, handle or stream
/// that came from it are dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), theazo::Error> {
/// use std::time::Duration;
/// use theazo::{Config, Theazo, embedded::{Plane, PlaneKeys, PlaneOptions}};
///
/// let plane = Plane::start(PlaneOptions::default()).await?;
/// let PlaneKeys { test, .. } = plane.keys();
/// // A client in the simulated world of the plane, which leaves no usage.
/// let transport = plane.transport_with(Config::with_api_key(test).timeout(Duration::from_secs(5)))?;
/// let simulated = Theazo::over(transport);
/// simulated.sessions().for_user("user_123").await?;
/// // One in its live world.
/// let live = Theazo::over(plane.transport());
/// assert!(live.sessions().list().await?.data.is_empty(), "what is in one world is not seen in the other");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Plane {
    running: Arc<Running>,
}

/// The control plane, stopped when nothing refers to it any more.
struct Running {
    /// `None` once it is being stopped.
    plane: Mutex<Option<ControlPlane>>,
    router: axum::Router,
    keys: PlaneKeys,
    runtime: Handle,
    /// Says to whoever listens that the plane is stopping.
    stopped: watch::Sender<bool>,
}

impl Plane {
    /// Starts a control plane.
    ///
    /// One that is no test plane asks real models where the environment has a key of their provider (`ANTHROPIC_API_KEY`,
    /// `OPENAI_API_KEY`, `GEMINI_API_KEY`) or says where an Ollama is (`OLLAMA_HOST`); `THEAZO_MODEL` names the model that
    /// is used where none is asked for. Without any of them it is the offline model.
    ///
    /// # Errors
    ///
    /// If its data cannot be opened.
    pub async fn start(options: PlaneOptions) -> Result<Self, Error> {
        let mut config = if options.test { PlaneConfig::test() } else { PlaneConfig::default() };
        config.offline_pace = options.offline_pace;
        if !options.test {
            config.model_keys = ModelKeys::from_environment();
            config.default_model = std::env::var("THEAZO_MODEL").ok().filter(|id| !id.is_empty());
        }
        if let Some(data_dir) = options.data_dir {
            config = config.data_dir(data_dir);
        }
        if let Some(provider) = options.default_provider {
            config = config.default_provider(provider);
        }
        if let Some(python) = options.sandbox_python {
            config.runtimes.python = python;
        }
        config.runtimes.read_only.extend(options.sandbox_read_only);
        let plane = ControlPlane::start(config).await.map_err(cannot_start)?;
        let keys = keys_of(&plane).await.map_err(cannot_start)?;
        let router = plane.router();
        let (runtime, stopped) = (Handle::current(), watch::Sender::new(false));
        let running = Running { plane: Mutex::new(Some(plane)), router, keys, runtime, stopped };
        let plane = Self { running: Arc::new(running) };
        // Shows that the live key makes a transport, so that later ones cannot fail.
        plane.transport_with(Config::new())?;
        Ok(plane)
    }

    /// The keys of the plane.
    pub fn keys(&self) -> &PlaneKeys {
        &self.running.keys
    }

    /// A transport to the plane with its live key. It keeps the plane alive.
    pub fn transport(&self) -> Transport {
        self.transport_with(Config::new()).expect("the same was made when the plane started")
    }

    /// A transport to the plane, set up like this; without a key it uses the live one. A base address does not count.
    ///
    /// # Errors
    ///
    /// If something in `config` cannot be understood.
    pub fn transport_with(&self, mut config: Config) -> Result<Transport, Error> {
        if config.settings.api_key.is_none() {
            config = config.api_key(&self.running.keys.live);
        }
        Ok(Transport::in_process(self.running.router.clone(), config)?.keeping(self.running.clone()))
    }

    /// A client of the plane with its live key. It keeps the plane alive.
    pub fn client(&self) -> Theazo {
        Theazo::over(self.transport())
    }

    /// Listens on a free port of this machine alone and gives the address, for clients in other processes: browsers, other
    /// languages, programs under test. It ends with the plane.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), theazo::Error> {
    /// use theazo::{Plane, PlaneOptions, Theazo};
    ///
    /// let plane = Plane::start(PlaneOptions::default()).await?;
    /// let address = plane.listen().await?;
    /// let elsewhere = Theazo::builder().base_url(&address).api_key(&plane.keys().live).build().await?;
    /// elsewhere.sessions().for_user("user_123").await?;
    /// plane.shutdown().await;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If no port can be had.
    pub async fn listen(&self) -> Result<String, Error> {
        crate::listening::listen(self.running.router.clone(), self.running.stopped.subscribe()).await
    }

    /// Lets a function answer for the model of an agent of a test plane: see
    /// [`TestPlane::script_with`](crate::testing::TestPlane::script_with).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), theazo::Error> {
    /// use theazo::{Plane, PlaneOptions, testing::ScriptedTurn};
    ///
    /// let plane = Plane::start(PlaneOptions { test: true, ..PlaneOptions::default() }).await?;
    /// plane.script_with("*", |conversation| async move {
    ///     Ok(ScriptedTurn::text(format!("{} messages were sent", conversation.messages.len())))
    /// })?;
    ///
    /// let session = plane.client().sessions().for_user("user_1").await?;
    /// assert_eq!(session.run("parrot", "hello").await?.output, "1 messages were sent");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If this is no test plane, or it is stopped.
    pub fn script_with<F, A>(&self, agent: impl AsRef<str>, function: F) -> Result<(), Error>
    where
        F: Fn(Conversation) -> A + Send + Sync + 'static,
        A: Future<Output = Result<ScriptedTurn, String>> + Send + 'static,
    {
        let running = self.running.plane.lock().unwrap_or_else(PoisonError::into_inner);
        let plane = running.as_ref().ok_or_else(|| Error::configuration("the embedded control plane is stopped"))?;
        if plane.script_with(agent.as_ref(), Arc::new(move |conversation| Box::pin(function(conversation)))) {
            Ok(())
        } else {
            Err(Error::configuration("only the models of a test plane are scripted"))
        }
    }

    /// Stops the plane: what is under way is stopped where it can go on later, and data is on disk when this returns.
    /// Calls that come afterwards fail.
    pub async fn shutdown(&self) {
        self.running.stopped.send_replace(true);
        let plane = self.running.plane.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(plane) = plane {
            plane.shutdown().await;
        }
    }
}

/// The keys of the plane. Only the hashes of keys are kept, so a plane that starts again on its data makes new ones.
async fn keys_of(plane: &ControlPlane) -> Result<PlaneKeys, StartError> {
    let live = match plane.live_key() {
        Some(key) => key.to_owned(),
        None => plane.create_key(true, "embedded").await?,
    };
    let test = match plane.test_key() {
        Some(key) => key.to_owned(),
        None => plane.create_key(false, "embedded").await?,
    };
    Ok(PlaneKeys { live: Secret::from(live), test: Secret::from(test) })
}

fn cannot_start(problem: StartError) -> Error {
    Error::configuration(format!("the embedded control plane cannot start: {problem}"))
}

/// A client of a control plane that starts now; it stops when nothing refers to it any more.
pub(crate) async fn local(mut config: Config) -> Result<Theazo, Error> {
    // Whatever key there is was meant for a server: nobody can know those of a plane that starts now.
    config.settings.api_key = None;
    let plane = Plane::start(PlaneOptions::default()).await?;
    plane.transport_with(config).map(Theazo::over)
}

impl fmt::Debug for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_running = self.running.plane.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        f.debug_struct("Plane").field("is_running", &is_running).finish_non_exhaustive()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let plane = self.plane.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(plane) = plane {
            // The task ends by itself when the plane has stopped; a runtime that has shut down drops both.
            self.runtime.spawn(async move { plane.shutdown().await });
        }
    }
}
