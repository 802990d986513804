//! What the tests share: a server as its own process, and plain HTTP as a published client sends it.

pub mod crash;
pub mod disk;
pub mod follower;
pub mod inspection;
pub mod power;
pub mod random;

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::OnceLock,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// The server `theazo`, built once for all tests of a process.
pub fn server_binary() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY
        .get_or_init(|| {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let optimised = if cfg!(debug_assertions) { None } else { Some("--release") };
            let mut build = std::process::Command::new(cargo);
            build.args(["build", "--quiet", "--package", "theazo-server", "--bin", "theazo"]).args(optimised);
            // What cargo says of this package to its tests: build scripts would take it for changed settings, and most
            // of what the server is made of would be built again.
            for (variable, _) in std::env::vars_os() {
                let name = variable.to_string_lossy();
                if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                    build.env_remove(&variable);
                }
            }
            assert!(build.status().expect("cargo runs").success(), "the server is built");
            let test = std::env::current_exe().expect("a test has a path");
            let profile = test.parent().and_then(|deps| deps.parent()).expect("it is in target/<profile>/deps");
            profile.join("theazo")
        })
        .clone()
}

/// So many minutes.
pub fn minutes(count: u64) -> std::time::Duration {
    std::time::Duration::from_secs(60 * count)
}

/// A client of a plane in this process.
pub fn client_of(plane: &theazo_server::ControlPlane, key: &str) -> theazo::Theazo {
    let config = theazo::Config::with_api_key(key);
    let transport = theazo::transport::Transport::to_plane(plane, config).expect("the key is good");
    theazo::Theazo::over(transport)
}

/// A test plane with clients of three kinds.
pub struct Worlds {
    /// The live key of the first account.
    pub ours: theazo::Theazo,
    /// A live key of another account.
    pub theirs: theazo::Theazo,
    /// The test key of the first account.
    pub test: theazo::Theazo,
    /// The plane that they share.
    pub plane: theazo_server::ControlPlane,
}

impl Worlds {
    /// Starts the plane.
    pub async fn start() -> Self {
        let plane = theazo_server::ControlPlane::start(theazo_server::PlaneConfig::test()).await.expect("it starts");
        let other_key = plane.create_account("another").await.expect("it is made");
        let client = |key: &str| client_of(&plane, key);
        let live_key = plane.live_key().expect("the plane is new");
        let test_key = plane.test_key().expect("the plane is new");
        Self { ours: client(live_key), theirs: client(&other_key), test: client(test_key), plane }
    }
}

/// A plane whose models answer from scripts and whose sandboxes are real.
pub struct ScriptedPlane {
    /// A client with a live key.
    pub theazo: theazo::Theazo,
    /// The plane.
    pub plane: theazo_server::ControlPlane,
}

impl ScriptedPlane {
    /// Starts a plane with a configuration that `change` may change.
    pub async fn start(change: impl FnOnce(&mut theazo_server::PlaneConfig)) -> Self {
        let mut config = theazo_server::PlaneConfig::test().default_provider("local");
        change(&mut config);
        let plane = theazo_server::ControlPlane::start(config).await.expect("it starts");
        let key = theazo::Config::with_api_key(plane.live_key().expect("the plane is new"));
        let transport = theazo::transport::Transport::to_plane(&plane, key).expect("the key is good");
        Self { theazo: theazo::Theazo::over(transport), plane }
    }

    /// Says what an agent's model answers.
    pub async fn script(&self, agent: &str, turns: &[theazo::types::testing::ScriptedTurn]) {
        script(&self.theazo, agent, turns).await;
    }
}

/// Says what an agent's model answers, in a plane that a client of any kind reaches.
pub async fn script(theazo: &theazo::Theazo, agent: &str, turns: &[theazo::types::testing::ScriptedTurn]) {
    let body = serde_json::json!({ "agent": agent, "turns": turns });
    let call = theazo::transport::Call {
        operation: <theazo_api::testing::ScriptAgent as theazo_api::Endpoint>::OPERATION,
        path: Vec::new(),
        query: Vec::new(),
        body: Some(body.to_string().into()),
        options: Default::default(),
    };
    theazo.transport().call(call).await.expect("it is scripted");
}

/// A server in a process of its own.
pub struct ServerProcess {
    /// Where it listens.
    pub url: String,
    /// The keys that a new data directory has.
    pub keys: Option<(String, String)>,
    child: Child,
}

impl ServerProcess {
    /// Starts a server and waits until it says that it is ready.
    pub async fn start(data_dir: &Path, listen: &str, more: &[&str]) -> Self {
        Self::ready(Self::command(data_dir, listen, more).env("THEAZO_LOG", "warn")).await
    }

    /// Starts a server that writes all that it can log to a file.
    pub async fn start_logging(data_dir: &Path, log: &Path) -> Self {
        let file = std::fs::File::create(log).expect("the file is made");
        Self::ready(Self::command(data_dir, "127.0.0.1:0", &[]).env("THEAZO_LOG", "trace").stderr(file)).await
    }

    /// Starts a server with variables of its own.
    pub async fn start_in(environment: &[(&str, &str)], data_dir: &Path, listen: &str, more: &[&str]) -> Self {
        let mut command = Self::command(data_dir, listen, more);
        Self::ready(command.env("THEAZO_LOG", "warn").envs(environment.iter().copied())).await
    }

    /// Starts a server whose data is on a disk that fails when it is told to.
    pub async fn start_on(disk: &disk::Disk, data_dir: &Path, listen: &str, more: &[&str]) -> Self {
        let mut command = Self::command(data_dir, listen, more);
        disk.put_under(&mut command, data_dir);
        // What fails is logged, and it fails on purpose.
        Self::ready(command.env("THEAZO_LOG", "off")).await
    }

    /// Starts a server whose data directory is a file system of its own, of so many MiB, that ends with it.
    pub async fn start_on_small_disk(data_dir: &Path, mebibytes: u32, more: &[&str]) -> Self {
        let mount = format!("mount -t tmpfs -o size={mebibytes}m,mode=0700 none \"$0\" && exec \"$@\"");
        let is_root = std::fs::metadata("/proc/self").expect("it runs on Linux").uid() == 0;
        let mut command = Command::new("unshare");
        command.arg("--mount").args((!is_root).then_some("--map-root-user"));
        command.args(["sh", "-c", &mount]).arg(data_dir).arg(server_binary());
        command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir).args(more);
        Self::ready(command.env("THEAZO_LOG", "off")).await
    }

    /// Where a folder of the server is for others, if it has file systems of its own.
    pub fn seen_from_outside(&self, folder: &Path) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.pid())).join(folder.strip_prefix("/").expect("it is absolute"))
    }

    fn command(data_dir: &Path, listen: &str, more: &[&str]) -> Command {
        let mut command = Command::new(server_binary());
        command.args(["serve", "--json", "--listen", listen, "--data-dir"]).arg(data_dir).args(more);
        command
    }

    async fn ready(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("the server starts");
        let stdout = child.stdout.take().expect("it is piped");
        let line = BufReader::new(stdout).lines().next_line().await.expect("it can be read");
        let ready: serde_json::Value =
            serde_json::from_str(&line.expect("the server says that it is ready")).expect("the line is JSON");
        let text = |name: &str| ready[name].as_str().map(str::to_owned);
        let keys = text("liveKey").zip(text("testKey"));
        Self { url: text("url").expect("it says where"), keys, child }
    }

    /// How much memory the process has.
    pub fn resident_bytes(&self) -> u64 {
        resident_bytes(self.pid())
    }

    /// The id of the process.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Kills the process as `kill -9` does, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Asks the process to stop, and waits until it is gone.
    pub async fn stop(mut self) -> std::process::ExitStatus {
        let pid = self.pid().to_string();
        let asked = std::process::Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs");
        assert!(asked.success());
        self.child.wait().await.expect("it ends")
    }
}

/// How many processes of this machine have something in their command line.
pub fn processes_with(marker: &str) -> usize {
    let processes = std::fs::read_dir("/proc").expect("it runs on Linux").flatten();
    let is_one = |line: Vec<u8>| String::from_utf8_lossy(&line).contains(marker);
    processes.filter(|process| std::fs::read(process.path().join("cmdline")).is_ok_and(is_one)).count()
}

/// Waits until something is so; fails if it does not become so.
pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(minutes(1), until).await.unwrap_or_else(|_| panic!("{what} did not happen"));
}

/// Waits for something that must not have to wait itself.
pub async fn soon<T>(what: &str, work: impl IntoFuture<Output = T>) -> T {
    tokio::time::timeout(minutes(1), work.into_future()).await.unwrap_or_else(|_| panic!("{what} waits"))
}

/// The resident memory of a process.
pub fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs on Linux");
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    1024 * kibibytes.and_then(|number| number.trim().parse::<u64>().ok()).expect("the kernel counts it")
}

/// A plain HTTP client, as anybody would make it.
pub fn plain_client() -> reqwest::Client {
    // Somebody else in this process may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// Plain HTTP with a key, as a client of another make sends it.
pub struct Http {
    client: reqwest::Client,
    url: String,
    key: String,
}

impl Http {
    /// A client of the server at `url`.
    pub fn new(url: &str, key: &str) -> Self {
        Self { client: plain_client(), url: url.to_owned(), key: key.to_owned() }
    }

    /// A request with the headers that the published client sends.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("it is a method");
        let request = self.client.request(method, format!("{}{path}", self.url));
        request.bearer_auth(&self.key).header("content-type", "application/json").header("x-sdk-version", "0.1.0")
    }

    /// Sends a JSON body and returns the status and the JSON of the answer.
    pub async fn send(&self, method: &str, path: &str, body: serde_json::Value) -> (u16, serde_json::Value) {
        let request = self.request(method, path);
        let request = if body.is_null() { request } else { request.body(body.to_string()) };
        let response = request.send().await.expect("the server answers");
        let status = response.status().as_u16();
        let text = response.text().await.expect("the body arrives");
        (status, serde_json::from_str(&text).unwrap_or_default())
    }
}
