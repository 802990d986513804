//! Control planes inside this process. A build without the feature `embedded` has the same face and says what it lacks.

use std::{path::PathBuf, sync::Arc};

use pyo3::prelude::*;
use theazo::{Config, Transport};

use crate::{client::Client, wakeup::Pending};

#[cfg(feature = "embedded")]
use embedded::Plane as Running;
#[cfg(not(feature = "embedded"))]
use absent::Plane as Running;

/// A control plane of this process. It ends when it is closed, with its last client, or with the interpreter.
pub struct Plane(Running);

impl Plane {
    /// Starts a plane, and makes a client of it.
    pub fn start(py: Python<'_>, data_dir: Option<PathBuf>, config: Config) -> PyResult<Client> {
        Self::launch(py, data_dir, false, config).map(|(plane, transport)| Client::of_plane(plane, transport))
    }

    fn launch(py: Python<'_>, data_dir: Option<PathBuf>, test: bool, config: Config) -> PyResult<(Arc<Self>, Transport)> {
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

#[cfg(not(feature = "embedded"))]
mod absent {
    use super::*;
    use crate::error::Failure;

    /// There is none.
    pub enum Plane {}

    impl Plane {
        pub fn launch(py: Python<'_>, _: Option<PathBuf>, _: bool, _: Config) -> PyResult<(Self, Transport)> {
            let message = "this build of theazo has no control plane in it; give `base_url`, or install a build with `embedded`";
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
