//! The threads that do the work of promises.

#[cfg(not(feature = "embedded"))]
use std::{
    future::pending,
    io,
    sync::{Mutex, PoisonError},
    thread,
};

#[cfg(not(feature = "embedded"))]
use tokio::runtime::Builder;
use tokio::runtime::Handle;

/// The threads of control planes: napi makes one for each processor.
#[cfg(feature = "embedded")]
pub fn handle() -> napi::Result<Handle> {
    Ok(napi::bindgen_prelude::within_runtime_if_available(Handle::current))
}

/// The thread of clients. They all have one, in all workers of Node: JavaScript takes their answers one at a time, and each time
/// that a second thread helps it must be woken (measured: with it a call takes a quarter longer).
#[cfg(not(feature = "embedded"))]
pub fn handle() -> napi::Result<Handle> {
    static CLIENTS: Mutex<Option<Handle>> = Mutex::new(None);
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    let handle = match &mut *clients {
        Some(handle) => handle,
        none => none.insert(start().map_err(|problem| {
            let message = format!("cannot start the thread of the Theazo SDK: {problem}");
            let hint = "it needs three open files and one thread; raise the limits of the process";
            crate::failed("configuration", "configuration", &message, hint)
        })?),
    };
    Ok(handle.clone())
}

/// Starts a thread that lives as long as the process.
#[cfg(not(feature = "embedded"))]
fn start() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new().name("theazo".to_owned()).spawn(move || runtime.block_on(pending::<()>()))?;
    Ok(handle)
}
