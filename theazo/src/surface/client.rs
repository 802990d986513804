//! The client: where everything starts.

use std::time::Duration;

use secrecy::SecretString;

use super::handles::{Agents, Logs, Runs, Sessions, Usage};
use crate::{config::Config, error::Error, transport::Transport};

/// The client. It is cheap to clone; clones share their connections.
///
/// ```no_run
/// # async fn example() -> Result<(), theazo::Error> {
/// let theazo = theazo::Theazo::from_env().await?;
/// let session = theazo.sessions().for_user("user_123").await?;
/// let result = session.run("researcher", "analyze competitor pricing").await?;
/// println!("{} ({} cents)", result.output, result.cost.amount);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Theazo {
    pub(crate) transport: Transport,
}

impl Theazo {
    /// A client with this key. The rest comes from the environment, then from the defaults.
    ///
    /// # Errors
    ///
    /// If the key is empty or cannot be a key, or a variable of the environment cannot be understood.
    pub fn new(api_key: impl Into<String>) -> Result<Self, Error> {
        Transport::new(Config::with_api_key(api_key).or_environment()?).map(Self::over)
    }

    /// A client from the environment: `THEAZO_API_KEY`, `THEAZO_BASE_URL`, `THEAZO_TIMEOUT`, `THEAZO_MAX_RETRIES`.
    ///
    /// With `THEAZO_BASE_URL=local` it starts a control plane inside this process, which needs the feature `embedded`.
    ///
    /// # Errors
    ///
    /// If there is no key, or a variable cannot be understood, or the embedded control plane cannot start.
    pub async fn from_env() -> Result<Self, Error> {
        Self::builder().build().await
    }

    /// A client that is set up step by step. What is not set comes from the environment, then from the defaults.
    pub fn builder() -> TheazoBuilder {
        TheazoBuilder { config: Config::default() }
    }

    /// A client over a transport that is there already.
    pub fn over(transport: Transport) -> Self {
        Self { transport }
    }

    /// Starts a whole control plane inside this process, in memory, and returns a client of it.
    ///
    /// Nothing else needs to be installed and nothing is sent over a network. The control plane stops when the last
    /// handle that came from this client is dropped; [`Plane`](crate::embedded::Plane) gives more control.
    ///
    /// # Errors
    ///
    /// If the control plane cannot start.
    #[cfg(feature = "embedded")]
    pub async fn embedded() -> Result<Self, Error> {
        let plane = crate::embedded::Plane::start(crate::embedded::PlaneOptions::default()).await?;
        Ok(plane.client())
    }

    /// A client of the server that the environment names by `THEAZO_BASE_URL` or `THEAZO_API_KEY`; where it names none, of
    /// a control plane that this starts inside the process, as [`embedded`](Self::embedded) does.
    ///
    /// So the same program runs offline on a laptop and against a server elsewhere.
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env) and [`embedded`](Self::embedded).
    #[cfg(feature = "embedded")]
    pub async fn connect() -> Result<Self, Error> {
        let is_named = ["THEAZO_BASE_URL", "THEAZO_API_KEY"]
            .iter()
            .any(|name| std::env::var(name).is_ok_and(|value| !value.trim().is_empty()));
        if is_named { Self::from_env().await } else { Self::embedded().await }
    }

    /// The layer of bytes underneath.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The sessions of the account.
    pub fn sessions(&self) -> Sessions {
        Sessions { transport: self.transport.clone() }
    }

    /// The agents of all sessions.
    pub fn agents(&self) -> Agents {
        Agents { transport: self.transport.clone() }
    }

    /// The runs of all sessions.
    pub fn runs(&self) -> Runs {
        Runs { transport: self.transport.clone() }
    }

    /// What happened, as people read it.
    pub fn logs(&self) -> Logs {
        Logs { transport: self.transport.clone() }
    }

    /// What was used and what it cost.
    pub fn usage(&self) -> Usage {
        Usage { transport: self.transport.clone() }
    }
}

/// Sets up a client step by step; made by [`Theazo::builder`].
///
/// ```no_run
/// # async fn example() -> Result<(), theazo::Error> {
/// use std::time::Duration;
///
/// let theazo = theazo::Theazo::builder()
///     .base_url("http://localhost:8787")
///     .timeout(Duration::from_secs(10))
///     .max_retries(4)
///     .build()
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Default)]
pub struct TheazoBuilder {
    config: Config,
}

impl TheazoBuilder {
    /// The API key.
    pub fn api_key(mut self, api_key: impl Into<String>) -> Self {
        self.config.api_key = Some(SecretString::from(api_key.into()));
        self
    }

    /// Where the API is: an address, or `local` for a control plane inside this process.
    pub fn base_url(mut self, base_url: impl Into<String>) -> Self {
        self.config.base_url = Some(base_url.into());
        self
    }

    /// How long one attempt of a plain request may take; 30 seconds by default. Runs and streams are not bound by it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.config.timeout = Some(timeout);
        self
    }

    /// How long it may take to connect; 5 seconds by default.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.config.connect_timeout = Some(timeout);
        self
    }

    /// How often a call is tried again after a failure that may pass; 2 by default, 0 turns retries off.
    pub fn max_retries(mut self, max_retries: u32) -> Self {
        self.config.max_retries = Some(max_retries);
        self
    }

    /// Adds a header to every request.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.config.headers.push((name.into(), value.into()));
        self
    }

    /// Makes the client.
    ///
    /// # Errors
    ///
    /// If there is no key, or something given cannot be understood, or the embedded control plane cannot start.
    pub async fn build(self) -> Result<Theazo, Error> {
        let config = self.config.or_environment()?;
        if config.is_local() {
            return local(config).await;
        }
        Transport::new(config).map(Theazo::over)
    }
}

#[cfg(feature = "embedded")]
async fn local(mut config: Config) -> Result<Theazo, Error> {
    // Whatever key there is was meant for a server: nobody can know those of a plane that starts now.
    config.api_key = None;
    let plane = crate::embedded::Plane::start(crate::embedded::PlaneOptions::default()).await?;
    plane.transport_with(config).map(Theazo::over)
}

#[cfg(not(feature = "embedded"))]
async fn local(config: Config) -> Result<Theazo, Error> {
    // The transport says why `local` needs more than this build has.
    Transport::new(config).map(Theazo::over)
}
