//! Events: the append-only log of everything that happened, from which logs, streams, usage and journals are views.

use rusqlite::ToSql;
use theazo_api::Timestamp;

use super::{StoreError, Tenant, Tx, View};
use crate::event::Event;

/// What an event is about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventScope {
    /// The end user; empty in an anonymous session.
    pub user_id: String,
    /// The session.
    pub session_id: String,
    /// The agent; empty where none is involved.
    pub agent_id: String,
    /// The run; empty where none is involved.
    pub run_id: String,
}

/// An event in the log.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// Its place in the log; it grows, and it is the id of a server-sent event.
    pub sequence: i64,
    /// When it happened.
    pub at: Timestamp,
    /// What it is about.
    pub scope: EventScope,
    /// What happened.
    pub event: Event,
}

/// Which events to read.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Only those after this place.
    pub after: i64,
    /// Only those of this session.
    pub session_id: Option<String>,
    /// Only those of this agent.
    pub agent_id: Option<String>,
    /// Only those of this run.
    pub run_id: Option<String>,
    /// Only those of this user.
    pub user_id: Option<String>,
    /// Only those of these kinds; empty means any.
    pub kinds: Vec<&'static str>,
    /// Only those at or after this time.
    pub since: Option<Timestamp>,
    /// Only those before this time.
    pub until: Option<Timestamp>,
    /// How many at most.
    pub limit: Option<i64>,
}

impl Tx<'_> {
    /// Appends an event and returns its place.
    pub fn append(&self, tenant: &Tenant, at: Timestamp, scope: &EventScope, event: &Event) -> Result<i64, StoreError> {
        let body = serde_json::to_string(event).map_err(|source| StoreError::Document { kind: "event", source })?;
        self.connection
            .prepare_cached(
                "INSERT INTO events (tenant, at, kind, user_id, session_id, agent_id, run_id, body) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                tenant.as_str(),
                at.as_millis(),
                event.kind(),
                &scope.user_id,
                &scope.session_id,
                &scope.agent_id,
                &scope.run_id,
                body,
            ))?;
        Ok(self.connection.last_insert_rowid())
    }
}

impl View<'_> {
    /// Reads events of one tenant, the oldest first.
    pub fn events(&self, tenant: &Tenant, filter: &EventFilter) -> Result<Vec<StoredEvent>, StoreError> {
        let mut condition = "tenant = ? AND sequence > ?".to_owned();
        let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(tenant.as_str().to_owned()), Box::new(filter.after)];
        for (column, wanted) in [
            ("session_id", &filter.session_id),
            ("agent_id", &filter.agent_id),
            ("run_id", &filter.run_id),
            ("user_id", &filter.user_id),
        ] {
            if let Some(wanted) = wanted {
                condition.push_str(&format!(" AND {column} = ?"));
                values.push(Box::new(wanted.clone()));
            }
        }
        for (comparison, time) in [("at >= ?", filter.since), ("at < ?", filter.until)] {
            if let Some(time) = time {
                condition.push_str(&format!(" AND {comparison}"));
                values.push(Box::new(time.as_millis()));
            }
        }
        if let [kind] = filter.kinds[..] {
            // Spelled out, so that the partial index of charges applies.
            condition.push_str(&format!(" AND kind = '{kind}'"));
        } else if !filter.kinds.is_empty() {
            condition.push_str(&format!(" AND kind IN ('{}')", filter.kinds.join("', '")));
        }
        self.read_events(&condition, values, filter.limit)
    }

    /// Reads events of every tenant: for the worker alone, which serves them all.
    pub fn events_everywhere(&self, after: i64, kinds: &[&str]) -> Result<Vec<StoredEvent>, StoreError> {
        let condition = format!("sequence > ? AND kind IN ('{}')", kinds.join("', '"));
        self.read_events(&condition, vec![Box::new(after)], None)
    }

    /// The place of the newest event of all.
    pub fn last_sequence(&self) -> Result<i64, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT coalesce(max(sequence), 0) FROM events")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    fn read_events(
        &self,
        condition: &str,
        values: Vec<Box<dyn ToSql>>,
        limit: Option<i64>,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let limit = limit.unwrap_or(-1);
        let sql = format!(
            "SELECT sequence, at, user_id, session_id, agent_id, run_id, body FROM events WHERE {condition} \
             ORDER BY sequence LIMIT {limit}"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        let mut events = Vec::new();
        while let Some(row) = rows.next()? {
            let body: String = row.get(6)?;
            events.push(StoredEvent {
                sequence: row.get(0)?,
                at: Timestamp::from_millis(row.get(1)?),
                scope: EventScope {
                    user_id: row.get(2)?,
                    session_id: row.get(3)?,
                    agent_id: row.get(4)?,
                    run_id: row.get(5)?,
                },
                event: serde_json::from_str(&body).map_err(|source| StoreError::Document { kind: "event", source })?,
            });
        }
        Ok(events)
    }
}
