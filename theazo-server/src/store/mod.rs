//! The four primitives on SQLite: resources, events, jobs and the ledger, and beside them keys and idempotency.
//!
//! Every change is a closure that runs in one transaction: [`Store::write`] gives it a [`Tx`], and returns when what it
//! wrote is durable. A data directory has one writer thread that commits many closures at once (group commit); reads have
//! connections of their own. A plane in memory has one connection that both share.

mod documents;
mod events;
mod idempotency;
mod jobs;
mod keys;
mod ledger;
mod memory;
mod meta;
mod resources;
mod retention;
mod topics;
mod usage;
mod writer;

use std::{
    fs::File,
    ops::Deref,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};
use tokio::sync::{Semaphore, watch};

pub use events::{EventFilter, EventScope, StoredEvent};
pub use idempotency::{Claim, Once};
pub use jobs::{Job, JobResult, Lane, NewJob};
pub use keys::{ApiKeyRecord, KeyHolder, World};
pub use ledger::{Amounts, Budget, Limit, Shortfall, Unit};
pub use resources::{Document, Filter, Owner};
pub use retention::Retention;
pub use topics::{Topic, Waiter};
pub use usage::{Totals, UsageOf};

use crate::locks::{lock, lock_awake};
use documents::Documents;
use memory::Memory;
use topics::{Noted, Topics};
use writer::Writer;

/// How many long reads there are at a time. It leaves the processors and the threads for blocking work to others.
const SCANS: usize = 4;

/// How many pages of the write-ahead log are carried over into the database at a time: 32 MiB. Most are pages that every change
/// writes, so the later it is, the less is written twice; and whoever commits then waits for it.
const LOGGED_PAGES: i64 = 8192;

/// The file of a data directory that holds the store.
const DATABASE: &str = "theazo.db";

/// A store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite failed: a full disk, a broken file.
    #[error("the store failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// A document in the store is not what its kind should be.
    #[error("the store holds a `{kind}` that cannot be read: {source}")]
    Document {
        /// The kind.
        kind: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// The data directory cannot be used.
    #[error("the data directory `{path}` cannot be used: {reason}")]
    Directory {
        /// The directory.
        path: String,
        /// Why.
        reason: String,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// Who owns what is stored: an account, in the live or the test world. Every query takes one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tenant {
    text: Arc<str>,
    world: World,
}

impl Tenant {
    /// The owner of an account's things in one world.
    pub fn new(account_id: &str, world: World) -> Self {
        Self { text: format!("{account_id}/{}", world.as_str()).into(), world }
    }

    /// Reads what [`Tenant::as_str`] gave.
    pub fn parse(text: &str) -> Self {
        let world = if text.ends_with("/test") { World::Test } else { World::Live };
        Self { text: text.into(), world }
    }

    /// The owner as it is stored.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The account.
    pub fn account_id(&self) -> &str {
        self.text.rsplit_once('/').map_or(&*self.text, |(account_id, _)| account_id)
    }

    /// The world.
    pub fn world(&self) -> World {
        self.world
    }
}

/// The store of one control plane.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    access: Access,
    closed: AtomicBool,
    commits: Arc<Commits>,
    scans: Semaphore,
}

/// Tells of commits.
#[derive(Default)]
struct Commits {
    count: watch::Sender<i64>,
    topics: Arc<Topics>,
}

impl Commits {
    /// Tells that something about these topics was committed.
    fn tell(&self, topics: &[u64]) {
        self.count.send_modify(|count| *count += 1);
        self.topics.tell(topics);
    }
}

enum Access {
    /// One connection for everything: a plane in memory.
    Shared(Mutex<Memory>),
    /// A writer thread, and connections for reads that are made as they are needed.
    Split { writer: Writer, readers: Mutex<Vec<Connection>>, path: PathBuf, lock: Option<File> },
}

impl Store {
    /// Opens a store that lives in memory and ends with the process.
    pub fn in_memory() -> Result<Self, StoreError> {
        // Not `:memory:`: there every commit that balances a tree looks at every page, so that a store gets the slower the more it
        // has. This file system in memory has small caches of its pages, as a file on a disk has.
        let flags = OpenFlags::default() | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags("file:store?vfs=memdb", flags)?;
        // Half of the usual size: each change keeps the pages that it writes as they were, in case it fails.
        connection.pragma_update(None, "page_size", 2048)?;
        connection.pragma_update(None, "journal_mode", "MEMORY")?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        // Nobody else has it: what is cached stays true from one transaction to the next.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        prepare(&connection)?;
        Ok(Self::over(Access::Shared(Mutex::new(Memory::new(connection))), Arc::default()))
    }

    /// Opens the store in a data directory, which is made if it is not there. One process has it at a time.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let unusable = |reason: String| StoreError::Directory { path: directory.display().to_string(), reason };
        std::fs::create_dir_all(directory).map_err(|error| unusable(error.to_string()))?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(directory.join("lock"))
            .map_err(|error| unusable(error.to_string()))?;
        lock.try_lock().map_err(|_| unusable("another control plane is using it".to_owned()))?;
        Self::split(directory, Some(lock))
    }

    /// Whether there is a store in a directory. It is an error if there is one that cannot be used, or that is in use.
    pub fn check(directory: &Path) -> Result<bool, StoreError> {
        if !directory.join(DATABASE).exists() {
            return Ok(false);
        }
        Self::open(directory)?.close();
        Ok(true)
    }

    /// Opens the store in a data directory that a control plane may be using at the same time, to add a key.
    pub fn open_beside(directory: &Path) -> Result<Self, StoreError> {
        if !directory.join(DATABASE).exists() {
            let path = directory.display().to_string();
            let reason = "there is no control plane in it; `theazo serve` makes one".to_owned();
            return Err(StoreError::Directory { path, reason });
        }
        Self::split(directory, None)
    }

    fn split(directory: &Path, lock: Option<File>) -> Result<Self, StoreError> {
        let path = directory.join(DATABASE);
        // It holds what users said: for the owner's eyes. SQLite gives its other files the same mode.
        let made = File::options().create(true).append(true).mode(0o600).open(&path);
        made.map_err(|error| StoreError::Directory { path: path.display().to_string(), reason: error.to_string() })?;
        let connection = Connection::open(&path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // What undoes one change of a group. In a file it would be written to the disk for nothing.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "wal_autocheckpoint", LOGGED_PAGES)?;
        prepare(&connection)?;
        let commits = Arc::<Commits>::default();
        let writer = Writer::start(connection, commits.clone());
        let access = Access::Split { writer, readers: Mutex::new(Vec::new()), path, lock };
        Ok(Self::over(access, commits))
    }

    fn over(access: Access, commits: Arc<Commits>) -> Self {
        let scans = Semaphore::new(SCANS);
        Self { inner: Arc::new(Inner { access, closed: AtomicBool::new(false), commits, scans }) }
    }

    /// Runs `change` in one transaction. When this returns `Ok`, what it wrote is durable; when `change` fails, or the
    /// commit does, nothing was written.
    pub async fn write<T, E>(&self, change: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.check_open()?;
        match &self.inner.access {
            Access::Shared(memory) => {
                let noted = Noted::default();
                let outcome = lock_awake(memory).write(&noted, change);
                if outcome.is_ok() {
                    self.inner.commits.tell(&noted.into_inner());
                }
                outcome
            }
            Access::Split { writer, .. } => writer.run(change).await,
        }
    }

    /// Reads what was committed. `query` runs at once on the caller's thread, so it should be short.
    pub fn read<T, E: From<StoreError>>(&self, query: impl FnOnce(&View<'_>) -> Result<T, E>) -> Result<T, E> {
        self.check_open()?;
        match &self.inner.access {
            Access::Shared(memory) => query(&lock_awake(memory).view()),
            Access::Split { readers, path, .. } => {
                let pooled = lock(readers).pop();
                let connection = match pooled {
                    Some(connection) => connection,
                    None => open_reader(path).map_err(StoreError::from)?,
                };
                let outcome = query(&View { connection: &connection, documents: None });
                lock(readers).push(connection);
                outcome
            }
        }
    }

    /// Reads what was committed, on a thread where it may take long. A few at a time do so; the others wait.
    pub async fn scan<T, E>(&self, query: impl FnOnce(&View<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let store = self.clone();
        let _turn = self.inner.scans.acquire().await.map_err(|_| StoreError::Closed)?;
        match tokio::task::spawn_blocking(move || store.read(query)).await {
            Ok(outcome) => outcome,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends, and with it whoever would read this.
                Err(_) => Err(StoreError::Closed.into()),
            },
        }
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.inner.closed.load(Ordering::Acquire) { Err(StoreError::Closed) } else { Ok(()) }
    }

    /// Closes the store, also for those who still hold it: what was committed is on disk, and another process may open
    /// the directory.
    pub fn close(&self) {
        self.inner.closed.store(true, Ordering::Release);
        if let Access::Split { writer, readers, lock: file, .. } = &self.inner.access {
            writer.stop();
            lock(readers).clear();
            if let Some(Err(error)) = file.as_ref().map(File::unlock) {
                tracing::warn!(%error, "the data directory stays locked until this process ends");
            }
        }
        // Whoever waits for a commit finds the store closed.
        self.inner.commits.tell(&[]);
        self.inner.commits.topics.tell_all();
    }

    /// Changes whenever something was committed.
    pub fn commits(&self) -> watch::Receiver<i64> {
        self.inner.commits.count.subscribe()
    }

    /// Waits for commits about some topics, from now on.
    pub fn commits_about(&self, topics: &[Topic<'_>]) -> Waiter {
        self.inner.commits.topics.wait_for(topics)
    }
}

fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(128);
    // The plan of a statement does not depend on what is bound to it, so it is not made again when that changes.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch(include_str!("schema.sql"))?;
    // A column comes with what is in it, or, if the process dies, not at all.
    let upgrade = connection.unchecked_transaction()?;
    add_column(connection, "api_keys", "expires_at INTEGER")?;
    add_column(connection, "api_keys", "last_used_at INTEGER")?;
    if add_column(connection, "resources", "trace_id TEXT")? {
        connection
            .execute_batch("UPDATE resources SET trace_id = document ->> '$.trace.traceId' WHERE kind = 'run'")?;
    }
    if add_column(connection, "jobs", "lane TEXT NOT NULL DEFAULT 'control'")? {
        jobs::set_lanes(connection)?;
    }
    upgrade.commit()?;
    connection.execute_batch(include_str!("indexes.sql"))?;
    events::make_index_for_metrics(connection)?;
    writer::run_alone(View { connection, documents: None }, &Noted::default(), |tx| tx.make_usage_if_absent())
}

/// Adds a column, given as its name and type, to a table that an older version made, and says whether it was not there.
fn add_column(connection: &Connection, table: &str, column: &str) -> Result<bool, StoreError> {
    let (name, _) = column.split_once(' ').unwrap_or((column, ""));
    let known = "SELECT EXISTS (SELECT 1 FROM pragma_table_info(?1) WHERE name = ?2)";
    let is_known: bool = connection.query_row(known, (table, name), |row| row.get(0))?;
    if !is_known {
        connection.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column}"))?;
    }
    Ok(!is_known)
}

/// What can be read.
#[derive(Clone, Copy)]
pub struct View<'a> {
    connection: &'a Connection,
    /// Those that are known without asking the connection, if it has every change.
    documents: Option<&'a Documents>,
}

/// What can be read and changed, in one transaction.
pub struct Tx<'a> {
    view: View<'a>,
    noted: &'a Noted,
}

impl<'a> Deref for Tx<'a> {
    type Target = View<'a>;

    fn deref(&self) -> &View<'a> {
        &self.view
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use serde_json::json;
    use theazo_api::{Cost, JobId, Timestamp};

    use super::*;
    use crate::records::RunRecord;

    fn job(name: &str, due_at: i64) -> NewJob {
        NewJob {
            id: JobId::from_suffix(name),
            kind: "test",
            subject: String::new(),
            payload: json!({}),
            due_at: Timestamp::from_millis(due_at),
        }
    }

    /// The names of the indexes that a store has.
    fn indexes(directory: &Path) -> Vec<String> {
        let connection = Connection::open(directory.join(DATABASE)).expect("it opens");
        let mut statement = connection
            .prepare("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name")
            .expect("it is a query");
        let names = statement.query_map([], |row| row.get(0)).expect("it is asked");
        names.collect::<Result<_, _>>().expect("they are read")
    }

    #[tokio::test]
    async fn a_store_of_an_older_version_is_brought_up_to_date_when_it_is_opened() {
        let (directory, tenant) = (tempfile::tempdir().expect("a folder is made"), Tenant::new("acct_1", World::Live));
        let run = json!({
            "data": {
                "id": "run_1", "sessionId": "ses_1", "agentId": "agt_1", "userId": "ada", "agent": "writer", "task": "write",
                "status": "queued", "cost": Cost::from_micro_cents(0), "result": null, "error": null,
                "createdAt": Timestamp::EPOCH, "startedAt": null, "completedAt": null,
            },
            "maxCost": null, "timeoutMs": null,
            "trace": { "traceId": "0af7651916cd43dd8448eb211c80319c", "parentSpanId": "b7ad6b7169203331" },
        });
        let run: RunRecord = serde_json::from_value(run).expect("it is a run");
        let store = Store::open(directory.path()).expect("it opens");
        let owner = tenant.clone();
        let kept = store.write(move |tx| {
            tx.insert(&owner, &run)?;
            tx.enqueue(&owner, &NewJob { kind: "run", ..job("run", 1) })?;
            tx.enqueue(&owner, &job("other", 1))
        });
        kept.await.expect("it is kept");
        store.close();
        let present = indexes(directory.path());
        // As it was before runs had their trace in a column, and indexes by id were without the tenant.
        let older = "DROP INDEX runs_of_trace; ALTER TABLE resources DROP COLUMN trace_id; \
                     ALTER TABLE api_keys DROP COLUMN expires_at; ALTER TABLE api_keys DROP COLUMN last_used_at; \
                     DROP INDEX events_of_run; CREATE INDEX events_by_run ON events (tenant, run_id, sequence); \
                     DROP INDEX jobs_done; CREATE INDEX jobs_by_due_time ON jobs (state, due_at); \
                     DROP INDEX jobs_by_lane; ALTER TABLE jobs DROP COLUMN lane";
        let connection = Connection::open(directory.path().join(DATABASE)).expect("it opens");
        connection.execute_batch(older).expect("it is made older");
        drop(connection);
        assert_ne!(indexes(directory.path()), present);

        let store = Store::open(directory.path()).expect("it opens again");
        let filter = Filter { trace_id: Some("0af7651916cd43dd8448eb211c80319c".to_owned()), ..Filter::default() };
        let found = store.read(|view| view.list::<RunRecord>(&tenant, &filter)).expect("it is read");

        assert_eq!(found.into_iter().map(|(_, run)| run.data.id.to_string()).collect::<Vec<_>>(), ["run_1"]);
        assert_eq!(indexes(directory.path()), present);
        for (lane, kind) in [(Lane::Work, "run"), (Lane::Control, "test")] {
            let leased = store.write(move |tx| tx.lease_due(lane, "worker", Timestamp::from_millis(2), 10)).await;
            assert_eq!(leased.expect("they are leased").iter().map(|job| &*job.kind).collect::<Vec<_>>(), [kind]);
        }
    }

    /// Alike whether the change is the first of a commit, in its middle or its last.
    #[tokio::test]
    async fn a_change_in_memory_that_fails_or_panics_leaves_nothing_and_takes_nothing_with_it() {
        let (store, tenant) = (Store::in_memory().expect("it opens"), Tenant::new("acct_1", World::Live));
        let ids: Vec<String> = (0..100).map(|index| index.to_string()).collect();
        for (index, id) in ids.iter().enumerate() {
            let (owner, new) = (tenant.clone(), job(id, 0));
            let change = store.write(move |tx| {
                tx.enqueue(&owner, &new)?;
                assert_ne!(index % 3, 1, "a bug");
                if index % 3 == 2 { Err(StoreError::Closed) } else { Ok(()) }
            });
            let outcome = std::panic::AssertUnwindSafe(change).catch_unwind().await;
            assert_eq!(matches!(outcome, Ok(Ok(()))), index % 3 == 0);
        }

        let is_kept = |id: &String| store.read(|view| view.is_pending(&JobId::from_suffix(id))).expect("it is read");
        let kept: Vec<usize> = (0..100).filter(|index| is_kept(&ids[*index])).collect();
        assert_eq!(kept, (0..100).step_by(3).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_change_that_fails_leaves_nothing_and_others_in_its_group_stay() {
        let directory = tempfile::tempdir().expect("a folder is made");
        let store = Store::open(directory.path()).expect("it opens");
        let tenant = Tenant::new("acct_1", World::Live);

        let changes = (0..50).map(|index| {
            let (store, tenant) = (store.clone(), tenant.clone());
            tokio::spawn(async move {
                store
                    .write(move |tx| {
                        tx.enqueue(&tenant, &job(&index.to_string(), index))?;
                        if index % 2 == 0 { Err(StoreError::Closed) } else { Ok(()) }
                    })
                    .await
                    .is_ok()
            })
        });
        let kept =
            futures_util::future::join_all(changes).await.into_iter().filter(|kept| *kept.as_ref().unwrap()).count();
        drop(store);

        let reopened = Store::open(directory.path()).expect("it opens again");
        let now = Timestamp::from_millis(1_000);
        let leased = reopened.write(move |tx| tx.lease_due(Lane::Control, "worker", now, 100)).await;
        assert_eq!((kept, leased.expect("they are leased").len()), (25, 25));
    }

    #[tokio::test]
    async fn one_process_has_a_data_directory_at_a_time() {
        let directory = tempfile::tempdir().expect("a folder is made");
        let first = Store::open(directory.path()).expect("it opens");

        let second = Store::open(directory.path()).err().expect("it is in use");

        assert!(second.to_string().ends_with("another control plane is using it"), "{second}");
        first.close();
        Store::open(directory.path()).expect("it is free again, though somebody still holds the closed store");
        let refused: Result<i64, StoreError> = first.read(|view| view.last_sequence());
        assert!(matches!(refused, Err(StoreError::Closed)), "{refused:?}");
    }

    #[tokio::test]
    async fn a_job_asked_for_while_a_worker_has_it_is_done_once_more() {
        let store = Store::in_memory().expect("it opens");
        let tenant = Tenant::new("acct_1", World::Live);
        let now = Timestamp::from_millis(5);

        let leases = store.write(move |tx| {
            let lease = || tx.lease_due(Lane::Control, "worker", now, 10);
            tx.enqueue(&tenant, &job("one", 5))?;
            let first = lease()?;
            let meanwhile = lease()?;
            tx.enqueue(&tenant, &job("one", 5))?;
            let asked_again = lease()?;
            tx.finish(&first[0], None)?;
            let second = lease()?;
            tx.finish(&second[0], None)?;
            let leases = [first, meanwhile, asked_again, second, lease()?];
            Ok::<_, StoreError>(leases.map(|jobs| jobs.len()))
        });

        assert_eq!(leases.await.expect("the store works"), [1, 0, 0, 1, 0]);
    }

    #[tokio::test]
    async fn row_18_who_lost_a_lease_ends_nothing() {
        let store = Store::in_memory().expect("it opens");
        let tenant = Tenant::new("acct_1", World::Live);
        let now = Timestamp::from_millis(5);

        let outcome = store.write(move |tx| {
            tx.enqueue(&tenant, &job("one", 5))?;
            let zombie = tx.lease_due(Lane::Control, "first", now, 10)?.remove(0);
            tx.release_leases("second")?;
            let holder = tx.lease_due(Lane::Control, "second", now, 10)?.remove(0);
            let held = [tx.is_held(&zombie)?, tx.is_held(&holder)?];
            tx.postpone(&zombie, now)?;
            let finished = [tx.finish(&zombie, None)?, tx.finish(&holder, None)?, tx.finish(&holder, None)?];
            Ok::<_, StoreError>((held, finished))
        });

        assert_eq!(outcome.await.expect("the store works"), ([false, true], [false, true, false]));
    }
}
