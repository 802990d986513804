//! How a client is set up: what the caller says, then the environment, then the defaults.
//!
//! Reading order: `settings` (the table of everything that can be set), [`Config`] (what a caller says), `explain` (each
//! value and where it comes from).

mod explain;
mod settings;

use std::{fmt, sync::Arc};

use theazo_api::{ComputeProviders, ModelProviderConfig, Secret};

pub use explain::{Explanation, Setting, Source};
pub use settings::{
    DEFAULT_BASE_URL, DEFAULT_CONNECT_TIMEOUT, DEFAULT_MAX_ANSWER_BYTES, DEFAULT_MAX_RETRIES,
    DEFAULT_POOL_IDLE_TIMEOUT, DEFAULT_TIMEOUT, HttpVersion, LogLevel,
};
pub(crate) use settings::{Settings, lookup_environment};

use crate::{
    error::Error,
    hooks::Hook,
    recording::{Recorder, Replayer, Tape},
    surface::Theazo,
    transport::{HttpClient, TraceContext, Transport},
};

/// How a client is set up. What is not set is inherited: from the environment, then from the defaults.
///
/// One precedence holds everywhere: options of a call, then [`Theazo::with`], then this, then the environment, then the
/// defaults. [`explain`](Self::explain) tells each value and where it comes from.
///
/// ```no_run
/// # async fn example() -> Result<(), theazo::Error> {
/// use std::time::Duration;
///
/// let config = theazo::Config::new().base_url("http://localhost:8787").timeout(Duration::from_secs(10)).max_retries(4);
/// println!("{}", config.explain()?);
/// let theazo = config.build().await?;
/// # Ok(()) }
/// ```
///
/// Everything that can be set by a value has a variable of the environment too:
///
/// ```
/// use std::time::Duration;
/// use theazo::config::{HttpVersion, LogLevel};
///
/// let config = theazo::Config::new()
///     .api_key("th_live_0123456789abcdefWXYZ")
///     .base_url("https://theazo.example.com")
///     .timeout(Duration::from_secs(10)) // one attempt
///     .deadline(Duration::from_secs(60)) // a call with all its attempts
///     .connect_timeout(Duration::from_secs(2))
///     .max_retries(4)
///     .proxy("http://proxy.example.com:3128")
///     .ca_file("/etc/ssl/private-authority.pem")
///     .http_version(HttpVersion::Http1)
///     .pool_max_idle(16)
///     .pool_idle_timeout(Duration::from_secs(20))
///     .max_answer_bytes(64 << 20)
///     .log(LogLevel::Info)
///     .log_bodies(false)
///     .header("x-team", "growth")
///     .language("rust")
///     .integration("my-framework/1.2");
/// assert!(!config.is_local());
/// assert_eq!(config.explain()?.get("timeout").unwrap().value, "10s");
/// # Ok::<(), theazo::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Config {
    pub(crate) settings: Settings,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) language: Option<String>,
    pub(crate) integration: Option<String>,
    pub(crate) compute: Option<ComputeProviders>,
    pub(crate) models: Option<ModelProviderConfig>,
    pub(crate) hooks: Vec<Arc<dyn Hook>>,
    pub(crate) http_client: Option<Arc<dyn HttpClient>>,
    pub(crate) tape: Option<Tape>,
    pub(crate) trace_context: Option<TraceContext>,
}

impl Config {
    /// A configuration in which nothing is set.
    pub fn new() -> Self {
        Self::default()
    }

    /// A configuration with a key and otherwise nothing.
    ///
    /// ```
    /// let config = theazo::Config::with_api_key("th_test_0123456789abcdefWXYZ");
    /// assert_eq!(config.explain()?.get("api_key").unwrap().value, "th_test_...WXYZ");
    /// # Ok::<(), theazo::Error>(())
    /// ```
    pub fn with_api_key(api_key: impl Into<Secret>) -> Self {
        Self::new().api_key(api_key)
    }

    /// Adds a header to every request. An `authorization` takes the place of the one with the key, for a gateway that has
    /// keys of its own.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The language that stands in `User-Agent`, for packages in other languages; `rust` by default.
    pub fn language(mut self, language: impl Into<String>) -> Self {
        self.language = Some(language.into());
        self
    }

    /// A name that stands in `User-Agent` after ours, for what is built on this client: `my-framework/1.2`.
    pub fn integration(mut self, integration: impl Into<String>) -> Self {
        self.integration = Some(integration.into());
        self
    }

    /// Your own compute providers (bring your own). They are sealed into each session that this client creates, are not
    /// sent with any other call, and are never shown.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), theazo::Error> {
    /// use theazo::types::ComputeProviderConfig;
    ///
    /// let e2b = ComputeProviderConfig::new("e2b").credential("apiKey", "e2b_0123456789");
    /// let theazo = theazo::Config::new().compute(e2b).build().await?;
    /// # Ok(()) }
    /// ```
    pub fn compute(mut self, compute: impl Into<ComputeProviders>) -> Self {
        self.compute = Some(compute.into());
        self
    }

    /// Your own model provider (bring your own). It is sealed into each session that this client creates, is not sent with
    /// any other call, and is never shown.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), theazo::Error> {
    /// use theazo::types::ModelProviderConfig;
    ///
    /// let anthropic = ModelProviderConfig::new("anthropic").credential("apiKey", "sk-ant-0123456789");
    /// let theazo = theazo::Config::new().models(anthropic).build().await?;
    /// # Ok(()) }
    /// ```
    pub fn models(mut self, models: impl Into<ModelProviderConfig>) -> Self {
        self.models = Some(models.into());
        self
    }

    /// Adds a hook, which is told of requests, answers, retries and stream events.
    ///
    /// ```
    /// use theazo::hooks::{Hook, RetryEvent};
    ///
    /// struct Retries;
    ///
    /// impl Hook for Retries {
    ///     fn on_retry(&self, retry: &RetryEvent<'_>) {
    ///         println!("{} is tried again: {}", retry.operation, retry.problem);
    ///     }
    /// }
    ///
    /// let config = theazo::Config::new().hook(Retries);
    /// ```
    pub fn hook(mut self, hook: impl Hook) -> Self {
        self.hooks.push(Arc::new(hook));
        self
    }

    /// Sends requests through this client instead of the built-in one: a test double, a recorder, a gateway.
    ///
    /// Retries, timeouts and everything else stay as they are. Proxy, certificate, HTTP version and pool settings are the
    /// business of the injected client. [`HttpClient`] shows one.
    ///
    /// ```
    /// use theazo::transport::HttpClient;
    ///
    /// fn through(client: impl HttpClient) -> theazo::Config {
    ///     theazo::Config::with_api_key("th_test_0123456789abcdef").http_client(client)
    /// }
    /// ```
    pub fn http_client(mut self, client: impl HttpClient) -> Self {
        self.http_client = Some(Arc::new(client));
        self
    }

    /// Records every request and its answer, secrets left out, to be played back later.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), theazo::Error> {
    /// let recorder = theazo::recording::Recorder::to_file("calls.jsonl")?;
    /// let config = theazo::Config::new().record(&recorder);
    /// # Ok(()) }
    /// ```
    pub fn record(mut self, recorder: &Recorder) -> Self {
        self.tape = Some(Tape::Record(recorder.clone()));
        self
    }

    /// Answers every request from a recording; no connection is made. Any key will do.
    ///
    /// ```no_run
    /// use theazo::recording::{Matching, Replayer};
    ///
    /// # fn main() -> Result<(), theazo::Error> {
    /// let replayer = Replayer::from_file("calls.jsonl", Matching::Strict)?;
    /// let config = theazo::Config::with_api_key("th_test_any").replay(&replayer);
    /// # Ok(()) }
    /// ```
    pub fn replay(mut self, replayer: &Replayer) -> Self {
        self.tape = Some(Tape::Replay(replayer.clone()));
        self
    }

    /// Where the trace that a call belongs to comes from: a function that gives the `traceparent` of the present span, for
    /// example from OpenTelemetry, or nothing. A call without one begins a trace of its own.
    ///
    /// ```
    /// # fn present_traceparent() -> Option<String> { None }
    /// let config = theazo::Config::new().trace_context(present_traceparent);
    /// ```
    pub fn trace_context(mut self, context: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        self.trace_context = Some(Arc::new(context));
        self
    }

    /// Takes what is not set from the environment; the table of [`explain`](Self::explain) names the variables. A variable
    /// that is empty counts as not set.
    ///
    /// ```
    /// // The base address is set, so `THEAZO_BASE_URL` does not count; the other variables do.
    /// let config = theazo::Config::new().base_url("http://localhost:8787").or_environment()?;
    /// # Ok::<(), theazo::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If a variable that is needed cannot be understood.
    pub fn or_environment(mut self) -> Result<Self, Error> {
        self.settings.fill(&lookup_environment)?;
        Ok(self)
    }

    /// Each setting with its effective value and where that comes from; secrets are masked.
    ///
    /// # Errors
    ///
    /// If a variable of the environment cannot be understood.
    pub fn explain(&self) -> Result<Explanation, Error> {
        let mut filled = self.clone();
        filled.settings.fill(&lookup_environment)?;
        Ok(Explanation::of(&filled))
    }

    /// Whether the base address is `local`: a control plane inside this process.
    pub fn is_local(&self) -> bool {
        self.settings.base_url.as_deref().is_some_and(|url| url.trim() == "local")
    }

    /// Makes a client. What is not set comes from the environment, then from the defaults.
    ///
    /// With `local` as the base address it starts a control plane inside this process, which needs the feature `embedded`.
    ///
    /// # Errors
    ///
    /// If there is no key, or something given cannot be understood, or the embedded control plane cannot start.
    pub async fn build(self) -> Result<Theazo, Error> {
        let config = self.or_environment()?;
        #[cfg(feature = "embedded")]
        if config.is_local() {
            return Box::pin(crate::embedded::local(config)).await;
        }
        Transport::new(config).map(Theazo::over)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Config");
        for setting in Explanation::of(self).settings() {
            debug.field(setting.name, &setting.value);
        }
        debug.finish_non_exhaustive()
    }
}
