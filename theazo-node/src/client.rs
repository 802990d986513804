//! The client: calls and streams over one transport.
#![allow(clippy::too_many_arguments, reason = "an object would cost a property lookup for each on every call")]

use std::sync::{Mutex, PoisonError};

use napi::bindgen_prelude::{ClassInstance, Env, PromiseRaw};
use napi_derive::napi;
use theazo::{ResponseMeta, Transport};
use theazo_api::Method;

use crate::{
    cancel::Cancels,
    input,
    promise::promise_begun_here,
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

    /// Makes a call and resolves to its answer as JSON, or to an empty text where there is none. With the option `meta` a line
    /// of JSON stands before it, with the rest of what is known of the answer.
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
        let (call, with_meta) = input::call(&operation, path, query, body, options)?;
        let (transport, registration) = (self.transport()?, self.cancels.register(cancel_id));
        let is_begun_here = transport.is_in_process() && call.operation.method == Method::Get;
        let work = async move {
            let answer = registration.run(transport.call(call)).await?;
            let body = String::from_utf8(answer.body.into())
                .map_err(|_| napi::Error::from_reason("the answer is not text, so it is not JSON"))?;
            Ok(if with_meta { format!("{}\n{body}", meta(&answer.meta)) } else { body })
        };
        // What a control plane reads in its memory takes less time than to wake another thread.
        if is_begun_here { promise_begun_here(env, work) } else { crate::promise(env, work) }
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
        let (call, _) = input::call(&operation, path, query, body, options)?;
        let (transport, registration) = (self.transport()?, self.cancels.register(cancel_id));
        crate::promise(env, async move { registration.run(transport.open(call)).await.map(NativeStream::over) })
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

/// What is known of an answer besides its body, as `ResponseMeta` of `lib/answer.ts` has it.
fn meta(meta: &ResponseMeta) -> serde_json::Value {
    // A header may hold bytes that are no text; JavaScript's are text.
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = meta.headers.iter().map(|(name, value)| (name.as_str(), text(value.as_bytes())));
    let milliseconds = |duration: std::time::Duration| duration.as_secs_f64() * 1000.0;
    serde_json::json!({
        "status": meta.status,
        "requestId": meta.request_id,
        "traceId": meta.trace_id,
        "replayed": meta.replayed,
        "headers": headers.collect::<Vec<_>>(),
        "attempts": meta.attempts,
        "timings": {
            "totalMs": milliseconds(meta.timings.total),
            "waitedMs": milliseconds(meta.timings.waited),
            "toFirstByteMs": milliseconds(meta.timings.to_first_byte),
            "bodyMs": milliseconds(meta.timings.body),
        },
    })
}
