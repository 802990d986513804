//! The writer thread of a data directory: it runs many changes in one SQLite transaction and syncs once for all.

mod outage;

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, mpsc},
    thread::JoinHandle,
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{Commits, StoreError, Tx, View, documents::Documents, topics::Noted};
use crate::locks::lock;
pub(super) use outage::Lost;

/// How many changes one transaction takes at most. It bounds how long the first of them waits for its sync.
const MAX_GROUP: usize = 256;

/// Told whether the transaction was committed.
type Finish = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
/// Given the connection inside a transaction and where its topics go, or nothing if none could be begun: then it changes
/// nothing.
type Change = Box<dyn FnOnce(Option<(View<'_>, &Noted)>) -> Finish + Send>;

pub(super) struct Writer {
    /// Empty once it is stopped.
    running: Mutex<Option<(mpsc::Sender<Change>, JoinHandle<()>)>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, commits: Arc<Commits>) -> Self {
        let (changes, queue) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("theazo-store".to_owned())
            .spawn(move || run_writer(&connection, &queue, &commits))
            .expect("the operating system starts one thread");
        Self { running: Mutex::new(Some((changes, thread))) }
    }

    pub(super) async fn run<T, E>(&self, change: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        let change: Change = Box::new(move |view| {
            let changed =
                view.map(|(view, noted)| std::panic::catch_unwind(AssertUnwindSafe(|| run_alone(view, noted, change))));
            Box::new(move |committed| {
                let outcome = match (changed, committed) {
                    // A panic undoes its own change alone; its caller is told that the store closed the call.
                    (Some(Err(_)), _) => return,
                    (Some(Ok(outcome)), Ok(())) => outcome,
                    (Some(Ok(outcome)), Err(error)) => outcome.and(Err(error.into())),
                    (None, committed) => Err(committed.err().unwrap_or(StoreError::Closed).into()),
                };
                // The caller may have stopped waiting; what was committed stays.
                let _ = answer.send(outcome);
            })
        });
        match &*self.running() {
            Some((changes, _)) => changes.send(change).map_err(|_| StoreError::Closed)?,
            None => return Err(StoreError::Closed.into()),
        }
        outcome.await.map_err(|_| StoreError::Closed)?
    }
}

impl Writer {
    fn running(&self) -> MutexGuard<'_, Option<(mpsc::Sender<Change>, JoinHandle<()>)>> {
        lock(&self.running)
    }

    /// Commits what was given to it and ends.
    pub(super) fn stop(&self) {
        // Whoever writes meanwhile is refused at once: the lock is not held until the thread has ended.
        let running = self.running().take();
        if let Some((changes, thread)) = running {
            drop(changes);
            // A panic of the thread has ended it already; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run_writer(connection: &Connection, queue: &mpsc::Receiver<Change>, commits: &Commits) {
    let documents = Documents::default();
    let view = View { connection, documents: Some(&documents) };
    while let Ok(first) = queue.recv() {
        if let Err(error) = begin(connection, &documents) {
            tracing::error!(%error, "the store cannot begin a transaction");
            first(None)(Err(error.into()));
            continue;
        }
        let noted = Noted::default();
        let mut finishes = vec![first(Some((view, &noted)))];
        // A full disk makes SQLite roll the whole group back; what came after would be committed by itself.
        while finishes.len() < MAX_GROUP && !connection.is_autocommit() {
            let Ok(change) = queue.try_recv() else { break };
            finishes.push(change(Some((view, &noted))));
        }
        let outcome = commit(view);
        match &outcome {
            Ok(()) => commits.tell(&noted.into_inner()),
            Err(lost) => tracing::error!(?lost, changes = finishes.len(), "the store cannot commit"),
        }
        for finish in finishes {
            finish(outcome.as_ref().map(drop).map_err(Lost::to_error));
        }
    }
}

/// Begins a group of changes.
fn begin(connection: &Connection, documents: &Documents) -> rusqlite::Result<()> {
    execute(connection, "BEGIN IMMEDIATE")?;
    let looked = documents.look_around(connection);
    if looked.is_err() && !connection.is_autocommit() {
        execute(connection, "ROLLBACK")?;
    }
    looked
}

/// Commits what a group of changes wrote, or nothing of it.
pub(super) fn commit(view: View<'_>) -> Result<(), Lost> {
    let connection = view.connection;
    if connection.is_autocommit() {
        return Err(Lost::undone());
    }
    let committed = execute(connection, "COMMIT");
    if committed.is_err() {
        view.documents.iter().for_each(|documents| documents.clear());
    }
    if committed.is_err() && !connection.is_autocommit() {
        // It fails only if SQLite has undone the group by itself already.
        let _ = connection.execute_batch("ROLLBACK");
    }
    Ok(committed?)
}

/// Runs one change, which leaves nothing if it fails: in a transaction of its own, or as a part of one that was begun.
pub(super) fn run_alone<T, E: From<StoreError>>(
    view: View<'_>,
    noted: &Noted,
    change: impl FnOnce(&Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let connection = view.connection;
    execute(connection, "SAVEPOINT change").map_err(StoreError::from)?;
    let tx = Tx { view, noted };
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| change(&tx)));
    let is_kept = matches!(outcome, Ok(Ok(_)));
    let ended = end_alone(connection, is_kept);
    if let Some(documents) = view.documents {
        documents.end_change(is_kept && ended.is_ok());
        if connection.is_autocommit() {
            documents.clear();
        }
    }
    ended.map_err(StoreError::from)?;
    match outcome {
        Ok(outcome) => outcome,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Keeps what was written since the savepoint, or undoes it. Where the disk failed, SQLite has undone the savepoint with
/// everything around it.
fn end_alone(connection: &Connection, is_kept: bool) -> rusqlite::Result<()> {
    if connection.is_autocommit() {
        return Ok(());
    }
    if !is_kept {
        execute(connection, "ROLLBACK TO change")?;
    }
    execute(connection, "RELEASE change")
}

/// Every change needs these, so they are prepared once.
pub(super) fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use theazo_api::{JobId, Timestamp};

    use super::*;
    use crate::store::{NewJob, Store, Tenant, World};

    fn job(name: &str) -> NewJob {
        let (id, due_at) = (JobId::from_suffix(name), Timestamp::EPOCH);
        NewJob { id, kind: "test", subject: String::new(), payload: serde_json::Value::Null, due_at }
    }

    /// Closed in the middle of many writes, again and again: each writer has an answer, and each that was told that it
    /// has written has.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn row_49_whenever_the_store_is_closed_each_write_is_answered_and_kept_or_refused() {
        let (directory, tenant) = (tempfile::tempdir().expect("a folder is made"), Tenant::new("acct_1", World::Live));
        for round in 0..40 {
            let store = Store::open(directory.path()).expect("it opens");
            let writers = (0..8).map(|writer| {
                let (store, tenant) = (store.clone(), tenant.clone());
                tokio::spawn(async move {
                    let mut kept = Vec::new();
                    loop {
                        let name = format!("{round}-{writer}-{}", kept.len());
                        let (tenant, new) = (tenant.clone(), job(&name));
                        match store.write(move |tx| tx.enqueue(&tenant, &new)).await {
                            Ok(()) => kept.push(JobId::from_suffix(name)),
                            Err(error) => {
                                assert!(matches!(error, StoreError::Closed), "{error}");
                                return kept;
                            }
                        }
                    }
                })
            });
            let writers: Vec<_> = writers.collect();
            let mut commits = store.commits();
            for _ in 0..round % 8 {
                commits.changed().await.expect("it is open");
            }
            let closing = store.clone();
            tokio::task::spawn_blocking(move || closing.close()).await.expect("it is closed");
            let all = tokio::time::timeout(std::time::Duration::from_secs(60), futures_util::future::join_all(writers));
            let all = all.await.expect("everybody has an answer");

            let reopened = Store::open(directory.path()).expect("it opens again");
            for id in all.into_iter().flat_map(|kept| kept.expect("the writer lives")) {
                assert!(reopened.read(|view| view.is_pending(&id)).expect("it is read"), "{id} was acknowledged");
            }
            reopened.close();
        }
    }
}
