//! The native part of the Theazo SDK for Python, imported as `theazo._native`.
//!
//! It has no behaviour of its own: calls are made by the core crate `theazo`, and idioms of Python live in the package
//! beside it. What is here is the crossing. Reading order: [`client`] (calls), [`runtime`] and [`wakeup`] (how a thread
//! or an event loop waits for them), [`shape`] (Python to JSON), [`value`] (JSON to Python), then `generated`.

mod api;
mod call;
mod client;
mod error;
mod generated;
mod plane;
mod recording;
mod runtime;
mod shape;
mod stream;
mod value;
mod wakeup;

use pyo3::prelude::*;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("has_embedded", cfg!(feature = "embedded"))?;
    module.add("NULL", shape::Null::instance(module.py())?)?;
    module.add_class::<shape::Null>()?;
    module.add_class::<client::Client>()?;
    module.add_class::<plane::TestPlane>()?;
    module.add_class::<recording::Recorder>()?;
    module.add_class::<recording::Replayer>()?;
    module.add_class::<stream::EventStream>()?;
    module.add_class::<wakeup::Pending>()?;
    plane::register(module)?;
    generated::values::register(module)
}
