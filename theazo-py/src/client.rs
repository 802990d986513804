//! The client: one transport, usable from every thread and every event loop.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use pyo3::{
    prelude::*,
    types::{PyDict, PyTuple},
};
use theazo::{
    CallOptions, Config, Transport,
    transport::{Answer, Call},
};

use crate::{
    call::{self, Entry},
    config::{Settings, configured},
    error::Failure,
    meta,
    plane::{Places, Plane},
    recording::{Recorder, Replayer},
    runtime::{Pool, runtime, wait},
    stream::EventStream,
    wakeup::{Outcome, Pending, Ready, nothing},
};

/// A client. The classes of the package are around it.
#[pyclass(frozen, module = "theazo._native")]
pub struct Client {
    source: Arc<Source>,
    /// What `with_options` changed, the oldest first.
    changes: Vec<CallOptions>,
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
        Self::new_of(Source::Plane { plane, recorded: None })
    }

    /// A client of a plane inside this process whose calls are recorded.
    pub fn recorded(py: Python<'_>, plane: Arc<Plane>, config: Config) -> PyResult<Self> {
        let recorded = Some(plane.transport_with(py, config)?);
        Ok(Self::new_of(Source::Plane { plane, recorded }))
    }

    fn new_of(source: Source) -> Self {
        Self { source: Arc::new(source), changes: Vec::new() }
    }

    fn transport(&self, py: Python<'_>) -> PyResult<Transport> {
        let shared = self.shared_transport(py)?;
        Ok(self.changes.iter().fold(shared, |transport, changed| transport.with(changed.clone())))
    }

    fn shared_transport(&self, py: Python<'_>) -> PyResult<Transport> {
        match &*self.source {
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
        match *self.source {
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
    ) -> PyResult<Prepared> {
        let entry = Entry::find(operation)?;
        let (call, collector) = entry.call(path, inputs, options)?;
        Ok(Prepared { entry, transport: self.transport(path.py())?, call, collector })
    }
}

fn new_transport(py: Python<'_>, config: &Config) -> PyResult<Transport> {
    let _inside = runtime(py, Pool::Calls)?.enter();
    Transport::new(config.clone()).map_err(|error| Failure::from(error).into_python(py))
}

/// A call that is ready to be made.
struct Prepared {
    entry: &'static Entry,
    transport: Transport,
    call: Call,
    /// The list that wants to know of the answer.
    collector: Option<Py<PyAny>>,
}

impl Prepared {
    async fn answer(self) -> Outcome {
        let Answer { body, meta, .. } = self.transport.call(self.call).await?;
        let ready = self.entry.ready(&body, meta.status, &meta.request_id)?;
        Ok(meta::telling(ready, meta, self.collector))
    }

    async fn opened(self, pool: Pool) -> Result<EventStream, Failure> {
        let stream = self.transport.open(self.call).await?;
        Ok(EventStream::new(self.entry, pool, stream))
    }
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (
        api_key=None, base_url=None, timeout=None, max_retries=None, headers=None, compute=None, models=None,
        record=None, replay=None,
    ))]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the class in Python")]
    fn new(
        py: Python<'_>,
        api_key: Option<String>,
        base_url: Option<String>,
        timeout: Option<&Bound<'_, PyAny>>,
        max_retries: Option<&Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
        compute: Option<&Bound<'_, PyAny>>,
        models: Option<&Bound<'_, PyAny>>,
        record: Option<&Recorder>,
        replay: Option<&Replayer>,
    ) -> PyResult<Self> {
        let mut config = api_key.map_or_else(Config::new, Config::with_api_key);
        if let Some(base_url) = base_url {
            config = config.base_url(base_url);
        }
        let settings = Settings { timeout, max_retries, headers, compute, models, record, replay };
        let config = configured(py, config, &settings)?
            .or_environment()
            .map_err(|error| Failure::from(error).into_python(py))?;
        if config.is_local() {
            return Plane::start(py, Places::default(), config);
        }
        let transport = new_transport(py, &config)?;
        Ok(Self::new_of(Source::Http {
            config: Box::new(config),
            transport: Mutex::new((std::process::id(), transport)),
        }))
    }

    /// A client of a new control plane inside this process.
    #[staticmethod]
    #[pyo3(signature = (
        data_dir=None, sandbox_python=None, sandbox_read_only=Vec::new(), timeout=None, max_retries=None, headers=None,
        compute=None, models=None, record=None,
    ))]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the method in Python")]
    fn embedded(
        py: Python<'_>,
        data_dir: Option<PathBuf>,
        sandbox_python: Option<PathBuf>,
        sandbox_read_only: Vec<PathBuf>,
        timeout: Option<&Bound<'_, PyAny>>,
        max_retries: Option<&Bound<'_, PyAny>>,
        headers: Option<&Bound<'_, PyAny>>,
        compute: Option<&Bound<'_, PyAny>>,
        models: Option<&Bound<'_, PyAny>>,
        record: Option<&Recorder>,
    ) -> PyResult<Self> {
        let settings = Settings { timeout, max_retries, headers, compute, models, record, replay: None };
        let config = configured(py, Config::new(), &settings)?;
        Plane::start(py, Places { data_dir, sandbox_python, sandbox_read_only }, config)
    }

    /// A client with other options for all its calls, which shares the connections of this one.
    fn with_options(&self, options: &Bound<'_, PyDict>) -> PyResult<Self> {
        let (changed, _) = call::call_options(options)?;
        let mut changes = self.changes.clone();
        changes.push(changed);
        Ok(Self { source: self.source.clone(), changes })
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
        wait(py, self.pool(), self.prepare(operation, path, inputs, options)?.answer())?(py)
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
        Pending::start(py, self.pool(), self.prepare(operation, path, inputs, options)?.answer())
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
        let pool = self.pool();
        wait(py, pool, self.prepare(operation, path, inputs, options)?.opened(pool))
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
        let pool = self.pool();
        let prepared = self.prepare(operation, path, inputs, options)?;
        Pending::start(py, pool, async move {
            let stream = prepared.opened(pool).await?;
            Ok(Box::new(move |py: Python<'_>| Ok(Py::new(py, stream)?.into_any())) as Ready)
        })
    }

    /// Ends the control plane inside this process, if there is one, and waits until it has ended.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match &*self.source {
            Source::Http { .. } => Ok(()),
            Source::Plane { plane, .. } => plane.close(py),
        }
    }

    /// The same for the running event loop.
    fn close_soon(&self, py: Python<'_>) -> PyResult<Pending> {
        match &*self.source {
            Source::Http { .. } => Pending::start(py, Pool::Calls, async { Ok(nothing()) }),
            Source::Plane { plane, .. } => plane.close_soon(py),
        }
    }
}
