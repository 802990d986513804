//! The client: one transport, usable from every thread and every event loop.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use pyo3::{
    prelude::*,
    types::{PyDict, PyTuple},
};
use theazo::{
    CallOptions, Config, Transport,
    transport::{Answer, Blocking, Call},
};
use theazo_api::Method;

use crate::{
    call::{self, Entry},
    config::{Settings, configured},
    error::Failure,
    event_loop::{EventLoop, Outcome, Pending, Ready, nothing},
    meta,
    plane::{Places, Plane},
    recording::{Recorder, Replayer},
    runtime::{Pool, runtime, wait, work_here},
    stream::EventStream,
};

/// How many bytes of JSON an event loop writes or reads itself.
#[cfg(unix)]
const SMALL: usize = 64 << 10;

/// A client. The classes of the package are around it.
#[pyclass(frozen, module = "theazo._native")]
pub struct Client {
    source: Arc<Source>,
    /// What `with_options` changed, the oldest first.
    changes: Vec<CallOptions>,
}

/// Where calls go.
pub enum Source {
    /// Over HTTP.
    Http(Http),
    /// To a control plane inside this process, by a way of the client's own where its calls are recorded.
    Plane {
        /// The control plane.
        plane: Arc<Plane>,
        /// The way of its own.
        recorded: Option<Transport>,
    },
}

/// How a client calls over HTTP. A child made by `fork` makes its own connections, because those that it finds belong to the
/// parent. The lock is held only with the GIL held, as a forking thread holds it.
pub struct Http {
    config: Box<Config>,
    connections: Mutex<Connections>,
}

struct Connections {
    process: u32,
    shared: Transport,
    /// Those of threads that wait for their calls, while none does.
    blocking: Vec<Blocking>,
}

impl Http {
    fn new(py: Python<'_>, config: Config) -> PyResult<Self> {
        let connections = Mutex::new(Connections::new(py, &config)?);
        Ok(Self { config: Box::new(config), connections })
    }

    fn connections(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Connections>> {
        let mut current = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if current.process != std::process::id() {
            let fresh = Connections::new(py, &self.config)?;
            // Dropped, the parent's would try to close connections through threads that are not here.
            std::mem::forget(std::mem::replace(&mut *current, fresh));
        }
        Ok(current)
    }

    /// What a thread calls with that waits for its calls; `None` if it must let others make them.
    fn blocking(&self, py: Python<'_>) -> PyResult<Option<Blocking>> {
        let runtime = runtime(py, Pool::Calls)?;
        let mut connections = self.connections(py)?;
        if let Some(idle) = connections.blocking.pop() {
            return Ok(Some(idle));
        }
        let _inside = runtime.enter();
        connections.shared.blocking().map_err(|error| Failure::from(error).into_python(py))
    }
}

impl Connections {
    fn new(py: Python<'_>, config: &Config) -> PyResult<Self> {
        let runtime = runtime(py, Pool::Calls)?;
        let _inside = runtime.enter();
        let shared = Transport::new(config.clone()).map_err(|error| Failure::from(error).into_python(py))?;
        Ok(Self { process: std::process::id(), shared, blocking: Vec::new() })
    }
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
        let shared = match &*self.source {
            Source::Plane { plane, recorded } => {
                let usual = plane.transport(py)?;
                recorded.clone().unwrap_or(usual)
            }
            Source::Http(http) => http.connections(py)?.shared.clone(),
        };
        Ok(self.changed(shared))
    }

    fn changed(&self, transport: Transport) -> Transport {
        self.changes.iter().fold(transport, |transport, changed| transport.with(changed.clone()))
    }

    fn pool(&self) -> Pool {
        match *self.source {
            Source::Http(_) => Pool::Calls,
            Source::Plane { .. } => Pool::Planes,
        }
    }
}

/// A call that is ready to be made.
struct Prepared {
    entry: &'static Entry,
    call: Call,
    /// The list that wants to know of the answer.
    collector: Option<Py<PyAny>>,
}

impl Prepared {
    fn new(
        operation: &str,
        path: &Bound<'_, PyTuple>,
        inputs: Option<&Bound<'_, PyDict>>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let entry = Entry::find(operation)?;
        let (call, collector) = entry.call(path, inputs, options)?;
        Ok(Self { entry, call, collector })
    }

    async fn answer(self, transport: Transport) -> Outcome {
        let Answer { body, meta, .. } = transport.call(self.call).await?;
        let ready = self.entry.ready(&body, meta.status, &meta.request_id)?;
        Ok(meta::telling(ready, meta, self.collector))
    }

    /// Whether what is sent keeps nobody from other work.
    #[cfg(unix)]
    fn is_small(&self) -> bool {
        self.call.body.as_ref().is_none_or(|body| body.len() <= SMALL)
    }

    /// As [`Prepared::answer`], on the thread of an event loop: what is large is read on another.
    #[cfg(unix)]
    async fn answer_beside(self, transport: Transport) -> Outcome {
        let Answer { body, meta, .. } = transport.call(self.call).await?;
        let entry = self.entry;
        let ready = if body.len() <= SMALL {
            entry.ready(&body, meta.status, &meta.request_id)?
        } else {
            let (status, request_id) = (meta.status, meta.request_id.clone());
            let read = tokio::spawn(async move { entry.ready(&body, status, &request_id) });
            read.await.unwrap_or_else(|_| Err(Failure::without_result()))?
        };
        Ok(meta::telling(ready, meta, self.collector))
    }

    async fn opened(self, transport: Transport, pool: Pool) -> Result<EventStream, Failure> {
        let stream = transport.open(self.call).await?;
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
        Ok(Self::new_of(Source::Http(Http::new(py, config)?)))
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
        let prepared = Prepared::new(operation, path, inputs, options)?;
        if let Source::Http(http) = &*self.source
            && let Some(mut blocking) = http.blocking(py)?
        {
            let work = async |transport: &Transport| prepared.answer(self.changed(transport.clone())).await;
            let outcome = work_here(py, &mut blocking, work);
            blocking.keep_in(&mut http.connections(py)?.blocking);
            return outcome?.map_err(|failure| failure.into_python(py))?(py);
        }
        wait(py, self.pool(), prepared.answer(self.transport(py)?))?(py)
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
        let prepared = Prepared::new(operation, path, inputs, options)?;
        let event_loop = EventLoop::running(py)?;
        #[cfg(unix)]
        if let Some(lane) = event_loop.lane().filter(|lane| prepared.is_small() && lane.has_room())
            && let Source::Http(http) = &*self.source
            && let Some(transport) =
                lane.transport(&self.source, || http.connections(py).map(|connections| connections.shared.clone()))?
        {
            return lane.start(&event_loop, prepared.answer_beside(self.changed(transport)));
        }
        let transport = self.transport(py)?;
        let is_begun_here = transport.is_in_process() && prepared.entry.operation.method == Method::Get;
        let start = if is_begun_here { Pending::begin_here } else { Pending::start };
        start(&event_loop, self.pool(), prepared.answer(transport))
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
        let prepared = Prepared::new(operation, path, inputs, options)?;
        wait(py, pool, prepared.opened(self.transport(py)?, pool))
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
        let (prepared, transport) = (Prepared::new(operation, path, inputs, options)?, self.transport(py)?);
        Pending::start(&EventLoop::running(py)?, pool, async move {
            let stream = prepared.opened(transport, pool).await?;
            Ok(Box::new(move |py: Python<'_>| Ok(Py::new(py, stream)?.into_any())) as Ready)
        })
    }

    /// Ends the control plane inside this process, if there is one, and waits until it has ended.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match &*self.source {
            Source::Http(http) => {
                http.connections(py)?.blocking.clear();
                Ok(())
            }
            Source::Plane { plane, .. } => plane.close(py),
        }
    }

    /// The same for the running event loop.
    fn close_soon(&self, py: Python<'_>) -> PyResult<Pending> {
        match &*self.source {
            Source::Http(_) => {
                let event_loop = EventLoop::running(py)?;
                #[cfg(unix)]
                if let Some(lane) = event_loop.lane() {
                    lane.forget(&self.source);
                }
                Pending::start(&event_loop, Pool::Calls, async { Ok(nothing()) })
            }
            Source::Plane { plane, .. } => plane.close_soon(py),
        }
    }
}
