//! What a machine and a configuration allow, and what is missing.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
};

use serde::Serialize;

use crate::{
    compute::{LocalConfig, LocalProvider, Provider, find_browser},
    config::PlaneConfig,
    service_config::BrowserConfig,
    store::{Store, StoreError},
};

/// How much room a data directory should have.
const ROOM: u64 = 1 << 30;

/// 2025-01-01. A clock before it is wrong, and with it every period of a budget.
const SOME_TIME_AGO: u64 = 1_735_689_600;

/// How a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum FindingState {
    /// As it should be.
    Ok,
    /// Something does without it.
    Warning,
    /// The control plane needs it.
    Missing,
}

impl FindingState {
    /// The state as it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Missing => "missing",
        }
    }
}

/// Something that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub name: String,
    /// How it is.
    pub state: FindingState,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    fn new(name: impl Into<String>, state: FindingState, detail: impl Into<String>) -> Self {
        Self { name: name.into(), state, detail: detail.into(), advice: None }
    }

    /// It is as it should be.
    pub fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(name, FindingState::Ok, detail)
    }

    /// Something does without it.
    pub fn warning(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(name, FindingState::Warning, detail)
    }

    /// The control plane needs it.
    pub fn missing(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(name, FindingState::Missing, detail)
    }

    /// What to do about it.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// Looks at everything that a control plane of this configuration would use. Nothing is changed.
pub async fn diagnose(config: &PlaneConfig, listen: SocketAddr) -> Vec<Finding> {
    let mut findings = vec![address(listen), clock()];
    if let Some(directory) = &config.data_directory {
        findings.extend(data_directory(directory));
    }
    findings.push(isolation(config).await);
    findings.extend(interpreters(config));
    findings.push(browser(config));
    findings.push(models());
    findings
}

fn address(listen: SocketAddr) -> Finding {
    match TcpListener::bind(listen) {
        Ok(_) if listen.ip().is_loopback() => Finding::ok("address", format!("{listen} is free")),
        Ok(_) => Finding::warning("address", format!("{listen} is free, and others can reach it"))
            .advise("HTTP hides nothing: put a proxy with TLS before it"),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Finding::warning("address", format!("something listens on {listen}"))
                .advise("if it is not this control plane, choose another with --listen")
        }
        Err(error) => Finding::missing("address", format!("nothing can listen on {listen}: {error}"))
            .advise("choose another with --listen"),
    }
}

fn clock() -> Finding {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    match now {
        0..SOME_TIME_AGO => Finding::missing("clock", "the clock of this machine is years behind")
            .advise("set it: budgets have calendar periods, and keys expire"),
        _ => Finding::ok("clock", "is set"),
    }
}

fn data_directory(directory: &Path) -> Vec<Finding> {
    let name = "data directory";
    let shown = directory.display();
    // What does not exist is made in the nearest folder that does.
    let nearest = directory.ancestors().find(|path| path.exists() || path.as_os_str().is_empty());
    let nearest = nearest.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let Err(error) = tempfile::tempfile_in(nearest) {
        return vec![
            Finding::missing(name, format!("`{shown}` cannot be written: {error}"))
                .advise("choose another with --data-dir"),
        ];
    }
    let state = match Store::check(directory) {
        Ok(true) => Finding::ok(name, format!("`{shown}` can be used")),
        Ok(false) => Finding::ok(name, format!("`{shown}` is not there yet and can be made")),
        Err(StoreError::Directory { reason, .. }) => Finding::warning(name, format!("`{shown}`: {reason}")),
        Err(error) => Finding::missing(name, format!("`{shown}`: {error}")).advise("restore it from a backup"),
    };
    vec![state, free_space(nearest)]
}

fn free_space(directory: &Path) -> Finding {
    let name = "free space";
    let mebibytes = |bytes: u64| format!("{} MiB", bytes >> 20);
    match rustix::fs::statvfs(directory) {
        Err(error) => Finding::warning(name, format!("is not known: {error}")),
        Ok(system) => match system.f_bavail.saturating_mul(system.f_frsize) {
            free @ 0..ROOM => Finding::warning(name, mebibytes(free)).advise("a full disk stops every change"),
            free => Finding::ok(name, mebibytes(free)),
        },
    }
}

async fn isolation(config: &PlaneConfig) -> Finding {
    let needed = config.default_provider.as_deref().unwrap_or("local") == "local";
    let Ok(state) = tempfile::tempdir() else {
        return Finding::missing("sandboxes", "there is no folder for temporary files");
    };
    let config = LocalConfig {
        state_directory: state.path().to_owned(),
        runtimes: config.runtimes.clone(),
        limits: config.sandbox_limits.clone(),
        most_storage: config.most_storage,
        required: config.required_isolation.clone(),
    };
    let provider = LocalProvider::new(config);
    let found = provider.availability().await;
    provider.shutdown().await;
    match found {
        Ok(isolation) if isolation.enforced.is_empty() => {
            Finding::warning("sandboxes", format!("`local`: {}, without limits", isolation.level))
                .advise("limits need a cgroup that can be written")
        }
        Ok(isolation) => {
            let limits = isolation.enforced.join(", ");
            let detail = format!("`local`: {} with limits on {limits}", isolation.level);
            match isolation.enforced.iter().any(|limit| limit == "paths") {
                true => Finding::ok("sandboxes", detail),
                false => Finding::warning("sandboxes", format!("{detail}; there is no Landlock"))
                    .advise("mounts alone hide the host's files: Linux 5.19 or later with `landlock` in `lsm=` adds a second wall"),
            }
        }
        Err(reason) if needed => Finding::missing("sandboxes", format!("`local` cannot be used: {reason}"))
            .advise("`--provider simulated` does without, and runs no program"),
        Err(reason) => Finding::warning("sandboxes", format!("`local` cannot be used: {reason}")),
    }
}

fn interpreters(config: &PlaneConfig) -> Vec<Finding> {
    let runtimes = &config.runtimes;
    [("python", &runtimes.python), ("node", &runtimes.node), ("go", &runtimes.go), ("shell", &runtimes.shell)]
        .map(|(name, file)| match file.is_file() {
            true => Finding::ok(name, file.display().to_string()),
            false => Finding::warning(name, format!("`{}` is not there", file.display()))
                .advise("agents cannot run programs in this language"),
        })
        .into()
}

fn browser(config: &PlaneConfig) -> Finding {
    let found = match &config.tools.browser {
        BrowserConfig::At(executable) => Some(executable.clone()),
        BrowserConfig::Usual => find_browser(),
        BrowserConfig::Absent => return Finding::ok("browser", "is not wanted"),
    };
    match found {
        Some(executable) => Finding::ok("browser", executable.display().to_string()),
        None => Finding::warning("browser", "there is no Chromium where it usually is")
            .advise("agents have no tool `screenshot`; install Chromium, or name one with --chromium"),
    }
}

/// Which models the environment has keys for. The keys themselves are not looked at.
fn models() -> Finding {
    let names = ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OLLAMA_HOST"];
    let found: Vec<&str> =
        names.into_iter().filter(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty())).collect();
    match found.as_slice() {
        [] => Finding::warning("models", "there is no key of a model in the environment")
            .advise("agents run on the offline model, unless accounts bring keys of their own"),
        found => Finding::ok("models", format!("the environment has {}", found.join(", "))),
    }
}
