//! How long events are kept. What money, work in hand and the end of a run need is kept for good.

use std::time::Duration;

use rusqlite::{OptionalExtension, named_params};
use theazo_api::Timestamp;

use super::{StoreError, Tenant, Tx, View};

/// How long the details of what happened are kept. The default keeps everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Details that are older go.
    pub age: Option<Duration>,
    /// Of each account in each world so many events stay in detail, the newest ones.
    pub events: Option<u32>,
}

/// What is kept for good: charges are money, and the others tell what began, how it ended and why it stands.
const KEPT: &str = "'charged', 'exec.started', 'session.limit_reached', 'run.completed', 'run.failed', 'run.cancelled'";

/// How many events are removed in one transaction, so that others wait only shortly.
const BATCH: i64 = 2000;

impl View<'_> {
    /// The place of the newest event of a tenant that is not kept any more; 0 if all are.
    pub fn pruned_through(&self, tenant: &Tenant) -> Result<i64, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
        let place: Option<String> = statement.query_row([mark(tenant)], |row| row.get(0)).optional()?;
        Ok(place.and_then(|place| place.parse().ok()).unwrap_or(0))
    }

    /// Everyone who has events.
    pub fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        // A loose index scan: one step for each tenant instead of one for each event.
        let mut statement = self.connection.prepare_cached(
            "WITH RECURSIVE tenants (tenant) AS (SELECT min(tenant) FROM events UNION ALL \
             SELECT (SELECT min(tenant) FROM events WHERE tenant > tenants.tenant) FROM tenants \
             WHERE tenants.tenant IS NOT NULL) SELECT tenant FROM tenants WHERE tenant IS NOT NULL",
        )?;
        let found = statement.query_map([], |row| row.get::<_, String>(0))?;
        Ok(found.map(|tenant| Ok(Tenant::parse(&tenant?))).collect::<rusqlite::Result<_>>()?)
    }

    /// The place up to which the details of a tenant's log may go.
    fn prunable_through(&self, tenant: &Tenant, retention: Retention, now: Timestamp) -> Result<i64, StoreError> {
        let mut through = 0;
        if let Some(age) = retention.age {
            let mut statement = self.connection.prepare_cached(
                "SELECT sequence FROM events WHERE tenant = ?1 AND at >= ?2 ORDER BY sequence LIMIT 1",
            )?;
            let oldest = now.minus(age).as_millis();
            let young: Option<i64> = statement.query_row((tenant.as_str(), oldest), |row| row.get(0)).optional()?;
            through = young.map_or_else(|| self.last_sequence_of(tenant), |place| Ok(place - 1))?;
        }
        if let Some(events) = retention.events {
            let mut statement = self.connection.prepare_cached(
                "SELECT sequence FROM events WHERE tenant = ?1 ORDER BY sequence DESC LIMIT 1 OFFSET ?2",
            )?;
            let surplus: Option<i64> = statement.query_row((tenant.as_str(), events), |row| row.get(0)).optional()?;
            through = through.max(surplus.unwrap_or(0));
        }
        Ok(through)
    }
}

impl Tx<'_> {
    /// Removes some of the events of a tenant that are not to be kept, and says how many. The work that is under way is
    /// continued from its events, so those stay.
    pub fn prune_events(&self, tenant: &Tenant, retention: Retention, now: Timestamp) -> Result<usize, StoreError> {
        let through = self.prunable_through(tenant, retention, now)?;
        if through == 0 {
            return Ok(0);
        }
        let sql = format!(
            "DELETE FROM events WHERE sequence IN (SELECT sequence FROM events WHERE tenant = :tenant \
             AND sequence <= :through AND sequence < (SELECT max(sequence) FROM events) AND kind NOT IN ({KEPT}) AND run_id NOT IN (SELECT id FROM resources \
             WHERE tenant = :tenant AND kind = 'run' AND status NOT IN ('completed', 'failed', 'cancelled')) \
             ORDER BY sequence LIMIT {BATCH}) RETURNING sequence"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let removed = statement
            .query_map(named_params! { ":tenant": tenant.as_str(), ":through": through }, |row| row.get::<_, i64>(0))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        if let Some(newest) = removed.iter().max() {
            let newest = (*newest).max(self.pruned_through(tenant)?);
            self.connection
                .prepare_cached(
                    "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
                )?
                .execute((mark(tenant), newest.to_string()))?;
        }
        Ok(removed.len())
    }
}

/// Where the store notes what it does not keep of a tenant any more.
fn mark(tenant: &Tenant) -> String {
    format!("pruned/{}", tenant.as_str())
}
