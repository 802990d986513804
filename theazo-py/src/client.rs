//! The client: one transport, usable from every thread and every event loop.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::{
    prelude::*,
    types::{PyDict, PyTuple},
};
use theazo::{Config, Transport, transport::Call};

use crate::{
    call::{self, Entry},
    error::Failure,
    plane::Plane,
    recording::{Recorder, Replayer, with_recording},
    runtime::{Pool, runtime, wait},
    stream::EventStream,
    wakeup::{Outcome, Pending, Ready, nothing},
};

/// A client. The classes of the package are around it.
#[pyclass(frozen, module = "theazo._native")]
pub struct Client {
    source: Source,
}

enum Source {
    /// Over HTTP. A child made by `fork` builds its own transport, because connections belong to the threads of the
    /// parent. The lock is held only with the GIL held, as a forking thread holds it.
    Http { config: Box<Config>, transport: Mutex<(u32, Transport)> },
    /// A control plane inside this process, by a way of the client's own where its calls are recorded.
    Plane { plane: Arc<Plane>, recorded: Option<Transport> },
}

impl Client {
    /// A client of a plane inside this process.
    pub fn of_plane(plane: Arc<Plane>) -> Self {
        Self { source: Source::Plane { plane, recorded: None } }
    }

    /// A client of a plane inside this process whose calls are recorded.
    pub fn recorded(py: Python<'_>, plane: Arc<Plane>, config: Config) -> PyResult<Self> {
        let recorded = Some(plane.transport_with(py, config)?);
        Ok(Self { source: Source::Plane { plane, recorded } })
    }

    fn transport(&self, py: Python<'_>) -> PyResult<Transport> {
        match &self.source {
            Source::Plane { plane, recorded } => {
                let usual = plane.transport(py)?;
                Ok(recorded.clone().unwrap_or(usual))
            }
            Source::Http { config, transport } => {
                let mut current = transport.lock().unwrap_or_else(PoisonError::into_inner);
                let process = std::process::id();
                if current.0 != process {
                    let fresh = new_transport(py, config)?;
                    // Dropped, the parent's would try to close connections through threads that are not here.
                    std::mem::forget(std::mem::replace(&mut *current, (process, fresh)));
                }
                Ok(current.1.clone())
            }
        }
    }

    fn pool(&self) -> Pool {
        match self.source {
            Source::Http { .. } => Pool::Calls,
            Source::Plane { .. } => Pool::Planes,
        }
    }

    fn prepare(
        &self,
        operation: &str,
        path: &Bound<'_, PyTuple>,
        inputs: Option<&Bound<'_, PyDict>>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<(&'static Entry, Transport, Call)> {
        let entry = Entry::find(operation)?;
        let call = entry.call(path, inputs, options)?;
        Ok((entry, self.transport(path.py())?, call))
    }
}

fn new_transport(py: Python<'_>, config: &Config) -> PyResult<Transport> {
    let _inside = runtime(py, Pool::Calls)?.enter();
    Transport::new(config.clone()).map_err(|error| Failure::from(error).into_python(py))
}

async fn answer(entry: &'static Entry, transport: Transport, call: Call) -> Outcome {
    let answer = transport.call(call).await?;
    entry.ready(&answer.body, answer.meta.status, &answer.meta.request_id)
}

async fn opened(entry: &'static Entry, pool: Pool, transport: Transport, call: Call) -> Result<EventStream, Failure> {
    let stream = transport.open(call).await?;
    Ok(EventStream::new(entry, pool, stream))
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (
        api_key=None, base_url=None, timeout=None, max_retries=None, headers=None, record=None, replay=None,
    ))]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the class in Python")]
    fn new(
        py: Python<'_>,
        api_key: Option<String>,
        base_url: Option<String>,
        timeout: Option<&Bound<'_, PyAny>>,
        max_retries: Option<&Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
        record: Option<&Recorder>,
        replay: Option<&Replayer>,
    ) -> PyResult<Self> {
        let mut config = api_key.map_or_else(Config::new, Config::with_api_key);
        if let Some(base_url) = base_url {
            config = config.base_url(base_url);
        }
        let config = with_recording(py, configured(config, timeout, max_retries, headers)?, record, replay)?
            .or_environment()
            .map_err(|error| Failure::from(error).into_python(py))?;
        if config.is_local() {
            return Plane::start(py, None, config);
        }
        let transport = new_transport(py, &config)?;
        Ok(Self {
            source: Source::Http { config: Box::new(config), transport: Mutex::new((std::process::id(), transport)) },
        })
    }

    /// A client of a new control plane inside this process.
    #[staticmethod]
    #[pyo3(signature = (data_dir=None, timeout=None, max_retries=None, headers=None, record=None))]
    fn embedded(
        py: Python<'_>,
        data_dir: Option<std::path::PathBuf>,
        timeout: Option<&Bound<'_, PyAny>>,
        max_retries: Option<&Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
        record: Option<&Recorder>,
    ) -> PyResult<Self> {
        let config = configured(Config::new(), timeout, max_retries, headers)?;
        Plane::start(py, data_dir, with_recording(py, config, record, None)?)
    }

    /// Makes a call and waits for the answer.
    fn call(
        &self,
        py: Python<'_>,
        operation: &str,
        path: &Bound<'_, PyTuple>,
        inputs: Option<&Bound<'_, PyDict>>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Py<PyAny>> {
        let (entry, transport, call) = self.prepare(operation, path, inputs, options)?;
        wait(py, self.pool(), answer(entry, transport, call))?(py)
    }

    /// Makes a call for the running event loop.
    fn start(
        &self,
        py: Python<'_>,
        operation: &str,
        path: &Bound<'_, PyTuple>,
        inputs: Option<&Bound<'_, PyDict>>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Pending> {
        let (entry, transport, call) = self.prepare(operation, path, inputs, options)?;
        Pending::start(py, self.pool(), answer(entry, transport, call))
    }

    /// Opens a stream and waits until it is open.
    fn open(
        &self,
        py: Python<'_>,
        operation: &str,
        path: &Bound<'_, PyTuple>,
        inputs: Option<&Bound<'_, PyDict>>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<EventStream> {
        let (entry, transport, call) = self.prepare(operation, path, inputs, options)?;
        let pool = self.pool();
        wait(py, pool, opened(entry, pool, transport, call))
    }

    /// Opens a stream for the running event loop.
    fn start_open(
        &self,
        py: Python<'_>,
        operation: &str,
        path: &Bound<'_, PyTuple>,
        inputs: Option<&Bound<'_, PyDict>>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Pending> {
        let (entry, transport, call) = self.prepare(operation, path, inputs, options)?;
        let pool = self.pool();
        Pending::start(py, pool, async move {
            let stream = opened(entry, pool, transport, call).await?;
            Ok(Box::new(move |py: Python<'_>| Ok(Py::new(py, stream)?.into_any())) as Ready)
        })
    }

    /// Ends the control plane inside this process, if there is one, and waits until it has ended.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match &self.source {
            Source::Http { .. } => Ok(()),
            Source::Plane { plane, .. } => plane.close(py),
        }
    }

    /// The same for the running event loop.
    fn close_soon(&self, py: Python<'_>) -> PyResult<Pending> {
        match &self.source {
            Source::Http { .. } => Pending::start(py, Pool::Calls, async { Ok(nothing()) }),
            Source::Plane { plane, .. } => plane.close_soon(py),
        }
    }
}

fn configured(
    mut config: Config,
    timeout: Option<&Bound<'_, PyAny>>,
    max_retries: Option<&Bound<'_, PyAny>>,
    headers: Option<&Bound<'_, PyAny>>,
) -> PyResult<Config> {
    if let Some(value) = timeout {
        config = config.timeout(call::duration("timeout", value)?);
    }
    if let Some(value) = max_retries {
        config = config.max_retries(call::retries("max_retries", value)?);
    }
    for (name, value) in headers.map_or_else(|| Ok(Vec::new()), call::headers)? {
        config = config.header(name, value);
    }
    Ok(config.language("python"))
}
