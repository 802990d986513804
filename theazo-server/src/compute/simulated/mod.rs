//! Simulated sandboxes: files are kept in memory, and what programs do is scripted. For tests and for test keys.

mod kept;
mod script;
mod tree;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use theazo_api::{
    ComputeCapabilities, ComputeRuntime, ExecResult, FileEntry, Isolation, IsolationLevel,
    testing::{ExecFailure, SandboxAction, ScriptedExec},
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};

use super::{
    Attached, ComputeError, Connection, Exec, Output, Process, Provider, Sandbox, SandboxFiles, SandboxSpec,
    SnapshotPlace, snapshots::failed,
};
use crate::clock::Clock;

pub use script::Simulation;
use tree::Tree;

/// The provider `simulated`.
pub struct SimulatedProvider {
    clock: Clock,
    simulation: Arc<Simulation>,
    /// The files by the id of the sandbox, which they survive.
    trees: Mutex<HashMap<String, Arc<Mutex<Tree>>>>,
}

impl SimulatedProvider {
    /// A provider whose files carry the time of `clock` and whose programs do what `simulation` says.
    pub fn new(clock: Clock, simulation: Arc<Simulation>) -> Self {
        Self { clock, simulation, trees: Mutex::default() }
    }
}

impl Provider for SimulatedProvider {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn availability(&self) -> BoxFuture<'_, Result<Isolation, String>> {
        Box::pin(async { Ok(simulated()) })
    }

    fn capabilities(&self) -> ComputeCapabilities {
        ComputeCapabilities {
            languages: vec![ComputeRuntime::Python, ComputeRuntime::Node, ComputeRuntime::Go, ComputeRuntime::Shell],
            input: true,
            processes: true,
            pause: true,
            snapshots: true,
            ..ComputeCapabilities::default()
        }
    }

    fn create(&self, spec: SandboxSpec) -> BoxFuture<'_, Result<Arc<dyn Sandbox>, ComputeError>> {
        Box::pin(async move {
            self.simulation.check(&spec.agent, &SandboxAction::Create)?;
            let new_tree = || Arc::new(Mutex::new(Tree::new(self.clock.now())));
            let tree = lock(&self.trees).entry(spec.id).or_insert_with(new_tree).clone();
            lock(&tree).set_room(spec.storage);
            Ok(Arc::new(SimulatedSandbox {
                clock: self.clock.clone(),
                simulation: self.simulation.clone(),
                agent: spec.agent,
                tree,
                state: watch::channel(State::Running).0,
            }) as Arc<dyn Sandbox>)
        })
    }

    fn snapshot(&self, files: SandboxFiles, place: SnapshotPlace) -> BoxFuture<'_, Result<i64, ComputeError>> {
        Box::pin(async move {
            let tree = lock(&self.trees).get(&files.id).cloned();
            let tree = tree.unwrap_or_else(|| Arc::new(Mutex::new(Tree::new(self.clock.now()))));
            place.fill(|place| kept::write(&lock(&tree), place))
        })
    }

    fn restore(&self, place: SnapshotPlace, files: SandboxFiles) -> BoxFuture<'_, Result<(), ComputeError>> {
        Box::pin(async move {
            let tree = kept::read(&place)?;
            // It says that the sandbox has files of its own.
            std::fs::create_dir_all(&files.directory).map_err(failed("make the folder of a sandbox"))?;
            lock(&self.trees).insert(files.id, Arc::new(Mutex::new(tree)));
            Ok(())
        })
    }

    fn forget(&self, id: &str) {
        lock(&self.trees).remove(id);
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

fn simulated() -> Isolation {
    Isolation { level: IsolationLevel::Simulated, enforced: Vec::new() }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Paused,
    Gone,
}

struct SimulatedSandbox {
    clock: Clock,
    simulation: Arc<Simulation>,
    agent: String,
    tree: Arc<Mutex<Tree>>,
    state: watch::Sender<State>,
}

impl SimulatedSandbox {
    /// The files, if the sandbox is still there. A paused one has them, too.
    fn tree(&self) -> Result<MutexGuard<'_, Tree>, ComputeError> {
        if self.simulation.check(&self.agent, &SandboxAction::Lose).is_err() {
            self.state.send_replace(State::Gone);
        }
        if *self.state.borrow() == State::Gone { Err(ComputeError::Gone) } else { Ok(lock(&self.tree)) }
    }

    fn check_running(&self) -> Result<(), ComputeError> {
        drop(self.tree()?);
        if *self.state.borrow() == State::Paused { Err(ComputeError::Paused) } else { Ok(()) }
    }

    fn change(&self, action: SandboxAction, state: State) -> Result<MutexGuard<'_, Tree>, ComputeError> {
        let tree = self.tree()?;
        self.simulation.check(&self.agent, &action)?;
        self.state.send_replace(state);
        Ok(tree)
    }

    async fn run(&self, exec: Exec, attached: Attached) -> Result<ExecResult, ComputeError> {
        self.check_running()?;
        if let Some(directory) = &exec.directory {
            self.tree()?
                .check_folder(directory)
                .map_err(|reason| ComputeError::Invalid { field: "directory", reason })?;
        }
        let Attached { output, started, input, signals } = attached;
        if let Some(started) = started {
            // Nobody may want to know.
            let _ = started.send(None);
        }
        let mut printed = Printed { output, stdout: String::new(), stderr: String::new() };
        let mut program = self.simulation.next_exec(&self.agent).unwrap_or_else(|| ScriptedExec {
            stdout: Some(format!("[simulated: {} bytes of {} were not run]\n", exec.code.len(), exec.language)),
            ..ScriptedExec::default()
        });
        let mut state = self.state.subscribe();
        let lasts = program
            .duration_ms
            .and_then(|millis| u64::try_from(millis).ok())
            .map_or(Duration::ZERO, Duration::from_millis);
        let begun = self.clock.now();
        let outcome = tokio::select! {
            biased;
            _ = state.wait_for(|state| *state == State::Gone) => return Err(ComputeError::Gone),
            outcome = self.perform(&exec, &mut program, &mut printed, input, lasts) => outcome,
            number = received(signals) => Ok(128 + number),
        };
        // A program in a paused sandbox stands still.
        match state.wait_for(|state| *state != State::Paused).await.map(|state| *state) {
            Ok(State::Running) => {}
            _ => return Err(ComputeError::Gone),
        }
        let duration = self.clock.now().since(begun);
        match outcome {
            Ok(exit_code) => Ok(ExecResult {
                stdout: printed.stdout,
                stderr: printed.stderr,
                exit_code,
                truncated: false,
                duration_ms: i64::try_from(duration.as_millis()).unwrap_or(i64::MAX),
                limit: (program.failure == Some(ExecFailure::Memory)).then(|| "memory".to_owned()),
            }),
            Err(Ended::Late) => {
                Err(ComputeError::TimedOut { after: exec.timeout, stdout: printed.stdout, stderr: printed.stderr })
            }
            Err(Ended::Lost) => {
                self.state.send_replace(State::Gone);
                Err(ComputeError::Gone)
            }
            Err(Ended::Failed(error)) => Err(error),
        }
    }

    /// Does what the script says, in the order in which a program would.
    async fn perform(
        &self,
        exec: &Exec,
        program: &mut ScriptedExec,
        printed: &mut Printed,
        input: Option<mpsc::Receiver<Vec<u8>>>,
        lasts: Duration,
    ) -> Result<i32, Ended> {
        printed.print("stdout", program.stdout.take()).await;
        printed.print("stderr", program.stderr.take()).await;
        if let Some(mut input) = input.filter(|_| exec.input) {
            while let Some(bytes) = input.recv().await {
                printed.print("stdout", Some(String::from_utf8_lossy(&bytes).into_owned())).await;
            }
        }
        self.clock.reached(self.clock.now().plus(lasts.min(exec.timeout))).await;
        if lasts > exec.timeout || program.failure == Some(ExecFailure::Timeout) {
            return Err(Ended::Late);
        }
        let now = self.clock.now();
        for (path, content) in program.files.take().into_iter().flatten() {
            lock(&self.tree).write(&path, content.into_bytes(), now).map_err(Ended::Failed)?;
        }
        match &program.failure {
            Some(ExecFailure::Lost) => Err(Ended::Lost),
            Some(ExecFailure::Memory) => Ok(137),
            Some(_) => {
                let message = program.message.take();
                Err(Ended::Failed(ComputeError::Failed(
                    message.unwrap_or_else(|| "a test made this program fail".to_owned()),
                )))
            }
            None => Ok(program.exit_code.unwrap_or(0)),
        }
    }
}

/// How a program ended that did not end by itself.
enum Ended {
    Late,
    Lost,
    Failed(ComputeError),
}

/// What a program printed so far, and who is told.
struct Printed {
    output: Option<mpsc::Sender<Output>>,
    stdout: String,
    stderr: String,
}

impl Printed {
    async fn print(&mut self, stream: &'static str, text: Option<String>) {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return };
        let all = if stream == "stdout" { &mut self.stdout } else { &mut self.stderr };
        all.push_str(&text);
        if let Some(output) = &self.output {
            // Nobody may be listening.
            let _ = output.send(Output { stream, bytes: text.into_bytes() }).await;
        }
    }
}

/// The first signal; never returns where none comes.
async fn received(signals: Option<mpsc::Receiver<i32>>) -> i32 {
    let Some(mut signals) = signals else { return std::future::pending().await };
    match signals.recv().await {
        Some(number) => number,
        None => std::future::pending().await,
    }
}

impl Sandbox for SimulatedSandbox {
    fn isolation(&self) -> Isolation {
        simulated()
    }

    fn exec(&self, exec: Exec, attached: Attached) -> BoxFuture<'_, Result<ExecResult, ComputeError>> {
        Box::pin(self.run(exec, attached))
    }

    fn processes(&self) -> BoxFuture<'_, Result<Vec<Process>, ComputeError>> {
        // Programs that are not run have none.
        Box::pin(async { self.check_running().map(|()| Vec::new()) })
    }

    fn write_file(&self, path: String, content: Vec<u8>) -> BoxFuture<'_, Result<(), ComputeError>> {
        Box::pin(async move { self.tree()?.write(&path, content, self.clock.now()) })
    }

    fn read_file(&self, path: String) -> BoxFuture<'_, Result<Vec<u8>, ComputeError>> {
        Box::pin(async move { self.tree()?.read(&path) })
    }

    fn list_files(&self, dir: String) -> BoxFuture<'_, Result<Vec<FileEntry>, ComputeError>> {
        Box::pin(async move { self.tree()?.list(&dir) })
    }

    fn remove_file(&self, path: String, recursive: bool) -> BoxFuture<'_, Result<(), ComputeError>> {
        Box::pin(async move { self.tree()?.remove(&path, recursive) })
    }

    fn move_file(
        &self,
        source: String,
        target: String,
        overwrite: bool,
    ) -> BoxFuture<'_, Result<FileEntry, ComputeError>> {
        Box::pin(async move { self.tree()?.rename(&source, &target, overwrite, self.clock.now()) })
    }

    fn make_folder(&self, path: String) -> BoxFuture<'_, Result<FileEntry, ComputeError>> {
        Box::pin(async move { self.tree()?.make_folder(&path, self.clock.now()) })
    }

    fn connect(&self, port: u16) -> BoxFuture<'_, Result<Connection, ComputeError>> {
        Box::pin(async move {
            self.check_running()?;
            Err(ComputeError::NothingListens(port))
        })
    }

    fn listen(&self, _: u16) -> BoxFuture<'_, Result<TcpListener, ComputeError>> {
        Box::pin(async { Err(ComputeError::Unsupported("no program runs that could connect".to_owned())) })
    }

    fn pause(&self) -> BoxFuture<'_, Result<i64, ComputeError>> {
        Box::pin(async { Ok(self.change(SandboxAction::Pause, State::Paused)?.size()) })
    }

    fn resume(&self) -> BoxFuture<'_, Result<(), ComputeError>> {
        Box::pin(async { self.change(SandboxAction::Resume, State::Running).map(drop) })
    }

    fn snapshot(&self, place: SnapshotPlace) -> BoxFuture<'_, Result<i64, ComputeError>> {
        Box::pin(async move {
            let tree = self.tree()?;
            place.fill(|place| kept::write(&tree, place))
        })
    }

    fn destroy(&self) -> BoxFuture<'_, Result<(), ComputeError>> {
        Box::pin(async {
            self.state.send_replace(State::Gone);
            Ok(())
        })
    }
}
