//! Control planes inside this process. A build without the feature `embedded` has the same face and says what it lacks.

use std::{path::PathBuf, sync::Arc};

use pyo3::prelude::*;
use theazo::{Config, Transport};

use crate::{
    client::Client,
    event_loop::Pending,
    recording::{Recorder, with_recording},
};

#[cfg(not(feature = "embedded"))]
use absent::Plane as Running;
#[cfg(feature = "embedded")]
use embedded::Plane as Running;

/// Where a plane keeps its data and finds what its sandboxes need.
#[derive(Default)]
pub struct Places {
    pub data_dir: Option<PathBuf>,
    pub sandbox_python: Option<PathBuf>,
    pub sandbox_read_only: Vec<PathBuf>,
}

/// A control plane of this process. It ends when it is closed, with its last client, or with the interpreter.
pub struct Plane(Running);

impl Plane {
    /// Starts a plane, and makes a client of it.
    pub fn start(py: Python<'_>, places: Places, config: Config) -> PyResult<Client> {
        Self::launch(py, places, false, config).map(Client::of_plane)
    }

    fn launch(py: Python<'_>, places: Places, test: bool, config: Config) -> PyResult<Arc<Self>> {
        Ok(Arc::new(Self(Running::launch(py, places, test, config)?)))
    }

    /// The way to the plane. Fails once it is closed, and in a child made by `fork`, where it is not.
    pub fn transport(&self, py: Python<'_>) -> PyResult<Transport> {
        self.0.transport(py)
    }

    /// Another way to the plane, set up in a way of its own.
    pub fn transport_with(&self, py: Python<'_>, config: Config) -> PyResult<Transport> {
        self.0.transport_with(py, config)
    }

    /// Lets a function answer for the model of an agent.
    pub fn script_with(&self, py: Python<'_>, agent: &str, function: Py<PyAny>) -> PyResult<()> {
        self.0.script_with(py, agent, function)
    }

    /// Ends the plane and waits until it has ended.
    pub fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.0.close(py)
    }

    /// The same for the running event loop.
    pub fn close_soon(&self, py: Python<'_>) -> PyResult<Pending> {
        self.0.close_soon(py)
    }
}

/// A test plane: a control plane with fake edges. The class of the package is around it.
#[pyclass(frozen, module = "theazo._native")]
pub struct TestPlane {
    plane: Arc<Plane>,
}

#[pymethods]
impl TestPlane {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        let config = Config::new().language("python");
        Ok(Self { plane: Plane::launch(py, Places::default(), true, config)? })
    }

    /// A client with a live key of the plane, whose calls may be recorded.
    #[pyo3(signature = (record=None))]
    fn client(&self, py: Python<'_>, record: Option<&Recorder>) -> PyResult<Client> {
        let config = Config::new().language("python");
        match record {
            None => Ok(Client::of_plane(self.plane.clone())),
            Some(_) => Client::recorded(py, self.plane.clone(), with_recording(py, config, record, None)?),
        }
    }

    /// Lets a function answer for the model of an agent: it is given a conversation as JSON text, and gives an answer.
    fn script_with(&self, py: Python<'_>, agent: &str, function: Py<PyAny>) -> PyResult<()> {
        self.plane.script_with(py, agent, function)
    }

    /// Ends the plane and waits until it has ended.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.plane.close(py)
    }

    /// The same for the running event loop.
    fn close_soon(&self, py: Python<'_>) -> PyResult<Pending> {
        self.plane.close_soon(py)
    }
}

#[cfg(feature = "embedded")]
mod embedded {
    use std::sync::{Mutex, PoisonError, Weak};

    use theazo::embedded::{Plane as Core, PlaneOptions};

    use super::*;
    use crate::{
        error::Failure,
        event_loop::{EventLoop, nothing},
        model_function,
        runtime::{Pool, wait},
    };

    /// The planes of this process, so that the end of the interpreter finds them. Locked only with the GIL held.
    static RUNNING: Mutex<Vec<Weak<Inside>>> = Mutex::new(Vec::new());

    pub struct Plane(Arc<Inside>);

    struct Inside {
        /// A plane is made of threads, and threads do not survive a fork.
        process: u32,
        /// None once it is closed: nothing may keep its data open then. Locked only with the GIL held.
        running: Mutex<Option<(Core, Transport)>>,
    }

    impl Plane {
        pub fn launch(py: Python<'_>, places: Places, test: bool, config: Config) -> PyResult<Self> {
            let Places { data_dir, sandbox_python, sandbox_read_only } = places;
            let options = PlaneOptions { data_dir, test, sandbox_python, sandbox_read_only, ..PlaneOptions::default() };
            let started = wait(py, Pool::Planes, async move {
                let core = Core::start(options).await?;
                let transport = core.transport_with(config)?;
                Ok((core, transport))
            })?;
            let plane = Arc::new(Inside { process: std::process::id(), running: Mutex::new(Some(started)) });
            let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
            running.retain(|plane| plane.strong_count() > 0);
            running.push(Arc::downgrade(&plane));
            Ok(Self(plane))
        }

        pub fn transport(&self, py: Python<'_>) -> PyResult<Transport> {
            self.with_running(py, |_, transport| Ok(transport.clone()))
        }

        pub fn transport_with(&self, py: Python<'_>, config: Config) -> PyResult<Transport> {
            self.with_running(py, |core, _| {
                core.transport_with(config).map_err(|error| Failure::from(error).into_python(py))
            })
        }

        pub fn script_with(&self, py: Python<'_>, agent: &str, function: Py<PyAny>) -> PyResult<()> {
            self.with_running(py, |core, _| {
                let function = Arc::new(function);
                let answer = move |conversation| model_function::answer(function.clone(), conversation);
                core.script_with(agent, answer).map_err(|error| Failure::from(error).into_python(py))
            })
        }

        fn with_running<T>(&self, py: Python<'_>, act: impl FnOnce(&Core, &Transport) -> PyResult<T>) -> PyResult<T> {
            let message = if self.0.process != std::process::id() {
                "an embedded control plane does not go with a fork; start one in the child, \
                 or use the start method `spawn` of multiprocessing"
            } else if let Some((core, transport)) = &*self.0.running.lock().unwrap_or_else(PoisonError::into_inner) {
                return act(core, transport);
            } else {
                "the embedded control plane is closed"
            };
            Err(Failure::configuration(message).into_python(py))
        }

        pub fn close(&self, py: Python<'_>) -> PyResult<()> {
            wait(py, Pool::Planes, self.0.take_and_end())
        }

        pub fn close_soon(&self, py: Python<'_>) -> PyResult<Pending> {
            let end = self.0.take_and_end();
            Pending::start(&EventLoop::running(py)?, Pool::Planes, async move { end.await.map(|()| nothing()) })
        }
    }

    impl Inside {
        /// Takes what runs, at once, and ends it when it is awaited.
        fn take_and_end(&self) -> impl Future<Output = Result<(), Failure>> + Send + use<> {
            // A child made by `fork` has only a picture of the plane, which it must not touch.
            let running = (self.process == std::process::id())
                .then(|| self.running.lock().unwrap_or_else(PoisonError::into_inner).take())
                .flatten();
            async move {
                if let Some((core, transport)) = running {
                    drop(transport);
                    core.shutdown().await;
                }
                Ok(())
            }
        }
    }

    /// Ends every plane that still runs: at the end of the interpreter nothing else would.
    #[pyfunction]
    pub fn close_planes(py: Python<'_>) -> PyResult<()> {
        let planes = std::mem::take(&mut *RUNNING.lock().unwrap_or_else(PoisonError::into_inner));
        for plane in planes.iter().filter_map(Weak::upgrade) {
            wait(py, Pool::Planes, plane.take_and_end())?;
        }
        Ok(())
    }
}

/// Has the planes that still run at the end of the interpreter ended.
#[cfg(feature = "embedded")]
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let close = wrap_pyfunction!(embedded::close_planes, module)?;
    module.py().import("atexit")?.call_method1("register", (close,))?;
    Ok(())
}

/// There are none.
#[cfg(not(feature = "embedded"))]
pub fn register(_: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}

#[cfg(not(feature = "embedded"))]
mod absent {
    use super::*;
    use crate::error::Failure;

    /// There is none.
    pub enum Plane {}

    impl Plane {
        pub fn launch(py: Python<'_>, _: Places, _: bool, _: Config) -> PyResult<Self> {
            let message = "this build of theazo has no control plane in it; give `base_url`, or install one that has";
            Err(Failure::configuration(message).into_python(py))
        }

        pub fn transport(&self, _: Python<'_>) -> PyResult<Transport> {
            match *self {}
        }

        pub fn transport_with(&self, _: Python<'_>, _: Config) -> PyResult<Transport> {
            match *self {}
        }

        pub fn script_with(&self, _: Python<'_>, _: &str, _: Py<PyAny>) -> PyResult<()> {
            match *self {}
        }

        pub fn close(&self, _: Python<'_>) -> PyResult<()> {
            match *self {}
        }

        pub fn close_soon(&self, _: Python<'_>) -> PyResult<Pending> {
            match *self {}
        }
    }
}
