//! Control planes inside this process.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use napi::bindgen_prelude::{ClassInstance, Env, Function, Promise, PromiseRaw};
use napi_derive::napi;
use serde::Deserialize;
use theazo::{
    embedded::{Plane, PlaneKeys, PlaneOptions},
    testing::ScriptedTurn,
    types::DurationInput,
};

use crate::{
    client::NativeClient,
    input,
    recording::{NativeRecorder, NativeReplayer, with_recording},
};

/// How a control plane is set up.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PlaneInput {
    data_dir: Option<PathBuf>,
    test: bool,
    default_provider: Option<String>,
    offline_pace: Option<DurationInput>,
}

/// What a function that stands in for a model says: a turn, or why it failed.
#[derive(Deserialize)]
struct Scripted {
    #[serde(default)]
    turn: ScriptedTurn,
    failure: Option<String>,
}

/// A control plane inside this process. It runs on threads of its own and does not keep Node from exiting.
#[napi]
pub struct NativePlane {
    /// `None` once it was stopped: as long as anything refers to a plane, its data directory is in use.
    plane: Mutex<Option<Plane>>,
    keys: PlaneKeys,
}

#[napi]
impl NativePlane {
    /// Starts a control plane, from its options as JSON.
    #[napi(factory)]
    pub async fn start(options: String) -> napi::Result<Self> {
        crate::promise::caught(Box::pin(Self::begin(options))).await
    }

    async fn begin(options: String) -> napi::Result<Self> {
        let input: PlaneInput = input::read(&options)?;
        let options = PlaneOptions {
            data_dir: input.data_dir,
            test: input.test,
            default_provider: input.default_provider,
            offline_pace: input.offline_pace.map(|pace| pace.0).unwrap_or_default(),
            ..PlaneOptions::default()
        };
        let plane = Plane::start(options).await.map_err(crate::thrown)?;
        Ok(Self { keys: plane.keys().clone(), plane: Mutex::new(Some(plane)) })
    }

    /// The live key.
    #[napi(getter)]
    pub fn live_key(&self) -> String {
        self.keys.live.expose().to_owned()
    }

    /// The test key.
    #[napi(getter)]
    pub fn test_key(&self) -> String {
        self.keys.test.expose().to_owned()
    }

    /// A client of the plane, from its options as JSON; with the live key unless they have another.
    #[napi(catch_unwind)]
    pub fn client(
        &self,
        config: String,
        recorder: Option<ClassInstance<'_, NativeRecorder>>,
        replayer: Option<ClassInstance<'_, NativeReplayer>>,
    ) -> napi::Result<NativeClient> {
        let config = with_recording(input::config(&config)?, recorder, replayer);
        let plane = self.plane.lock().unwrap_or_else(PoisonError::into_inner);
        let plane = plane.as_ref().ok_or_else(|| napi::Error::from_reason("the control plane has ended"))?;
        plane.transport_with(config).map(NativeClient::over).map_err(crate::thrown)
    }

    /// Lets a function answer for the model of an agent of a test plane. It takes a conversation as JSON and resolves to JSON: a
    /// turn, or the message of a failure in `failure`. It never throws.
    ///
    /// The function does not keep Node from exiting: whoever waits for a run does.
    #[napi(catch_unwind)]
    pub fn script_with(&self, agent: String, function: Function<'_, String, Promise<String>>) -> napi::Result<()> {
        let function = Arc::new(function.build_threadsafe_function().weak::<true>().build()?);
        let plane = self.plane.lock().unwrap_or_else(PoisonError::into_inner);
        let plane = plane.as_ref().ok_or_else(|| napi::Error::from_reason("the control plane has ended"))?;
        let scripted = plane.script_with(agent, move |conversation| {
            let function = function.clone();
            async move {
                let asked = serde_json::to_string(&conversation).map_err(|problem| problem.to_string())?;
                let answer = function.call_async(asked).await.map_err(|error| error.reason.to_string())?;
                let answer = answer.await.map_err(|error| error.reason.to_string())?;
                let Scripted { turn, failure } = serde_json::from_str(&answer)
                    .map_err(|problem| format!("the function that stands in for the model gave no turn: {problem}"))?;
                failure.map_or(Ok(turn), Err)
            }
        });
        scripted.map_err(crate::thrown)
    }

    /// Listens on a free port of this machine and resolves to the address.
    #[napi(catch_unwind)]
    pub fn listen<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, String>> {
        let plane = self.plane.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let plane = plane.ok_or_else(|| napi::Error::from_reason("the control plane has ended"))?;
        crate::promise(env, async move { plane.listen().await.map_err(crate::thrown) })
    }

    /// Stops the plane; resolves when its data is on disk.
    #[napi(catch_unwind)]
    pub fn shutdown<'env>(&self, env: &'env Env) -> napi::Result<PromiseRaw<'env, ()>> {
        let plane = self.plane.lock().unwrap_or_else(PoisonError::into_inner).take();
        crate::promise(env, async move {
            if let Some(plane) = plane {
                plane.shutdown().await;
            }
            Ok(())
        })
    }
}
