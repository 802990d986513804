//! Documents that users have: spreadsheets as rows, PDF files as pages of text.
//!
//! What is read here may be made to do harm. So files have a size, what they unpack to has one, few are read at once, each
//! on a thread of its own, and a reader that panics or takes too long is told as a file that cannot be read.

mod csv;
mod pages;
mod pdf;
mod table;
mod xlsx;

use std::time::Duration;

use tokio::sync::Semaphore;

pub use pages::{PageWindow, Pages};
pub use table::{RowWindow, Table};

/// How large a file may be.
pub const MAX_BYTES: usize = 16 << 20;

/// What a file may unpack to.
const MAX_UNPACKED_BYTES: usize = 128 << 20;

/// How long reading may take.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// How many files are read at once in one process: each may take memory of the size of what it unpacks to.
static READERS: Semaphore = Semaphore::const_new(2);

/// A document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The file is too large, packed or unpacked.
    #[error("the file is larger than {0} bytes, unpacked or as it is")]
    TooLarge(usize),
    /// There is no sheet of this name.
    #[error("there is no sheet `{name}`; there are {known}")]
    NoSheet {
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// There is no such page.
    #[error("there is no page {first}; the file has {count} pages")]
    NoPage {
        /// The page that was asked for.
        first: usize,
        /// How many there are.
        count: usize,
    },
    /// It opens only with a password.
    #[error("the file is encrypted and opens only with a password")]
    Encrypted,
    /// It is broken, or something else than its name says.
    #[error("the file cannot be read: {0}")]
    Broken(String),
    /// It takes too long.
    #[error("reading the file takes longer than {} seconds", .0.as_secs())]
    TooSlow(Duration),
}

impl DocumentError {
    fn broken(reason: impl std::fmt::Display) -> Self {
        Self::Broken(reason.to_string())
    }
}

/// Reads a part of a spreadsheet: XLSX by what the file begins with, and CSV otherwise.
pub async fn read_table(bytes: Vec<u8>, sheet: Option<String>, window: RowWindow) -> Result<Table, DocumentError> {
    apart(bytes, move |bytes| {
        if bytes.starts_with(b"PK\x03\x04") {
            xlsx::read(bytes, sheet.as_deref(), window)
        } else {
            csv::read(bytes, window)
        }
    })
    .await
}

/// Reads the text of a part of a PDF file.
pub async fn read_pages(bytes: Vec<u8>, window: PageWindow) -> Result<Pages, DocumentError> {
    apart(bytes, move |bytes| pdf::read(bytes, window)).await
}

/// Reads a file on a thread of its own.
async fn apart<T: Send + 'static>(
    bytes: Vec<u8>,
    read: impl FnOnce(&[u8]) -> Result<T, DocumentError> + Send + 'static,
) -> Result<T, DocumentError> {
    if bytes.len() > MAX_BYTES {
        return Err(DocumentError::TooLarge(MAX_BYTES));
    }
    let place = READERS.acquire().await.map_err(DocumentError::broken)?;
    let reading = tokio::task::spawn_blocking(move || {
        // A reader that takes too long goes on where nobody waits for it; until it ends it has its place.
        let _place = place;
        read(&bytes)
    });
    match tokio::time::timeout(TIME_LIMIT, reading).await {
        Err(_) => Err(DocumentError::TooSlow(TIME_LIMIT)),
        Ok(Err(_)) => Err(DocumentError::broken("its reader failed")),
        Ok(Ok(outcome)) => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_that_panics_is_a_file_that_cannot_be_read() {
        let outcome = apart(Vec::new(), |_| -> Result<(), _> { panic!("a hostile file") }).await;
        assert_eq!(outcome, Err(DocumentError::Broken("its reader failed".to_owned())));
        let large = apart(vec![0; MAX_BYTES + 1], |_| Ok(())).await;
        assert_eq!(large, Err(DocumentError::TooLarge(MAX_BYTES)));
    }
}
