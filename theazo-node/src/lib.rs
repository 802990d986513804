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

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use napi::bindgen_prelude::{Env, PromiseRaw, ToNapiValue};

mod cancel;
mod client;
#[cfg(all(debug_assertions, not(test)))]
mod defect;
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

/// The promise of a future, which runs on threads of its own. A panic in it is a defect, and rejects the promise: one that stayed
/// pending would keep a program waiting for ever.
fn promise<'env, T: ToNapiValue + Send + 'static>(
    env: &'env Env,
    future: impl Future<Output = napi::Result<T>> + Send + 'static,
) -> napi::Result<PromiseRaw<'env, T>> {
    env.spawn_future(caught(future))
}

/// The outcome of a future; a panic in it is an error.
async fn caught<T>(future: impl Future<Output = napi::Result<T>>) -> napi::Result<T> {
    AssertUnwindSafe(future).catch_unwind().await.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        let error = serde_json::json!({
            "code": "internal_error",
            "kind": "maybe_received",
            "message": format!("a defect of theazo: {}", text.unwrap_or("it panicked")),
            "hint": "please report it; the program can go on",
        });
        Err(napi::Error::from_reason(error.to_string()))
    })
}

/// A failed call as it crosses: the message is the error as JSON, of which `lib/errors.ts` makes a `TheazoError`.
fn thrown(error: theazo::Error) -> napi::Error {
    napi::Error::from_reason(error.to_json())
}
