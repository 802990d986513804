//! The product's own quickstart, end to end, with real sandboxes.

use theazo::{
    Theazo,
    types::{CostLimit, Period, SessionLimits, StreamEvent},
};

#[tokio::test]
async fn a_session_runs_an_agent_whose_tool_works_in_a_real_sandbox() {
    let theazo = Theazo::embedded().await.expect("it starts");
    let limits =
        SessionLimits { max_cost: Some(CostLimit::cents(500, Period::Day)), max_agents: Some(3), ..Default::default() };
    let session = theazo.sessions().for_user("user_123").limits(limits).await.expect("it is made");

    let result = session.run("researcher", "analyze competitor pricing").await.expect("it runs");

    assert!(result.output.contains("analyze competitor pricing"), "{}", result.output);
    assert_eq!(result.provider, "local");
    assert_eq!(result.tool_calls.len(), 1);
    assert_eq!(result.tool_calls[0].tool, "run_code");
    let printed: serde_json::Value = serde_json::from_str(&result.tool_calls[0].output).expect("it printed JSON");
    assert_eq!(printed["words"], 3);
    assert_eq!(printed["longest"], "competitor");
    let agents = session.agents().list().await.expect("they are listed");
    assert_eq!(agents.data.len(), 1);
    assert_eq!(agents.data[0].data().status.as_str(), "completed");
}

#[tokio::test]
async fn a_users_session_is_found_again_and_keeps_its_limits() {
    let theazo = Theazo::embedded().await.expect("it starts");
    let limits = |cents| SessionLimits { max_cost: Some(CostLimit::cents(cents, Period::Day)), ..Default::default() };

    let first = theazo.sessions().for_user("ada").limits(limits(500)).await.expect("it is made");
    let again = theazo.sessions().for_user("ada").limits(limits(9_000)).await.expect("it is found");
    let other = theazo.sessions().for_user("bob").await.expect("it is made");

    assert_eq!(first.id(), again.id());
    assert_ne!(first.id(), other.id());
    assert_eq!(again.data().limits, limits(500));
}

#[tokio::test]
async fn what_a_session_used_adds_up_in_every_view() {
    let theazo = Theazo::embedded().await.expect("it starts");
    let limits = SessionLimits { max_cost: Some(CostLimit::cents(500, Period::Day)), ..Default::default() };
    let session = theazo.sessions().for_user("ada").limits(limits).await.expect("it is made");
    let first = session.run("researcher", "count words").await.expect("it runs");
    let agent = session.agents().create().await.expect("it is made");
    let mut events = agent.stream("count more words").await.expect("it starts");
    let mut second = None;
    while let Some(event) = events.next().await {
        if let StreamEvent::Done { cost, .. } = event.expect("it streams") {
            second = Some(cost);
        }
    }
    agent.terminate().await.expect("it ends");

    let usage = session.usage().await.expect("it is reported");
    let exact = |cost: &theazo::types::Cost| cost.to_micro_cents();
    let parts = [&usage.compute_cost, &usage.model_cost, &usage.orchestration_cost];
    assert_eq!(parts.map(exact).iter().sum::<i64>(), exact(&usage.cost));
    assert_eq!(parts.map(|part| part.amount).iter().sum::<i64>(), usage.cost.amount);
    let runs = exact(&first.cost) + exact(&second.expect("the stream is done"));
    assert!(exact(&usage.cost) >= runs, "the agent also cost something between its runs");
    assert_eq!(usage.model_calls, 4);
    assert_eq!(usage.active_agents, 0);
    assert_eq!(usage.total_agents_created, 2);

    let max_cost = session.limits().await.expect("they are reported").max_cost.expect("it is limited");
    assert_eq!(max_cost.used_micro_cents, exact(&usage.cost));
    assert_eq!(max_cost.reserved_micro_cents, 0);
    assert_eq!(max_cost.used, usage.cost.amount);
    assert_eq!(max_cost.remaining, 500 - usage.cost.amount);
    let summary = theazo.usage().summary().await.expect("it is reported");
    assert_eq!(exact(&summary.total_cost), exact(&usage.cost));
    let user = theazo.usage().for_user("ada").await.expect("it is reported");
    assert_eq!(exact(&user.total), exact(&usage.cost));
    let export = theazo.usage().export("json").await.expect("it is exported");
    assert_eq!(exact(&export.total), exact(&usage.cost));
}

#[tokio::test]
async fn logs_tell_what_happened_in_its_order() {
    let theazo = Theazo::embedded().await.expect("it starts");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    session.run("researcher", "count words").await.expect("it runs");

    let page = theazo.logs().query().session_id(session.id()).await.expect("they are found");

    let kinds: Vec<String> = page
        .data
        .iter()
        .filter_map(|entry| Some(entry.metadata.as_ref()?["event"].as_str()?.to_owned()))
        .filter(|kind| kind != "charged")
        .collect();
    assert_eq!(
        kinds,
        [
            "session.created",
            "agent.created",
            "run.queued",
            "run.started",
            "agent.ready",
            "model.requested",
            "model.responded",
            "tool.started",
            "output",
            "tool.finished",
            "model.requested",
            "model.responded",
            "run.completed",
            "agent.terminated",
        ]
    );
}
