//! Defects on demand, so that a test can show what becomes of them. Builds that are published have none.

use napi::bindgen_prelude::{Env, PromiseRaw};
use napi_derive::napi;

/// Panics at once.
#[napi(catch_unwind)]
pub fn panic_at_once() -> napi::Result<()> {
    panic!("at once");
}

/// Panics on a thread of the runtime.
#[napi(catch_unwind)]
pub fn panic_later(env: &Env) -> napi::Result<PromiseRaw<'_, ()>> {
    crate::promise(env, async {
        tokio::task::yield_now().await;
        panic!("later");
    })
}
