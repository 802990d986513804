//! Calls that JavaScript can cancel, by the number that it gave them.
//!
//! An `AbortSignal` cannot be handed to a native async function, so the TypeScript side numbers the calls that have one
//! and names the number when the signal fires.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use tokio_util::sync::CancellationToken;

/// The calls in flight that can be cancelled.
#[derive(Clone, Default)]
pub struct Cancels {
    tokens: Arc<Mutex<HashMap<u32, CancellationToken>>>,
}

impl Cancels {
    /// Registers a call. It is done on JavaScript's thread, so that a cancel cannot come before it.
    pub fn register(&self, id: Option<u32>) -> Registration {
        let token = CancellationToken::new();
        if let Some(id) = id {
            self.with(|tokens| tokens.insert(id, token.clone()));
        }
        Registration { cancels: self.clone(), id, token }
    }

    /// Cancels a call; one that is over is left alone.
    pub fn cancel(&self, id: u32) {
        if let Some(token) = self.with(|tokens| tokens.remove(&id)) {
            token.cancel();
        }
    }

    fn with<T>(&self, action: impl FnOnce(&mut HashMap<u32, CancellationToken>) -> T) -> T {
        // The map is whole even if a thread died while it held the lock.
        action(&mut self.tokens.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A call that is registered until this is dropped.
pub struct Registration {
    cancels: Cancels,
    id: Option<u32>,
    token: CancellationToken,
}

impl Registration {
    /// Runs a call unless and until it is cancelled; the TypeScript side knows why it was and says so.
    pub async fn run<T>(self, call: impl Future<Output = Result<T, theazo::Error>>) -> napi::Result<T> {
        match self.token.run_until_cancelled(call).await {
            Some(outcome) => outcome.map_err(crate::thrown),
            None => Err(napi::Error::new(napi::Status::Cancelled, "the call was cancelled")),
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.cancels.with(|tokens| tokens.remove(&id));
        }
    }
}
