//! The server against its own document: schemathesis sends what the schemas allow, and what they forbid, to a real
//! `theazo serve`. Nothing may be answered with a server error or with what the document does not say.

use std::{fs, process::Command};

use anyhow::Result;

use super::{
    Outcome,
    examples::{Server, build, with_server},
    process::{check, output},
    steps::python_tool,
};
use crate::{cargo::target, repository};

/// What is checked of each answer; the last two are ours.
const CHECKS: &str = "status_code_conformance,content_type_conformance,response_schema_conformance,no_server_error,\
                      event_data_conformance";

/// Fuzzes the operations that are served for a bounded time, with the same random numbers each time.
pub fn step() -> Outcome {
    check(&mut build()).and(with_server(|server| match fuzz(server) {
        Ok(mut fuzz) => {
            let (succeeded, log) = output(&mut fuzz);
            let told = log.lines().find(|line| line.contains(" generated")).unwrap_or_default().trim().to_owned();
            Outcome::check(succeeded && !told.is_empty(), log).noting(told)
        }
        Err(error) => Outcome::of(Err(error)),
    }))
}

fn fuzz(server: &Server) -> Result<Command> {
    // It keeps what it found for its next run, which shall not depend on the last.
    let folder = target()?.join("schema-fuzz");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    let document = repository::root().join("theazo-api/openapi.json");
    // In the simulated world nothing that is made up runs as a program on this machine.
    let key = format!("authorization: Bearer {}", server.test_key);
    let mut fuzz = python_tool("st", &["run", "--url", &server.url, "--header", &key, "--seed", "1", "--no-color"]);
    fuzz.arg(document).args(["--exclude-by", "/x-theazo-status == planned", "--checks", CHECKS, "--warnings", "off"]);
    fuzz.args(["--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--max-time", "150"]);
    fuzz.args(["--request-timeout", "20"]).current_dir(folder);
    fuzz.env("SCHEMATHESIS_HOOKS", "schema_fuzz_checks");
    fuzz.env("PYTHONPATH", repository::root().join("xtask/python"));
    Ok(fuzz)
}
