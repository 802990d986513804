//! The workflow builder. Each test names the row of the list of what the published builder gets wrong that it answers.

mod support;

use std::time::Duration;

use serde_json::{Map, Value, json};
use support::memory::{Fate, Memory};
use theazo::{
    ErrorKind, Theazo,
    types::{
        ApprovalDefault, BranchOpts, Cost, ErrorCode, ItemFailurePolicy, PlannerPolicy, RetryConfig, SecretReference,
        StepAuth, StepEnvValue, StepFailurePolicy, StepHttpMethod, ValidationFailurePolicy, WaitTimeout,
        WorkflowCreateOpts, WorkflowFailurePolicy, WorkflowPolicy, WorkflowStep, WorkflowStepType,
    },
    workflow::{
        self, WorkflowBuilder, agent, approval, condition, delay, map, parallel, planner, transform, wait, webhook,
    },
};

fn object(json: Value) -> Map<String, Value> {
    json.as_object().expect("it is an object").clone()
}

/// The steps of a workflow as they are sent.
fn sent(builder: WorkflowBuilder) -> Vec<Value> {
    let definition = serde_json::to_value(builder.build().unwrap()).unwrap();
    definition["steps"].as_array().unwrap().clone()
}

/// What each step depends on, as it is sent.
fn order(builder: WorkflowBuilder) -> Vec<(String, Value)> {
    let steps = sent(builder);
    steps.iter().map(|step| (step["id"].as_str().unwrap().to_owned(), step["dependsOn"].clone())).collect()
}

fn pairs<const COUNT: usize>(pairs: [(&str, Value); COUNT]) -> Vec<(String, Value)> {
    pairs.map(|(id, depends_on)| (id.to_owned(), depends_on)).into()
}

/// The code of an error, its parameter and its text.
fn refused(builder: WorkflowBuilder) -> (ErrorCode, String, String) {
    let error = builder.build().unwrap_err();
    let ErrorKind::InvalidInput { parameter } = error.kind().clone() else { panic!("{error:?}") };
    (error.code().clone(), parameter, error.to_string())
}

#[test]
fn w1_both_branches_of_a_condition_follow_it_and_not_each_other() {
    let published_example = theazo::workflow("content-pipeline")
        .step(agent("research", "researcher").input_map([("topic", "$.trigger.topic")]))
        .step(condition("quality-check", "$.research.output.confidence > 0.8").then("publish").otherwise("review"))
        .step(agent("publish", "publisher").input_map([("content", "$.research.output")]))
        .step(agent("review", "reviewer").input_map([("content", "$.research.output")]));

    assert_eq!(
        order(published_example),
        pairs([
            ("research", Value::Null),
            ("quality-check", json!(["research"])),
            ("publish", json!(["quality-check"])),
            ("review", json!(["quality-check"])),
        ])
    );
}

#[test]
fn w1_what_comes_after_the_branches_follows_them_all() {
    let long_branches = theazo::workflow("support")
        .step(condition("urgent", "$.input.priority > 3").then("page").otherwise("queue"))
        .step(agent("page", "pager"))
        .step(agent("escalate", "manager"))
        .step(agent("queue", "clerk"))
        .step(agent("report", "reporter"));
    let one_branch = theazo::workflow("support")
        .step(condition("urgent", "$.input.priority > 3").then("page"))
        .step(agent("page", "pager"))
        .step(agent("report", "reporter"));

    assert_eq!(
        order(long_branches),
        pairs([
            ("urgent", Value::Null),
            ("page", json!(["urgent"])),
            ("escalate", json!(["page"])),
            ("queue", json!(["urgent"])),
            ("report", json!(["escalate", "queue"])),
        ])
    );
    assert_eq!(
        order(one_branch),
        pairs([("urgent", Value::Null), ("page", json!(["urgent"])), ("report", json!(["urgent", "page"]))])
    );
}

#[test]
fn w1_what_a_step_says_itself_is_kept() {
    let builder = theazo::workflow("compare")
        .step(agent("fetch", "fetcher"))
        .step(agent("left", "analyst").depends_on(["fetch"]))
        .step(agent("right", "analyst").depends_on(["fetch"]))
        .step(agent("merge", "writer"))
        .step(agent("greet", "host").depends_on(Vec::<String>::new()));

    assert_eq!(
        order(builder),
        pairs([
            ("fetch", Value::Null),
            ("left", json!(["fetch"])),
            ("right", json!(["fetch"])),
            ("merge", json!(["left", "right"])),
            ("greet", json!([])),
        ])
    );
}

#[test]
fn w2_a_condition_leads_somewhere() {
    let nowhere = theazo::workflow("w").step(agent("a", "x")).step(condition("gate", "$.a.output > 1"));
    let one_way = theazo::workflow("w").step(condition("gate", "1 > 0").otherwise("b")).step(agent("b", "x"));

    assert_eq!(
        refused(nowhere),
        (
            ErrorCode::InvalidRequest,
            "steps.1.then".to_owned(),
            "`steps.1.then` must say how it goes on, or else `otherwise` must; `steps.1` is `gate`".to_owned()
        )
    );
    let gate = json!({ "type": "condition", "id": "gate", "expression": "1 > 0", "otherwise": "b" });
    assert_eq!(sent(one_way)[0], gate);
}

#[test]
fn w3_what_was_built_does_not_change() {
    let first = theazo::workflow("w").step(parallel("both").branch(agent("a", "x")).branch(agent("b", "x")));
    let built = first.clone().build().unwrap();

    let second = first.clone().description("longer").step(agent("c", "x")).build().unwrap();

    assert_eq!((built.steps.len(), built.description.as_deref()), (1, None));
    assert_eq!((second.steps.len(), second.description.as_deref()), (2, Some("longer")));
    assert_eq!(first.build().unwrap(), built);
}

#[test]
fn w4_what_shows_to_be_wrong_is_refused_by_name() {
    let twice = theazo::workflow("w").step(agent("a", "x")).step(agent("a", "x"));
    let unknown = theazo::workflow("w").step(agent("a", "x").depends_on(["b"]));
    let target = theazo::workflow("w").step(condition("gate", "1 > 0").then("b"));
    let reference = theazo::workflow("w").step(agent("a", "x").input_map([("text", "$.b.output")]));
    let empty = theazo::workflow("w");
    let unnamed = theazo::workflow(" ").step(agent("a", "x"));
    let instant = theazo::workflow("w").step(delay("later", Duration::ZERO)).timeout(Duration::ZERO);

    let invalid =
        |parameter: &str, message: &str| (ErrorCode::InvalidRequest, parameter.to_owned(), message.to_owned());
    assert_eq!(
        refused(twice),
        invalid("steps.1.id", "`steps.1.id` must be unique, but `steps.0` is `a` too; `steps.1` is `a`")
    );
    assert_eq!(
        refused(unknown),
        invalid(
            "steps.0.dependsOn",
            "`steps.0.dependsOn` names `b`, which is no step of the workflow; `steps.0` is `a`"
        )
    );
    assert_eq!(
        refused(target),
        invalid("steps.0.then", "`steps.0.then` names `b`, which is no step of the workflow; `steps.0` is `gate`")
    );
    assert_eq!(
        refused(reference),
        invalid(
            "steps.0.inputMap.text",
            "`steps.0.inputMap.text` refers to `$.b`, but there is no such step; there are `$.trigger`, `$.input` and \
             `$.state` too; `steps.0` is `a`"
        )
    );
    assert_eq!(refused(empty), invalid("steps", "`steps` must have at least one step"));
    assert_eq!(refused(unnamed), invalid("name", "`name` must be 1 to 128 bytes of text"));
    assert_eq!(
        refused(instant),
        invalid(
            "steps.0.duration",
            "`steps.0.duration` must be longer than nothing; `timeout` must be longer than nothing; `steps.0` is `later`"
        )
    );
}

#[test]
fn w4_a_circle_has_its_own_code() {
    let circle = theazo::workflow("w")
        .step(agent("a", "x"))
        .step(agent("b", "x").depends_on(["c"]))
        .step(agent("c", "x").depends_on(["b"]));

    assert_eq!(
        refused(circle),
        (
            ErrorCode::WorkflowCircularDependency,
            "steps.1.dependsOn".to_owned(),
            "`steps.1.dependsOn` goes in a circle, each step waits for the next: `b` -> `c` -> `b`; `steps.1` is `b`"
                .to_owned()
        )
    );
}

#[tokio::test]
async fn w4_a_circle_is_not_sent_by_whatever_way_it_comes() {
    let memory = Memory::new([Fate::json(201, "{}")]);
    let workflows = Theazo::over(memory.transport()).workflows();
    let circle: Vec<WorkflowStep> =
        serde_json::from_value(json!([{ "id": "a", "agent": "x", "dependsOn": ["a"] }])).unwrap();

    let created = workflows.create(WorkflowCreateOpts { steps: circle.clone(), ..Default::default() }).await;
    let updated = workflows.update("wf_1").steps(circle).await;

    for error in [created.unwrap_err(), updated.unwrap_err()] {
        assert_eq!(error.code(), &ErrorCode::WorkflowCircularDependency);
        assert_eq!(error.to_string(), "`steps.0.dependsOn` lets `a` wait for itself");
    }
    assert!(memory.requests().is_empty());
}

#[test]
fn w5_the_step_of_a_map_has_its_input_and_its_timeout() {
    let item = agent("classify", "classifier")
        .task("Classify the ticket")
        .input_map([("ticket", "$.item.text")])
        .timeout(Duration::from_secs(90));
    let builder = theazo::workflow("triage")
        .step(agent("fetch", "ticket-fetcher"))
        .step(map("classify-all", "$.fetch.output.tickets", item).concurrency(5).on_item_failure("skip"));

    assert_eq!(
        sent(builder)[1],
        json!({
            "type": "map", "id": "classify-all", "dependsOn": ["fetch"], "over": "$.fetch.output.tickets",
            "concurrency": 5, "onItemFailure": "skip",
            "step": {
                "type": "agent", "id": "classify", "agent": "classifier", "task": "Classify the ticket",
                "inputMap": { "ticket": "$.item.text" }, "timeout": "90000ms",
            },
        })
    );
    let waiting = theazo::workflow("triage").step(map("all", "$.input.tickets", delay("nap", Duration::from_secs(1))));
    assert_eq!(refused(waiting).1, "steps.0.step");
}

#[test]
fn w6_every_field_of_every_kind_of_step_can_be_said() {
    let schema = || object(json!({ "type": "object" }));
    let secret = || SecretReference { secret_ref: "crm_key".to_owned() };
    let builder = theazo::workflow("everything")
        .step(
            agent("agent", "writer")
                .depends_on(Vec::<String>::new())
                .on_step_failure(StepFailurePolicy::Goto { target: "delay".to_owned() })
                .output_schema(schema())
                .on_validation_failure(ValidationFailurePolicy::Coerce)
                .task("Write")
                .input_map([("topic", "$.input.topic")])
                .trigger("a new topic")
                .timeout(Duration::from_secs(60))
                .env([("LOCALE", StepEnvValue::from("en_GB")), ("CRM_KEY", secret().into())])
                .state_writes(["draft"])
                .state_reads(["seen"]),
        )
        .step(parallel("parallel").branch(agent("left", "x")).branch(delay("right", Duration::from_secs(1))))
        .step(
            condition("condition", "$.agent.output.ok == 'yes'")
                .then(BranchOpts { agent: Some("fixer".to_owned()), ..BranchOpts::default() })
                .otherwise("transform"),
        )
        .step(transform("transform", [("count", "$.agent.output.length")]))
        .step(
            map("map", "$.input.urls", agent("read", "reader"))
                .concurrency(3)
                .on_item_failure(ItemFailurePolicy::Retry),
        )
        .step(delay("delay", Duration::from_secs(5)))
        .step(
            approval("approval", "send_email")
                .params(object(json!({ "to": "ada@example.com" })))
                .timeout(Duration::from_secs(3600))
                .default_action(ApprovalDefault::Approve),
        )
        .step(
            webhook("webhook", "https://example.com/hook")
                .method(StepHttpMethod::Post)
                .headers([("X-Source", "theazo")])
                .body(object(json!({ "done": true })))
                .auth(StepAuth::Bearer { secret_ref: "hook_token".to_owned() })
                .timeout(Duration::from_secs(10)),
        )
        .step(
            planner("planner", "planner")
                .description("What is left to do")
                .max_steps(5)
                .allowed_step_types([WorkflowStepType::Agent])
                .require_approval(true)
                .require_approval_after_steps(2)
                .max_spawned_cost(Cost::cents(200)),
        )
        .step(wait("wait", "order.paid").timeout(Duration::from_secs(7200)).on_timeout(WaitTimeout::Skip));

    let expected = json!([
        {
            "type": "agent", "id": "agent", "dependsOn": [], "onStepFailure": { "action": "goto", "target": "delay" },
            "outputSchema": { "type": "object" }, "onValidationFailure": "coerce", "agent": "writer", "task": "Write",
            "inputMap": { "topic": "$.input.topic" }, "trigger": "a new topic", "timeout": "60000ms",
            "env": { "CRM_KEY": { "secretRef": "crm_key" }, "LOCALE": "en_GB" },
            "stateWrites": ["draft"], "stateReads": ["seen"],
        },
        {
            "type": "parallel", "id": "parallel", "dependsOn": ["agent"],
            "branches": [
                { "type": "agent", "id": "left", "agent": "x" },
                { "type": "delay", "id": "right", "duration": "1000ms" },
            ],
        },
        {
            "type": "condition", "id": "condition", "dependsOn": ["parallel"],
            "expression": "$.agent.output.ok == 'yes'", "then": { "agent": "fixer" }, "otherwise": "transform",
        },
        {
            "type": "transform", "id": "transform", "dependsOn": ["condition"],
            "expression": { "count": "$.agent.output.length" },
        },
        {
            "type": "map", "id": "map", "dependsOn": ["condition", "transform"], "over": "$.input.urls",
            "step": { "type": "agent", "id": "read", "agent": "reader" }, "concurrency": 3, "onItemFailure": "retry",
        },
        { "type": "delay", "id": "delay", "dependsOn": ["map"], "duration": "5000ms" },
        {
            "type": "approval", "id": "approval", "dependsOn": ["delay"], "action": "send_email",
            "params": { "to": "ada@example.com" }, "timeout": "3600000ms", "defaultAction": "approve",
        },
        {
            "type": "webhook", "id": "webhook", "dependsOn": ["approval"], "url": "https://example.com/hook",
            "method": "POST", "headers": { "X-Source": "theazo" }, "body": { "done": true },
            "auth": { "type": "bearer", "secretRef": "hook_token" }, "timeout": "10000ms",
        },
        {
            "type": "planner", "id": "planner", "dependsOn": ["webhook"], "agent": "planner",
            "description": "What is left to do", "maxSteps": 5, "allowedStepTypes": ["agent"], "requireApproval": true,
            "requireApprovalAfterSteps": 2, "maxSpawnedCost": { "amount": 200, "currency": "usd" },
        },
        {
            "type": "wait", "id": "wait", "dependsOn": ["planner"], "event": "order.paid", "timeout": "7200000ms",
            "onTimeout": "skip",
        },
    ]);
    assert_eq!(Value::from(sent(builder)), expected);
}

#[test]
fn w6_what_all_kinds_have_in_common_can_be_said_of_each() {
    macro_rules! with_all {
        ($($step:expr),+ $(,)?) => {
            vec![$(WorkflowStep::from(
                $step
                    .depends_on(["first"])
                    .on_step_failure(StepFailurePolicy::Skip {})
                    .output_schema(object(json!({ "type": "array" })))
                    .on_validation_failure("warn"),
            )),+]
        };
    }
    let steps = with_all![
        agent("a", "x"),
        parallel("b"),
        condition("c", "1 > 0"),
        transform("d", [("n", "1")]),
        map("e", "$.input.list", agent("item", "x")),
        delay("f", Duration::from_secs(1)),
        approval("g", "act"),
        webhook("h", "https://example.com"),
        planner("i", "x"),
        wait("j", "order.paid"),
    ];

    assert_eq!(steps.iter().map(WorkflowStep::tag).collect::<Vec<_>>(), WorkflowStepType::KNOWN);
    for step in steps {
        let sent = serde_json::to_value(&step).unwrap();
        assert_eq!(
            (&sent["dependsOn"], &sent["onStepFailure"], &sent["outputSchema"], &sent["onValidationFailure"]),
            (&json!(["first"]), &json!({ "action": "skip" }), &json!({ "type": "array" }), &json!("warn")),
            "{}",
            step.tag()
        );
    }
}

#[test]
fn w6_every_setting_of_a_workflow_can_be_said() {
    let built = theazo::workflow("settings")
        .description("Shows all of them")
        .timeout(Duration::from_secs(600))
        .input_schema(object(json!({ "type": "object", "required": ["topic"] })))
        .output_schema(object(json!({ "type": "object" })))
        .policy(WorkflowPolicy { max_parallel: Some(2), ..WorkflowPolicy::default() })
        .on_failure(WorkflowFailurePolicy::Pause)
        .retries(RetryConfig { max_attempts: 3, delay: None, backoff: None })
        .concurrency(4)
        .planner_policy(PlannerPolicy { max_steps: Some(5), ..PlannerPolicy::default() })
        .step(agent("a", "x"))
        .build()
        .unwrap();

    assert_eq!(
        serde_json::to_value(built).unwrap(),
        json!({
            "name": "settings", "description": "Shows all of them", "timeout": "600000ms",
            "inputSchema": { "type": "object", "required": ["topic"] }, "outputSchema": { "type": "object" },
            "policy": { "maxParallel": 2 }, "onFailure": "pause", "retries": { "maxAttempts": 3 }, "concurrency": 4,
            "plannerPolicy": { "maxSteps": 5 }, "steps": [{ "type": "agent", "id": "a", "agent": "x" }],
        })
    );
}

#[test]
fn w7_an_approval_names_an_action_and_a_map_has_an_agent_step() {
    let definition =
        |step: Value| serde_json::from_value::<WorkflowCreateOpts>(json!({ "name": "w", "steps": [step] }));
    let action = json!({ "id": "ok", "type": "approval", "action": { "timeout": "24h" } });
    let item = json!({ "id": "all", "type": "map", "over": "$.input.list", "step": { "id": "item" } });

    // What the published builder sends for the two calls of its README that do not fit its types.
    assert_eq!(definition(action).unwrap_err().to_string(), "invalid type: map, expected a string");
    assert_eq!(definition(item).unwrap_err().to_string(), "missing field `agent`");
    let unnamed = theazo::workflow("w").step(approval("ok", "")).step(map("all", "$.input.list", agent("each", "")));
    assert_eq!(
        refused(unnamed).2,
        "`steps.0.action` must be 1 to 256 bytes of text; `steps.1.step.agent` must be 1 to 128 bytes of text; \
         `steps.0` is `ok`, `steps.1` is `all`"
    );
}

#[test]
fn a_definition_from_elsewhere_is_finished_by_the_same_rule() {
    let read = || -> WorkflowCreateOpts {
        serde_json::from_value(json!({ "name": "w", "steps": [
            { "id": "gate", "type": "condition", "if": "$.input.size > 1", "then": "large", "else": "small" },
            { "id": "large", "agent": "x" },
            { "id": "small", "agent": "x" },
        ] }))
        .unwrap()
    };
    let built = theazo::workflow("w")
        .step(condition("gate", "$.input.size > 1").then("large").otherwise("small"))
        .step(agent("large", "x"))
        .step(agent("small", "x"))
        .build()
        .unwrap();

    assert_eq!(workflow::finish(read()).unwrap(), built);
    assert_eq!(workflow::finish(built.clone()).unwrap(), built);
    let empty = WorkflowCreateOpts { steps: Vec::new(), ..read() };
    assert_eq!(workflow::finish(empty).unwrap_err().to_string(), "`steps` must have at least one step");
}
