//! Streams of events, which cross in batches.

use std::sync::Arc;

use futures_util::FutureExt;
use napi::bindgen_prelude::{Env, PromiseRaw};
use napi_derive::napi;
use theazo::EventStream;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// A batch is not made longer than this, so that reading one does not hold up JavaScript's thread.
const BATCH_BYTES: usize = 64 * 1024;

/// The native end of a stream. When JavaScript forgets it, it is left as by dropping.
#[napi]
pub struct NativeStream {
    reading: Arc<Mutex<Option<Reading>>>,
    /// Ends a `next` that waits, so that `close` gets the stream.
    left: CancellationToken,
}

struct Reading {
    events: EventStream,
    /// An error that came after events, kept for the next batch.
    failure: Option<theazo::Error>,
}

#[napi]
impl NativeStream {
    /// Resolves to the events that are ready as one JSON array, at least one of them; to null at the end. The piece of an
    /// answer, by far the most usual event, crosses as its text alone.
    #[napi(catch_unwind)]
    pub fn next<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, Option<String>>> {
        let (reading, left) = (self.reading.clone(), self.left.clone());
        crate::promise(env, async move {
            let mut reading = reading.lock().await;
            let Some(reading) = reading.as_mut() else { return Ok(None) };
            left.run_until_cancelled(reading.batch()).await.unwrap_or(Ok(None)).map_err(crate::thrown)
        })
    }

    /// Leaves the stream, and where the operation says so ends the work; resolves when the server knows.
    #[napi(catch_unwind)]
    pub fn close<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, ()>> {
        let taken = self.take();
        crate::promise(env, async move {
            match taken.await {
                Some(reading) => reading.events.close().await.map_err(crate::thrown),
                None => Ok(()),
            }
        })
    }

    /// Leaves the stream and lets the server's work go on.
    #[napi(catch_unwind)]
    pub fn detach<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, ()>> {
        let taken = self.take();
        crate::promise(env, async move {
            if let Some(reading) = taken.await {
                reading.events.detach();
            }
            Ok(())
        })
    }
}

impl NativeStream {
    /// The native end of this stream.
    pub fn over(events: EventStream) -> Self {
        let reading = Reading { events, failure: None };
        Self { reading: Arc::new(Mutex::new(Some(reading))), left: CancellationToken::new() }
    }

    fn take(&self) -> impl Future<Output = Option<Reading>> + use<> {
        self.left.cancel();
        let reading = self.reading.clone();
        async move { reading.lock().await.take() }
    }
}

impl Reading {
    /// Waits for one event and takes those that are ready with it.
    async fn batch(&mut self) -> Result<Option<String>, theazo::Error> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let Some(first) = self.events.next().await.transpose()? else { return Ok(None) };
        let mut batch = Vec::with_capacity(first.data.len() + 2);
        batch.push(b'[');
        batch.extend_from_slice(crossing(&first.data));
        loop {
            let before = batch.len();
            self.take_ready(&mut batch);
            if batch.len() == before || batch.len() >= BATCH_BYTES || self.failure.is_some() {
                break;
            }
            // Where events come faster than they are read, their connection has the next ones: each batch that is saved is a
            // time less that JavaScript is woken.
            tokio::task::yield_now().await;
        }
        batch.push(b']');
        // The data of each event is UTF-8 already.
        let text = String::from_utf8(batch);
        Ok(Some(text.unwrap_or_else(|not_text| String::from_utf8_lossy(not_text.as_bytes()).into_owned())))
    }

    /// Adds the events that are ready, as far as a batch has room.
    fn take_ready(&mut self, batch: &mut Vec<u8>) {
        while batch.len() < BATCH_BYTES
            && let Some(Some(next)) = self.events.next().now_or_never()
        {
            match next {
                Ok(event) => {
                    batch.push(b',');
                    batch.extend_from_slice(crossing(&event.data));
                }
                Err(failure) => {
                    self.failure = Some(failure);
                    return;
                }
            }
        }
    }
}

/// How an event crosses: as it is, or as a text if `{"type":"text","text":…}` is all that it says. JavaScript makes that of it
/// again, which takes less than reading it does.
fn crossing(data: &[u8]) -> &[u8] {
    match data.trim_ascii_start().first() {
        Some(b'{') => text_of(data).unwrap_or(data),
        // No event of ours is a text by itself, so it must not be taken for one.
        Some(b'"') => b"null",
        _ => data,
    }
}

/// The text, as JSON has it, of an event that says nothing else.
fn text_of(data: &[u8]) -> Option<&[u8]> {
    let text = data.strip_prefix(br#"{"type":"text","text":"#)?.strip_suffix(b"}")?;
    let inner = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return None,
            // What is escaped does not end the text; at its end it would be the quotation mark that does.
            b'\\' => drop(bytes.next()?),
            _ => {}
        }
    }
    Some(text)
}
