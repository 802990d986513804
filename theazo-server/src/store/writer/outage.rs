//! What of a store's failures passes without anybody changing the program: a full disk, or one that fails.

use rusqlite::{ErrorCode, ffi};

use crate::store::StoreError;

impl StoreError {
    /// Whether the disk is full.
    pub fn is_full(&self) -> bool {
        self.code() == Some(ErrorCode::DiskFull)
    }

    /// Whether the store does not work for the moment; otherwise the same fails again at any time.
    pub fn is_outage(&self) -> bool {
        let passing = [
            ErrorCode::DiskFull,
            ErrorCode::SystemIoFailure,
            // What the disk cannot read SQLite calls malformed, as it does what is.
            ErrorCode::DatabaseCorrupt,
            ErrorCode::ReadOnly,
            ErrorCode::CannotOpen,
            ErrorCode::DatabaseBusy,
            ErrorCode::DatabaseLocked,
            ErrorCode::OutOfMemory,
        ];
        self.code().is_some_and(|code| passing.contains(&code))
    }

    fn code(&self) -> Option<ErrorCode> {
        let Self::Database(error) = self else { return None };
        error.sqlite_error_code()
    }
}

/// Why a group of changes was not committed, for each of those who wait for it.
#[derive(Debug, Clone)]
pub struct Lost {
    cause: ffi::Error,
    reason: String,
}

impl Lost {
    /// SQLite has undone the whole group by itself, which only a disk that is full or fails makes it do.
    pub fn undone() -> Self {
        let cause = ffi::Error::new(ffi::SQLITE_IOERR);
        Self { cause, reason: "the disk failed under another change of the same group".to_owned() }
    }

    /// The error of one who waited.
    pub fn to_error(&self) -> StoreError {
        StoreError::Database(rusqlite::Error::SqliteFailure(self.cause, Some(self.reason.clone())))
    }
}

impl From<rusqlite::Error> for Lost {
    fn from(error: rusqlite::Error) -> Self {
        let cause = error.sqlite_error().copied().unwrap_or_else(|| ffi::Error::new(ffi::SQLITE_IOERR));
        Self { cause, reason: error.to_string() }
    }
}
