//! The answer of a model as it comes: stored piece by piece, and shown once even if it is asked for again.

use futures_util::{StreamExt, stream::BoxStream};
use serde_json::Value;
use theazo_api::Timestamp;

use super::Engine;
use crate::{
    error::AppResult,
    event::{Event, RequestedCall},
    model::{ModelChunk, ModelError, ModelErrorKind, StopReason, TokenCount},
    records::RunRecord,
    store::{Tenant, Tx},
};

/// How many pieces of an answer are stored together at most, where a model is faster than the store.
const PIECES_TOGETHER: usize = 64;

/// How long a piece of an answer is at least, where the model has given more than that already. Each piece is an event, which
/// takes several hundred bytes however short it is.
const SHORTEST_PIECE: usize = 64;

/// What a model answered.
pub(super) struct Answer {
    pub text: String,
    pub tool_calls: Vec<RequestedCall>,
    pub reasoning: Vec<Value>,
    pub tokens: TokenCount,
    pub stop: StopReason,
    /// Its last pieces, which are not stored yet: they came together with its end, and are stored with it.
    pub last_pieces: Vec<String>,
}

impl Engine {
    /// Stores an answer as it comes. `shown` is what a stream has shown of it before it was asked for again.
    pub(super) async fn stream_answer(
        &self,
        tenant: &Tenant,
        run: &RunRecord,
        step: u32,
        shown: &str,
        chunks: BoxStream<'static, Result<ModelChunk, ModelError>>,
    ) -> AppResult<Result<Answer, ModelError>> {
        let mut seen = Seen(shown);
        let (mut text, mut tool_calls, mut reasoning) = (String::new(), Vec::new(), Vec::new());
        let mut end = None;
        let mut last_pieces = Vec::new();
        let mut batches = chunks.ready_chunks(PIECES_TOGETHER);
        while let Some(batch) = batches.next().await {
            let mut fresh: Vec<String> = Vec::new();
            let mut failed = None;
            for chunk in batch {
                match chunk {
                    Ok(ModelChunk::Text(piece)) => {
                        let new = seen.unseen(&piece);
                        match fresh.last_mut().filter(|last| last.len() < SHORTEST_PIECE) {
                            Some(last) => last.push_str(new),
                            None if new.is_empty() => {}
                            None => fresh.push(new.to_owned()),
                        }
                        text.push_str(&piece);
                    }
                    Ok(ModelChunk::Reasoning(thought)) => reasoning.push(thought),
                    Ok(ModelChunk::ToolCall(call)) => {
                        // Some gateways leave the name of a call empty.
                        let unnamed = call.id.is_empty().then(|| format!("call_{step}_{}", tool_calls.len()));
                        let id = unnamed.unwrap_or(call.id);
                        tool_calls.push(RequestedCall { id, tool: call.tool, input: call.input });
                    }
                    Ok(ModelChunk::Finished { tokens, stop }) => end = Some((tokens, stop)),
                    Err(error) => failed = Some(error),
                }
            }
            if end.is_none() {
                self.show(tenant, run, step, fresh).await?;
            } else {
                last_pieces.extend(fresh);
            }
            if let Some(error) = failed {
                return Ok(Err(error));
            }
        }
        Ok(match end {
            Some((tokens, stop)) => Ok(Answer { text, tool_calls, reasoning, tokens, stop, last_pieces }),
            None => Err(ModelError::new(ModelErrorKind::ConnectionCut, "the answer ended before it was whole")),
        })
    }

    async fn show(&self, tenant: &Tenant, run: &RunRecord, step: u32, pieces: Vec<String>) -> AppResult<()> {
        if pieces.is_empty() {
            return Ok(());
        }
        let (owner, now) = (tenant.clone(), self.app.clock.now());
        let written = self.write_held(tenant, run, move |tx, run| append_pieces(tx, &owner, &run, step, &pieces, now));
        written.await.map(drop)
    }
}

/// Stores pieces of an answer.
pub(super) fn append_pieces(
    tx: &Tx<'_>,
    tenant: &Tenant,
    run: &RunRecord,
    step: u32,
    pieces: &[String],
    now: Timestamp,
) -> AppResult<()> {
    for text in pieces {
        tx.append(tenant, now, &run.scope(), &Event::ModelText { step, text: text.clone() })?;
    }
    Ok(())
}

/// What a stream has shown of an answer and that the repeated answer has not said again. Where the two part, the rest of
/// the repeated one is new.
struct Seen<'a>(&'a str);

impl Seen<'_> {
    /// The part of a piece that was not shown yet.
    fn unseen<'piece>(&mut self, piece: &'piece str) -> &'piece str {
        let same = piece.chars().zip(self.0.chars()).take_while(|(one, other)| one == other);
        let same: usize = same.map(|(character, _)| character.len_utf8()).sum();
        let parted = same < piece.len();
        self.0 = if parted { "" } else { &self.0[same..] };
        &piece[same..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(shown: &str, pieces: &[&str]) -> String {
        let mut seen = Seen(shown);
        pieces.iter().map(|piece| seen.unseen(piece)).collect()
    }

    #[test]
    fn a_repeated_answer_is_shown_from_where_the_first_one_was_cut_however_it_is_cut() {
        assert_eq!(fresh("Grüße aus", &["Gr", "üße aus K", "öln"]), " Köln");
        assert_eq!(fresh("Grüße aus", &["Grüße aus Köln"]), " Köln");
        assert_eq!(fresh("", &["Grüße ", "aus"]), "Grüße aus");
        assert_eq!(fresh("Grüße aus Köln", &["Grüße ", "aus"]), "");
    }

    #[test]
    fn an_answer_that_goes_another_way_is_shown_from_where_they_part() {
        assert_eq!(fresh("Grüße aus Köln", &["Grüße ", "von ", "aus Köln"]), "von aus Köln");
    }
}
