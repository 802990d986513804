//! The native part of the Node package: the SDK core's layer of bytes, and control planes inside the process.
//!
//! Nothing here is behaviour: a call takes the id of an operation and JSON text, and gives JSON text back. The classes
//! that users see are TypeScript, in `theazo-node/lib`. Reading order: [`client`], [`stream`], [`plane`], then `cancel`,
//! `input` and `recording`.
//!
//! # Why values cross as one string, through the ready-made promise
//!
//! Measured against `fetch` doing the same `GET` at 64 in flight, on two cores: a promise of napi that resolves to a
//! `String`, which JavaScript then parses, made 8.5 times as many calls per second at a fifth of the CPU. Buffers were
//! 5 to 12% slower than strings. A bridge of our own, which settles all calls that are ready in one wake-up, saved a
//! further fifth of the CPU but gained throughput only with a second worker; so we keep what napi maintains. With the
//! whole client around it, it is 6.3 times `fetch` (30,000 against 4,700 calls per second, 37 against 220 us of CPU), of
//! which the TypeScript face takes 2%. Streams do cross in batches, where one connection delivers many events at once.

mod cancel;
mod client;
mod input;
#[cfg(feature = "embedded")]
mod plane;
mod recording;
mod stream;

pub use client::NativeClient;
#[cfg(feature = "embedded")]
pub use plane::NativePlane;
pub use recording::{NativeRecorder, NativeReplayer};
pub use stream::NativeStream;

/// A failed call as it crosses: the message is the error as JSON, of which `lib/errors.ts` makes a `TheazoError`.
fn thrown(error: theazo::Error) -> napi::Error {
    napi::Error::from_reason(error.to_json())
}
