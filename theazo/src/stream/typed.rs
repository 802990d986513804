//! A stream of events, decoded.

use std::{
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::Stream;
use serde::de::DeserializeOwned;

use super::{EventStream, RawEvent};
use crate::error::Error;

/// A stream of typed events; an [`EventStream`], decoded.
///
/// It is a [`futures_util::Stream`], and [`next`](Self::next) works without importing anything.
#[derive(Debug)]
pub struct TypedStream<T> {
    events: EventStream,
    item: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> TypedStream<T> {
    pub(crate) fn new(events: EventStream) -> Self {
        Self { events, item: PhantomData }
    }

    /// The next event; `None` when the stream has ended.
    ///
    /// # Errors
    ///
    /// When the stream cannot be resumed, or an event is not what the API describes.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        let event = self.events.next().await?;
        Some(event.and_then(|event| self.decode(event)))
    }

    /// The run that the stream belongs to, where it belongs to one.
    pub fn run_id(&self) -> Option<&str> {
        self.events.run_id()
    }

    /// Leaves the stream and lets the server's work go on.
    pub fn detach(self) {
        self.events.detach();
    }

    /// Leaves the stream as dropping it does, and waits until the server knows.
    ///
    /// # Errors
    ///
    /// When the server could not be told to end the work.
    pub async fn close(self) -> Result<(), Error> {
        self.events.close().await
    }

    /// The events as they come, not decoded.
    pub fn into_raw(self) -> EventStream {
        self.events
    }
}

impl<T: DeserializeOwned> TypedStream<T> {
    fn decode(&self, event: RawEvent) -> Result<T, Error> {
        serde_json::from_slice(&event.data).map_err(|problem| self.events.unreadable(&event.data, &problem))
    }
}

impl<T: DeserializeOwned> Stream for TypedStream<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.events.poll_event(context);
        polled.map(|event| event.map(|event| event.and_then(|event| self.decode(event))))
    }
}
