//! A server that is killed at random while users work, again and again, and what must be true of it all the while.
//!
//! Callers run agents, run programs, hand in tasks, and keep files, secrets and definitions, each under an idempotency key of
//! its own, within limits at four levels that are reached and raised. One follows the log all the time. After each kill the
//! store is looked at as it was left; in the end each caller has one outcome, and nothing that was acknowledged is missing.

mod caller;
mod outcome;
mod purse;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use theazo::{
    Error, Theazo,
    types::{CostLimit, Period, SessionLimits},
};

use crate::{ServerProcess, follower::follow, inspection, random::Random};
use caller::Caller;
use outcome::Seen;
use purse::Purse;

/// How often, and how many callers there are meanwhile.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How often the server is killed.
    pub kills: usize,
    /// How many callers work side by side.
    pub callers: usize,
    /// What the random numbers begin with.
    pub seed: u64,
}

/// What was seen.
#[derive(Debug)]
pub struct Report {
    /// How often the server was killed.
    pub kills: usize,
    /// What was done, how often.
    pub done: BTreeMap<&'static str, usize>,
    /// Everything that was not as it must be.
    pub violations: Vec<String>,
}

impl Report {
    /// How often something was done.
    pub fn count(&self, what: &str) -> usize {
        self.done.get(what).copied().unwrap_or(0)
    }
}

/// What the callers' outcomes are compared with, for reports.
pub const COMPARED: &[&str] = &[
    "each call has one outcome, and the one that the server stores; as many runs, tasks, files and versions as calls",
    "a program that is not repeatable ran at most once, and once if its outcome was told",
    "every file of a sandbox, stored file, secret and version that was acknowledged is there, as it was written",
    "who followed the log through all the kills was shown every entry once and in order",
    "a run at a limit of its session, its user or the account goes on and completes when that limit is raised",
];

/// The longest time that the server has between two kills.
const LONGEST_LIFE_MS: u64 = 400;

/// Lets callers work while the server is killed, and looks at what is left.
pub async fn torment(plan: Plan, report_progress: impl Fn(usize)) -> Report {
    let directory = tempfile::tempdir().expect("a folder is made");
    let mut server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let listen = server.url.trim_start_matches("http://").to_owned();
    let live_key = server.keys.clone().expect("the data directory is new").0;
    let theazo = client(&server.url, &live_key).await;
    let following = follow(client(&server.url, &live_key).await).await;
    let rich = theazo.sessions().for_user("rich").await.expect("a session is made");
    let little = SessionLimits { max_cost: Some(CostLimit::cents(purse::FIRST, Period::Day)), ..Default::default() };
    let poor = theazo.sessions().for_user("poor").limits(little).await.expect("a session is made");
    let keeper = rich.agents().create().provider("local").await.expect("an agent is made");
    let definition = theazo.agents().define("writer").system_prompt("first").await.expect("it is defined").id;
    let purse = Arc::new(Purse::fill(&theazo, &poor).await);

    let (stop, number) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..plan.callers)
        .map(|index| {
            let caller = Caller {
                theazo: theazo.clone(),
                session: if index == 0 { poor.clone() } else { rich.clone() },
                keeper: keeper.clone(),
                definition: definition.clone(),
                purse: purse.clone(),
                only_runs: index == 0,
            };
            tokio::spawn(caller.work(stop.clone(), number.clone()))
        })
        .collect();
    let mut random = Random::new(plan.seed);
    let mut violations = Vec::new();
    for kill in 0..plan.kills {
        tokio::time::sleep(Duration::from_millis(random.below(LONGEST_LIFE_MS))).await;
        server.kill().await;
        let left = inspection::always(&inspection::open(directory.path()));
        violations.extend(left.into_iter().map(|violation| format!("after kill {}: {violation}", kill + 1)));
        report_progress(kill + 1);
        server = ServerProcess::start(directory.path(), &listen, &[]).await;
    }
    stop.store(true, Ordering::Relaxed);
    // The last callers may all be of those who wait until another, who has left by now, raises a limit.
    purse.open().await.expect("the limits are raised");
    let mut seen = Seen::default();
    for caller in callers {
        seen.add(caller.await.expect("a caller lives"));
    }
    violations.append(&mut seen.problems);
    violations.extend(outcome::compare(&theazo, [&rich, &poor], &keeper, &definition, &seen).await);
    for session in [&rich, &poor] {
        session.terminate().await.expect("a session ends");
    }
    let (followed, missed) = following.end(&theazo).await;
    violations.extend(missed);
    server.stop().await;
    let store = inspection::open(directory.path());
    violations.extend(inspection::at_rest(&store));
    let continued = "SELECT count(*) FROM events WHERE kind = 'run.continued'";
    let continued: i64 = store.query_row(continued, [], |row| row.get(0)).expect("the store is read");
    drop(store);
    let mut done = seen.counts();
    done.insert("runs that a later process went on with", usize::try_from(continued).unwrap_or(0));
    done.insert("log entries followed", followed);
    done.extend(purse.raised().await);
    if !violations.is_empty() {
        violations.push(format!("what is left can be looked at in {}", directory.keep().display()));
    }
    Report { kills: plan.kills, done, violations }
}

async fn client(url: &str, key: &str) -> Theazo {
    Theazo::builder().base_url(url).api_key(key).max_retries(3).build().await.expect("a client is built")
}

/// How long a caller asks for the same again. A server that lives for less than half a second may have to take a run up a
/// hundred times before it ends, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(600);

/// Asks until there is an answer: callers outlast every restart. What is asked for must be the same each time.
async fn persist<T, F: Future<Output = Result<T, Error>>>(ask: impl Fn() -> F) -> Result<T, Error> {
    let begun = Instant::now();
    loop {
        match ask().await {
            Err(error) if error.is_retryable() && begun.elapsed() < PATIENCE => {}
            outcome => return outcome,
        }
        // The server is on its way back.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
