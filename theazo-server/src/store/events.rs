//! Events: the append-only log of everything that happened, from which logs, streams, usage and journals are views.

use rusqlite::{Connection, Row, ToSql};
use theazo_api::Timestamp;

use super::{StoreError, Tenant, Topic, Tx, View};
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

/// An event as the feed reads it.
#[derive(Debug)]
pub struct Committed {
    /// Whose log it is in.
    pub tenant: Tenant,
    /// The event.
    pub event: StoredEvent,
    /// About how many bytes it takes.
    pub size: usize,
}

/// Which events to read.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Only those after this place.
    pub after: i64,
    /// Only those up to this place.
    pub up_to: Option<i64>,
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
    /// None of these kinds.
    pub except: Vec<&'static str>,
    /// Only those at or after this time.
    pub since: Option<Timestamp>,
    /// Only those before this time.
    pub until: Option<Timestamp>,
    /// How many at most.
    pub limit: Option<i64>,
    /// About how many bytes at most: the event that goes beyond them is the last.
    pub bytes: Option<usize>,
}

impl EventFilter {
    /// Whether an event is one of those, of whichever tenant and place it is.
    pub fn fits(&self, event: &StoredEvent) -> bool {
        let scope = &event.scope;
        let is = |wanted: &Option<String>, is: &String| wanted.as_ref().is_none_or(|wanted| wanted == is);
        is(&self.session_id, &scope.session_id)
            && is(&self.agent_id, &scope.agent_id)
            && is(&self.run_id, &scope.run_id)
            && is(&self.user_id, &scope.user_id)
            && (self.kinds.is_empty() || self.kinds.contains(&event.event.kind()))
            && !self.except.contains(&event.event.kind())
            && self.since.is_none_or(|since| event.at >= since)
            && self.until.is_none_or(|until| event.at < until)
    }
}

/// The kinds of events that metrics are computed from.
const MEASURED: [&str; 9] = [
    "agent.created",
    "agent.ready",
    "agent.paused",
    "agent.resumed",
    "agent.terminated",
    "agent.failed",
    "run.completed",
    "run.failed",
    "run.cancelled",
];

/// The condition of events of these kinds. For a list (`IN`) SQLite would make a table each time.
fn is_of(kinds: &[&str]) -> String {
    format!("(kind = '{}')", kinds.join("' OR kind = '"))
}

/// Makes the index of the events that metrics are computed from, whose condition is the one of the query that reads it.
pub(super) fn make_index_for_metrics(connection: &Connection) -> rusqlite::Result<()> {
    let condition = is_of(&MEASURED);
    connection.execute_batch(&format!(
        "CREATE INDEX IF NOT EXISTS events_for_metrics ON events (tenant, at) WHERE {condition}"
    ))
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
        self.note(Topic::Events(event.kind()));
        Ok(self.connection.last_insert_rowid())
    }
}

impl View<'_> {
    /// Reads events of one tenant, the oldest first.
    pub fn events(&self, tenant: &Tenant, filter: &EventFilter) -> Result<Vec<StoredEvent>, StoreError> {
        // An index by one of these ids does not begin with the tenant, which is then checked for each event (`+`).
        let narrow = [("run_id", &filter.run_id), ("agent_id", &filter.agent_id), ("session_id", &filter.session_id)];
        let narrow = narrow.into_iter().find(|(_, wanted)| wanted.as_ref().is_some_and(|id| !id.is_empty()));
        let mut condition = match narrow {
            // The index of all charges of a session, which has no other condition.
            Some(("session_id", _)) if filter.kinds == ["charged"] => "+tenant = ? AND sequence > ?".to_owned(),
            Some((column, _)) => format!("+tenant = ? AND {column} <> '' AND sequence > ?"),
            None => "tenant = ? AND sequence > ?".to_owned(),
        };
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
        if let Some(up_to) = filter.up_to {
            condition.push_str(" AND sequence <= ?");
            values.push(Box::new(up_to));
        }
        for (comparison, time) in [("at >= ?", filter.since), ("at < ?", filter.until)] {
            if let Some(time) = time {
                condition.push_str(&format!(" AND {comparison}"));
                values.push(Box::new(time.as_millis()));
            }
        }
        if !filter.kinds.is_empty() {
            // Of one kind, so that the partial index of charges applies.
            condition.push_str(&format!(" AND {}", is_of(&filter.kinds)));
        }
        if !filter.except.is_empty() {
            condition.push_str(&format!(" AND NOT {}", is_of(&filter.except)));
        }
        self.read_events(&condition, values, filter.limit, filter.bytes)
    }

    /// Reads events of every tenant: for the worker alone, which serves them all.
    pub fn events_everywhere(&self, after: i64, kinds: &[&str]) -> Result<Vec<StoredEvent>, StoreError> {
        let condition = format!("sequence > ? AND {}", is_of(kinds));
        self.read_events(&condition, vec![Box::new(after)], None, None)
    }

    /// Reads what was committed after a place, of every tenant, with its owner and size: for the feed alone, which hands
    /// it out.
    pub fn committed_after(&self, after: i64, bytes: usize) -> Result<Vec<Committed>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT sequence, at, user_id, session_id, agent_id, run_id, body, tenant FROM events WHERE sequence > ?1 \
             ORDER BY sequence",
        )?;
        let mut rows = statement.query([after])?;
        let mut committed = Vec::new();
        let mut read = 0;
        while read <= bytes
            && let Some(row) = rows.next()?
        {
            let (event, size) = read_event(row)?;
            read += size;
            let tenant: String = row.get(7)?;
            committed.push(Committed { tenant: Tenant::parse(&tenant), event, size });
        }
        Ok(committed)
    }

    /// Reads the events of a time that metrics are computed from, the oldest first.
    pub fn measured(
        &self,
        tenant: &Tenant,
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let sql = format!(
            "SELECT sequence, at, user_id, session_id, agent_id, run_id, body FROM events INDEXED BY events_for_metrics \
             WHERE tenant = ?1 AND at >= ?2 AND at < ?3 AND {} ORDER BY at, sequence",
            is_of(&MEASURED)
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query((tenant.as_str(), since.as_millis(), until.as_millis()))?;
        let mut events = Vec::new();
        while let Some(row) = rows.next()? {
            events.push(read_event(row)?.0);
        }
        Ok(events)
    }

    /// The place of the newest event of all.
    pub fn last_sequence(&self) -> Result<i64, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT coalesce(max(sequence), 0) FROM events")?;
        Ok(statement.query_row([], |row| row.get(0))?)
    }

    /// The place of a tenant's newest event, also if it is not kept any more; 0 if there was none.
    pub fn last_sequence_of(&self, tenant: &Tenant) -> Result<i64, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT coalesce(max(sequence), 0) FROM events WHERE tenant = ?1")?;
        let newest: i64 = statement.query_row([tenant.as_str()], |row| row.get(0))?;
        Ok(newest.max(self.pruned_through(tenant)?))
    }

    /// Whether a tenant has an event at a place.
    pub fn has_event(&self, tenant: &Tenant, sequence: i64) -> Result<bool, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT 1 FROM events WHERE sequence = ?1 AND tenant = ?2")?;
        Ok(statement.exists((sequence, tenant.as_str()))?)
    }

    fn read_events(
        &self,
        condition: &str,
        values: Vec<Box<dyn ToSql>>,
        limit: Option<i64>,
        bytes: Option<usize>,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let limit = limit.unwrap_or(-1);
        let sql = format!(
            "SELECT sequence, at, user_id, session_id, agent_id, run_id, body FROM events WHERE {condition} \
             ORDER BY sequence LIMIT {limit}"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        let mut events = Vec::new();
        let mut left = bytes.unwrap_or(usize::MAX);
        while left > 0
            && let Some(row) = rows.next()?
        {
            let (event, size) = read_event(row)?;
            left = left.saturating_sub(size);
            events.push(event);
        }
        Ok(events)
    }
}

/// An event with its size.
fn read_event(row: &Row<'_>) -> Result<(StoredEvent, usize), StoreError> {
    let body = row.get_ref(6)?.as_str().map_err(rusqlite::Error::from)?;
    let event = StoredEvent {
        sequence: row.get(0)?,
        at: Timestamp::from_millis(row.get(1)?),
        scope: EventScope { user_id: row.get(2)?, session_id: row.get(3)?, agent_id: row.get(4)?, run_id: row.get(5)? },
        event: serde_json::from_str(body).map_err(|source| StoreError::Document { kind: "event", source })?,
    };
    Ok((event, body.len()))
}
