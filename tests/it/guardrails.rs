//! Guardrails: what they hold back is not done, is told to the model, and is listed.

use serde_json::json;
use theazo::types::{
    AgentOverrides, ContentFilter, GuardrailConfig, GuardrailViolationType,
    testing::{ScriptedToolCall, ScriptedTurn},
};
use theazo_tests::{ScriptedPlane, Worlds};

fn lists(count: usize) -> ScriptedTurn {
    let call = ScriptedToolCall { tool: "list_files".to_owned(), input: serde_json::Map::new() };
    ScriptedTurn { tool_calls: Some(vec![call; count]), ..Default::default() }
}

#[tokio::test]
async fn a_run_makes_so_many_calls_of_tools_and_then_answers_or_fails() {
    let plane = ScriptedPlane::start(|_| {}).await;
    let limits = GuardrailConfig { max_tool_calls: Some(2), ..Default::default() };
    plane.theazo.guardrails().configure(limits).await.expect("they are set");
    let session = plane.theazo.sessions().for_user("ada").await.expect("it is made");

    plane.script("careful", &[lists(3), ScriptedTurn::text("enough")]).await;
    let result = session.run("careful", "look").await.expect("it answers");
    let outputs: Vec<&str> = result.tool_calls.iter().map(|call| call.output.as_str()).collect();
    let refused = "error: this run may make no more than 2 calls of tools; answer with what you have";
    assert_eq!(outputs, ["/workspace is empty", "/workspace is empty", refused]);

    plane.script("stubborn", &[lists(2), lists(1), lists(1), ScriptedTurn::text("never")]).await;
    let error = session.run("stubborn", "look").await.expect_err("it goes on and on");
    assert_eq!((error.code().as_str(), error.status()), ("guardrail_blocked", 422));

    let violations = plane.theazo.guardrails().violations().await.expect("they are listed").data;
    let kinds: Vec<&str> = violations.iter().map(|violation| violation.r#type.as_str()).collect();
    assert_eq!(kinds, ["tool_limit", "tool_limit"]);
    assert_eq!(violations[1].run_id.as_ref(), Some(&result.run_id));
    assert_eq!(violations[1].message, "`list_files` was not called: a run may make 2 calls of tools");
}

#[tokio::test]
async fn an_agents_own_guardrails_go_over_those_of_the_account() {
    let plane = ScriptedPlane::start(|config| config.allow_private_targets = true).await;
    let account = GuardrailConfig {
        blocked_domains: Some(vec!["localhost".to_owned()]),
        max_tool_calls: Some(0),
        ..Default::default()
    };
    plane.theazo.guardrails().configure(account).await.expect("they are set");
    let session = plane.theazo.sessions().for_user("ada").await.expect("it is made");
    let own = GuardrailConfig {
        max_tool_calls: Some(5),
        allowed_domains: Some(vec!["*.example.com".to_owned(), "localhost".to_owned()]),
        ..Default::default()
    };
    let agent = session.agents().create().name("caller").guardrails(own).await.expect("it is made");
    let call = |url: &str| ScriptedTurn::tool_call("http_request", json!({ "url": url }));
    let turns = [call("http://localhost:1/"), call("https://other.example.org/"), ScriptedTurn::text("done")];
    plane.script("caller", &turns).await;

    let result = agent.run("call").await.expect("it answers");

    let outputs: Vec<&str> = result.tool_calls.iter().map(|call| call.output.as_str()).collect();
    assert_eq!(
        outputs,
        [
            "error: the domain `localhost` is not one that may be called from here",
            "error: the domain `other.example.org` is not one that may be called from here",
        ]
    );
    let blocked = plane.theazo.guardrails().violations().r#type(GuardrailViolationType::DomainBlocked).await;
    assert_eq!(blocked.expect("they are listed").data.len(), 2);
    let logs = plane.theazo.logs().query().agent_id(agent.id()).await.expect("they are found").data;
    assert!(logs.iter().any(|entry| entry.message.contains("the domain `localhost` was not called")));
}

#[tokio::test]
async fn guardrails_in_overrides_go_over_those_beside_them_one_by_one() {
    let plane = ScriptedPlane::start(|_| {}).await;
    let session = plane.theazo.sessions().for_user("ada").await.expect("it is made");
    let given = GuardrailConfig { block_pii: Some(true), max_tool_calls: Some(0), ..Default::default() };
    let over = GuardrailConfig { max_tool_calls: Some(1), ..Default::default() };
    let overrides = AgentOverrides { guardrails: Some(over), ..Default::default() };
    let agent = session.agents().create().name("leaky").guardrails(given).overrides(overrides).await;
    let agent = agent.expect("it is made");
    plane.script("leaky", &[lists(2), ScriptedTurn::text("Mail ada@example.com.")]).await;

    let result = agent.run("tell").await.expect("it answers");

    let refused = "error: this run may make no more than 1 calls of tools; answer with what you have";
    let outputs: Vec<&str> = result.tool_calls.iter().map(|call| call.output.as_str()).collect();
    assert_eq!(outputs, ["/workspace is empty", refused]);
    assert_eq!(result.output, "Mail [REDACTED].");
}

#[tokio::test]
async fn personal_data_and_keys_are_neither_kept_nor_shown() {
    let plane = ScriptedPlane::start(|_| {}).await;
    let config = GuardrailConfig { block_pii: Some(true), ..Default::default() };
    plane.theazo.guardrails().configure(config).await.expect("they are set");
    let session = plane.theazo.sessions().for_user("ada").await.expect("it is made");
    plane.script("leaky", &[ScriptedTurn::text("Mail ada@example.com,\nor pay with 4111 1111 1111 1111.")]).await;

    let result = session.run("leaky", "tell").await.expect("it answers");

    assert_eq!(result.output, "Mail [REDACTED],\nor pay with [REDACTED].");
    let violations = plane.theazo.guardrails().violations().await.expect("they are listed").data;
    assert_eq!((violations.len(), violations[0].r#type.as_str()), (1, "pii_detected"));
    let logs = serde_json::to_string(&plane.theazo.logs().query().await.expect("they are found").data);
    assert!(!logs.expect("it is JSON").contains("ada@example.com"));
}

#[tokio::test]
async fn what_is_not_served_is_refused_and_what_is_set_comes_back() {
    let Worlds { ours, theirs, plane: _plane, .. } = Worlds::start().await;
    let off =
        GuardrailConfig { content_filter: Some(ContentFilter::Off), max_tool_calls: Some(20), ..Default::default() };
    let strict = GuardrailConfig { content_filter: Some(ContentFilter::Strict), ..Default::default() };

    let set = ours.guardrails().configure(off).await.expect("they are set");
    let refused = ours.guardrails().configure(strict.clone()).await.expect_err("there is no filter");
    let session = ours.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().guardrails(strict.clone()).await.expect_err("there is no filter");
    let overrides = AgentOverrides { guardrails: Some(strict), ..Default::default() };
    let overridden = session.agents().create().overrides(overrides).await.expect_err("there is no filter");

    assert_eq!((refused.code().as_str(), refused.status()), ("not_implemented", 501));
    assert_eq!(refused.details()["field"], "contentFilter");
    assert_eq!(agent.details()["field"], "guardrails.contentFilter");
    assert_eq!(overridden.details()["field"], "overrides.guardrails.contentFilter");
    let kept = ours.guardrails().get().await.expect("they are there");
    assert_eq!((&kept, kept.max_tool_calls), (&set, Some(20)));
    assert_eq!(theirs.guardrails().get().await.expect("they are there").max_tool_calls, None);
    assert!(theirs.guardrails().violations().await.expect("they are listed").data.is_empty());
}
