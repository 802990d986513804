//! The native part of the Theazo SDK for Python, imported as `theazo._native`.
//!
//! It has no behaviour of its own: calls are made by the core crate `theazo`, and idioms of Python live in the package
//! beside it. What is here is the crossing. Reading order: [`client`] (calls), [`runtime`] and [`event_loop`] (how a thread
//! or an event loop waits for them), [`shape`] (Python to JSON), [`value`] (JSON to Python), then `generated`.

mod api;
mod call;
mod client;
mod config;
mod error;
mod event_loop;
mod generated;
mod meta;
#[cfg(feature = "embedded")]
mod model_function;
mod plane;
mod recording;
mod runtime;
mod shape;
mod stream;
mod unknown;
mod value;
mod webhooks;
mod workflow;

use pyo3::prelude::*;

// The locks of this crate are held only with the GIL held, which is what makes them safe across a fork.
#[pymodule(gil_used = true)]
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
    module.add_class::<event_loop::Pending>()?;
    module.add_class::<meta::ResponseMeta>()?;
    module.add_class::<webhooks::Verifier>()?;
    module.add_class::<webhooks::Delivery>()?;
    module.add_function(wrap_pyfunction!(webhooks::sign_for_test, module)?)?;
    module.add_function(wrap_pyfunction!(webhooks::sign_trigger, module)?)?;
    module.add_function(wrap_pyfunction!(workflow::finish_workflow, module)?)?;
    plane::register(module)?;
    generated::values::register(module)?;
    // What values are made of, so that no call has to import it.
    module.py().import("datetime")?;
    // Only names in the stub are meant for others, and nobody imports them all.
    module.delattr("__all__")
}
