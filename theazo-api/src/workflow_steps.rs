//! The steps of a workflow: ten kinds, told apart by `type`.
//!
//! ```
//! use std::time::Duration;
//! use theazo_api::{StepFailurePolicy, WorkflowStep};
//!
//! let steps = [
//!     WorkflowStep::agent("research", "researcher")
//!         .with_task("Find out what is new")
//!         .with_input([("topic", "$.trigger.topic")])
//!         .on_step_failure(StepFailurePolicy::Retry {}),
//!     WorkflowStep::transform("sum", [("total", "$.research.output.count * 2")]).after(["research"]),
//!     WorkflowStep::condition("enough", "$.sum.output.total > 10").then("publish").otherwise("pause"),
//!     WorkflowStep::delay("pause", Duration::from_secs(3600)),
//!     WorkflowStep::wait("paid", "order.paid"),
//!     WorkflowStep::approval("publish", "publish the report"),
//!     WorkflowStep::webhook("tell", "https://app.example.com/hooks/report").after(["publish"]),
//!     WorkflowStep::parallel("reviews", [WorkflowStep::agent("style", "reviewer"), WorkflowStep::agent("facts", "checker")]),
//!     WorkflowStep::map("letters", "$.research.output.people", WorkflowStep::agent("letter", "writer")),
//!     WorkflowStep::planner("plan", "planner"),
//! ];
//! assert_eq!((steps[1].id(), steps[1].depends_on()), ("sum", &["research".to_owned()][..]));
//! assert!(steps[0].failure_policy().is_some() && steps[0].validation_failure_policy().is_none());
//! ```

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    approvals::ApprovalDefault,
    compatible::{accept, serve},
    money::Cost,
    open_enum::open_enum,
    secret::Secret,
    tagged_union::tagged_union,
    time::DurationInput,
    workflow_step_parts::{
        BranchTarget, ItemFailurePolicy, StepAuth, StepEnvValue, StepFailurePolicy, StepHttpMethod,
        ValidationFailurePolicy, WaitTimeout,
    },
};

tagged_union! {
    /// A step of a workflow.
    ///
    /// Steps that do not depend on one another run at the same time. A value that begins with `$.` is a reference:
    /// `$.trigger.url` and `$.input.url` are a member of the run's input, `$.research.output.title` is a part of what
    /// the step `research` returned, `$.state.total` is a member of the run's shared state, and in the step of a `map`
    /// `$.item` is the item. A step refers only to steps that are done before it starts.
    WorkflowStep by "type", serves published_names, accepts older_forms, common {
        /// The id, unique in the workflow: 1 to 64 letters, digits, `-` and `_`.
        id: String,
        /// The steps that must be done before this one starts; none by default. A step that was skipped counts as done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        depends_on: Option<Vec<String>>,
        /// What happens when the step fails; what the workflow's `onFailure` says by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on_step_failure: Option<StepFailurePolicy>,
        /// The JSON Schema that the output must fit; any output by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output_schema: Option<Map<String, Value>>,
        /// What happens when the output does not fit `outputSchema`; `fail` by default.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on_validation_failure: Option<ValidationFailurePolicy>,
    } {
        /// Gives an agent a task. Its output is what the agent answered, as JSON where the answer is JSON.
        Agent = "agent" {
            /// The name of the agent, or the id of a definition. A name that was never defined is a general agent.
            agent: String,
            /// What the agent is to do; `{{ input.topic }}` in it is a member of the run's input. By default it is given
            /// what `inputMap` says, or the run's input.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            task: Option<String>,
            /// What the agent is told besides: references or text, by name.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            input_map: Option<BTreeMap<String, String>>,
            /// Your own note of what sets the step off. It is kept, and changes nothing.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            trigger: Option<String>,
            /// How long the step may take; no limit by default.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            timeout: Option<DurationInput>,
            /// Environment variables of the agent's sandbox, by name.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            env: Option<BTreeMap<String, StepEnvValue>>,
            /// The members of the run's shared state that the step may write; none by default.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            state_writes: Option<Vec<String>>,
            /// The members of the run's shared state that the step may read; none by default.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            state_reads: Option<Vec<String>>,
        },
        /// Runs steps at the same time, and is done when all of them are. Its output is their outputs by their ids.
        Parallel = "parallel" {
            /// The steps.
            branches: Vec<WorkflowStep>,
        },
        /// Decides how the workflow goes on. The branch that is not chosen is skipped.
        Condition = "condition" {
            /// What is decided: references, numbers, text in quotes, `==`, `!=`, `<`, `<=`, `>`, `>=`, `&&`, `||`, `!`
            /// and brackets.
            expression: String,
            /// How it goes on where the expression holds; nothing by default.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            then: Option<BranchTarget>,
            /// How it goes on where the expression does not hold; nothing by default.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            otherwise: Option<BranchTarget>,
        },
        /// Computes values without an agent. Its output is the values by their names; it costs nothing.
        Transform = "transform" {
            /// The expressions of the values, by name.
            expression: BTreeMap<String, String>,
        },
        /// Runs one step for each item of a list. Its output is the list of their outputs, in the order of the items.
        Map = "map" {
            /// The list: a reference such as `$.fetch.output.tickets`.
            over: String,
            /// The step for each item: an agent step, in which `$.item` is the item.
            step: Box<WorkflowStep>,
            /// How many items are worked on at once; 10 by default.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            concurrency: Option<i64>,
            /// What happens when an item fails; `abort` by default.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            on_item_failure: Option<ItemFailurePolicy>,
        },
        /// Waits. A run that waits costs nothing.
        Delay = "delay" {
            /// How long.
            duration: DurationInput,
        },
        /// Waits until somebody approves. The run is paused until then.
        Approval = "approval" {
            /// The name of the action that is to be approved.
            action: String,
            /// What the action is to be done with.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            params: Option<Map<String, Value>>,
            /// How long somebody has to decide; 24 hours by default.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            timeout: Option<DurationInput>,
            /// What counts when nobody decided in time; `deny` by default.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            default_action: Option<ApprovalDefault>,
        },
        /// Calls an address. Its output is the body of the answer, as JSON where it is JSON.
        Webhook = "webhook" {
            /// The address that is called.
            url: String,
            /// The HTTP method; `POST` by default.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            method: Option<StepHttpMethod>,
            /// Headers, by name.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            headers: Option<BTreeMap<String, Secret>>,
            /// The body, sent as JSON; the run's input by default.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            body: Option<Map<String, Value>>,
            /// How the call says who it is; not at all by default.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            auth: Option<StepAuth>,
            /// How long the call may take; 30 seconds by default.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            timeout: Option<DurationInput>,
        },
        /// Lets an agent plan: the steps that it names become part of the run.
        Planner = "planner" {
            /// The name of the agent, or the id of a definition.
            agent: String,
            /// What is to be planned.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            description: Option<String>,
            /// How many steps it may add; what the workflow's `plannerPolicy` says, or 10, by default.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            max_steps: Option<i64>,
            /// The kinds of steps that it may add; all by default.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            allowed_step_types: Option<Vec<WorkflowStepType>>,
            /// Whether somebody must approve its plan; false by default.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            require_approval: Option<bool>,
            /// After how many of its steps somebody must approve that it goes on; never by default.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            require_approval_after_steps: Option<i64>,
            /// What its steps may cost together; no limit by default.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            max_spawned_cost: Option<Cost>,
        },
        /// Waits for an event. Its output is the event's payload; the run is paused until then.
        Wait = "wait" {
            /// The name of the event.
            event: String,
            /// How long it waits; without an end by default.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            timeout: Option<DurationInput>,
            /// What happens when the event did not come in time; `fail` by default.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            on_timeout: Option<WaitTimeout>,
        },
    }
}

/// Puts what other versions of the client and of the documentation call a step's members in its place.
fn older_forms(members: &mut Map<String, Value>) {
    if members.get("type").is_none_or(Value::is_null) {
        members.insert("type".to_owned(), "agent".into());
    }
    match members.get("type").and_then(Value::as_str) {
        Some("condition") => {
            accept(members, "if", "expression");
            accept(members, "else", "otherwise");
            accept(members, "onTrue", "then");
            accept(members, "onFalse", "otherwise");
            // A builder without a branch writes an empty one.
            for branch in ["then", "otherwise"] {
                if members.get(branch).and_then(Value::as_str) == Some("") {
                    members.remove(branch);
                }
            }
        }
        Some("parallel") => accept(members, "steps", "branches"),
        Some("map") => name_item(members),
        _ => {}
    }
}

/// Names the step of a map after the map where it has no id.
fn name_item(members: &mut Map<String, Value>) {
    let item = members.get("id").and_then(Value::as_str).map(|id| format!("{id}_item"));
    if let (Some(item), Some(Value::Object(step))) = (item, members.get_mut("step")) {
        step.entry("id").or_insert_with(|| item.into());
    }
}

/// Shows a condition as the published client knows it.
fn published_names(members: &mut Map<String, Value>) {
    if members.get("type").and_then(Value::as_str) == Some("condition") {
        serve(members, "expression", "if");
        serve(members, "otherwise", "else");
        members.entry("then").or_insert_with(|| "".into());
    }
}

/// A step of which everything is absent that may be.
macro_rules! bare_step {
    ($kind:ident { $($given:ident: $value:expr),+ } $($absent:ident)*) => {
        WorkflowStep::$kind {
            depends_on: None,
            on_step_failure: None,
            output_schema: None,
            on_validation_failure: None,
            $($given: $value,)+
            $($absent: None,)*
        }
    };
}

/// Does something with a field that every kind of step has; `$unknown` is for kinds that this version does not know.
macro_rules! common_field {
    ($step:expr, $field:ident => $known:expr, $other:pat => $unknown:expr) => {
        match $step {
            WorkflowStep::Agent { $field, .. }
            | WorkflowStep::Parallel { $field, .. }
            | WorkflowStep::Condition { $field, .. }
            | WorkflowStep::Transform { $field, .. }
            | WorkflowStep::Map { $field, .. }
            | WorkflowStep::Delay { $field, .. }
            | WorkflowStep::Approval { $field, .. }
            | WorkflowStep::Webhook { $field, .. }
            | WorkflowStep::Planner { $field, .. }
            | WorkflowStep::Wait { $field, .. } => $known,
            WorkflowStep::Other($other) => $unknown,
        }
    };
}

impl WorkflowStep {
    /// A step that gives an agent a task.
    pub fn agent(id: impl Into<String>, agent: impl Into<String>) -> Self {
        bare_step!(Agent { id: id.into(), agent: agent.into() }
            task input_map trigger timeout env state_writes state_reads)
    }

    /// A step that runs steps at the same time.
    pub fn parallel(id: impl Into<String>, branches: impl IntoIterator<Item = Self>) -> Self {
        bare_step!(Parallel { id: id.into(), branches: branches.into_iter().collect() })
    }

    /// A step that decides; name at least one branch with [`then`](Self::then) or [`otherwise`](Self::otherwise).
    pub fn condition(id: impl Into<String>, expression: impl Into<String>) -> Self {
        bare_step!(Condition { id: id.into(), expression: expression.into() } then otherwise)
    }

    /// A step that computes values.
    pub fn transform<N: Into<String>, E: Into<String>>(
        id: impl Into<String>,
        expression: impl IntoIterator<Item = (N, E)>,
    ) -> Self {
        let expression = expression.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        bare_step!(Transform { id: id.into(), expression: expression })
    }

    /// A step that runs an agent step for each item of a list.
    pub fn map(id: impl Into<String>, over: impl Into<String>, step: Self) -> Self {
        bare_step!(Map { id: id.into(), over: over.into(), step: Box::new(step) } concurrency on_item_failure)
    }

    /// A step that waits.
    pub fn delay(id: impl Into<String>, duration: impl Into<DurationInput>) -> Self {
        bare_step!(Delay { id: id.into(), duration: duration.into() })
    }

    /// A step that waits until somebody approves.
    pub fn approval(id: impl Into<String>, action: impl Into<String>) -> Self {
        bare_step!(Approval { id: id.into(), action: action.into() } params timeout default_action)
    }

    /// A step that calls an address.
    pub fn webhook(id: impl Into<String>, url: impl Into<String>) -> Self {
        bare_step!(Webhook { id: id.into(), url: url.into() } method headers body auth timeout)
    }

    /// A step that lets an agent plan.
    pub fn planner(id: impl Into<String>, agent: impl Into<String>) -> Self {
        bare_step!(Planner { id: id.into(), agent: agent.into() }
            description max_steps allowed_step_types require_approval require_approval_after_steps max_spawned_cost)
    }

    /// A step that waits for an event.
    pub fn wait(id: impl Into<String>, event: impl Into<String>) -> Self {
        bare_step!(Wait { id: id.into(), event: event.into() } timeout on_timeout)
    }

    /// The step, starting after these.
    #[must_use]
    pub fn after<I: Into<String>>(mut self, steps: impl IntoIterator<Item = I>) -> Self {
        let steps = Some(steps.into_iter().map(Into::into).collect());
        common_field!(&mut self, depends_on => *depends_on = steps, _ => {});
        self
    }

    /// The step, with what happens when it fails.
    #[must_use]
    pub fn on_step_failure(mut self, policy: StepFailurePolicy) -> Self {
        common_field!(&mut self, on_step_failure => *on_step_failure = Some(policy), _ => {});
        self
    }

    /// The agent step, with what the agent is to do; another step as it is.
    #[must_use]
    pub fn with_task(mut self, text: impl Into<String>) -> Self {
        if let Self::Agent { task, .. } = &mut self {
            *task = Some(text.into());
        }
        self
    }

    /// The agent step, with what the agent is told besides; another step as it is.
    #[must_use]
    pub fn with_input<N: Into<String>, V: Into<String>>(mut self, input: impl IntoIterator<Item = (N, V)>) -> Self {
        if let Self::Agent { input_map, .. } = &mut self {
            *input_map = Some(input.into_iter().map(|(name, value)| (name.into(), value.into())).collect());
        }
        self
    }

    /// The condition, with how it goes on where it holds; another step as it is.
    #[must_use]
    pub fn then(mut self, target: impl Into<BranchTarget>) -> Self {
        if let Self::Condition { then, .. } = &mut self {
            *then = Some(target.into());
        }
        self
    }

    /// The condition, with how it goes on where it does not hold; another step as it is.
    #[must_use]
    pub fn otherwise(mut self, target: impl Into<BranchTarget>) -> Self {
        if let Self::Condition { otherwise, .. } = &mut self {
            *otherwise = Some(target.into());
        }
        self
    }

    /// The id; empty where a step of an unknown kind has none.
    pub fn id(&self) -> &str {
        common_field!(self, id => id, members => members.get("id").and_then(Value::as_str).unwrap_or_default())
    }

    /// The steps that must be done before this one starts.
    pub fn depends_on(&self) -> &[String] {
        common_field!(self, depends_on => depends_on.as_deref().unwrap_or_default(), _ => &[])
    }

    /// The field for them, where a step of its kind has one.
    pub(crate) fn depends_on_mut(&mut self) -> Option<&mut Option<Vec<String>>> {
        common_field!(self, depends_on => Some(depends_on), _ => None)
    }

    /// What happens when it fails, if it says so itself.
    pub fn failure_policy(&self) -> Option<&StepFailurePolicy> {
        common_field!(self, on_step_failure => on_step_failure.as_ref(), _ => None)
    }

    /// What happens when its output does not fit, if it says so.
    pub fn validation_failure_policy(&self) -> Option<&ValidationFailurePolicy> {
        common_field!(self, on_validation_failure => on_validation_failure.as_ref(), _ => None)
    }
}

open_enum! {
    /// The kind of a step.
    WorkflowStepType {
        /// Gives an agent a task.
        Agent = "agent",
        /// Runs steps at the same time.
        Parallel = "parallel",
        /// Decides how the workflow goes on.
        Condition = "condition",
        /// Computes values.
        Transform = "transform",
        /// Runs one step for each item of a list.
        Map = "map",
        /// Waits.
        Delay = "delay",
        /// Waits until somebody approves.
        Approval = "approval",
        /// Calls an address.
        Webhook = "webhook",
        /// Lets an agent plan.
        Planner = "planner",
        /// Waits for an event.
        Wait = "wait",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::{compatible::for_published_clients, workflow_step_parts::BranchOpts};

    fn read(json: Value) -> WorkflowStep {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_step_without_a_type_is_an_agent_step() {
        let step = read(json!({ "id": "research", "agent": "researcher", "task": "Find sources", "dependsOn": ["a"] }));

        assert_eq!(step, WorkflowStep::agent("research", "researcher").with_task("Find sources").after(["a"]));
    }

    #[test]
    fn a_condition_is_read_with_the_names_of_every_version() {
        let expression = "$.check.output.score > 0.8";
        let clean = WorkflowStep::condition("gate", expression).then("publish").otherwise("review");

        assert_eq!(
            read(json!({ "id": "gate", "type": "condition", "if": expression, "then": "publish", "else": "review" })),
            clean
        );
        assert_eq!(
            read(json!({
                "id": "gate", "type": "condition", "expression": expression,
                "onTrue": { "next": "publish" }, "onFalse": { "next": "review" },
            })),
            WorkflowStep::condition("gate", expression)
                .then(BranchOpts { next: Some("publish".to_owned()), ..BranchOpts::default() })
                .otherwise(BranchOpts { next: Some("review".to_owned()), ..BranchOpts::default() })
        );
        assert_eq!(
            read(json!({ "id": "gate", "type": "condition", "if": expression, "then": "", "else": "review" })),
            WorkflowStep::condition("gate", expression).otherwise("review")
        );
    }

    #[test]
    fn a_condition_is_served_as_if_then_else() {
        let both = WorkflowStep::condition("gate", "$.a.output > 1").then("b").otherwise("c");
        let one = WorkflowStep::condition("gate", "$.a.output > 1").otherwise("c");
        let nested = WorkflowStep::parallel("both", [both.clone()]);
        let served = |step: &WorkflowStep| for_published_clients(|| serde_json::to_value(step).unwrap());

        let expected = json!({
            "type": "condition", "id": "gate", "expression": "$.a.output > 1", "then": "b", "otherwise": "c",
            "if": "$.a.output > 1", "else": "c",
        });
        assert_eq!(served(&both), expected);
        assert_eq!(served(&nested)["branches"], json!([expected]));
        assert_eq!((served(&one)["then"].clone(), served(&one)["else"].clone()), (json!(""), json!("c")));
        assert_eq!(
            serde_json::to_value(&one).unwrap(),
            json!({ "type": "condition", "id": "gate", "expression": "$.a.output > 1", "otherwise": "c" })
        );
    }

    #[test]
    fn sub_steps_are_read_as_branches_and_the_step_of_a_map_needs_no_id() {
        assert_eq!(
            read(json!({ "id": "both", "type": "parallel", "steps": [{ "id": "a", "agent": "writer" }] })),
            WorkflowStep::parallel("both", [WorkflowStep::agent("a", "writer")])
        );
        assert_eq!(
            read(json!({ "id": "each", "type": "map", "over": "$.input.urls", "step": { "agent": "reader" } })),
            WorkflowStep::map("each", "$.input.urls", WorkflowStep::agent("each_item", "reader"))
        );
    }

    #[test]
    fn a_transform_keeps_its_expressions() {
        let step = read(json!({ "id": "sum", "type": "transform", "expression": { "count": "$.a.output.length" } }));

        let served = for_published_clients(|| serde_json::to_value(&step).unwrap());

        assert_eq!(step, WorkflowStep::transform("sum", [("count", "$.a.output.length")]));
        assert_eq!(served, json!({ "type": "transform", "id": "sum", "expression": { "count": "$.a.output.length" } }));
    }

    #[test]
    fn common_fields_are_there_whatever_the_kind() {
        let step = WorkflowStep::delay("later", Duration::from_secs(5))
            .after(["first"])
            .on_step_failure(StepFailurePolicy::Goto { target: "cleanup".to_owned() });

        assert_eq!((step.id(), step.tag(), step.depends_on()), ("later", "delay", &["first".to_owned()][..]));
        assert_eq!(step.failure_policy(), Some(&StepFailurePolicy::Goto { target: "cleanup".to_owned() }));
        assert_eq!(WorkflowStepType::KNOWN, WorkflowStep::KNOWN);
        let newer = read(json!({ "id": "x", "type": "teleport" }));
        assert_eq!((newer.id(), newer.tag(), newer.depends_on().len()), ("x", "teleport", 0));
    }
}
