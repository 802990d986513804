//! The rules of workflows: the core has them.

use pyo3::prelude::*;

use crate::{
    error::Failure,
    generated::{shapes::WORKFLOW_CREATE_OPTS, values::WorkflowCreateOpts},
    shape::{self, Kind},
    unknown::Unknown,
    value::parse_json,
};

/// Fills in what the steps of a definition depend on where they do not say it, and checks it as a whole.
#[pyfunction]
pub fn finish_workflow(py: Python<'_>, definition: &Bound<'_, PyAny>) -> PyResult<WorkflowCreateOpts> {
    let json = shape::whole(&Kind::Struct(&WORKFLOW_CREATE_OPTS), "definition", definition)?;
    let finished = theazo::workflow::finish(parse_json(py, &json)?);
    finished
        .map(|definition| WorkflowCreateOpts(definition, Unknown::default()))
        .map_err(|error| Failure::from(error).into_python(py))
}
