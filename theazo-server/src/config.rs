//! What a control plane is made of.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use theazo_api::{Secret, Timestamp};
use theazo_sandbox::{Limits, Runtimes};

use crate::{
    feed::StreamLimits,
    model::ModelKeys,
    payments::StripeConfig,
    service_config::{FilesConfig, ToolsConfig},
    spending::RateCard,
    store::Retention,
};

/// What a control plane is made of. The default lives in memory, has the system's clock and local sandboxes.
#[derive(Debug, Clone, Default)]
pub struct PlaneConfig {
    /// Where it keeps its things; in memory if absent, and then everything is gone when it stops. In memory there is room for 1 GiB
    /// of records, which is about 50,000 runs; `retention` lets it forget the details of old ones.
    pub data_directory: Option<PathBuf>,
    /// Whether it is a test plane: its clock is moved by hand, its models answer from scripts, its sandboxes are simulated,
    /// and it serves the operations under `/testing`.
    pub test: Option<TestConfig>,
    /// The provider that is used where none is asked for; `local` by default, `simulated` on a test plane.
    pub default_provider: Option<String>,
    /// How long the offline model waits before each word; not at all by default.
    pub offline_pace: Duration,
    /// The keys for providers of models that the plane has itself; none by default, and a test plane never uses them.
    pub model_keys: ModelKeys,
    /// The model that is used where none is asked for; that of the first provider that there is a key of by default, or
    /// `offline`.
    pub default_model: Option<String>,
    /// A file with models and prices, which are added to the table of models or change what is in it.
    pub model_table: Option<PathBuf>,
    /// Whether an agent that is named in a run or a task must be defined; otherwise a name that was never defined is a
    /// general agent of that role.
    pub require_definitions: bool,
    /// Where the interpreters of local sandboxes are.
    pub runtimes: Runtimes,
    /// Whether tools, webhooks and whatever else calls addresses that somebody gave may reach loopback and private
    /// networks, as a developer needs; not by default. Link-local addresses are never reached.
    pub allow_private_targets: bool,
    /// The keys that the secrets in the store are sealed with: 32 bytes in base64, or several separated by commas, the newest
    /// first. If absent, a key is made and kept in the data directory, in a file that its owner alone can read.
    pub master_key: Option<Secret>,
    /// What it asks for what it does; the published rate card by default.
    pub rates: RateCard,
    /// The credits that every account begins with, in cents. Without it an account is limited by credits only once it was
    /// given some.
    pub credits: Option<i64>,
    /// How many streams an account may have open, and how long one may stand still.
    pub streams: StreamLimits,
    /// How long the details of what happened are kept; for good by default.
    pub retention: Retention,
    /// How plans are paid for; without it the operations that need it say so.
    pub stripe: Option<StripeConfig>,
    /// What each local sandbox may use.
    pub sandbox_limits: Limits,
    /// How many bytes the files of a local sandbox may take at most, where its agent asks for more than `sandbox_limits` gives;
    /// 20 GB by default.
    pub most_storage: Option<u64>,
    /// What the isolation of local sandboxes must be at least: a level (`container` or `namespaces`) and limits that must be
    /// enforced (`memory`, `cpu`, `processes`, `paths`, ...). Where that cannot be had, `local` is absent and says why.
    pub required_isolation: Vec<String>,
    /// What the tools work with that need something set up.
    pub tools: ToolsConfig,
    /// How much may be stored as files.
    pub files: FilesConfig,
    /// The address at which everybody reaches the plane, for example `https://agents.example.com`. Addresses of files
    /// begin with it; by default they begin with where their caller reached the plane.
    pub public_url: Option<String>,
    /// How many requests one API key may make; as many as it likes if absent.
    pub rate_limit: Option<RateLimit>,
    /// How many wrong API keys an address may send in a minute before it has to wait; as many as it likes if absent. Calls
    /// in process have no address.
    pub wrong_keys_per_minute: Option<NonZeroU32>,
}

/// How many requests one API key may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many a second, in the long run.
    pub per_second: NonZeroU32,
    /// How many at once.
    pub burst: NonZeroU32,
}

/// What a test plane is made of.
#[derive(Debug, Clone)]
pub struct TestConfig {
    /// What its clock shows at first.
    pub start: Timestamp,
}

impl Default for TestConfig {
    /// A day in the middle of a month, so that tests cross midnight and months only when they want to.
    fn default() -> Self {
        Self { start: Timestamp::from_millis(1_768_471_200_000) }
    }
}

impl PlaneConfig {
    /// A test plane.
    pub fn test() -> Self {
        Self { test: Some(TestConfig::default()), ..Self::default() }
    }

    /// Keeps everything in a directory, which is made if it is not there.
    #[must_use]
    pub fn data_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.data_directory = Some(directory.into());
        self
    }

    /// Asks this for what it does.
    #[must_use]
    pub fn rates(mut self, rates: RateCard) -> Self {
        self.rates = rates;
        self
    }

    /// Gives every account so many credits to begin with. A credit is one cent.
    #[must_use]
    pub fn credits(mut self, credits: i64) -> Self {
        self.credits = Some(credits);
        self
    }

    /// Uses this provider where none is asked for.
    #[must_use]
    pub fn default_provider(mut self, name: impl Into<String>) -> Self {
        self.default_provider = Some(name.into());
        self
    }
}
