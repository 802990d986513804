//! The client: calls and streams over one transport.
#![allow(clippy::too_many_arguments, reason = "an object would cost a property lookup for each on every call")]

use std::sync::{Mutex, PoisonError};

use napi::bindgen_prelude::{ClassInstance, Env, PromiseRaw};
use napi_derive::napi;
use theazo::Transport;

use crate::{
    cancel::Cancels,
    input,
    recording::{NativeRecorder, NativeReplayer, with_recording},
    stream::NativeStream,
};

/// A client. Handles in TypeScript share it.
#[napi]
pub struct NativeClient {
    transport: Mutex<Option<Transport>>,
    cancels: Cancels,
}

#[napi]
impl NativeClient {
    /// A client over HTTP, from its options as JSON and the environment.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        config: String,
        recorder: Option<ClassInstance<'_, NativeRecorder>>,
        replayer: Option<ClassInstance<'_, NativeReplayer>>,
    ) -> napi::Result<Self> {
        let config = with_recording(input::config(&config)?, recorder, replayer);
        let config = config.or_environment().map_err(crate::thrown)?;
        Transport::new(config).map(Self::over).map_err(crate::thrown)
    }

    /// Makes a call and resolves to its answer as JSON, or to an empty text where there is none.
    #[napi(catch_unwind)]
    // napi copies the attribute to code of its own, where an `expect` would not be fulfilled.
    #[allow(clippy::too_many_arguments, reason = "an object would cost a property lookup for each on every call")]
    pub fn call<'env>(
        &self,
        env: &'env Env,
        operation: String,
        path: Vec<String>,
        query: Option<Vec<String>>,
        body: Option<String>,
        options: Option<String>,
        cancel_id: Option<u32>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let call = input::call(&operation, path, query, body, options)?;
        let (transport, registration) = (self.transport()?, self.cancels.register(cancel_id));
        env.spawn_future(async move {
            let answer = registration.run(transport.call(call)).await?;
            String::from_utf8(answer.body.into())
                .map_err(|_| napi::Error::from_reason("the answer is not text, so it is not JSON"))
        })
    }

    /// Opens a stream of events.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments, reason = "the same as `call`")]
    pub fn open<'env>(
        &self,
        env: &'env Env,
        operation: String,
        path: Vec<String>,
        query: Option<Vec<String>>,
        body: Option<String>,
        options: Option<String>,
        cancel_id: Option<u32>,
    ) -> napi::Result<PromiseRaw<'env, NativeStream>> {
        let call = input::call(&operation, path, query, body, options)?;
        let (transport, registration) = (self.transport()?, self.cancels.register(cancel_id));
        env.spawn_future(async move { registration.run(transport.open(call)).await.map(NativeStream::over) })
    }

    /// Cancels the call with this number; one that is over is left alone.
    #[napi(catch_unwind)]
    pub fn cancel(&self, cancel_id: u32) {
        self.cancels.cancel(cancel_id);
    }

    /// Lets go of the connections. Calls in flight are finished; no others can be made.
    #[napi(catch_unwind)]
    pub fn close(&self) {
        self.transport.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl NativeClient {
    /// A client over a transport that is there already.
    pub fn over(transport: Transport) -> Self {
        Self { transport: Mutex::new(Some(transport)), cancels: Cancels::default() }
    }

    fn transport(&self) -> napi::Result<Transport> {
        let transport = self.transport.lock().unwrap_or_else(PoisonError::into_inner);
        transport.clone().ok_or_else(|| napi::Error::from_reason("the client is closed"))
    }
}
