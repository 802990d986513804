//! The client: where everything starts.

use theazo_api::Secret;

use crate::{
    config::{Config, Explanation},
    error::Error,
    transport::{CallOptions, Transport},
};

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
    pub fn new(api_key: impl Into<Secret>) -> Result<Self, Error> {
        Transport::new(Config::with_api_key(api_key).or_environment()?).map(Self::over)
    }

    /// A client from the environment: `THEAZO_API_KEY`, `THEAZO_BASE_URL` and the other variables that
    /// [`Config::explain`] names.
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
    pub fn builder() -> Config {
        Config::new()
    }

    /// A client over a transport that is there already.
    ///
    /// ```
    /// use theazo::{Config, Theazo, Transport};
    ///
    /// let transport = Transport::new(Config::with_api_key("th_test_0123456789abcdef"))?;
    /// let theazo = Theazo::over(transport.clone());
    /// # Ok::<(), theazo::Error>(())
    /// ```
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
    /// ```no_run
    /// # async fn example() -> Result<(), theazo::Error> {
    /// let theazo = theazo::Theazo::connect().await?;
    /// # Ok(()) }
    /// ```
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
    ///
    /// ```no_run
    /// # async fn example(theazo: theazo::Theazo) -> Result<(), theazo::Error> {
    /// use theazo::transport::{self, Call};
    ///
    /// let operation = transport::operation("GetHealth").expect("the table has it");
    /// let answer = theazo.transport().call(Call::new(operation)).await?;
    /// # Ok(()) }
    /// ```
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The same client with other options for all its calls and for those of everything that comes from it. The pool of
    /// connections and the retry budget are shared, so it is cheap.
    ///
    /// ```no_run
    /// # async fn example(theazo: theazo::Theazo) -> Result<(), theazo::Error> {
    /// use std::time::Duration;
    /// use theazo::CallOptions;
    ///
    /// let patient = theazo.with(CallOptions::new().timeout(Duration::from_secs(120)).max_retries(5));
    /// let sessions = patient.sessions().list().await?;
    /// # Ok(()) }
    /// ```
    pub fn with(&self, options: CallOptions) -> Self {
        Self { transport: self.transport.with(options) }
    }

    /// Each setting with its effective value and where that comes from; secrets are masked.
    ///
    /// ```no_run
    /// # fn example(theazo: theazo::Theazo) {
    /// println!("{}", theazo.explain());
    /// # }
    /// ```
    pub fn explain(&self) -> Explanation {
        self.transport.explain()
    }
}
