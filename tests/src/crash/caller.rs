//! One caller: does one thing after the other and notes what it was told.

use std::{
    future::IntoFuture,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Map, Value};
use theazo::{
    Agent, Error, Session, Theazo,
    types::{AgentDefinitionId, Cost, ErrorCode, FilePurpose, TaskStatus},
};

use super::{
    PATIENCE,
    outcome::Seen,
    persist,
    purse::{CAP, Purse, is_limit},
};

/// The file in the sandbox to which each program adds a line.
pub const RAN: &str = "ran.txt";

/// How the lines of those programs begin that may run once.
pub const ONCE: &str = "once";

/// What a caller works with.
pub struct Caller {
    pub theazo: Theazo,
    pub session: Session,
    /// The agent whose sandbox lives through all the kills.
    pub keeper: Agent,
    pub definition: AgentDefinitionId,
    pub purse: Arc<Purse>,
    /// Whether it only runs agents.
    pub only_runs: bool,
}

impl Caller {
    /// Works until it is told to stop, one thing after the other.
    pub async fn work(self, stop: Arc<AtomicBool>, numbers: Arc<AtomicUsize>) -> Seen {
        let mut seen = Seen::default();
        while !stop.load(Ordering::Relaxed) {
            let number = numbers.fetch_add(1, Ordering::Relaxed);
            let done = match if self.only_runs { 0 } else { number % 11 } {
                0..=2 => self.run(&mut seen, number, "simulated").await,
                // Real sandboxes are slower, so that fewer steps would be met; some are among them all the same.
                3 => self.run(&mut seen, number, "local").await,
                4 => self.run_with_cap(&mut seen, number).await,
                5 => self.run_program(&mut seen, number, false).await,
                6 => self.run_program(&mut seen, number, true).await,
                7 => self.hand_in_task(&mut seen, number).await,
                8 => self.keep_files(&mut seen, number).await,
                9 => self.set_secret(&mut seen, number).await,
                _ => self.change_definition(&mut seen, number).await,
            };
            if let Err(error) = done {
                seen.problems.push(format!("call {number} failed: {error}"));
            }
        }
        seen
    }

    async fn run(&self, seen: &mut Seen, number: usize, provider: &str) -> Result<(), Error> {
        let (task, key) = (format!("task {number}"), format!("run-{number}"));
        let run = || self.session.run("researcher", &task).provider(provider).idempotency_key(&key).into_future();
        // The same key: what stands at the limit is the same run, before and after.
        let result = self.outlast_limits(|_| run()).await?;
        seen.results.push(result);
        Ok(())
    }

    async fn run_with_cap(&self, seen: &mut Seen, number: usize) -> Result<(), Error> {
        let key = format!("run-{number}");
        let run = || {
            let run = self.session.run("researcher", "too much").provider("simulated").idempotency_key(&key);
            run.max_cost(Cost::from_micro_cents(CAP)).into_future()
        };
        loop {
            match persist(run).await {
                Err(error) if is_limit(&error) && self.purse.raise_for(&error).await? => {}
                Err(error) if is_limit(&error) => {
                    seen.stopped_at_cap += 1;
                    return Ok(());
                }
                Err(error) => return Err(error),
                Ok(result) => {
                    seen.problems.push(format!("the run {} is beyond its own cap", result.run_id));
                    return Ok(());
                }
            }
        }
    }

    /// A program that says that it ran. Some are killed while they wait.
    async fn run_program(&self, seen: &mut Seen, number: usize, repeatable: bool) -> Result<(), Error> {
        let begin = if repeatable { "again" } else { ONCE };
        let told = self
            .outlast_limits(|attempt| {
                let line = format!("{begin}-{number}-{attempt}");
                let code = format!("echo {line} >> {RAN}; sleep 0.05");
                let exec = self.keeper.exec("shell", code).repeatable(repeatable);
                let exec = exec.idempotency_key(format!("exec-{number}-{attempt}")).into_future();
                async move { exec.await.map(|result| (line, result.exit_code)) }
            })
            .await;
        match told {
            Ok((line, 0)) => seen.programs.push(line),
            Ok((_, code)) => seen.problems.push(format!("the program {number} ended with {code}")),
            Err(error) if *error.code() == ErrorCode::Interrupted && !repeatable => seen.interrupted += 1,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn hand_in_task(&self, seen: &mut Seen, number: usize) -> Result<(), Error> {
        let input = Map::from_iter([("task".to_owned(), Value::from(format!("task {number}")))]);
        let key = format!("task-{number}");
        let tasks = self.session.tasks();
        let task = persist(|| tasks.submit("researcher", input.clone()).idempotency_key(&key).into_future()).await?;
        let begun = Instant::now();
        loop {
            let now = persist(|| self.theazo.tasks().get(&task.id).into_future()).await?;
            match now.status {
                TaskStatus::Completed => break,
                TaskStatus::Failed | TaskStatus::Cancelled => {
                    seen.problems.push(format!("the task {} ended {}", task.id, now.status));
                    break;
                }
                _ if begun.elapsed() > PATIENCE => {
                    seen.problems.push(format!("the task {} is still {}", task.id, now.status));
                    break;
                }
                _ => {}
            }
            // It may stand at a limit that only one who runs something is told of.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        seen.tasks.push(task.id.to_string());
        Ok(())
    }

    async fn keep_files(&self, seen: &mut Seen, number: usize) -> Result<(), Error> {
        let (path, content) = (format!("kept-{number}.txt"), number.to_string());
        self.outlast_limits(|attempt| {
            let write = self.keeper.files().write(&path, content.clone());
            write.idempotency_key(format!("write-{number}-{attempt}")).into_future()
        })
        .await?;
        seen.files.push(path);
        let upload = || {
            let name = format!("stored-{number}.txt");
            let upload = self.theazo.files().upload(name, content.clone(), FilePurpose::AgentInput, "rich");
            upload.idempotency_key(format!("upload-{number}")).into_future()
        };
        let stored = persist(upload).await?;
        seen.stored.push((stored.id.to_string(), content.clone()));
        Ok(())
    }

    async fn set_secret(&self, seen: &mut Seen, number: usize) -> Result<(), Error> {
        let name = format!("SECRET_{number}");
        persist(|| self.theazo.secrets().set([(name.clone(), "hidden")]).into_future()).await?;
        seen.secrets.push(name);
        Ok(())
    }

    async fn change_definition(&self, seen: &mut Seen, number: usize) -> Result<(), Error> {
        let (prompt, key) = (format!("prompt {number}"), format!("version-{number}"));
        let change = || {
            let change = self.theazo.agents().update_definition(self.definition.clone()).system_prompt(&prompt);
            change.idempotency_key(&key).into_future()
        };
        let version = persist(change).await?.version;
        seen.versions.push((version, prompt.clone()));
        Ok(())
    }

    /// Asks until there is an answer that is not about a limit: limits are raised, and whoever stands at one waits. `ask` is
    /// told how often it was asked before: an answer that is stored under a key comes again under the same key.
    async fn outlast_limits<T, F: Future<Output = Result<T, Error>>>(
        &self,
        ask: impl Fn(usize) -> F,
    ) -> Result<T, Error> {
        let (begun, mut attempt) = (Instant::now(), 0);
        loop {
            match persist(|| ask(attempt)).await {
                Err(error) if is_limit(&error) && self.purse.raise_for(&error).await? => {}
                // Its agent stands still until the limit is raised that another has met.
                Err(error) if *error.code() == ErrorCode::Conflict && begun.elapsed() < PATIENCE => {}
                outcome => return outcome,
            }
            attempt += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
