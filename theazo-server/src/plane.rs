//! A control plane: its parts, started and stopped together.

use std::{path::PathBuf, sync::Arc};

use crate::{
    app::{App, Files, FirstKeys, NewKey, ProviderInfo, begin_with_credits, grant_credits},
    clock::Clock,
    compute::{LocalConfig, LocalProvider, Provider, SimulatedProvider, Simulation, find_browser},
    config::PlaneConfig,
    engine::{Browser, Engine, Toolbox, Worker},
    error::AppError,
    feed::Feed,
    gateway::PlaneGateway,
    http,
    model::{Model, ModelChoiceError, ModelFunction, Models, OfflineModel, ScriptedModel, Table, TableError},
    outbound::{AddressRules, Guard, OutboundClient},
    payments::Stripe,
    service_config::BrowserConfig,
    store::{Store, StoreError, World},
    temporary::TemporaryDirectory,
    test_plane::TestPlaneState,
    vault::{MasterKeySource, Vault, VaultError},
};
use axum::Router;
use theazo_api::{MICRO_CENTS_PER_CENT, Timestamp};
use tokio_util::sync::DropGuard;

/// A control plane could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its vault cannot be opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Its folder for sandboxes cannot be made.
    #[error("no folder for sandboxes and files can be used: {0}")]
    Directory(#[from] std::io::Error),
    /// What it found in its store cannot be continued.
    #[error("the control plane cannot start: {0}")]
    Recovery(#[from] AppError),
    /// Its rate card or its credits cannot be meant.
    #[error("{0}")]
    Money(String),
    /// The models cannot be read.
    #[error(transparent)]
    Models(#[from] TableError),
    /// The default model cannot be asked.
    #[error("the default model cannot be used: {0}")]
    DefaultModel(#[from] ModelChoiceError),
    /// There is no such account.
    #[error("there is no account `{0}`; `theazo accounts list` shows them")]
    UnknownAccount(String),
    /// There is no such provider.
    #[error("there is no provider `{0}`; there is `local` and `simulated`")]
    UnknownProvider(String),
}

/// A control plane that runs.
pub struct ControlPlane {
    app: Arc<App>,
    router: Router,
    worker: Worker,
    keys: Option<FirstKeys>,
    /// The model of a test plane.
    scripted: Option<Arc<ScriptedModel>>,
    /// Where sandboxes have their files if the plane lives in memory; it goes with the plane.
    temporary: Option<TemporaryDirectory>,
    /// Ends the feed with the plane.
    _following: DropGuard,
}

impl ControlPlane {
    /// Starts a control plane.
    ///
    /// # Errors
    ///
    /// When the data directory cannot be used, or another control plane is using it.
    pub async fn start(config: PlaneConfig) -> Result<Self, StartError> {
        config.rates.check().map_err(StartError::Money)?;
        if config.credits.is_some_and(|credits| !(0..=theazo_api::MAX_CENTS).contains(&credits)) {
            return Err(StartError::Money(format!(
                "the credits of an account must be from 0 to {}",
                theazo_api::MAX_CENTS
            )));
        }
        let store = match &config.data_directory {
            Some(directory) => Store::open(directory)?,
            None => Store::in_memory()?,
        };
        let clock = match &config.test {
            Some(test) => Clock::manual(test.start),
            None => Clock::system(),
        };
        let (directory, temporary) = match &config.data_directory {
            Some(directory) => (std::path::absolute(directory)?.join("sandboxes"), None),
            None => {
                let temporary = TemporaryDirectory::create()?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        std::fs::create_dir_all(&directory)?;
        let master_key = match (&config.master_key, &config.data_directory) {
            (Some(keys), _) => MasterKeySource::Given(keys.clone()),
            (None, Some(directory)) => MasterKeySource::in_directory(directory),
            (None, None) => MasterKeySource::Ephemeral,
        };
        let vault = Vault::open(&store, master_key).await?;
        let simulation: Arc<Simulation> = Arc::default();
        let simulated = Arc::new(SimulatedProvider::new(clock.clone(), simulation.clone()));
        let local = Arc::new(local(&config, directory.join("state")));
        let providers: Vec<Arc<dyn Provider>> =
            if config.test.is_some() { vec![simulated, local] } else { vec![local, simulated] };
        let default_provider = config.default_provider.unwrap_or_else(|| providers[0].name().to_owned());
        let mut known = Vec::new();
        for provider in &providers {
            let availability = provider.availability().await;
            let capabilities = provider.capabilities();
            known.push(ProviderInfo { name: provider.name(), availability, capabilities });
        }
        if !known.iter().any(|provider| provider.name == default_provider) {
            return Err(StartError::UnknownProvider(default_provider));
        }
        let scripted = Arc::new(ScriptedModel::new(clock.clone()));
        let offline: Arc<dyn Model> = Arc::new(OfflineModel { pace: config.offline_pace });
        let guard = Guard::new(AddressRules { allow_private: config.allow_private_targets });
        let outbound = OutboundClient::new(guard.clone());
        let plays_all = config.test.is_some().then(|| scripted.clone() as Arc<dyn Model>);
        let rates = config.rates;
        let table = Table::load(config.model_table.as_deref(), rates.model_markup_percent)?;
        let models =
            Models::new(table, config.model_keys, config.default_model, offline, plays_all, outbound.clone()).await?;
        let (credits, started_at) = (config.credits, clock.now());
        store.write(move |tx| begin_with_credits(tx, credits, started_at)).await?;
        let keys = FirstKeys::ensure(&store, clock.now()).await?;
        let kept_in = config.data_directory.as_deref();
        let files =
            Files::open(kept_in.unwrap_or(&directory), kept_in.is_some(), config.files, config.public_url, &store)?;
        let (feed, following) = Feed::start(store.clone(), config.streams);
        let app = Arc::new(App {
            store,
            clock,
            feed,
            retention: config.retention,
            vault,
            providers: known.clone(),
            default_provider,
            models,
            rates,
            payments: config.stripe.map(Stripe::new),
            require_definitions: config.require_definitions,
            files,
        });
        let test = config.test.as_ref().map(|_| Arc::new(TestPlaneState::new(scripted.clone(), simulation)));
        let scripted = test.is_some().then_some(scripted);
        let browser = browser(&config.tools.browser, config.test.is_some(), &known, &providers);
        let toolbox = Toolbox::new(&outbound, browser.map(|browser| (browser, guard.clone())), config.tools);
        let throttle = http::Throttle::new(config.rate_limit, config.wrong_keys_per_minute);
        let router = http::router(app.clone(), test, throttle);
        let gateway = Arc::new(PlaneGateway::new(router.clone(), guard));
        let engine = Engine::new(app.clone(), providers, toolbox, gateway, directory.join("agents"));
        let worker = engine.start().await?;
        Ok(Self { app, router, worker, keys, scripted, temporary, _following: following })
    }

    /// The routes. They work until the plane is stopped.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// The live key that was made when the store was; on a store that had keys already there is none to tell.
    pub fn live_key(&self) -> Option<&str> {
        self.keys.as_ref().map(|keys| keys.live.as_str())
    }

    /// The test key that was made when the store was; on a store that had keys already there is none to tell.
    pub fn test_key(&self) -> Option<&str> {
        self.keys.as_ref().map(|keys| keys.test.as_str())
    }

    /// Lets a function answer for the model of an agent, `*` for every agent, whenever no scripted turn fits. Only a test
    /// plane does; says whether this is one.
    pub fn script_with(&self, agent: &str, function: ModelFunction) -> bool {
        let Some(scripted) = &self.scripted else { return false };
        scripted.script_with(agent, function);
        true
    }

    /// Makes another key of the plane's first account. It is told once and only its hash is kept.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn create_key(&self, live: bool, name: &str) -> Result<String, StartError> {
        let world = if live { World::Live } else { World::Test };
        let key = NewKey { world, name: name.to_owned(), expires_at: None };
        let account = self.app.store.read(|view| view.first_account())?.unwrap_or_default();
        Ok(key.create(&self.app.store, account, self.app.clock.now()).await?)
    }

    /// Makes another account and returns a live key of it.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn create_account(&self, name: &str) -> Result<String, StartError> {
        let keys = FirstKeys::create(&self.app.store, name.to_owned(), self.app.clock.now()).await?;
        Ok(keys.live)
    }

    /// What its operations need, for tests that look inside.
    #[cfg(test)]
    pub(crate) fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Gives an account credits, the first one if none is named, and lets go on what stands still for want of them. A
    /// credit is worth a cent. Returns how many the account was ever given.
    ///
    /// # Errors
    ///
    /// When there is no such account, the number is not positive or absurd, or the store fails.
    pub async fn grant_credits(&self, account_id: Option<&str>, credits: i64) -> Result<i64, StartError> {
        grant(&self.app.store, account_id, credits, self.app.clock.now()).await
    }

    /// Stops: every sandbox ends, and runs that are under way are continued by the next plane on the same directory.
    pub async fn shutdown(self) {
        self.worker.stop().await;
        self.app.store.close();
        drop(self.temporary);
    }
}

/// Gives an account of a store credits, the first one if none is named.
pub async fn grant(store: &Store, account_id: Option<&str>, credits: i64, now: Timestamp) -> Result<i64, StartError> {
    let account_id = account_id.map(str::to_owned);
    let granted = store.write(move |tx| grant_credits(tx, account_id, credits, now)).await?;
    Ok(granted / MICRO_CENTS_PER_CENT)
}

/// The browser that is there. It runs in local sandboxes, so without these there is none.
fn browser(
    config: &BrowserConfig,
    is_test: bool,
    known: &[ProviderInfo],
    providers: &[Arc<dyn Provider>],
) -> Option<Browser> {
    let executable = match config {
        BrowserConfig::At(executable) => Some(executable.clone()),
        BrowserConfig::Usual if !is_test => find_browser(),
        BrowserConfig::Usual | BrowserConfig::Absent => None,
    }?;
    let local = known.iter().zip(providers).find(|(provider, _)| provider.name == LocalProvider::NAME);
    let Some((_, provider)) = local.filter(|(provider, _)| provider.availability.is_ok()) else {
        tracing::warn!("there is no tool `screenshot`: its browser needs local sandboxes, and there are none");
        return None;
    };
    Some(Browser { provider: provider.clone(), executable })
}

fn local(config: &PlaneConfig, state_directory: PathBuf) -> LocalProvider {
    LocalProvider::new(LocalConfig {
        state_directory,
        runtimes: config.runtimes.clone(),
        limits: config.sandbox_limits.clone(),
        most_storage: config.most_storage,
        required: config.required_isolation.clone(),
    })
}
