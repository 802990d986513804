//! Writes down what goes by.

use std::{
    fs::File,
    io::Write,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::Stream;
use tokio::time::Instant;

use super::{
    Label,
    line::{Ending, Line},
};
use crate::{
    error::Error,
    transport::{
        AnswerBody as Body, BoxError, ByteStream, Connection, Failure, Incoming, Outgoing, Redactor, Unanswered,
    },
};

/// Records what clients and their control planes say to each other. Clones write to the same file.
///
/// The answer of a call is written when it has come whole; that of a stream, when it ends or is left.
#[derive(Debug, Clone)]
pub struct Recorder {
    file: Arc<Mutex<File>>,
}

impl Recorder {
    /// Records to a file, which is made anew.
    ///
    /// # Errors
    ///
    /// If the file cannot be made.
    pub fn to_file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = File::create(path).map_err(|error| {
            Error::configuration(format!("the recording `{}` cannot be made: {error}", path.display()))
        })?;
        Ok(Self { file: Arc::new(Mutex::new(file)) })
    }

    pub(super) async fn send(
        &self,
        connection: &Connection,
        label: Label,
        outgoing: Outgoing,
    ) -> Result<Incoming, Failure> {
        let mut line = Line::of(&label, &outgoing);
        let incoming = match connection.send(outgoing).await {
            Ok(incoming) => incoming,
            Err(failure) => {
                line.ending = match failure.ending {
                    Unanswered::NotSent | Unanswered::Refused => Ending::NotSent,
                    _ => Ending::Lost,
                };
                self.write(&line);
                return Err(failure);
            }
        };
        line.note_head(incoming.status, &incoming.headers);
        if incoming.status == 101 {
            // A WebSocket says the same as the stream beside it, which can be recorded.
            return Ok(incoming);
        }
        let body = Noted {
            pieces: incoming.body.into_stream(),
            came: Vec::new(),
            begun: Instant::now(),
            recorder: self.clone(),
            line: Some(line),
            sent: label.sent,
            tells_secrets: label.tells_secrets,
        };
        Ok(Incoming { body: Body::Stream(Box::pin(body)), status: incoming.status, headers: incoming.headers })
    }

    fn write(&self, line: &Line) {
        let Ok(mut text) = serde_json::to_vec(line) else { return };
        text.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(&text) {
            tracing::warn!(%error, "the recording cannot be written");
        }
    }
}

/// A body that is noted as it goes by.
struct Noted {
    pieces: ByteStream,
    came: Vec<(u64, Bytes)>,
    begun: Instant,
    recorder: Recorder,
    /// `None` once it is written.
    line: Option<Line>,
    sent: Redactor,
    tells_secrets: bool,
}

impl Noted {
    fn finish(&mut self, ending: Ending) {
        let Some(mut line) = self.line.take() else { return };
        line.note_pieces(&self.came, &self.sent, self.tells_secrets);
        line.ending = ending;
        self.recorder.write(&line);
    }
}

impl Stream for Noted {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = self.pieces.as_mut().poll_next(context);
        match &polled {
            Poll::Ready(Some(Ok(piece))) => {
                let after_ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                self.came.push((after_ms, piece.clone()));
            }
            Poll::Ready(Some(Err(_))) => self.finish(Ending::Broken),
            Poll::Ready(None) => self.finish(Ending::Whole),
            Poll::Pending => {}
        }
        polled
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.finish(Ending::Left);
    }
}
