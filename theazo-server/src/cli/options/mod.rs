//! The options of a control plane.

mod limits;
mod models;
mod money;
mod sandboxes;
mod tools;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use theazo_api::Secret;
use theazo_server::{PlaneConfig, ServeConfig};

use super::Failure;
use limits::LimitOptions;
use models::ModelOptions;
use money::MoneyOptions;
use sandboxes::SandboxOptions;
use tools::ToolOptions;

/// Where the control plane is.
#[derive(clap::Args)]
pub struct Place {
    /// Where everything is kept; made if it is not there.
    #[arg(long, env = "THEAZO_DATA_DIR", value_name = "DIR", default_value = "theazo-data")]
    pub data_dir: PathBuf,
}

/// The key that secrets are sealed with.
#[derive(clap::Args)]
pub struct MasterKey {
    /// The key that secrets are sealed with: 32 bytes in base64. By default one is made and kept in the data directory. Two
    /// of them, NEW,OLD, are for the time of a rotation.
    #[arg(long, env = "THEAZO_MASTER_KEY", value_name = "KEY", hide_env_values = true)]
    master_key: Option<String>,
}

impl MasterKey {
    /// The key, if there is one.
    pub fn secret(&self) -> Option<Secret> {
        self.master_key.clone().map(Secret::from)
    }
}

/// Every option of a control plane.
#[derive(clap::Args)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, env = "THEAZO_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub master_key: MasterKey,
    /// The provider of sandboxes where none is asked for: `local` or `simulated`.
    #[arg(long, env = "THEAZO_PROVIDER", value_name = "NAME")]
    pub provider: Option<String>,
    /// Lets tools and webhooks call addresses on this machine and in private networks, for development.
    #[arg(long, env = "THEAZO_ALLOW_PRIVATE_TARGETS")]
    allow_private_targets: bool,
    /// Refuses runs and tasks of agents that were never defined; otherwise such a name is a general agent of that role.
    #[arg(long, env = "THEAZO_REQUIRE_DEFINITIONS")]
    require_definitions: bool,
    #[command(flatten)]
    sandboxes: SandboxOptions,
    #[command(flatten)]
    models: ModelOptions,
    #[command(flatten)]
    tools: ToolOptions,
    #[command(flatten)]
    money: MoneyOptions,
    #[command(flatten)]
    limits: LimitOptions,
    /// How many milliseconds the offline model waits before each word, as a real model takes its time.
    #[arg(long, env = "THEAZO_OFFLINE_PACE_MS", value_name = "NUMBER", default_value_t = 0)]
    offline_pace_ms: u64,
    /// Serves a test plane: manual clock, scripted models, simulated sandboxes, and the operations under /testing.
    #[arg(long, env = "THEAZO_TEST_PLANE")]
    pub test_plane: bool,
}

impl Options {
    /// The control plane that the options describe.
    pub fn plane(&self) -> Result<PlaneConfig, Failure> {
        self.check()?;
        let base = if self.test_plane { PlaneConfig::test() } else { PlaneConfig::default() };
        let config = PlaneConfig {
            offline_pace: Duration::from_millis(self.offline_pace_ms),
            require_definitions: self.require_definitions,
            allow_private_targets: self.allow_private_targets,
            master_key: self.master_key.secret(),
            ..base
        };
        let config = self.sandboxes.apply(config)?;
        let config = self.tools.apply(self.models.apply(config)?)?;
        let config = self.limits.apply(self.money.apply(config)?)?;
        let default_provider = if self.test_plane { "simulated" } else { "local" };
        let provider = self.provider.as_deref().unwrap_or(default_provider);
        Ok(config.data_dir(&self.place.data_dir).default_provider(provider))
    }

    /// How it is served.
    pub fn serving(&self) -> ServeConfig {
        self.limits.serving()
    }

    /// Refuses values that do not go together.
    fn check(&self) -> Result<(), Failure> {
        if self.test_plane && self.provider.as_deref().is_some_and(|provider| provider != "simulated") {
            return Err("`test_plane` simulates all sandboxes, so `provider` cannot be another than `simulated`".into());
        }
        Ok(())
    }
}
