//! The cases with which ports of the rules of workflows are tested: what each definition depends on when its steps are
//! chained, and what is wrong with it.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use theazo_api::{Check, Problems, WorkflowCreateOpts, chain_steps};

use super::{GeneratedFile, ir::Ir};

/// A definition as it is given.
#[derive(Deserialize)]
struct Case {
    name: String,
    definition: Value,
}

/// What comes of it.
#[derive(Serialize)]
struct Outcome {
    name: String,
    definition: Value,
    /// What each step depends on, by its id; steps that depend on nothing, and do not say so, are left out.
    depends_on: Map<String, Value>,
    problems: Value,
    code: String,
}

/// Writes the cases with what comes of them.
pub fn render(_: &Ir) -> Result<Vec<GeneratedFile>> {
    let cases: Vec<Case> = serde_json::from_str(include_str!("workflow_cases.json")).context("workflow_cases.json")?;
    let outcomes: Vec<Outcome> = cases.into_iter().map(outcome).collect::<Result<_>>()?;
    let content = serde_json::to_string_pretty(&outcomes)? + "\n";
    Ok(vec![GeneratedFile { path: "theazo-node/test/generated/workflow_cases.json".to_owned(), content }])
}

fn outcome(Case { name, definition }: Case) -> Result<Outcome> {
    let mut workflow: WorkflowCreateOpts = serde_json::from_value(definition.clone()).context(name.clone())?;
    chain_steps(&mut workflow.steps);
    let mut depends_on = Map::new();
    collect(&json!(workflow.steps), &mut depends_on);
    let problems = json!(Problems::of(&workflow));
    Ok(Outcome { name, definition, depends_on, problems, code: workflow.refusal().as_str().to_owned() })
}

fn collect(steps: &Value, depends_on: &mut Map<String, Value>) {
    for step in steps.as_array().into_iter().flatten() {
        if let (Some(id), Some(before)) = (step.get("id").and_then(Value::as_str), step.get("dependsOn")) {
            depends_on.insert(id.to_owned(), before.clone());
        }
        collect(&step["branches"], depends_on);
    }
}
