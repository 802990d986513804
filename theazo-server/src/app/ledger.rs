//! The entries of the ledger: every charge, with what it was for and what was held back for it.

use theazo_api::{Cost, LedgerEntry, LedgerFilters, LedgerKind, Page, Timestamp, testing::Charge};

use super::{
    Context,
    pages::{DEFAULT_LIMIT, parse_cursor},
};
use crate::{
    error::AppResult,
    event::Event,
    store::{EventFilter, StoredEvent},
};

impl Context {
    /// Lists entries, the oldest first.
    pub fn list_ledger(&self, filters: LedgerFilters) -> AppResult<Page<LedgerEntry>> {
        let limit = filters.limit.unwrap_or(DEFAULT_LIMIT);
        let cursor = filters.cursor.as_deref().filter(|cursor| !cursor.is_empty());
        let filter = EventFilter {
            after: cursor.map(parse_cursor).transpose()?.unwrap_or(0),
            session_id: filters.session_id.map(|id| id.to_string()),
            user_id: filters.user_id,
            run_id: filters.run_id.map(|id| id.to_string()),
            since: filters.since,
            until: filters.until,
            // One more tells whether there are more.
            limit: Some(limit + 1),
            ..EventFilter::default()
        };
        let mut entries = self.ledger_entries(filter)?;
        let has_more = i64::try_from(entries.len()).unwrap_or(i64::MAX) > limit;
        entries.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let cursor = match entries.last() {
            Some((sequence, _)) if has_more => format!("c{sequence}"),
            _ => String::new(),
        };
        Ok(Page { data: entries.into_iter().map(|(_, entry)| entry).collect(), has_more, cursor })
    }

    /// The entries from a time on, the oldest first.
    pub(super) fn ledger_since(&self, since: Timestamp) -> AppResult<Vec<LedgerEntry>> {
        let entries = self.ledger_entries(EventFilter { since: Some(since), ..EventFilter::default() })?;
        Ok(entries.into_iter().map(|(_, entry)| entry).collect())
    }

    /// Every charge of the tenant, for tests to look at.
    pub fn all_charges(&self) -> AppResult<Vec<Charge>> {
        let charges = self.charges(EventFilter::default())?.into_iter().filter_map(|stored| match stored.event {
            Event::Charged { charge, .. } => Some(charge),
            _ => None,
        });
        Ok(charges.collect())
    }

    fn ledger_entries(&self, filter: EventFilter) -> AppResult<Vec<(i64, LedgerEntry)>> {
        let charges = self.charges(filter)?;
        Ok(charges.into_iter().filter_map(|stored| Some((stored.sequence, entry(stored.event)?))).collect())
    }

    fn charges(&self, filter: EventFilter) -> AppResult<Vec<StoredEvent>> {
        let filter = EventFilter { kinds: vec!["charged"], ..filter };
        self.app.store.read(|view| Ok(view.events(&self.tenant, &filter)?))
    }
}

fn entry(event: Event) -> Option<LedgerEntry> {
    let Event::Charged { charge, tokens, milliseconds, byte_hours, model, reservation } = event else { return None };
    let kind = LedgerKind::from(charge.kind.as_str());
    let reserved = reservation.as_ref().map(|reserved| Cost::from_micro_cents(reserved.micro_cents));
    Some(LedgerEntry {
        id: charge.id,
        tokens: (kind == LedgerKind::Model).then_some(tokens),
        compute_minutes: (kind == LedgerKind::Compute).then_some(milliseconds as f64 / 60_000.0),
        gb_hours: (kind == LedgerKind::Storage).then_some(byte_hours as f64 / 1e9),
        kind,
        cost: charge.cost,
        user_id: charge.user_id,
        session_id: charge.session_id,
        agent_id: charge.agent_id,
        run_id: charge.run_id,
        provider: charge.provider,
        model,
        reservation_id: reservation.map(|reserved| reserved.id),
        reserved,
        at: charge.at,
    })
}
