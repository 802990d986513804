//! Control planes inside this process.

use std::path::PathBuf;

use napi_derive::napi;
use secrecy::ExposeSecret;
use serde::Deserialize;
use theazo::{
    embedded::{Plane, PlaneOptions},
    types::DurationInput,
};

use crate::{client::NativeClient, input};

/// How a control plane is set up.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PlaneInput {
    data_dir: Option<PathBuf>,
    test: bool,
    default_provider: Option<String>,
    offline_pace: Option<DurationInput>,
}

/// A control plane inside this process. It runs on threads of its own and does not keep Node from exiting.
#[napi]
pub struct NativePlane {
    plane: Plane,
}

#[napi]
impl NativePlane {
    /// Starts a control plane, from its options as JSON.
    #[napi(factory)]
    pub async fn start(options: String) -> napi::Result<Self> {
        let input: PlaneInput = input::read(&options)?;
        let options = PlaneOptions {
            data_dir: input.data_dir,
            test: input.test,
            default_provider: input.default_provider,
            offline_pace: input.offline_pace.map(|pace| pace.0).unwrap_or_default(),
        };
        let plane = Plane::start(options).await.map_err(crate::thrown)?;
        Ok(Self { plane })
    }

    /// The live key.
    #[napi(getter)]
    pub fn live_key(&self) -> String {
        self.plane.keys().live.expose_secret().to_owned()
    }

    /// The test key.
    #[napi(getter)]
    pub fn test_key(&self) -> String {
        self.plane.keys().test.expose_secret().to_owned()
    }

    /// A client of the plane, from its options as JSON; with the live key unless they have another.
    #[napi(catch_unwind)]
    pub fn client(&self, config: String) -> napi::Result<NativeClient> {
        let transport = self.plane.transport_with(input::config(&config)?).map_err(crate::thrown)?;
        Ok(NativeClient::over(transport))
    }

    /// Stops the plane; resolves when its data is on disk.
    #[napi]
    pub async fn shutdown(&self) {
        self.plane.shutdown().await;
    }
}
