//! The writer thread of a data directory: it runs many changes in one SQLite transaction and syncs once for all.

use std::{
    panic::AssertUnwindSafe,
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    thread::JoinHandle,
};

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::{StoreError, Tx, View};

/// How many changes one transaction takes at most. It bounds how long the first of them waits for its sync.
const MAX_GROUP: usize = 256;

/// Told whether the transaction was committed.
type Finish = Box<dyn FnOnce(Result<(), StoreError>) + Send>;
type Change = Box<dyn FnOnce(&Connection) -> Finish + Send>;

pub(super) struct Writer {
    /// Empty once it is stopped.
    running: Mutex<Option<(mpsc::Sender<Change>, JoinHandle<()>)>>,
}

impl Writer {
    pub(super) fn start(connection: Connection, committed: watch::Sender<i64>) -> Self {
        let (changes, queue) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("theazo-store".to_owned())
            .spawn(move || run_writer(&connection, &queue, &committed))
            .expect("the operating system starts one thread");
        Self { running: Mutex::new(Some((changes, thread))) }
    }

    pub(super) async fn run<T, E>(&self, change: impl FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (answer, outcome) = oneshot::channel();
        let change: Change = Box::new(move |connection| {
            // A panic undoes its own change alone; its caller is told that the store closed the call.
            let Ok(outcome) = std::panic::catch_unwind(AssertUnwindSafe(|| in_savepoint(connection, change))) else {
                return Box::new(|_| ());
            };
            Box::new(move |committed| {
                // The caller may have stopped waiting; what was committed stays.
                let _ = answer.send(match committed {
                    Ok(()) => outcome,
                    Err(error) => outcome.and(Err(error.into())),
                });
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
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits what was given to it and ends.
    pub(super) fn stop(&self) {
        if let Some((changes, thread)) = self.running().take() {
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

fn run_writer(connection: &Connection, queue: &mpsc::Receiver<Change>, committed: &watch::Sender<i64>) {
    while let Ok(first) = queue.recv() {
        if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
            tracing::error!(%error, "the store cannot begin a transaction");
            // The change must run for its caller to be told; without a transaction its writes must not stay.
            drop(first);
            continue;
        }
        let mut finishes = vec![first(connection)];
        // A full disk makes SQLite roll the whole group back; what came after would be committed by itself.
        while finishes.len() < MAX_GROUP && !connection.is_autocommit() {
            let Ok(change) = queue.try_recv() else { break };
            finishes.push(change(connection));
        }
        let outcome = connection.execute_batch("COMMIT");
        if let Err(error) = &outcome {
            tracing::error!(%error, "the store cannot commit");
            if !connection.is_autocommit() {
                let _ = connection.execute_batch("ROLLBACK");
            }
        } else {
            committed.send_modify(|count| *count += 1);
        }
        let failure = outcome.err().map(|error| error.to_string());
        for finish in finishes {
            finish(match &failure {
                None => Ok(()),
                Some(reason) => Err(StoreError::Database(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR),
                    Some(reason.clone()),
                ))),
            });
        }
    }
}

/// Runs one change in a transaction of its own.
pub(super) fn run_alone<T, E: From<StoreError>>(
    connection: &Connection,
    change: impl FnOnce(&Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    in_savepoint(connection, change)
}

fn in_savepoint<T, E: From<StoreError>>(
    connection: &Connection,
    change: impl FnOnce(&Tx<'_>) -> Result<T, E>,
) -> Result<T, E> {
    execute(connection, "SAVEPOINT change")?;
    let tx = Tx { view: View { connection } };
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| change(&tx)));
    if !matches!(outcome, Ok(Ok(_))) {
        execute(connection, "ROLLBACK TO change")?;
    }
    execute(connection, "RELEASE change")?;
    match outcome {
        Ok(outcome) => outcome,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Every change needs these, so they are prepared once.
fn execute(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
