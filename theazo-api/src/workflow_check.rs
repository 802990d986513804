//! What can be known to be wrong with the steps of a workflow without running it.

use std::collections::HashMap;

use crate::{
    check::Problems,
    error::ErrorCode,
    workflow_graph::{Graph, Node, Place, branch_targets, jump_targets},
    workflow_references::{RESERVED, references_of},
    workflow_step_parts::{BranchTarget, WaitTimeout},
    workflow_steps::WorkflowStep,
};

/// How many steps a workflow may have, with those inside of others.
pub const MAX_STEPS: usize = 500;

/// Checks the steps of a workflow: each for itself, their ids, their order and their references.
///
/// ```
/// use theazo_api::{Problems, WorkflowStep, check_steps};
///
/// let mut problems = Problems::default();
/// check_steps(&[WorkflowStep::agent("write", "writer").after(["research"])], &mut problems);
/// assert_eq!(problems.into_result().unwrap_err()[0].field, "steps.0.dependsOn");
/// ```
pub fn check_steps(steps: &[WorkflowStep], problems: &mut Problems) {
    problems.require(!steps.is_empty(), "steps", "must have at least one step");
    let graph = Graph::new(steps);
    if graph.nodes.len() > MAX_STEPS {
        problems.add("steps", format!("has {} steps, but there may be at most {MAX_STEPS}", graph.nodes.len()));
        return;
    }
    check_ids(&graph, problems);
    for (index, node) in graph.nodes.iter().enumerate() {
        problems.within(&node.path, node.step);
        let mut step = StepCheck { graph: &graph, node, problems };
        step.targets();
        step.references(index);
    }
    check_order(&graph, problems);
}

/// The code with which these steps are refused: circles have one of their own.
pub(crate) fn refusal_of(steps: &[WorkflowStep]) -> ErrorCode {
    let graph = Graph::new(steps);
    if graph.nodes.len() <= MAX_STEPS && graph.cycle().is_some() {
        ErrorCode::WorkflowCircularDependency
    } else {
        ErrorCode::InvalidRequest
    }
}

fn check_ids(graph: &Graph<'_>, problems: &mut Problems) {
    let mut first: HashMap<&str, &str> = HashMap::new();
    for Node { step, path, .. } in &graph.nodes {
        let id = step.id();
        let field = format!("{path}.id");
        let is_name = id.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'-' || letter == b'_');
        if !is_name || !(1..=64).contains(&id.len()) {
            problems.add(&field, "must be 1 to 64 letters, digits, `-` and `_`");
        } else if RESERVED.contains(&id) {
            problems.add(&field, format!("must not be `{id}`: `$.{id}` means something else"));
        } else if let Some(earlier) = first.insert(id, path) {
            problems.add(&field, format!("must be unique, but `{earlier}` is `{id}` too"));
        }
    }
}

fn check_order(graph: &Graph<'_>, problems: &mut Problems) {
    let Some(cycle) = graph.cycle() else { return };
    let field = format!("{}.dependsOn", graph.nodes[cycle.first].path);
    let message = match cycle.ids.as_slice() {
        [id] => format!("lets `{id}` wait for itself"),
        ids => format!("goes in a circle, each step waits for the next: `{}` -> `{}`", ids.join("` -> `"), ids[0]),
    };
    problems.add(&field, message);
}

/// The check of one step among the others.
struct StepCheck<'a, 'p> {
    graph: &'a Graph<'a>,
    node: &'a Node<'a>,
    problems: &'p mut Problems,
}

impl StepCheck<'_, '_> {
    fn add(&mut self, field: &str, message: impl Into<String>) {
        self.problems.add(&format!("{}.{field}", self.node.path), message);
    }

    /// What is wrong with the steps that the step names.
    fn targets(&mut self) {
        let step = self.node.step;
        for id in step.depends_on() {
            self.target("dependsOn", id);
        }
        for (field, target) in branch_targets(step) {
            if let Some(id) = target.step() {
                let is_name = matches!(target, BranchTarget::Step(_));
                self.target(&if is_name { field.to_owned() } else { format!("{field}.next") }, id);
            }
        }
        for (field, id) in jump_targets(step) {
            if id == step.id() {
                self.add(field, "must be another step");
            } else if field == "onTimeout" && self.graph.find(id).is_none() {
                self.add(
                    field,
                    format!("must be `{}` or the id of a step, not `{id}`", WaitTimeout::KNOWN.join("`, `")),
                );
            } else {
                self.target(field, id);
            }
        }
    }

    fn target(&mut self, field: &str, id: &str) {
        if self.graph.find(id).is_some() {
            return;
        }
        match self.graph.map_of_item(id) {
            Some(map) => self.add(field, format!("names `{id}`, which is inside of a map; name `{}`", map.id())),
            None => self.add(field, format!("names `{id}`, which is no step of the workflow")),
        }
    }

    /// What is wrong with the references of the step.
    fn references(&mut self, index: usize) {
        let found = references_of(self.node.step);
        if found.is_empty() {
            return;
        }
        let done = self.graph.done_before(index);
        for (field, name) in found {
            if let Some(message) = self.reference(name, &done) {
                self.add(&field, message);
            }
        }
    }

    fn reference(&self, name: &str, done: &[bool]) -> Option<String> {
        if name == "item" {
            let is_there = self.node.place == Place::Item;
            return (!is_there).then(|| "refers to `$.item`, which is there only in the step of a map".to_owned());
        }
        if RESERVED.contains(&name) {
            return None;
        }
        if name == self.node.step.id() {
            return Some(format!("refers to `$.{name}`, the step itself"));
        }
        match (self.graph.find(name), self.graph.map_of_item(name)) {
            (Some(step), _) if done[step] => None,
            (Some(_), _) => {
                Some(format!("refers to `$.{name}`, but `{name}` need not be done by then; name it in `dependsOn`"))
            }
            (None, Some(map)) => {
                Some(format!("refers to `$.{name}`, which is inside of a map; refer to `$.{}`", map.id()))
            }
            (None, None) => Some(format!(
                "refers to `$.{name}`, but there is no such step; there are `$.trigger`, `$.input` and `$.state` too"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What is wrong with steps: `field: message`.
    fn problems(steps: Value) -> Vec<String> {
        let steps: Vec<WorkflowStep> = serde_json::from_value(steps).unwrap();
        let mut problems = Problems::default();
        check_steps(&steps, &mut problems);
        let found = problems.into_result().err().unwrap_or_default();
        found.into_iter().map(|problem| format!("{}: {}", problem.field, problem.message)).collect()
    }

    const NONE: [&str; 0] = [];

    #[test]
    fn the_published_examples_are_right() {
        assert_eq!(
            problems(json!([
                { "id": "research", "type": "agent", "agent": "researcher", "inputMap": { "topic": "$.trigger.topic" } },
                {
                    "id": "quality-check", "type": "condition", "if": "$.research.output.confidence > 0.8",
                    "then": "publish", "else": "review", "dependsOn": ["research"],
                },
                {
                    "id": "publish", "type": "agent", "agent": "publisher", "dependsOn": ["quality-check"],
                    "inputMap": { "text": "$.research.output" },
                },
                { "id": "review", "type": "agent", "agent": "reviewer", "dependsOn": ["publish"] },
            ])),
            NONE
        );
        assert_eq!(
            problems(json!([
                { "id": "fetch", "agent": "ticket-fetcher", "inputMap": { "url": "$.trigger.url", "how": "politely" } },
                {
                    "id": "classify-all", "type": "map", "over": "$.fetch.output.tickets", "concurrency": 5,
                    "dependsOn": ["fetch"],
                    "step": { "id": "classify-all_item", "agent": "classifier", "inputMap": { "ticket": "$.item.text" } },
                },
                {
                    "id": "summarize", "type": "transform", "dependsOn": ["classify-all"],
                    "expression": { "count": "$.classify-all.output.length", "seen": "$.state.seen" },
                },
                { "id": "pause", "type": "delay", "duration": "5m", "dependsOn": ["summarize"] },
                { "id": "sign-off", "type": "approval", "action": "publish_report", "dependsOn": ["pause"] },
                {
                    "id": "notify", "type": "webhook", "url": "https://example.com/hook", "dependsOn": ["sign-off"],
                    "headers": { "X-Source": "theazo" }, "auth": { "type": "bearer", "secretRef": "hook_token" },
                },
                {
                    "id": "plan", "type": "planner", "agent": "planner", "maxSteps": 5, "allowedStepTypes": ["agent"],
                    "dependsOn": ["notify"],
                },
                {
                    "id": "paid", "type": "wait", "event": "order.paid", "timeout": "7d", "onTimeout": "notify",
                    "dependsOn": ["plan"],
                },
            ])),
            NONE
        );
    }

    #[test]
    fn only_a_circle_is_refused_with_its_own_code() {
        let code = |steps: Value| refusal_of(&serde_json::from_value::<Vec<_>>(steps).unwrap());
        let long: Vec<Value> = (0..501).map(|_| json!({ "id": "a", "agent": "w", "dependsOn": ["a"] })).collect();

        assert_eq!(
            code(json!([{ "id": "a", "agent": "w", "dependsOn": ["a", "nowhere"] }])),
            ErrorCode::WorkflowCircularDependency
        );
        assert_eq!(code(json!([{ "id": "a", "agent": "w", "dependsOn": ["nowhere"] }])), ErrorCode::InvalidRequest);
        assert_eq!(code(json!(long)), ErrorCode::InvalidRequest);
    }

    #[test]
    fn a_workflow_has_steps_but_not_too_many() {
        let many: Vec<Value> = (0..501).map(|index| json!({ "id": format!("s{index}"), "agent": "a" })).collect();

        assert_eq!(problems(json!([])), ["steps: must have at least one step"]);
        assert_eq!(problems(json!(many[..500])), NONE);
        assert_eq!(problems(json!(many)), ["steps: has 501 steps, but there may be at most 500"]);
    }

    #[test]
    fn ids_are_unique_names_also_inside_of_other_steps() {
        let agent = |id: &str| json!({ "id": id, "agent": "a" });

        assert_eq!(
            problems(json!([
                agent("a"),
                { "id": "both", "type": "parallel", "branches": [agent("b"), agent("a")] },
                { "id": "each", "type": "map", "over": "$.input.urls", "step": agent("b") },
                agent("has space"), agent(""), agent("trigger"), agent(&"x".repeat(65)),
            ])),
            [
                "steps.1.branches.1.id: must be unique, but `steps.0` is `a` too",
                "steps.2.step.id: must be unique, but `steps.1.branches.0` is `b` too",
                "steps.3.id: must be 1 to 64 letters, digits, `-` and `_`",
                "steps.4.id: must be 1 to 64 letters, digits, `-` and `_`",
                "steps.5.id: must not be `trigger`: `$.trigger` means something else",
                "steps.6.id: must be 1 to 64 letters, digits, `-` and `_`",
            ]
        );
    }

    #[test]
    fn steps_that_are_named_exist() {
        assert_eq!(
            problems(json!([
                { "id": "a", "agent": "a", "dependsOn": ["b"], "onStepFailure": { "action": "goto", "target": "c" } },
                { "id": "if", "type": "condition", "if": "$.input.n > 1", "then": "d", "else": { "next": "e" } },
                { "id": "each", "type": "map", "over": "$.input.urls", "step": { "agent": "a" } },
                { "id": "last", "agent": "a", "dependsOn": ["each_item"] },
                { "id": "again", "agent": "a", "onStepFailure": { "action": "goto", "target": "again" } },
                { "id": "wait", "type": "wait", "event": "e", "timeout": "1h", "onTimeout": "continue" },
            ])),
            [
                "steps.0.dependsOn: names `b`, which is no step of the workflow",
                "steps.0.onStepFailure.target: names `c`, which is no step of the workflow",
                "steps.1.then: names `d`, which is no step of the workflow",
                "steps.1.otherwise.next: names `e`, which is no step of the workflow",
                "steps.3.dependsOn: names `each_item`, which is inside of a map; name `each`",
                "steps.4.onStepFailure.target: must be another step",
                "steps.5.onTimeout: must be `fail`, `skip` or the id of a step, not `continue`",
            ]
        );
    }

    #[test]
    fn a_circle_is_named() {
        let agent = |id: &str, on: &str| json!({ "id": id, "agent": "a", "dependsOn": [on] });

        assert_eq!(
            problems(json!([{ "id": "z", "agent": "a" }, agent("a", "c"), agent("b", "a"), agent("c", "b")])),
            ["steps.1.dependsOn: goes in a circle, each step waits for the next: `a` -> `c` -> `b` -> `a`"]
        );
        assert_eq!(problems(json!([agent("a", "a")])), ["steps.0.dependsOn: lets `a` wait for itself"]);
        assert_eq!(
            problems(json!([{ "id": "both", "type": "parallel", "branches": [agent("a", "both")] }])),
            ["steps.0.dependsOn: goes in a circle, each step waits for the next: `both` -> `a` -> `both`"]
        );
    }

    #[test]
    fn references_are_to_what_is_done() {
        assert_eq!(
            problems(json!([
                { "id": "a", "agent": "a", "inputMap": { "x": "$.b.output", "y": "$.a.output", "z": "$.data" } },
                { "id": "b", "agent": "a", "dependsOn": ["a"], "inputMap": { "x": "$.a.output.n", "text": "costs $.5" } },
                {
                    "id": "sum", "type": "transform", "dependsOn": ["b"],
                    "expression": { "ok": "$.a.output + $.b.output", "far": "$.each_item.output", "item": "$.item" },
                },
                { "id": "each", "type": "map", "over": "$.sum.output.list", "step": { "agent": "a" } },
                {
                    "id": "gate", "type": "condition", "then": "a2", "dependsOn": ["sum"],
                    "if": "$.a.output == \"$.nowhere\" && $.late.output > 1 || $.a-b.output",
                },
                { "id": "a2", "agent": "a", "inputMap": { "x": "$.a.output" } },
                { "id": "late", "agent": "a" },
            ])),
            [
                "steps.0.inputMap.x: refers to `$.b`, but `b` need not be done by then; name it in `dependsOn`",
                "steps.0.inputMap.y: refers to `$.a`, the step itself",
                "steps.0.inputMap.z: refers to `$.data`, but there is no such step; there are `$.trigger`, `$.input` and \
                 `$.state` too",
                "steps.2.expression.far: refers to `$.each_item`, which is inside of a map; refer to `$.each`",
                "steps.2.expression.item: refers to `$.item`, which is there only in the step of a map",
                "steps.3.over: refers to `$.sum`, but `sum` need not be done by then; name it in `dependsOn`",
                "steps.4.expression: refers to `$.late`, but `late` need not be done by then; name it in `dependsOn`",
                "steps.4.expression: refers to `$.a-b`, but there is no such step; there are `$.trigger`, `$.input` and \
                 `$.state` too",
            ]
        );
    }
}
