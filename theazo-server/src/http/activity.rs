//! Activity: one stream of everything.

use bytes::Bytes;
use theazo_api::{
    ActivityEvent,
    activity::{ActivityFilters, OpenActivitySocket, StreamActivity},
};

use super::{
    encode,
    logs::notice_entry,
    mount::{Call, Routes},
    stream::{EventSource, Notice, Shown},
};
use crate::{
    app::Context,
    error::AppResult,
    feed::{ActivityPart, FeedItem},
    store::EventFilter,
};

pub fn mount(routes: &mut Routes) {
    routes.events(|call: Call<StreamActivity>| async move { source(&call.context, call.query, call.last_event_id) });
    routes.socket(|call: Call<OpenActivitySocket>| async move {
        let filters = ActivityFilters {
            session_id: call.query.session_id,
            agent_id: call.query.agent_id,
            user_id: call.query.user_id,
            kinds: call.query.kinds,
        };
        Ok(source(&call.context, filters, call.last_event_id)?.numbered())
    });
}

fn source(context: &Context, filters: ActivityFilters, after: Option<i64>) -> AppResult<EventSource> {
    let filter = EventFilter {
        session_id: filters.session_id.map(|id| id.to_string()),
        agent_id: filters.agent_id.map(|id| id.to_string()),
        user_id: filters.user_id,
        // Pieces of text mean nothing by themselves: the whole answer follows them.
        except: vec!["model.text"],
        ..EventFilter::default()
    };
    let filter = context.follow_from(after, filter)?;
    let kinds: Option<Vec<String>> =
        filters.kinds.map(|kinds| kinds.split(',').map(|kind| kind.trim().to_owned()).collect());
    let context = context.clone();
    let show = move |item: &FeedItem| {
        let parts = item.activity.get_or_init(|| parts_of(&context, item));
        let fits = |part: &&ActivityPart| kinds.as_ref().is_none_or(|kinds| kinds.iter().any(|kind| kind == part.kind));
        let parts: Vec<Bytes> = parts.iter().filter(fits).map(|part| part.json.clone()).collect();
        (!parts.is_empty()).then_some(Shown { parts, last: false })
    };
    Ok(EventSource::of_items(filter, Box::new(show)).telling(tell))
}

fn parts_of(context: &Context, item: &FeedItem) -> Vec<ActivityPart> {
    let events = context.activity_of(item).unwrap_or_else(|error| {
        tracing::error!(%error, sequence = item.sequence, "what an event means cannot be read");
        Vec::new()
    });
    let part = |event: &ActivityEvent| {
        let kind = match event {
            ActivityEvent::Log { .. } => "log",
            ActivityEvent::Span { .. } => "span",
            ActivityEvent::Metric { .. } => "metric",
            _ => "state",
        };
        Some(ActivityPart { kind, json: encode::json(event).ok()?.into() })
    };
    events.iter().filter_map(part).collect()
}

fn tell(notice: &Notice) -> Option<Bytes> {
    let event = ActivityEvent::Log {
        timestamp: notice.at,
        session_id: String::new(),
        agent_id: String::new(),
        user_id: String::new(),
        entry: notice_entry(notice),
    };
    encode::json(&event).ok().map(Bytes::from)
}
