//! The threads that do the work of promises.

#[cfg(not(feature = "embedded"))]
use std::sync::{Mutex, PoisonError};

#[cfg(not(feature = "embedded"))]
use tokio::runtime::{Builder, Handle};

/// Lets a thread of control planes do some work: napi makes one for each processor.
#[cfg(feature = "embedded")]
pub fn spawn(work: impl Future<Output = ()> + Send + 'static) -> napi::Result<()> {
    napi::bindgen_prelude::spawn(work);
    Ok(())
}

/// Lets the thread of clients do some work. They all have one, in all workers of Node: JavaScript takes their answers one at a
/// time, and each time that a second thread helps it must be woken (measured: with it a call takes a quarter longer).
#[cfg(not(feature = "embedded"))]
pub fn spawn(work: impl Future<Output = ()> + Send + 'static) -> napi::Result<()> {
    static CLIENTS: Mutex<Option<Handle>> = Mutex::new(None);
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    let handle = match &mut *clients {
        Some(handle) => handle,
        none => none.insert(start()?),
    };
    handle.spawn(work);
    Ok(())
}

/// Starts a thread that lives as long as the process.
#[cfg(not(feature = "embedded"))]
fn start() -> napi::Result<Handle> {
    let failed = |problem: std::io::Error| {
        napi::Error::from_reason(format!("cannot start the thread of the Theazo SDK: {problem}"))
    };
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let handle = runtime.handle().clone();
    let run = move || runtime.block_on(std::future::pending::<()>());
    std::thread::Builder::new().name("theazo".to_owned()).spawn(run).map_err(failed)?;
    Ok(handle)
}
