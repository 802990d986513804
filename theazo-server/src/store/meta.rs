//! What the store says about itself: a text by its name.

use rusqlite::OptionalExtension;

use super::{StoreError, Tx, View};

impl View<'_> {
    /// The text of this name.
    pub fn meta(&self, name: &str) -> Result<Option<String>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
        Ok(statement.query_row([name], |row| row.get(0)).optional()?)
    }
}

impl Tx<'_> {
    /// Puts a text in the place of the one of the same name.
    pub fn set_meta(&self, name: &str, value: &str) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2")?
            .execute([name, value])?;
        Ok(())
    }
}
