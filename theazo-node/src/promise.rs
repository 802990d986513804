//! Promises that other threads settle, all of one JavaScript environment through one function that wakes it.
//!
//! A promise of napi has such a function of its own, which is made, woken and closed for each call. One for all costs a fifth less of
//! the CPU time of a call, and answers that come while JavaScript is busy wake it once.

use std::{
    mem::take,
    panic::AssertUnwindSafe,
    ptr::null_mut,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Waker},
};

use futures_util::FutureExt as _;
use napi::{
    bindgen_prelude::{Env, PromiseRaw, ToNapiValue},
    check_status, sys,
    threadsafe_function::{ThreadsafeCallContext, ThreadsafeFunction, ThreadsafeFunctionCallMode},
};

/// The promise of a future, which runs on threads of its own. A panic in it is a defect, and rejects the promise: one that stayed
/// pending would keep a program waiting for ever.
pub fn promise<'env, T: ToNapiValue + Send + 'static>(
    env: &'env Env,
    future: impl Future<Output = napi::Result<T>> + Send + 'static,
) -> napi::Result<PromiseRaw<'env, T>> {
    let runtime = crate::runtime::handle()?;
    let (promise, settler) = Mailbox::of(env)?.open(env)?;
    runtime.spawn(caught(future).map(|outcome| settler.settle(outcome)));
    Ok(PromiseRaw::new(env.raw(), promise))
}

/// As [`promise`], for work that is often done at once: it is begun on this thread, and goes to the others only if it must wait.
/// The promise is settled in a later turn of JavaScript's event loop in any case, so that nothing else has to wait for ever.
pub fn promise_begun_here<'env, T: ToNapiValue + Send + 'static>(
    env: &'env Env,
    future: impl Future<Output = napi::Result<T>> + Send + 'static,
) -> napi::Result<PromiseRaw<'env, T>> {
    let runtime = crate::runtime::handle()?;
    let (promise, settler) = Mailbox::of(env)?.open(env)?;
    let mut work = caught(future).map(|outcome| settler.settle(outcome)).boxed();
    let _inside = runtime.enter();
    // Who goes on with it polls it again, so that nobody has to be woken by now.
    if work.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
        runtime.spawn(work);
    }
    Ok(PromiseRaw::new(env.raw(), promise))
}

/// The outcome of a future; a panic in it is an error.
pub fn caught<T>(future: impl Future<Output = napi::Result<T>>) -> impl Future<Output = napi::Result<T>> {
    AssertUnwindSafe(future).catch_unwind().map(|outcome| {
        outcome.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(defect(text.unwrap_or("it panicked")))
        })
    })
}

/// A defect of this package, as an error that `lib/errors.ts` can read.
fn defect(problem: &str) -> napi::Error {
    let message = format!("a defect of theazo: {problem}");
    crate::failed("internal_error", "maybe_received", &message, "please report it; the program can go on")
}

/// The function that wakes an environment. It keeps Node from exiting only while promises are open.
type Doorbell = ThreadsafeFunction<(), (), (), napi::Status, false, true>;

/// What an environment knows of its open promises.
struct Mailbox {
    doorbell: Doorbell,
    queue: Mutex<Queue>,
    /// How many promises are not settled. Only the environment's own thread changes it.
    open: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    settled: Vec<Settled>,
    /// Whether the environment was woken and has not come yet.
    rung: bool,
}

/// What becomes of a promise. The value is made on the environment's thread.
struct Settled {
    deferred: Deferred,
    value: Box<dyn FnOnce(sys::napi_env) -> napi::Result<sys::napi_value> + Send>,
}

/// The end of a promise that settles it.
struct Deferred(sys::napi_deferred);

// SAFETY: other threads carry it; only the environment's own thread looks into it.
unsafe impl Send for Deferred {}

impl Mailbox {
    /// The mailbox of an environment; the first promise makes it.
    fn of(env: &Env) -> napi::Result<Arc<Self>> {
        if let Some(mailbox) = env.get_instance_data::<Arc<Self>>()? {
            return Ok(mailbox.clone());
        }
        let nothing = env.create_function_from_closure::<(), (), _>("wake", |_| Ok(()))?;
        let doorbell = nothing.build_threadsafe_function::<()>().weak::<true>().build_callback(
            |woken: ThreadsafeCallContext<()>| {
                Self::of(&woken.env)?.settle(&woken.env);
                Ok(())
            },
        )?;
        let mailbox = Arc::new(Self { doorbell, queue: Mutex::default(), open: AtomicUsize::new(0) });
        env.set_instance_data(mailbox.clone(), (), |_| ())?;
        Ok(mailbox)
    }

    /// A new promise, and what settles it.
    fn open(self: Arc<Self>, env: &Env) -> napi::Result<(sys::napi_value, Settler)> {
        let (mut deferred, mut promise) = (null_mut(), null_mut());
        // SAFETY: this is the thread of the environment, inside a call from JavaScript.
        check_status!(unsafe { sys::napi_create_promise(env.raw(), &mut deferred, &mut promise) })?;
        if self.open.fetch_add(1, Ordering::Relaxed) == 0 {
            self.hold(|doorbell| {
                // SAFETY: as above, and the function is not closed while it is held.
                unsafe { sys::napi_ref_threadsafe_function(env.raw(), doorbell) }
            });
        }
        Ok((promise, Settler { mailbox: self, deferred: Some(Deferred(deferred)) }))
    }

    /// Settles the promises whose outcomes are there.
    fn settle(&self, env: &Env) {
        let settled = {
            let mut queue = self.queue();
            queue.rung = false;
            take(&mut queue.settled)
        };
        let count = settled.len();
        for Settled { deferred, value } in settled {
            // SAFETY: this is the thread of the environment, which called us; each promise is settled once, because what settles
            // it is consumed. It fails only when JavaScript cannot run any more, and then nobody waits.
            unsafe {
                match value(env.raw()) {
                    Ok(value) => sys::napi_resolve_deferred(env.raw(), deferred.0, value),
                    Err(error) => match ToNapiValue::to_napi_value(env.raw(), error) {
                        Ok(error) => sys::napi_reject_deferred(env.raw(), deferred.0, error),
                        Err(_) => sys::Status::napi_cannot_run_js,
                    },
                };
            }
        }
        if count > 0 && self.open.fetch_sub(count, Ordering::Relaxed) == count {
            self.hold(|doorbell| {
                // SAFETY: as in `open`.
                unsafe { sys::napi_unref_threadsafe_function(env.raw(), doorbell) }
            });
        }
    }

    /// Does something with the function that wakes the environment, unless the environment is ending.
    fn hold(&self, action: impl FnOnce(sys::napi_threadsafe_function) -> sys::napi_status) {
        self.doorbell.handle.with_read_aborted(|is_ended| {
            if !is_ended {
                action(self.doorbell.raw());
            }
        });
    }

    fn put(&self, settled: Settled) {
        let ring = {
            let mut queue = self.queue();
            queue.settled.push(settled);
            !std::mem::replace(&mut queue.rung, true)
        };
        if ring {
            // It fails only when the environment is ending, and then nobody waits.
            self.doorbell.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Settles a promise, from any thread. Dropped, it rejects it, so that nobody waits for ever.
struct Settler {
    mailbox: Arc<Mailbox>,
    deferred: Option<Deferred>,
}

impl Settler {
    fn settle<T: ToNapiValue + Send + 'static>(mut self, outcome: napi::Result<T>) {
        self.put(move |env| {
            // SAFETY: the environment is the one that calls this, on its own thread.
            outcome.and_then(|value| unsafe { T::to_napi_value(env, value) })
        });
    }

    fn put(&mut self, value: impl FnOnce(sys::napi_env) -> napi::Result<sys::napi_value> + Send + 'static) {
        if let Some(deferred) = self.deferred.take() {
            self.mailbox.put(Settled { deferred, value: Box::new(value) });
        }
    }
}

impl Drop for Settler {
    fn drop(&mut self) {
        self.put(|_| Err(defect("a call ended without an outcome")));
    }
}
