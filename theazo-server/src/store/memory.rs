//! The one connection of a plane in memory, which reads and writes share.
//!
//! Nothing of it outlives the process, so a change counts as soon as it is made, and a commit adds nothing but its cost: many
//! changes share one.

use rusqlite::Connection;

use super::{
    StoreError, Tx, View,
    documents::Documents,
    topics::Noted,
    writer::{Lost, commit, execute, run_alone},
};

/// How many changes share a commit.
const GROUP: usize = 32;

/// How many bytes there is room for: what SQLite gives a database of this kind.
const ROOM: i64 = 1 << 30;

/// How many bytes are left when each change has a commit to itself. Where there is no room left, SQLite undoes the whole
/// transaction, and nothing that counts already may go with it.
const RESERVE: i64 = ROOM / 8;

pub(super) struct Memory {
    connection: Connection,
    documents: Documents,
    /// After how many more changes the open transaction is committed.
    left: usize,
}

impl Memory {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, documents: Documents::default(), left: 0 }
    }

    /// What there is by now.
    pub(super) fn view(&self) -> View<'_> {
        View { connection: &self.connection, documents: Some(&self.documents) }
    }

    /// Runs one change, which leaves nothing if it fails.
    pub(super) fn write<T, E: From<StoreError>>(
        &mut self,
        noted: &Noted,
        change: impl FnOnce(&Tx<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        if self.connection.is_autocommit() {
            execute(&self.connection, "BEGIN").map_err(StoreError::from)?;
            let bytes = self.bytes().map_err(StoreError::from)?;
            self.left = if bytes < ROOM - RESERVE { GROUP } else { 1 };
        }
        let changed = run_alone(self.view(), noted, change)?;
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            commit(self.view()).map_err(|lost: Lost| lost.to_error())?;
        }
        Ok(changed)
    }

    fn bytes(&self) -> rusqlite::Result<i64> {
        let count = |sql: &str| self.connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0));
        Ok(count("PRAGMA page_count")? * count("PRAGMA page_size")?)
    }
}
