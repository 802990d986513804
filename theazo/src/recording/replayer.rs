//! Answers what was recorded.

use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Instant, sleep_until};

use super::{
    Label,
    line::{Ending, Line},
};
use crate::{
    error::Error,
    transport::{AnswerBody as Body, BoxError, Failure, Incoming, Outgoing, Unanswered},
};

/// Which recorded answer belongs to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// That of the same request: method, path, query and body. Each is given once, in the order of the recording.
    Strict,
    /// If there is none, that of another request with the same method and path; the last one may be given again.
    Lenient,
}

/// Answers requests from a recording. Clones share what is left of it.
#[derive(Debug, Clone)]
pub struct Replayer {
    lines: Arc<Mutex<VecDeque<Line>>>,
    matching: Matching,
    keeps_pace: bool,
    /// What was given last to each request, for those that ask again.
    given: Arc<Mutex<Vec<Line>>>,
}

impl Replayer {
    /// Reads a recording.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or a line of it is none of a recording.
    pub fn from_file(path: impl AsRef<Path>, matching: Matching) -> Result<Self, Error> {
        let path = path.as_ref();
        let refused = |problem: String| {
            Error::configuration(format!("the recording `{}` cannot be read: {problem}", path.display()))
        };
        let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
        let lines = (1..).zip(text.lines()).map(|(number, line)| {
            serde_json::from_str(line).map_err(|error| refused(format!("line {number} is no request: {error}")))
        });
        Ok(Self {
            lines: Arc::new(Mutex::new(lines.collect::<Result<_, _>>()?)),
            matching,
            keeps_pace: false,
            given: Arc::default(),
        })
    }

    /// Lets the pieces of each answer come as slowly as they did; at once by default.
    ///
    /// ```no_run
    /// use theazo::{Config, recording::{Matching, Replayer}};
    ///
    /// let replayer = Replayer::from_file("sessions.jsonl", Matching::Strict)?.at_recorded_pace();
    /// let config = Config::with_api_key("th_test_any").replay(&replayer);
    /// # Ok::<_, theazo::Error>(())
    /// ```
    #[must_use]
    pub fn at_recorded_pace(self) -> Self {
        Self { keeps_pace: true, ..self }
    }

    /// How many recorded requests nobody made yet.
    pub fn unused(&self) -> usize {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn answer(&self, label: &Label, outgoing: &Outgoing) -> Result<Incoming, Failure> {
        let Some(line) = self.find(label, outgoing) else {
            let asked = format!("{} {}", outgoing.method, outgoing.url.path());
            let source = format!("the recording has no answer to `{asked}` with this content, or not as many").into();
            return Err(Failure { ending: Unanswered::Refused, source });
        };
        let headers: HeaderMap = line
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.parse::<HeaderName>().ok()?, HeaderValue::try_from(value).ok()?)))
            .collect();
        let ending = match line.ending {
            Ending::NotSent => return Err(lost(Unanswered::NotSent)),
            Ending::Lost => return Err(lost(Unanswered::Broken)),
            Ending::Broken => Some(Err::<bytes::Bytes, BoxError>("the connection broke when this was recorded".into())),
            // Whoever left a stream did not see its end; now it has one.
            Ending::Whole | Ending::Left => None,
        };
        let begun = Instant::now();
        let keeps_pace = self.keeps_pace;
        let pieces = stream::iter(line.pieces).then(move |piece| async move {
            if keeps_pace {
                sleep_until(begun + Duration::from_millis(piece.after_ms)).await;
            }
            Ok(piece.bytes())
        });
        let body = Body::Stream(Box::pin(pieces.chain(stream::iter(ending))));
        Ok(Incoming { status: line.status, headers, body })
    }

    fn find(&self, label: &Label, outgoing: &Outgoing) -> Option<Line> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let same = lines.iter().position(|line| line.is_of(label, outgoing));
        let is_lenient = self.matching == Matching::Lenient;
        let found = same.or_else(|| lines.iter().position(|line| is_lenient && line.is_like(outgoing)));
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        match found.and_then(|index| lines.remove(index)) {
            Some(line) => {
                if is_lenient {
                    given.retain(|earlier| !earlier.is_like(outgoing));
                    given.push(line.clone());
                }
                Some(line)
            }
            None => given.iter().find(|line| line.is_like(outgoing)).cloned(),
        }
    }
}

fn lost(ending: Unanswered) -> Failure {
    Failure { ending, source: "no answer came when this was recorded".into() }
}
