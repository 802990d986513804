//! Models: which there are and what they cost, how a run asks them, and what it does when they fail.

use std::time::Duration;

use theazo::{
    Run, Session, Theazo,
    testing::{ModelFailureKind, ScriptedToolCall, ScriptedTurn, TestPlane},
    types::StreamEvent,
};

async fn session_of(plane: &TestPlane) -> Session {
    plane.client().sessions().for_user("ada").await.expect("it is made")
}

/// The names of what happened in the model's part of a run.
async fn model_events(plane: &TestPlane, run: &Run) -> Vec<String> {
    let page = plane.client().logs().query().limit(100).await.expect("they are found");
    let of_run = page.data.iter().filter_map(|entry| {
        let metadata = entry.metadata.as_ref()?;
        (metadata.get("runId")?.as_str()? == run.id().as_str())
            .then(|| metadata["event"].as_str().map(str::to_owned))?
    });
    of_run.filter(|kind| kind.starts_with("model.")).collect()
}

/// What a run's stream shows as text until it is done, moving the clock whenever the model is to be asked again.
async fn shown_text(plane: &TestPlane, run: &Run) -> String {
    let mut text = String::new();
    let mut events = run.stream().await.expect("it streams");
    while let Some(event) = events.next().await {
        match event.expect("it streams") {
            StreamEvent::Text { text: piece } => text.push_str(&piece),
            StreamEvent::Progress { .. } => {
                plane.advance(Duration::from_secs(30)).await.expect("time passes");
            }
            _ => {}
        }
    }
    text
}

#[tokio::test]
async fn an_overloaded_model_is_asked_again_when_its_provider_said() {
    let plane = TestPlane::start().await.expect("it starts");
    let turn = ScriptedTurn::failure(ModelFailureKind::Overloaded, "too busy");
    let turns = [ScriptedTurn { retry_after: Some(20), ..turn }, ScriptedTurn::text("fine now")];
    plane.script("writer", turns).await.expect("it is scripted");
    let run = session_of(&plane).await.runs().start("writer", "write").await.expect("it starts");
    let mut events = run.stream().await.expect("it streams");
    let Some(Ok(StreamEvent::Progress { message, .. })) = events.next().await else { panic!("the model is busy") };
    assert_eq!(message, "the model is asked again: too busy");

    plane.advance(Duration::from_secs(19)).await.expect("time passes");
    assert_eq!(model_events(&plane, &run).await, ["model.requested", "model.failed"]);
    plane.advance(Duration::from_secs(1)).await.expect("time passes");
    let result = run.wait().await.expect("it works now");

    assert_eq!(result.output, "fine now");
    let asked_twice = ["model.requested", "model.failed", "model.requested", "model.responded"];
    assert_eq!(model_events(&plane, &run).await, asked_twice);
    let usage = session_of(&plane).await.usage().await.expect("it is reported");
    assert_eq!(usage.model_calls, 1, "a model that said nothing is not paid");
}

#[tokio::test]
async fn a_call_that_is_cut_in_the_middle_is_repeated_and_its_text_is_shown_once() {
    let plane = TestPlane::start().await.expect("it starts");
    let cut = ScriptedTurn {
        text: Some("The answer is forty".to_owned()),
        input_tokens: Some(100),
        output_tokens: Some(4),
        ..ScriptedTurn::failure(ModelFailureKind::ConnectionCut, "the connection was cut")
    };
    let whole = ScriptedTurn {
        input_tokens: Some(100),
        output_tokens: Some(6),
        ..ScriptedTurn::text("The answer is forty-two, I think.")
    };
    plane.script("thinker", [cut, whole]).await.expect("it is scripted");
    let run = session_of(&plane).await.runs().start("thinker", "think").await.expect("it starts");

    let shown = shown_text(&plane, &run).await;
    let result = run.wait().await.expect("it works the second time");

    assert_eq!((shown.as_str(), result.output.as_str()), ("The answer is forty-two, I think.", result.output.as_str()));
    assert_eq!(result.output, "The answer is forty-two, I think.");
    let charges = plane.charges().await.expect("they are listed");
    let model: Vec<i64> = charges
        .iter()
        .filter(|charge| charge.kind.as_str() == "model")
        .map(|charge| charge.cost.to_micro_cents())
        .collect();
    // 100 tokens in at 300 and 4 or 6 out at 1500 micro-cents each, and ten percent.
    assert_eq!(model, [39_600, 42_900], "both attempts were paid for");
}

#[tokio::test]
async fn a_model_that_keeps_failing_fails_the_run_and_says_how_often_it_was_asked() {
    let plane = TestPlane::start().await.expect("it starts");
    let busy = ScriptedTurn { times: Some(9), ..ScriptedTurn::failure(ModelFailureKind::RateLimited, "slow down") };
    plane.script("writer", [busy]).await.expect("it is scripted");
    let run = session_of(&plane).await.runs().start("writer", "write").await.expect("it starts");

    shown_text(&plane, &run).await;
    let error = run.wait().await.expect_err("it gives up");

    assert_eq!((error.code().as_str(), error.message()), ("provider_error", "the model failed: slow down"));
    assert_eq!((&error.details()["reason"], &error.details()["attempts"]), (&"rate_limited".into(), &5.into()));
    let events = model_events(&plane, &run).await;
    assert_eq!(events.iter().filter(|kind| *kind == "model.failed").count(), 5);
}

#[tokio::test]
async fn what_cannot_pass_fails_the_run_at_once() {
    let plane = TestPlane::start().await.expect("it starts");
    let turns =
        [ScriptedTurn::failure(ModelFailureKind::ContextTooLong, "prompt is too long"), ScriptedTurn::text("no")];
    plane.script("writer", turns).await.expect("it is scripted");

    let error = session_of(&plane).await.run("writer", "write").await.expect_err("it is too long");

    assert_eq!((&error.details()["reason"], &error.details()["attempts"]), (&"context_too_long".into(), &1.into()));
}

#[tokio::test]
async fn a_script_answers_what_the_conversation_contains_for_one_agent_or_for_all() {
    let plane = TestPlane::start().await.expect("it starts");
    let session = session_of(&plane).await;
    let weather = ScriptedTurn { times: Some(2), ..ScriptedTurn::text("It rains.").when("weather") };
    plane.script("*", [weather, ScriptedTurn::text("I do not know.")]).await.expect("it is scripted");
    plane.script("clock", [ScriptedTurn::text("It is noon.").when("time")]).await.expect("it is scripted");
    let ask = async |agent: &str, task: &str| session.run(agent, task).await.expect("it runs").output;

    assert_eq!(ask("clock", "what time is it?").await, "It is noon.");
    assert_eq!(ask("clock", "how is the weather?").await, "It rains.");
    assert_eq!(ask("reporter", "and the weather there?").await, "It rains.");
    assert_eq!(ask("clock", "and now?").await, "I do not know.");
    assert!(ask("clock", "and now?").await.contains("offline model"));
}

#[tokio::test]
async fn tools_that_are_asked_for_together_return_together() {
    let plane = TestPlane::start().await.expect("it starts");
    let call = |path: &str, content: &str| ScriptedToolCall {
        tool: "write_file".to_owned(),
        input: serde_json::Map::from_iter([("path".to_owned(), path.into()), ("content".to_owned(), content.into())]),
    };
    let both = ScriptedTurn { tool_calls: Some(vec![call("a.txt", "A"), call("b.txt", "BB")]), ..Default::default() };
    let turns = [both, ScriptedTurn::text("Both are there.").when("wrote 2 bytes to b.txt")];
    plane.script("writer", turns).await.expect("it is scripted");

    let result = session_of(&plane).await.run("writer", "write").await.expect("it runs");

    assert_eq!(result.output, "Both are there.");
    let outputs: Vec<&str> = result.tool_calls.iter().map(|call| call.output.as_str()).collect();
    assert_eq!(outputs, ["wrote 1 bytes to a.txt", "wrote 2 bytes to b.txt"]);
}

#[tokio::test]
async fn a_slow_model_answers_when_the_clock_says_so() {
    let plane = TestPlane::start().await.expect("it starts");
    let slow = ScriptedTurn { delay: Some(Duration::from_secs(90).into()), ..ScriptedTurn::text("at last") };
    plane.script("slow", [slow]).await.expect("it is scripted");
    let run = session_of(&plane).await.runs().start("slow", "take your time").await.expect("it starts");
    while model_events(&plane, &run).await.is_empty() {
        tokio::task::yield_now().await;
    }

    // Asked at the beginning of the first minute or a moment later on the machine's clock, never on the plane's.
    while plane.client().runs().get(run.id()).await.expect("it is there").data().status.as_str() == "running" {
        plane.advance(Duration::from_secs(30)).await.expect("time passes");
    }
    let result = run.wait().await.expect("it is done");

    assert_eq!(result.output, "at last");
    assert!(result.duration_ms >= 90_000, "{}", result.duration_ms);
}

#[tokio::test]
async fn the_models_that_agents_can_use_are_listed_with_their_prices() {
    let theazo = TestPlane::start().await.expect("it starts").client();

    let page = theazo.models().list().limit(2).await.expect("they are listed");
    let all = theazo.models().list().await.expect("they are listed");
    let sonnet = theazo.models().get("anthropic/claude-sonnet").await.expect("it is there");
    let by_another_name = theazo.models().get("claude-sonnet").await.expect("it is there");
    let unknown = theazo.models().get("nobody/nothing").await.expect_err("it is not there");

    assert!(page.has_more && page.data.len() == 2 && all.data.len() > 5 && !all.has_more);
    assert_eq!(page.data, all.data[..2]);
    assert_eq!(
        (sonnet.name.as_str(), sonnet.provider.as_str(), sonnet.max_tokens),
        ("Claude Sonnet", "anthropic", 200_000)
    );
    assert_eq!((sonnet.input_cost_per1_m, sonnet.output_cost_per1_m), (300.0, 1500.0));
    let capabilities: Vec<&str> = sonnet.capabilities.iter().map(|capability| capability.as_str()).collect();
    assert_eq!(capabilities, ["text", "vision", "tool_use"]);
    assert_eq!(by_another_name, sonnet);
    assert_eq!((unknown.code().as_str(), unknown.status()), ("not_found", 404));
}

#[tokio::test]
async fn a_call_is_estimated_part_by_part() {
    let theazo = TestPlane::start().await.expect("it starts").client();

    let estimate = theazo.models().estimate("anthropic/claude-sonnet", 50_000, 2_000).await.expect("it is known");
    let unknown = theazo.models().estimate("nobody/nothing", 1, 1).await.expect_err("it is not known");

    let cost = estimate.estimated_cost;
    let parts = [&cost.model_cost, &cost.theazo_margin, &cost.total];
    assert_eq!(parts.map(|part| part.amount), [18, 2, 20]);
    assert_eq!(parts.map(|part| part.to_micro_cents()), [18_000_000, 1_800_000, 19_800_000]);
    assert_eq!((unknown.code().as_str(), unknown.status()), ("invalid_request", 422));
    assert!(unknown.message().contains("anthropic/claude-sonnet"), "it says what there is: {}", unknown.message());
}

#[tokio::test]
async fn a_model_that_cannot_be_asked_is_refused_before_anything_is_made() {
    let theazo = Theazo::embedded().await.expect("it starts");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");

    let unknown = session.agents().create().model("nobody/nothing").await.expect_err("nobody knows it");
    let keyless = session.run("writer", "write").model("anthropic/claude-sonnet").await;

    assert_eq!(
        (unknown.code().as_str(), unknown.details()["fields"][0]["field"].as_str()),
        ("invalid_request", Some("model"))
    );
    assert!(unknown.message().contains("openai/gpt-4o"), "it says what there is: {}", unknown.message());
    if std::env::var_os("ANTHROPIC_API_KEY").is_none() {
        let keyless = keyless.expect_err("there is no key");
        assert_eq!(keyless.code().as_str(), "no_providers_available");
        assert!(keyless.message().contains("ANTHROPIC_API_KEY"), "it says which key: {}", keyless.message());
        assert_eq!(session.agents().list().await.expect("they are listed").data.len(), 0);
    }
}
