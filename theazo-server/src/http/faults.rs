//! Faults that a test asked for: what becomes of a call.

use std::future::Future;

use axum::{body::Body, http::Response};
use bytes::Bytes;
use futures_util::StreamExt;
use theazo_api::RequestId;

use super::{ConnectionReset, error::respond};
use crate::{clock::Clock, test_plane::FaultAction};

/// How the body of an answer ends too early.
#[derive(Clone, Copy)]
enum TooEarly {
    /// The connection breaks.
    Breaks,
    /// Nothing more comes, and the connection stays open.
    Stalls,
}

/// Answers a call as the fault has it, if there is one. `serve` is the call itself: where it is not awaited, nothing happens.
pub async fn answer_with(
    fault: Option<FaultAction>,
    clock: &Clock,
    request_id: &RequestId,
    serve: impl Future<Output = Response<Body>>,
) -> Response<Body> {
    match fault {
        None => serve.await,
        Some(FaultAction::Answer { error, status, after_effect }) => {
            if after_effect {
                serve.await;
            }
            let mut response = respond(&error, request_id, None);
            *response.status_mut() = status;
            response
        }
        Some(FaultAction::Reset { after_effect }) => {
            if after_effect {
                serve.await;
            }
            reset()
        }
        Some(FaultAction::Delay { by, real_time }) => {
            if real_time {
                tokio::time::sleep(by).await;
            } else {
                clock.reached(clock.now().plus(by)).await;
            }
            serve.await
        }
        Some(FaultAction::Truncate { after_bytes }) => cut(serve.await, after_bytes, TooEarly::Breaks),
        Some(FaultAction::Stall { after_bytes }) => cut(serve.await, after_bytes, TooEarly::Stalls),
    }
}

/// An answer whose connection ends: over a socket its body breaks off, in process it is a connection error.
fn reset() -> Response<Body> {
    let broken = futures_util::stream::iter([Err::<Bytes, _>(broken())]);
    let mut response = Response::new(Body::from_stream(broken));
    response.extensions_mut().insert(ConnectionReset);
    response
}

/// The answer with so many bytes of its body at most.
fn cut(response: Response<Body>, after_bytes: usize, ending: TooEarly) -> Response<Body> {
    let (head, body) = response.into_parts();
    let mut pieces = body.into_data_stream();
    let body = async_stream::stream! {
        let mut left = after_bytes;
        while let Some(piece) = pieces.next().await {
            let piece = match piece {
                Ok(piece) => piece,
                Err(error) => {
                    yield Err(std::io::Error::other(error));
                    return;
                }
            };
            if piece.len() > left {
                yield Ok(piece.slice(..left));
                // A turn of its own, in which what came so far is sent: an error at once would take it along.
                tokio::task::yield_now().await;
                match ending {
                    TooEarly::Breaks => yield Err(broken()),
                    TooEarly::Stalls => std::future::pending().await,
                }
                return;
            }
            left -= piece.len();
            yield Ok(piece);
        }
    };
    Response::from_parts(head, Body::from_stream(body))
}

fn broken() -> std::io::Error {
    std::io::ErrorKind::ConnectionReset.into()
}
