//! An example of each kind of step, in Rust alone: how the builder reads.

/// What an example names besides the functions of the builder, and the steps of a workflow, as calls of the builder.
pub struct StepExample {
    pub kind: &'static str,
    pub functions: &'static [&'static str],
    pub uses: &'static [&'static str],
    pub steps: &'static [&'static str],
}

const MINUTES: &str = "std::time::Duration";

/// One for each kind; one without its example fails the generator.
pub const EXAMPLES: &[StepExample] = &[
    StepExample {
        kind: "agent",
        functions: &["agent"],
        uses: &[MINUTES],
        steps: &[r#"agent("research", "researcher")
        .task("Find sources about {{ input.topic }}")
        .trigger("a new topic")
        .timeout(Duration::from_secs(600))
        .state_reads(["known"])
        .state_writes(["sources"])"#],
    },
    StepExample {
        kind: "parallel",
        functions: &["agent", "parallel"],
        uses: &[],
        steps: &[r#"parallel("reviews")
        .branch(agent("legal", "lawyer").task("Check the claims"))
        .branch(agent("style", "editor").task("Check the tone"))"#],
    },
    StepExample {
        kind: "condition",
        functions: &["agent", "condition"],
        uses: &[],
        steps: &[
            r#"agent("score", "reviewer")"#,
            r#"condition("is-good", "$.score.output.points >= 8").then("publish").otherwise("revise")"#,
            r#"agent("publish", "publisher")"#,
            r#"agent("revise", "writer")"#,
        ],
    },
    StepExample {
        kind: "transform",
        functions: &["transform"],
        uses: &[],
        steps: &[r#"transform("order", [("customer", "$.input.customer.name"), ("total", "$.input.total")])"#],
    },
    StepExample {
        kind: "map",
        functions: &["agent", "map"],
        uses: &["theazo::types::ItemFailurePolicy"],
        steps: &[r#"map("answers", "$.input.tickets", agent("answer", "support").input_map([("ticket", "$.item")]))
        .concurrency(5)
        .on_item_failure(ItemFailurePolicy::Skip)"#],
    },
    StepExample {
        kind: "delay",
        functions: &["agent", "delay"],
        uses: &[MINUTES],
        steps: &[
            r#"agent("invite", "mailer")"#,
            r#"delay("three-days", Duration::from_secs(3 * 86_400))"#,
            r#"agent("remind", "mailer")"#,
        ],
    },
    StepExample {
        kind: "approval",
        functions: &["approval"],
        uses: &[MINUTES],
        steps: &[r#"approval("sign-off", "pay_invoice")
        .params([("amount", 42_000)])
        .timeout(Duration::from_secs(86_400))
        .default_action("deny")"#],
    },
    StepExample {
        kind: "webhook",
        functions: &["webhook"],
        uses: &[MINUTES, "theazo::types::StepAuth"],
        steps: &[r#"webhook("tell", "https://example.com/orders")
        .method("POST")
        .headers([("x-source", "theazo")])
        .auth(StepAuth::Bearer { secret_ref: "ORDERS_TOKEN".to_owned() })
        .body([("order", "$.input.id")])
        .timeout(Duration::from_secs(10))"#],
    },
    StepExample {
        kind: "planner",
        functions: &["planner"],
        uses: &["theazo::types::{Cost, WorkflowStepType}"],
        steps: &[r#"planner("plan", "architect")
        .description("Break the migration into steps")
        .max_steps(20)
        .allowed_step_types([WorkflowStepType::Agent, WorkflowStepType::Approval])
        .require_approval(true)
        .require_approval_after_steps(10)
        .max_spawned_cost(Cost::cents(500))"#],
    },
    StepExample {
        kind: "wait",
        functions: &["wait"],
        uses: &[MINUTES],
        steps: &[r#"wait("paid", "invoice.paid").timeout(Duration::from_secs(7 * 86_400)).on_timeout("fail")"#],
    },
];
