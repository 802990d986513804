//! How much of everything: requests, connections, streams, and what is kept of what happened.

use std::{num::NonZeroU32, time::Duration};

use theazo_server::{PlaneConfig, RateLimit, Retention, ServeConfig, StreamLimits};

use crate::cli::Failure;

/// Limits of a control plane, and of the connections to it.
#[derive(clap::Args)]
pub struct LimitOptions {
    /// How many requests a second one API key may make; 0 for as many as it likes.
    #[arg(long, env = "THEAZO_RATE_LIMIT", value_name = "NUMBER", default_value_t = 10_000)]
    rate_limit: u32,
    /// How many requests one API key may make at once before its rate counts; twice the rate by default.
    #[arg(long, env = "THEAZO_RATE_BURST", value_name = "NUMBER")]
    rate_burst: Option<NonZeroU32>,
    /// How many wrong API keys an address may send in a minute before it has to wait; 0 for as many as it likes.
    #[arg(long, env = "THEAZO_WRONG_KEYS_PER_MINUTE", value_name = "NUMBER", default_value_t = 60)]
    wrong_keys_per_minute: u32,
    /// How many connections are served at once; more wait to be accepted.
    #[arg(long, env = "THEAZO_MAX_CONNECTIONS", value_name = "NUMBER", default_value = "10000")]
    max_connections: NonZeroU32,
    /// How many streams an account has at a time, in each world.
    #[arg(long, env = "THEAZO_STREAMS_PER_ACCOUNT", value_name = "NUMBER")]
    streams_per_account: Option<NonZeroU32>,
    /// How many seconds the reader of a stream may take nothing while something waits for it.
    #[arg(long, env = "THEAZO_STREAM_PATIENCE", value_name = "SECONDS")]
    stream_patience: Option<NonZeroU32>,
    /// How many days the details of what happened are kept; for good by default.
    #[arg(long, env = "THEAZO_RETENTION_DAYS", value_name = "DAYS")]
    retention_days: Option<NonZeroU32>,
    /// How many events of each account in each world stay in detail, the newest ones; all by default.
    #[arg(long, env = "THEAZO_RETENTION_EVENTS", value_name = "NUMBER")]
    retention_events: Option<NonZeroU32>,
    /// How many seconds the head of a request may take, and a connection may wait for one.
    #[arg(long, env = "THEAZO_HEAD_TIMEOUT", value_name = "SECONDS", default_value = "30")]
    head_timeout: NonZeroU32,
    /// How many seconds the next piece of a request's body may take.
    #[arg(long, env = "THEAZO_BODY_TIMEOUT", value_name = "SECONDS", default_value = "30")]
    body_timeout: NonZeroU32,
    /// How many seconds requests that are under way have to end when the server is told to stop.
    #[arg(long, env = "THEAZO_DRAIN", value_name = "SECONDS", default_value_t = 10)]
    drain: u32,
}

impl LimitOptions {
    /// The control plane with these limits.
    pub fn apply(&self, mut config: PlaneConfig) -> Result<PlaneConfig, Failure> {
        if self.rate_limit == 0 && self.rate_burst.is_some() {
            return Err("`rate_burst` means nothing while `rate_limit` is 0; leave it out, or set a limit".into());
        }
        if let Some(burst) = self.rate_burst.filter(|burst| burst.get() < self.rate_limit) {
            let limit = self.rate_limit;
            return Err(
                format!("`rate_burst` is {burst}, so the `rate_limit` of {limit} could never be reached").into()
            );
        }
        config.rate_limit = NonZeroU32::new(self.rate_limit).map(|per_second| {
            let twice = per_second.saturating_add(per_second.get());
            RateLimit { per_second, burst: self.rate_burst.unwrap_or(twice) }
        });
        config.wrong_keys_per_minute = NonZeroU32::new(self.wrong_keys_per_minute);
        let usual = StreamLimits::default();
        config.streams = StreamLimits {
            per_account: self.streams_per_account.map_or(usual.per_account, as_size),
            patience: self.stream_patience.map_or(usual.patience, |number| seconds(number.get())),
        };
        config.retention = Retention {
            age: self.retention_days.map(|days| 86_400 * seconds(days.get())),
            events: self.retention_events.map(NonZeroU32::get),
        };
        Ok(config)
    }

    /// How it is served.
    pub fn serving(&self) -> ServeConfig {
        ServeConfig {
            head_timeout: seconds(self.head_timeout.get()),
            body_timeout: seconds(self.body_timeout.get()),
            max_connections: as_size(self.max_connections),
            drain: seconds(self.drain),
        }
    }
}

fn seconds(number: u32) -> Duration {
    Duration::from_secs(number.into())
}

fn as_size(number: NonZeroU32) -> usize {
    usize::try_from(number.get()).unwrap_or(usize::MAX)
}
