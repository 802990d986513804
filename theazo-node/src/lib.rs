//! The native part of the Node package: the SDK core's layer of bytes, and control planes inside the process.
//!
//! Nothing here is behaviour: a call takes the id of an operation and JSON text, and gives JSON text back. The classes
//! that users see are TypeScript, in `theazo-node/lib`. Reading order: [`client`], [`stream`], [`plane`], then `promise`,
//! `runtime`, `cancel`, `input` and `recording`.
//!
//! # Why values cross as one string
//!
//! Measured against `fetch` doing the same `GET` at 64 in flight, on two cores: a `String`, which JavaScript then parses, made 8.5
//! times as many calls per second at a fifth of the CPU, and buffers were 5 to 12% slower. How promises are settled matters as
//! much (see `promise` and `runtime`; ARCHITECTURE.md has the figures of the whole client). Streams cross in batches, where one
//! connection delivers many events at once.

mod cancel;
mod client;
#[cfg(all(debug_assertions, not(test)))]
mod defect;
mod input;
#[cfg(feature = "embedded")]
mod plane;
mod promise;
mod recording;
mod runtime;
mod stream;

pub use client::NativeClient;
#[cfg(feature = "embedded")]
pub use plane::NativePlane;
use promise::promise;
pub use recording::{NativeRecorder, NativeReplayer};
pub use stream::NativeStream;

/// A failed call as it crosses: the message is the error as JSON, of which `lib/errors.ts` makes a `TheazoError`.
fn thrown(error: theazo::Error) -> napi::Error {
    napi::Error::from_reason(error.to_json())
}

/// A failure of this part itself, as it crosses.
fn failed(code: &str, kind: &str, message: &str, hint: &str) -> napi::Error {
    let error = serde_json::json!({ "code": code, "kind": kind, "message": message, "hint": hint });
    napi::Error::from_reason(error.to_string())
}
