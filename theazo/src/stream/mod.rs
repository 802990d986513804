//! Streams of events that survive broken connections: the parser, the resuming stream, and its typed form.
//!
//! ```no_run
//! # async fn example(agent: theazo::Agent, later: bool) -> Result<(), theazo::Error> {
//! use theazo::{EventStream, RawEvent, TypedStream, types::StreamEvent};
//!
//! let mut events: TypedStream<StreamEvent> = agent.stream("summarise notes.txt").await?;
//! println!("the run is {:?}", events.run_id());
//! while let Some(event) = events.next().await {
//!     println!("{}", event?.tag());
//! }
//!
//! // The same without decoding: each event as it came.
//! let mut raw: EventStream = agent.stream("and once more").await?.into_raw();
//! println!("opened by {} in {:?}", raw.meta().request_id, raw.meta().timings.total);
//! if let Some(event) = raw.next().await {
//!     let RawEvent { id, data } = event?;
//!     println!("{id:?}: {}", String::from_utf8_lossy(&data));
//! }
//! if later {
//!     raw.detach(); // the run goes on
//! } else {
//!     raw.close().await?; // the run is cancelled, and the server knows
//! }
//! # Ok(()) }
//! ```
//!
//! Reading order: `parser` (bytes to events, by the rules of the HTML standard), [`EventStream`] (resumes after the last
//! event that arrived), `patience` (how long it waits), `farewell` (what leaving it does), [`TypedStream`] (the same,
//! decoded).

mod events;
mod farewell;
mod last_event;
#[cfg(test)]
mod oracle;
mod parser;
mod patience;
mod typed;

pub use events::EventStream;
pub(crate) use parser::MAX_EVENT_BYTES;
pub use parser::RawEvent;
pub use typed::TypedStream;
