//! Recordings of what clients and their control planes say to each other.

use std::path::PathBuf;

use pyo3::prelude::*;
use theazo::{
    Config,
    recording::{Matching, Recorder as CoreRecorder, Replayer as CoreReplayer},
};

use crate::error::Failure;

/// Writes a recording.
#[pyclass(frozen, module = "theazo.testing")]
pub struct Recorder {
    recorder: CoreRecorder,
}

#[pymethods]
impl Recorder {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let recorder = CoreRecorder::to_file(path).map_err(|error| Failure::from(error).into_python(py))?;
        Ok(Self { recorder })
    }
}

/// Plays a recording back.
#[pyclass(frozen, module = "theazo.testing")]
pub struct Replayer {
    replayer: CoreReplayer,
}

#[pymethods]
impl Replayer {
    #[new]
    #[pyo3(signature = (path, *, matching="strict", at_recorded_pace=false))]
    fn new(py: Python<'_>, path: PathBuf, matching: &str, at_recorded_pace: bool) -> PyResult<Self> {
        let matching = match matching {
            "strict" => Matching::Strict,
            "lenient" => Matching::Lenient,
            _ => return Err(Failure::configuration("`matching` must be `strict` or `lenient`").into_python(py)),
        };
        let replayer = CoreReplayer::from_file(path, matching).map_err(|error| Failure::from(error).into_python(py))?;
        Ok(Self { replayer: if at_recorded_pace { replayer.at_recorded_pace() } else { replayer } })
    }

    /// How many recorded requests nobody made yet.
    #[getter]
    fn unused(&self) -> usize {
        self.replayer.unused()
    }
}

/// What stands between a client and its connection, if anything does.
pub fn with_recording(
    py: Python<'_>,
    config: Config,
    record: Option<&Recorder>,
    replay: Option<&Replayer>,
) -> PyResult<Config> {
    match (record, replay) {
        (None, None) => Ok(config),
        (Some(record), None) => Ok(config.record(&record.recorder)),
        (None, Some(replay)) => Ok(config.replay(&replay.replayer)),
        (Some(_), Some(_)) => {
            let message = "`record` and `replay` cannot be given together: one answers what the other would record";
            Err(Failure::configuration(message).into_python(py))
        }
    }
}
