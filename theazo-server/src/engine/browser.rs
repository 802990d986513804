//! Pictures of pages: each is taken by a browser of its own in a sandbox of its own, which holds nothing else and whose only
//! way to the network is the guarded one.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use theazo_api::{AgentId, ComputeRuntime, Secret};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    Engine,
    bridge::{WAY_OUT, serve_all},
    reach::AgentReach,
};
use crate::{
    compute::{Attached, ComputeError, Exec, Provider, Sandbox, SandboxSpec, remove_tree},
    gateway::{Door, Programs, Reach},
    outbound::{DomainRules, Refusal},
    random,
    store::Tenant,
};

/// How long a browser may take.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How many things are told that a page could not load.
const MOST_MISSED: usize = 10;

/// Where a browser leaves its picture.
const PICTURE: &str = "/workspace/picture.png";

/// Starts a browser for one picture: with a profile of its own, and with the guarded way out as its proxy, also for loopback
/// addresses. What it would ask its maker on its own account is turned off, or sent to a port that it never calls (9). A
/// sandbox of its own cannot be nested in this one, and need not be.
const COMMAND: &str = r#"exec "$BROWSER" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic \
    --no-first-run --no-default-browser-check --no-pings --disable-background-networking --disable-breakpad \
    --disable-client-side-phishing-detection --disable-component-update --disable-default-apps --disable-extensions \
    --disable-domain-reliability --disable-sync --metrics-recording-only --mute-audio --hide-scrollbars \
    --disable-features=OptimizationHints,MediaRouter,Translate,AutofillServerCommunication,NetworkTimeServiceQuerying \
    --component-updater=url-source=http://127.0.0.1:9/ --gaia-url=http://127.0.0.1:9 --google-apis-url=http://127.0.0.1:9 \
    --user-data-dir=/workspace/profile --proxy-server="$PROXY" --proxy-bypass-list='<-loopback>' --timeout=20000 \
    --virtual-time-budget=3000 --window-size="$SIZE" --screenshot="$PICTURE" "$PAGE""#;

/// A browser of this machine.
#[derive(Clone)]
pub struct Browser {
    /// Whose sandboxes it runs in.
    pub provider: Arc<dyn Provider>,
    /// Its program.
    pub executable: PathBuf,
}

/// A page to take a picture of.
pub(super) struct Page {
    pub source: PageSource,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// What is on a page.
pub(super) enum PageSource {
    /// What is at an address.
    Address(String),
    /// A document. The name says of which kind it is.
    Document { name: String, content: Vec<u8> },
}

/// A picture of a page.
pub(super) struct Picture {
    /// As PNG.
    pub png: Vec<u8>,
    /// What the page could not load, and why.
    pub missed: Vec<String>,
}

impl Engine {
    /// Takes a picture of a page for an agent. Dropping the future ends the browser.
    pub(super) async fn take_picture(
        &self,
        browser: &Browser,
        tenant: &Tenant,
        agent_id: &AgentId,
        page: Page,
    ) -> Result<Picture, ComputeError> {
        let agent = AgentReach::new(self.app.clone(), tenant.clone(), agent_id.clone(), DomainRules::default());
        let reach = Arc::new(PageReach { agent, missed: Mutex::default() });
        let door = self.gateway.open(Programs { token: None, reach: reach.clone() });
        let id = format!("browser-{}", random::id_suffix(self.app.clock.now()));
        let directory = self.browsers_directory().join(&id);
        let spec = SandboxSpec {
            id,
            agent: "browser".to_owned(),
            directory: directory.clone(),
            environment: Vec::new(),
            storage: None,
        };
        let Browser { provider, executable } = browser.clone();
        let given_up = CancellationToken::new();
        let _wanted = given_up.clone().drop_guard();
        // In a task of its own, so that the sandbox and its files go also where nobody waits any more.
        let taken = tokio::spawn(async move {
            let png = match provider.create_for_browser(spec, executable.clone()).await {
                Err(error) => Err(error),
                Ok(sandbox) => {
                    let taking = take(&sandbox, door, executable, page);
                    let png = given_up.run_until_cancelled(taking).await.unwrap_or(Err(ComputeError::Gone));
                    if let Err(error) = sandbox.destroy().await {
                        tracing::warn!(%error, "the sandbox of a browser could not be ended");
                    }
                    png
                }
            };
            remove_files(directory).await;
            png
        });
        let png = taken.await.map_err(|error| ComputeError::Failed(error.to_string()))??;
        let missed = std::mem::take(&mut *reach.missed.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Picture { png, missed })
    }

    /// Removes what browsers of a process that died left.
    pub(super) async fn sweep_browsers(&self) {
        remove_files(self.browsers_directory()).await;
    }

    fn browsers_directory(&self) -> PathBuf {
        self.directory.with_file_name("browsers")
    }
}

async fn take(
    sandbox: &Arc<dyn Sandbox>,
    door: Arc<dyn Door>,
    executable: PathBuf,
    page: Page,
) -> Result<Vec<u8>, ComputeError> {
    let listener = sandbox.listen(WAY_OUT).await?;
    let _serving = AbortOnDropHandle::new(tokio::spawn(serve_all(listener, door)));
    let address = match page.source {
        PageSource::Address(address) => address,
        PageSource::Document { name, content } => {
            let path = format!("/workspace/{name}");
            sandbox.write_file(path.clone(), content).await?;
            format!("file://{path}")
        }
    };
    let environment = [
        ("BROWSER", executable.to_string_lossy().into_owned()),
        ("PAGE", address),
        ("PICTURE", PICTURE.to_owned()),
        ("PROXY", format!("http://127.0.0.1:{WAY_OUT}")),
        ("SIZE", format!("{},{}", page.width, page.height)),
    ];
    let exec = Exec {
        timeout: TIMEOUT,
        environment: environment.map(|(name, value)| (name.to_owned(), Secret::from(value))).into(),
        ..Exec::new(ComputeRuntime::Shell, COMMAND)
    };
    let outcome = sandbox.exec(exec, Attached::default()).await?;
    let png = sandbox.read_file(PICTURE.to_owned()).await.unwrap_or_default();
    if png.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Ok(png);
    }
    let reason = match outcome.limit {
        Some(limit) => format!("the limit of its {limit} was reached"),
        None => outcome.stderr.lines().next_back().unwrap_or("it said nothing").to_owned(),
    };
    Err(ComputeError::Failed(format!("the browser took no picture and ended with {}: {reason}", outcome.exit_code)))
}

async fn remove_files(directory: PathBuf) {
    match tokio::task::spawn_blocking(move || remove_tree(&directory)).await {
        Ok(Err(error)) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(%error, "the files of a browser could not be removed");
        }
        _ => {}
    }
}

/// What a page may reach: what the agent's tools may, whatever was granted to its programs.
struct PageReach {
    agent: AgentReach,
    missed: Mutex<Vec<String>>,
}

impl Reach for PageReach {
    fn admit<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<(), Refusal>> {
        self.agent.admit(host)
    }

    fn failed(&self, reason: &str) {
        let mut missed = self.missed.lock().unwrap_or_else(PoisonError::into_inner);
        if missed.len() < MOST_MISSED && !missed.iter().any(|known| known == reason) {
            missed.push(reason.to_owned());
        }
    }
}
