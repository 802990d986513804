//! Functions of Python that answer for the models of a test plane.

use std::sync::Arc;

use pyo3::prelude::*;
use theazo::testing::{Conversation, ScriptedTurn};

use crate::{
    generated::shapes::SCRIPTED_TURN,
    shape::{self, Kind},
    value::{ToPython, parse_json},
};

/// What the function answers. It may take its time, so it gets a thread that no other work waits for.
pub async fn answer(function: Arc<Py<PyAny>>, conversation: Conversation) -> Result<ScriptedTurn, String> {
    let called = tokio::task::spawn_blocking(move || {
        Python::try_attach(|py| call(py, &function, &conversation).map_err(|error| error.to_string()))
            .unwrap_or_else(|| Err("the interpreter is ending".to_owned()))
    });
    called.await.unwrap_or_else(|_| Err("the function did not end".to_owned()))
}

fn call(py: Python<'_>, function: &Py<PyAny>, conversation: &Conversation) -> PyResult<ScriptedTurn> {
    let asked = serde_json::to_value(conversation).expect("conversations are JSON").to_python(py)?;
    let answer = function.bind(py).call1((asked,))?;
    let json = shape::whole(&Kind::Struct(&SCRIPTED_TURN), "answer", &answer)?;
    parse_json(py, &json)
}
