//! Resources: every stored thing is a typed document with an owner, a status and a version.

use rusqlite::{OptionalExtension, Row, ToSql};
use serde::{Serialize, de::DeserializeOwned};
use theazo_api::Timestamp;

use super::{StoreError, Tenant, Topic, Tx, View};

/// A kind of stored thing.
pub trait Document: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The name of the kind.
    const KIND: &'static str;

    /// The id, unique among all kinds.
    fn id(&self) -> &str;

    /// Who the document belongs to, within its tenant; to the tenant as a whole by default.
    fn owner(&self) -> Owner<'_> {
        Owner::default()
    }

    /// The state, as it is listed by; empty for a kind that has but one.
    fn status(&self) -> &str {
        ""
    }

    /// The trace of a caller that it belongs to.
    fn trace_id(&self) -> Option<&str> {
        None
    }

    /// When it was created; nothing of interest where a tenant has one document of the kind.
    fn created_at(&self) -> Timestamp {
        Timestamp::EPOCH
    }
}

/// Who a document belongs to, within its tenant; empty text where it belongs to nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Owner<'a> {
    /// The end user.
    pub user_id: &'a str,
    /// The session.
    pub session_id: &'a str,
    /// The agent.
    pub agent_id: &'a str,
}

/// Which documents to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those of this user.
    pub user_id: Option<String>,
    /// Only those of this session.
    pub session_id: Option<String>,
    /// Only those of this agent.
    pub agent_id: Option<String>,
    /// Only those in one of these states; empty means any.
    pub statuses: Vec<String>,
    /// Only those created after this time.
    pub created_after: Option<Timestamp>,
    /// Only those where the member of the document with this path has this text.
    pub members: Vec<(&'static str, String)>,
    /// Only those where the member of the document with this path is so.
    pub flags: Vec<(&'static str, bool)>,
    /// Only runs of this trace of a caller.
    pub trace_id: Option<String>,
    /// Where the page before ended.
    pub before: Option<i64>,
    /// Only those whose position is after this one.
    pub after: Option<i64>,
    /// How many at most.
    pub limit: Option<i64>,
    /// Whether the oldest come first; the newest do otherwise.
    pub oldest_first: bool,
}

impl View<'_> {
    /// Finds a document by its id.
    pub fn find<D: Document>(&self, tenant: &Tenant, id: &str) -> Result<Option<D>, StoreError> {
        if let Some(known) = self.documents.and_then(|documents| documents.get(tenant, id)) {
            return Ok(known);
        }
        let mut statement =
            self.connection.prepare_cached("SELECT kind, tenant, document FROM resources WHERE id = ?1")?;
        let mut rows = statement.query([id])?;
        let Some(row) = rows.next()? else {
            if let Some(documents) = self.documents {
                documents.keep::<D>(id, None, 0);
            }
            return Ok(None);
        };
        let column = |index| row.get_ref(index)?.as_str().map_err(rusqlite::Error::from);
        if (column(0)?, column(1)?) != (D::KIND, tenant.as_str()) {
            return Ok(None);
        }
        let text = column(2)?;
        let document = read_document(text)?;
        if let Some(documents) = self.documents {
            documents.keep(id, Some((tenant, &document)), text.len());
        }
        Ok(Some(document))
    }

    /// The position of a document among all.
    pub fn position<D: Document>(&self, tenant: &Tenant, id: &str) -> Result<Option<i64>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT position FROM resources WHERE id = ?1 AND kind = ?2 AND tenant = ?3")?;
        Ok(statement.query_row((id, D::KIND, tenant.as_str()), |row| row.get(0)).optional()?)
    }

    /// One member of a document as text, without reading all of it.
    pub fn member_of<D: Document>(&self, tenant: &Tenant, id: &str, path: &str) -> Result<Option<String>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT document ->> ?4 FROM resources WHERE id = ?1 AND kind = ?2 AND tenant = ?3")?;
        let found = statement.query_row((id, D::KIND, tenant.as_str(), path), |row| row.get(0)).optional()?;
        Ok(found.flatten())
    }

    /// Finds a document of any tenant by an id that is made of a secret: for whoever shows the secret, which says whose
    /// the document is.
    pub fn find_by_secret<D: Document>(&self, id: &str) -> Result<Option<(Tenant, D)>, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT tenant, document FROM resources WHERE id = ?1 AND kind = ?2")?;
        let found: Option<(String, String)> =
            statement.query_row((id, D::KIND), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        found.map(|(tenant, text)| Ok((Tenant::parse(&tenant), read_document(&text)?))).transpose()
    }

    /// Lists documents with their positions.
    pub fn list<D: Document>(&self, tenant: &Tenant, filter: &Filter) -> Result<Vec<(i64, D)>, StoreError> {
        let (condition, values) = filter.condition(tenant, D::KIND);
        let limit = filter.limit.unwrap_or(-1);
        let order = if filter.oldest_first { "ASC" } else { "DESC" };
        let sql = format!(
            "SELECT position, document FROM resources WHERE {condition} ORDER BY position {order} LIMIT {limit}"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        let mut documents = Vec::new();
        while let Some(row) = rows.next()? {
            documents.push(read_row(row)?);
        }
        Ok(documents)
    }

    /// Counts documents.
    pub fn count<D: Document>(&self, tenant: &Tenant, filter: &Filter) -> Result<i64, StoreError> {
        let (condition, values) = filter.condition(tenant, D::KIND);
        let sql = format!("SELECT count(*) FROM resources WHERE {condition}");
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement.query_row(rusqlite::params_from_iter(values), |row| row.get(0))?)
    }

    /// Lists the documents of every tenant: for the worker alone, which serves them all.
    pub fn list_everywhere<D: Document>(&self, statuses: &[&str]) -> Result<Vec<(Tenant, D)>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT tenant, status, document FROM resources WHERE kind = ?1 ORDER BY position")?;
        let mut rows = statement.query([D::KIND])?;
        let mut documents = Vec::new();
        while let Some(row) = rows.next()? {
            let (tenant, status, text): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if statuses.contains(&status.as_str()) {
                documents.push((Tenant::parse(&tenant), read_document(&text)?));
            }
        }
        Ok(documents)
    }
}

impl Tx<'_> {
    /// Adds a document.
    pub fn insert<D: Document>(&self, tenant: &Tenant, document: &D) -> Result<(), StoreError> {
        let (owner, text) = (document.owner(), write_document(document)?);
        self.connection
            .prepare_cached(
                "INSERT INTO resources (tenant, kind, id, user_id, session_id, agent_id, status, version, created_at, \
                 document, trace_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1, ?8, ?9, ?10)",
            )?
            .execute((
                tenant.as_str(),
                D::KIND,
                document.id(),
                owner.user_id,
                owner.session_id,
                owner.agent_id,
                document.status(),
                document.created_at().as_millis(),
                &text,
                document.trace_id(),
            ))?;
        self.wrote(tenant, document, text.len());
        Ok(())
    }

    /// Puts a changed document in the place of the old one. Within a transaction nothing else can have changed it.
    pub fn update<D: Document>(&self, tenant: &Tenant, document: &D) -> Result<(), StoreError> {
        let text = write_document(document)?;
        let changed = self
            .connection
            .prepare_cached(
                "UPDATE resources SET status = ?4, version = version + 1, document = ?5 \
                 WHERE id = ?1 AND kind = ?2 AND tenant = ?3",
            )?
            .execute((document.id(), D::KIND, tenant.as_str(), document.status(), &text))?;
        if changed > 0 {
            self.wrote(tenant, document, text.len());
        }
        Ok(())
    }

    fn wrote<D: Document>(&self, tenant: &Tenant, document: &D, size: usize) {
        if let Some(documents) = self.documents {
            documents.write(document.id(), Some((tenant, document)), size);
        }
        self.note(Topic::Document(document.id()));
    }

    /// Removes a document, and says whether it was there.
    pub fn remove<D: Document>(&self, tenant: &Tenant, id: &str) -> Result<bool, StoreError> {
        let mut statement =
            self.connection.prepare_cached("DELETE FROM resources WHERE id = ?1 AND kind = ?2 AND tenant = ?3")?;
        let was_there = statement.execute((id, D::KIND, tenant.as_str()))? > 0;
        if let Some(documents) = self.documents.filter(|_| was_there) {
            documents.write::<D>(id, None, 0);
        }
        self.note(Topic::Document(id));
        Ok(was_there)
    }
}

impl Filter {
    fn condition(&self, tenant: &Tenant, kind: &'static str) -> (String, Vec<Box<dyn ToSql>>) {
        // An index by one of these ids does not begin with the tenant, which is then checked for each document (`+`).
        let narrow = [("agent_id", &self.agent_id), ("session_id", &self.session_id)];
        let narrow = narrow.into_iter().find(|(_, wanted)| wanted.as_ref().is_some_and(|id| !id.is_empty()));
        let mut condition = match narrow {
            _ if self.trace_id.is_some() => "+tenant = ? AND kind = ?".to_owned(),
            Some((column, _)) => format!("+tenant = ? AND {column} <> '' AND kind = ?"),
            None => "tenant = ? AND kind = ?".to_owned(),
        };
        let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(tenant.as_str().to_owned()), Box::new(kind)];
        let mut require = |text: &str, value: Box<dyn ToSql>| {
            condition.push_str(" AND ");
            condition.push_str(text);
            values.push(value);
        };
        for (column, wanted) in
            [("user_id", &self.user_id), ("session_id", &self.session_id), ("agent_id", &self.agent_id)]
        {
            if let Some(wanted) = wanted {
                require(&format!("{column} = ?"), Box::new(wanted.clone()));
            }
        }
        if let Some(time) = self.created_after {
            require("created_at > ?", Box::new(time.as_millis()));
        }
        if let Some(before) = self.before {
            require("position < ?", Box::new(before));
        }
        if let Some(after) = self.after {
            require("position > ?", Box::new(after));
        }
        for (path, wanted) in &self.flags {
            require(&format!("document ->> '{path}' = ?"), Box::new(*wanted));
        }
        if let Some(trace_id) = &self.trace_id {
            require("trace_id = ?", Box::new(trace_id.clone()));
        }
        for (path, wanted) in &self.members {
            require(&format!("document ->> '{path}' = ?"), Box::new(wanted.clone()));
        }
        match &self.statuses[..] {
            [] => {}
            // For a list, even of one, SQLite makes a table.
            [status] => require("status = ?", Box::new(status.clone())),
            statuses => {
                let marks = vec!["?"; statuses.len()].join(", ");
                condition.push_str(&format!(" AND status IN ({marks})"));
                values.extend(statuses.iter().map(|status| Box::new(status.clone()) as Box<dyn ToSql>));
            }
        }
        (condition, values)
    }
}

fn read_row<D: Document>(row: &Row<'_>) -> Result<(i64, D), StoreError> {
    let text: String = row.get(1)?;
    Ok((row.get(0)?, read_document(&text)?))
}

fn read_document<D: Document>(text: &str) -> Result<D, StoreError> {
    serde_json::from_str(text).map_err(|source| StoreError::Document { kind: D::KIND, source })
}

fn write_document<D: Document>(document: &D) -> Result<String, StoreError> {
    serde_json::to_string(document).map_err(|source| StoreError::Document { kind: D::KIND, source })
}
