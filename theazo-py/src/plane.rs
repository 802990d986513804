//! Control planes inside this process. A build without the feature `embedded` has the same face and says what it lacks.

use std::{path::PathBuf, sync::Arc};

use pyo3::prelude::*;
use theazo::{Config, Transport};

use crate::{client::Client, wakeup::Pending};

#[cfg(not(feature = "embedded"))]
use absent::Plane as Running;
#[cfg(feature = "embedded")]
use embedded::Plane as Running;

/// A control plane of this process. It ends when it is closed, with its last client, or with the interpreter.
pub struct Plane(Running);

impl Plane {
    /// Starts a plane, and makes a client of it.
    pub fn start(py: Python<'_>, data_dir: Option<PathBuf>, config: Config) -> PyResult<Client> {
        Self::launch(py, data_dir, false, config).map(|(plane, transport)| Client::of_plane(plane, transport))
    }

    fn launch(
        py: Python<'_>,
        data_dir: Option<PathBuf>,
        test: bool,
        config: Config,
    ) -> PyResult<(Arc<Self>, Transport)> {
        let (running, transport) = Running::launch(py, data_dir, test, config)?;
        Ok((Arc::new(Self(running)), transport))
    }

    /// Fails in a child made by `fork`, where the plane is not.
    pub fn check_process(&self, py: Python<'_>) -> PyResult<()> {
        self.0.check_process(py)
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
    transport: Transport,
}

#[pymethods]
impl TestPlane {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        let config = Config { user_agent_language: Some("python"), ..Config::default() };
        let (plane, transport) = Plane::launch(py, None, true, config)?;
        Ok(Self { plane, transport })
    }

    /// A client with a live key of the plane.
    #[getter]
    fn client(&self) -> Client {
        Client::of_plane(self.plane.clone(), self.transport.clone())
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
    use crate::{error::Failure, runtime::wait, wakeup::nothing};

    /// The planes of this process, so that the end of the interpreter finds them. Locked only with the GIL held.
    static RUNNING: Mutex<Vec<Weak<Core>>> = Mutex::new(Vec::new());

    pub struct Plane {
        core: Arc<Core>,
        /// A plane is made of threads, and threads do not survive a fork.
        process: u32,
    }

    impl Plane {
        pub fn launch(
            py: Python<'_>,
            data_dir: Option<PathBuf>,
            test: bool,
            config: Config,
        ) -> PyResult<(Self, Transport)> {
            let core = wait(py, async move {
                Core::start(PlaneOptions { data_dir, test, ..PlaneOptions::default() }).await.map_err(Failure::from)
            })?;
            let transport = core.transport_with(config).map_err(|error| Failure::from(error).into_python(py))?;
            let core = Arc::new(core);
            let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
            running.retain(|plane| plane.strong_count() > 0);
            running.push(Arc::downgrade(&core));
            Ok((Self { core, process: std::process::id() }, transport))
        }

        pub fn check_process(&self, py: Python<'_>) -> PyResult<()> {
            if self.process == std::process::id() {
                return Ok(());
            }
            let message = "an embedded control plane does not go with a fork; start one in the child, \
                           or use the start method `spawn` of multiprocessing";
            Err(Failure::configuration(message).into_python(py))
        }

        pub fn close(&self, py: Python<'_>) -> PyResult<()> {
            if self.process != std::process::id() {
                return Ok(());
            }
            wait(py, shut_down(self.core.clone()))
        }

        pub fn close_soon(&self, py: Python<'_>) -> PyResult<Pending> {
            let core = self.core.clone();
            Pending::start(py, async move { shut_down(core).await.map(|()| nothing()) })
        }
    }

    async fn shut_down(core: Arc<Core>) -> Result<(), Failure> {
        core.shutdown().await;
        Ok(())
    }

    /// Ends every plane that still runs: at the end of the interpreter nothing else would.
    #[pyfunction]
    pub fn close_planes(py: Python<'_>) -> PyResult<()> {
        let running = std::mem::take(&mut *RUNNING.lock().unwrap_or_else(PoisonError::into_inner));
        for core in running.iter().filter_map(Weak::upgrade) {
            wait(py, shut_down(core))?;
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
        pub fn launch(py: Python<'_>, _: Option<PathBuf>, _: bool, _: Config) -> PyResult<(Self, Transport)> {
            let message =
                "this build of theazo has no control plane in it; give `base_url`, or install a build with `embedded`";
            Err(Failure::configuration(message).into_python(py))
        }

        pub fn check_process(&self, _: Python<'_>) -> PyResult<()> {
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
