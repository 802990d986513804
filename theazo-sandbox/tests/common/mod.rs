//! What the tests share: a launcher with a directory of its own, and short ways to run programs.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::PathBuf;
use std::time::Duration;

use theazo_sandbox::files::Roots;
use theazo_sandbox::{Error, Exec, ExecOutcome, Language, Launcher, LauncherConfig, Limits, Sandbox, SandboxSpec};

/// A launcher and the directory that all its sandboxes live in.
pub struct World {
    pub launcher: Launcher,
    pub directory: tempfile::TempDir,
}

/// Starts as strong as this machine can.
pub async fn world() -> World {
    start(false).await
}

/// Starts without using root's rights.
pub async fn world_without_root() -> World {
    start(true).await
}

async fn start(force_user_namespaces: bool) -> World {
    let directory = tempfile::tempdir().expect("a directory can be made");
    // The forced way becomes another user first, who has to reach the sandbox's directories.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open).expect("the directory is ours");
    let config = LauncherConfig { force_user_namespaces, ..LauncherConfig::new(directory.path().join("state")) };
    let launcher = Launcher::start(config).await.expect("this machine has sandboxes");
    World { launcher, directory }
}

impl World {
    pub fn spec(&self, id: &str) -> SandboxSpec {
        let own = self.directory.path().join(id);
        SandboxSpec::new(id, own.join("workspace"), own.join("data"))
    }

    pub fn roots(&self, id: &str) -> Roots {
        let own = self.directory.path().join(id);
        Roots { workspace: own.join("workspace"), data: own.join("data") }
    }

    pub async fn sandbox(&self, id: &str) -> Sandbox {
        self.launcher.create(self.spec(id)).await.expect("the sandbox is created")
    }

    pub async fn limited(&self, id: &str, limits: Limits) -> Sandbox {
        self.launcher.create(SandboxSpec { limits, ..self.spec(id) }).await.expect("the sandbox is created")
    }
}

/// Runs Python to its end.
pub async fn python(sandbox: &Sandbox, code: &str) -> ExecOutcome {
    sandbox.exec(Exec::new(Language::Python, code), None).await.expect("the program runs")
}

/// Runs a shell script to its end.
pub async fn shell(sandbox: &Sandbox, code: &str) -> ExecOutcome {
    sandbox.exec(Exec::new(Language::Shell, code), None).await.expect("the program runs")
}

/// Runs Python for at most the given time.
pub async fn python_for(sandbox: &Sandbox, code: &str, timeout: Duration) -> Result<ExecOutcome, Error> {
    sandbox.exec(Exec { timeout: Some(timeout), ..Exec::new(Language::Python, code) }, None).await
}

/// The standard output as text, without the final line break.
pub fn text(outcome: &ExecOutcome) -> String {
    let text = String::from_utf8_lossy(&outcome.stdout).trim_end().to_owned();
    assert!(outcome.exit_code == 0, "the program failed: {text}{}", String::from_utf8_lossy(&outcome.stderr));
    text
}

/// Host processes whose command line or environment-free name holds a marker.
pub fn processes_with(marker: &str) -> Vec<PathBuf> {
    let directories = std::fs::read_dir("/proc").expect("/proc is there").flatten().map(|entry| entry.path());
    directories
        .filter(|path| {
            std::fs::read(path.join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(marker))
        })
        .collect()
}

/// Waits until something is so; panics when it does not become so.
pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{what} did not happen");
}
