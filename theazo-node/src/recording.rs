//! Recordings of what clients and their control planes say to each other.

use napi::bindgen_prelude::ClassInstance;
use napi_derive::napi;
use theazo::{
    Config,
    recording::{Matching, Recorder, Replayer},
};

/// Writes a recording.
#[napi]
pub struct NativeRecorder {
    recorder: Recorder,
}

#[napi]
impl NativeRecorder {
    /// A recorder to a file, which is made anew.
    #[napi(constructor, catch_unwind)]
    pub fn new(path: String) -> napi::Result<Self> {
        Ok(Self { recorder: Recorder::to_file(path).map_err(crate::thrown)? })
    }
}

/// Plays a recording back.
#[napi]
pub struct NativeReplayer {
    replayer: Replayer,
}

#[napi]
impl NativeReplayer {
    /// Reads a recording.
    #[napi(constructor, catch_unwind)]
    pub fn new(path: String, is_lenient: bool, at_recorded_pace: bool) -> napi::Result<Self> {
        let matching = if is_lenient { Matching::Lenient } else { Matching::Strict };
        let replayer = Replayer::from_file(path, matching).map_err(crate::thrown)?;
        Ok(Self { replayer: if at_recorded_pace { replayer.at_recorded_pace() } else { replayer } })
    }

    /// How many recorded requests nobody made yet.
    #[napi(getter)]
    pub fn unused(&self) -> u32 {
        u32::try_from(self.replayer.unused()).unwrap_or(u32::MAX)
    }
}

/// What stands between a client and its connection, if anything does.
pub fn with_recording(
    config: Config,
    recorder: Option<ClassInstance<'_, NativeRecorder>>,
    replayer: Option<ClassInstance<'_, NativeReplayer>>,
) -> Config {
    let config = match recorder {
        Some(recorder) => config.record(&recorder.recorder),
        None => config,
    };
    match replayer {
        Some(replayer) => config.replay(&replayer.replayer),
        None => config,
    }
}
