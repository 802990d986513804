//! What happened, as tests look at it.

use serde_json::{Map, Value};
use theazo_api::testing::{RecordedEvent, RecordedEventFilters};

use super::Context;
use crate::{
    error::{AppError, AppResult},
    store::{EventFilter, StoredEvent},
};

impl Context {
    /// Lists the tenant's events.
    pub async fn recorded_events(&self, filters: RecordedEventFilters) -> AppResult<Vec<RecordedEvent>> {
        let filter = EventFilter {
            session_id: filters.session_id.map(|id| id.to_string()),
            agent_id: filters.agent_id.map(|id| id.to_string()),
            run_id: filters.run_id.map(|id| id.to_string()),
            ..EventFilter::default()
        };
        let tenant = self.tenant.clone();
        let events = self.app.store.scan(move |view| Ok::<_, AppError>(view.events(&tenant, &filter)?)).await?;
        let is_wanted = |stored: &&StoredEvent| filters.kind.as_ref().is_none_or(|kind| stored.event.kind() == kind);
        events.iter().filter(is_wanted).map(recorded).collect()
    }
}

fn recorded(stored: &StoredEvent) -> AppResult<RecordedEvent> {
    // An event is kept as an object of one member, whose name is the type of the event.
    let data = match serde_json::to_value(&stored.event).map_err(AppError::internal)? {
        Value::Object(kept) => kept.into_iter().next().and_then(|(_, data)| match data {
            Value::Object(data) => Some(data),
            _ => None,
        }),
        _ => None,
    };
    Ok(RecordedEvent {
        id: stored.sequence.to_string(),
        kind: stored.event.kind().to_owned(),
        at: stored.at,
        user_id: stored.scope.user_id.clone(),
        session_id: stored.scope.session_id.clone(),
        agent_id: stored.scope.agent_id.clone(),
        run_id: stored.scope.run_id.clone(),
        data: data.unwrap_or_else(Map::new),
    })
}
