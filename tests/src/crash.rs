//! A server that is killed at random while users work, again and again, and what must be true of it afterwards.
//!
//! Callers run agents in sandboxes and write files, each under an idempotency key of its own; the server dies at any moment
//! and comes back. In the end each caller has one outcome, no step that was journaled was done twice, and the money is exact.

use std::{
    collections::BTreeMap,
    future::IntoFuture,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};
use theazo::{
    Agent, Error, Session, Theazo,
    types::{CostLimit, ErrorCode, Period, RunResult, SessionLimits},
};

use crate::ServerProcess;

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
    /// Runs that came to a result.
    pub completed: usize,
    /// Runs of the user with little money that stopped at the limit.
    pub stopped_at_limit: usize,
    /// Runs that a later process went on with.
    pub continued: usize,
    /// Files whose writing was acknowledged, and which were there at the end.
    pub files: usize,
    /// Everything that was not as it must be.
    pub violations: Vec<String>,
}

/// The most that the user with little money may spend, in cents.
const LITTLE: i64 = 3;

/// What one caller saw.
#[derive(Default)]
struct Seen {
    results: Vec<RunResult>,
    stopped_at_limit: usize,
    files: Vec<String>,
    problems: Vec<String>,
}

/// Lets callers work while the server is killed, and looks at what is left.
pub async fn torment(plan: Plan, report_progress: impl Fn(usize)) -> Report {
    let directory = tempfile::tempdir().expect("a folder is made");
    let mut server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let listen = server.url.trim_start_matches("http://").to_owned();
    let live_key = server.keys.clone().expect("the data directory is new").0;
    let theazo = client(&server.url, &live_key).await;
    let rich = theazo.sessions().for_user("rich").await.expect("a session is made");
    let little = SessionLimits { max_cost: Some(CostLimit::cents(LITTLE, Period::Day)), ..Default::default() };
    let poor = theazo.sessions().for_user("poor").limits(little).await.expect("a session is made");
    let keeper = rich.agents().create().provider("local").await.expect("an agent is made");

    let (stop, number) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..plan.callers)
        .map(|caller| {
            let (session, spare) =
                if caller == 0 { (poor.clone(), None) } else { (rich.clone(), Some(keeper.clone())) };
            tokio::spawn(call(session, spare, caller, stop.clone(), number.clone()))
        })
        .collect();
    let mut random = Random(plan.seed.max(1));
    for kill in 0..plan.kills {
        tokio::time::sleep(Duration::from_millis(random.below(250))).await;
        server.kill().await;
        report_progress(kill + 1);
        server = ServerProcess::start(directory.path(), &listen, &[]).await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut seen = Seen::default();
    for caller in callers {
        let one = caller.await.expect("a caller lives");
        seen.results.extend(one.results);
        seen.stopped_at_limit += one.stopped_at_limit;
        seen.files.extend(one.files);
        seen.problems.extend(one.problems);
    }

    let mut violations = std::mem::take(&mut seen.problems);
    violations.extend(look_from_outside(&rich, &poor, &keeper, &seen).await);
    for session in [&rich, &poor] {
        session.terminate().await.expect("a session ends");
    }
    server.stop().await;
    let (continued, inside) = look_inside(directory.path());
    violations.extend(inside);
    Report {
        kills: plan.kills,
        completed: seen.results.len(),
        stopped_at_limit: seen.stopped_at_limit,
        continued,
        files: seen.files.len(),
        violations,
    }
}

async fn client(url: &str, key: &str) -> Theazo {
    Theazo::builder().base_url(url).api_key(key).max_retries(3).build().await.expect("a client is built")
}

/// Asks until there is an answer: callers outlast every restart. What is asked for must be the same each time.
async fn persist<T, F: Future<Output = Result<T, Error>>>(ask: impl Fn() -> F) -> Result<T, Error> {
    let mut left = 1000;
    loop {
        match ask().await {
            Err(error) if error.is_retryable() && left > 0 => left -= 1,
            outcome => return outcome,
        }
        // The server is on its way back.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Works until it is told to stop, one thing after the other.
async fn call(
    session: Session,
    keeper: Option<Agent>,
    caller: usize,
    stop: Arc<AtomicBool>,
    number: Arc<AtomicUsize>,
) -> Seen {
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let number = number.fetch_add(1, Ordering::Relaxed);
        // Real sandboxes are slower, so that fewer steps would be met; some are among them all the same.
        let provider = if number.is_multiple_of(4) { "local" } else { "simulated" };
        let task = format!("task {number} of caller {caller}");
        let key = format!("run-{number}");
        let run = || session.run("researcher", &task).provider(provider).idempotency_key(&key).into_future();
        match persist(run).await {
            Ok(result) => seen.results.push(result),
            Err(error) if *error.code() == ErrorCode::SessionLimitExceeded => {
                seen.stopped_at_limit += 1;
                if keeper.is_none() {
                    return seen;
                }
            }
            Err(error) => seen.problems.push(format!("the run of {task} failed: {error}")),
        }
        if let Some(keeper) = &keeper {
            let path = format!("kept-{number}.txt");
            match persist(|| keeper.files().write(&path, number.to_string()).into_future()).await {
                Ok(()) => seen.files.push(path),
                Err(error) => seen.problems.push(format!("`{path}` could not be written: {error}")),
            }
        }
    }
    seen
}

/// What a user sees once everything is at rest.
async fn look_from_outside(rich: &Session, poor: &Session, keeper: &Agent, seen: &Seen) -> Vec<String> {
    let mut violations = Vec::new();
    let mut by_id: BTreeMap<&str, &RunResult> = BTreeMap::new();
    for result in &seen.results {
        if by_id.insert(result.run_id.as_str(), result).is_some() {
            violations.push(format!("two calls were given the run {}", result.run_id));
        }
    }
    let mut runs = 0;
    for session in [rich, poor] {
        let mut items = session.runs().list().items();
        while let Some(run) = items.next().await {
            let run = run.expect("runs are listed");
            let data = run.data();
            runs += 1;
            match (&data.result, by_id.get(data.id.as_str())) {
                (Some(stored), Some(given)) if stored == *given => {}
                (None, None) => {}
                (stored, given) => {
                    violations.push(format!("the run {} has the result {stored:?}, its caller {given:?}", data.id));
                }
            }
        }
    }
    if runs != seen.results.len() + seen.stopped_at_limit {
        let calls = seen.results.len() + seen.stopped_at_limit;
        violations.push(format!("{calls} calls made {runs} runs"));
    }
    for path in &seen.files {
        let number = path.trim_start_matches("kept-").trim_end_matches(".txt");
        match keeper.files().read(path).text().await {
            Ok(text) if text == number => {}
            outcome => violations.push(format!("`{path}` was acknowledged and is {outcome:?}")),
        }
    }
    let spent = poor.usage().await.expect("usage is reported").cost;
    if spent.to_micro_cents() > LITTLE * 1_000_000 {
        violations.push(format!("the user with {LITTLE} cents spent {spent}"));
    }
    violations
}

/// What the store holds: how many runs were continued, and what is wrong.
fn look_inside(directory: &Path) -> (usize, Vec<String>) {
    let store = Connection::open_with_flags(directory.join("theazo.db"), OpenFlags::SQLITE_OPEN_READ_ONLY)
        .expect("the store can be opened");
    let number = |query: &str| -> i64 { store.query_row(query, [], |row| row.get(0)).expect("the store is read") };
    let mut violations = Vec::new();
    let mut must_be = |what: &str, wanted: i64, query: &str| {
        let found = number(query);
        if found != wanted {
            violations.push(format!("{what}: {found} instead of {wanted}"));
        }
    };
    must_be("reservations at rest", 0, "SELECT count(*) FROM holds");
    must_be("money reserved at rest", 0, "SELECT coalesce(sum(reserved), 0) FROM budgets");
    for (what, kind, variant, key) in [
        ("model answers that were journaled twice", "model.responded", "ModelResponded", "''"),
        (
            "tools that were journaled twice",
            "tool.finished",
            "ToolFinished",
            "json_extract(body, '$.ToolFinished.index')",
        ),
        ("runs that ended twice", "run.completed", "RunCompleted", "''"),
    ] {
        let step =
            if kind == "run.completed" { "''".to_owned() } else { format!("json_extract(body, '$.{variant}.step')") };
        let query = format!(
            "SELECT count(*) FROM (SELECT 1 FROM events WHERE kind = '{kind}' GROUP BY run_id, {step}, {key} HAVING count(*) > 1)"
        );
        must_be(what, 0, &query);
    }
    let integrity: String =
        store.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("the store checks itself");
    if integrity != "ok" {
        violations.push(format!("the store is damaged: {integrity}"));
    }
    let continued = number("SELECT count(*) FROM events WHERE kind = 'run.continued'");
    (usize::try_from(continued).unwrap_or(0), violations)
}

/// Random numbers that a seed repeats: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
