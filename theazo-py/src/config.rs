//! How a client is set up, from what its class in Python is given.

use pyo3::prelude::*;
use theazo::Config;
use theazo_api::{ComputeProviderConfig, ComputeProviders, ModelProviderConfig};

use crate::{
    call,
    generated::shapes::{COMPUTE_PROVIDER_CONFIG, COMPUTE_PROVIDERS, MODEL_PROVIDER_CONFIG},
    recording::{Recorder, Replayer, with_recording},
    shape::{self, Kind},
    value::parse_json,
};

/// What a caller says.
pub struct Settings<'a, 'py> {
    pub timeout: Option<&'a Bound<'py, PyAny>>,
    pub max_retries: Option<&'a Bound<'py, PyAny>>,
    pub headers: Option<&'a Bound<'py, PyAny>>,
    pub compute: Option<&'a Bound<'py, PyAny>>,
    pub models: Option<&'a Bound<'py, PyAny>>,
    pub record: Option<&'a Recorder>,
    pub replay: Option<&'a Replayer>,
}

/// The configuration with what a caller says.
pub fn configured(py: Python<'_>, mut config: Config, settings: &Settings<'_, '_>) -> PyResult<Config> {
    if let Some(value) = settings.timeout {
        config = config.timeout(call::duration("timeout", value)?);
    }
    if let Some(value) = settings.max_retries {
        config = config.max_retries(call::retries("max_retries", value)?);
    }
    for (name, value) in settings.headers.map_or_else(|| Ok(Vec::new()), |value| call::headers("headers", value))? {
        config = config.header(name, value);
    }
    if let Some(value) = settings.compute {
        config = config.compute(compute(value)?);
    }
    if let Some(value) = settings.models {
        let json = shape::whole(&Kind::Struct(&MODEL_PROVIDER_CONFIG), "models", value)?;
        config = config.models(parse_json::<ModelProviderConfig>(py, &json)?);
    }
    with_recording(py, config.language("python"), settings.record, settings.replay)
}

/// Compute providers, or one of them.
fn compute(value: &Bound<'_, PyAny>) -> PyResult<ComputeProviders> {
    let is_list = (COMPUTE_PROVIDERS.native)(value).is_some()
        || value.cast::<pyo3::types::PyMapping>().is_ok_and(|mapping| mapping.contains("providers").unwrap_or(false));
    let shape = if is_list { &COMPUTE_PROVIDERS } else { &COMPUTE_PROVIDER_CONFIG };
    let json = shape::whole(&Kind::Struct(shape), "compute", value)?;
    if is_list {
        parse_json(value.py(), &json)
    } else {
        parse_json::<ComputeProviderConfig>(value.py(), &json).map(Into::into)
    }
}
