//! Streams of events that survive broken connections: the parser, the resuming stream, and its typed form.
//!
//! Reading order: `parser` (bytes to events, by the rules of the HTML standard), [`EventStream`] (resumes after the last
//! event that arrived), `patience` (how long it waits), `farewell` (what leaving it does), [`TypedStream`] (the same,
//! decoded).

mod events;
mod farewell;
mod last_event;
mod parser;
mod patience;
mod typed;

pub use events::EventStream;
pub(crate) use parser::MAX_EVENT_BYTES;
pub use parser::RawEvent;
pub use typed::TypedStream;
