//! Traces, metrics and activity: three more ways to read the log of what happened.

use std::time::Duration;

use serde_json::{Value, json};
use theazo::{
    Config, Theazo,
    testing::{ScriptedTurn, TestPlane},
    types::{ActivityEvent, MetricName, SpanKind, TraceSpan, TraceStatus},
};
use theazo_server::{ControlPlane, PlaneConfig};
use theazo_tests::{ServerProcess, Worlds, minutes};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn names(spans: &[TraceSpan]) -> Vec<(&str, &str, &str)> {
    spans.iter().map(|span| (span.kind.as_str(), span.name.as_str(), span.status.as_str())).collect()
}

#[tokio::test]
async fn a_run_is_a_trace_of_what_it_did() {
    let plane = TestPlane::start().await.expect("it starts");
    let theazo = plane.client();
    let call = ScriptedTurn::tool_call("write_file", json!({ "path": "report.md", "content": "# Report" }));
    plane.script("researcher", vec![call, ScriptedTurn::text("done")]).await.expect("it is scripted");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let result = session.run("researcher", "write").await.expect("it runs");

    let traces = theazo.traces().list().await.expect("they are listed").data;
    let trace = theazo.traces().get(&traces[0].trace_id).await.expect("it is there");

    assert_eq!(traces.len(), 1);
    assert_eq!((traces[0].run_id.as_str(), trace.run_id.as_str()), (result.run_id.as_str(), result.run_id.as_str()));
    assert_eq!(
        (&traces[0].cost, &trace.cost, trace.status),
        (&result.cost, &result.cost, Some(TraceStatus::Completed))
    );
    let spans = names(&trace.spans);
    for expected in [
        ("run", "run researcher", "completed"),
        ("sandbox", "boot", "completed"),
        ("model", "ask offline", "completed"),
        ("tool", "write_file", "completed"),
        ("sandbox", "destroy", "completed"),
    ] {
        assert!(spans.contains(&expected), "{expected:?} in {spans:?}");
    }
    assert_eq!(spans.iter().filter(|(kind, ..)| *kind == "model").count(), 2);
    let root = &trace.spans[0];
    assert_eq!((&root.kind, &root.parent_span_id), (&SpanKind::Run, &None));
    assert!(trace.spans[1..].iter().all(|span| span.parent_span_id.as_ref() == Some(&root.span_id)));
    let ids: std::collections::BTreeSet<_> = trace.spans.iter().map(|span| span.span_id.to_string()).collect();
    assert_eq!(ids.len(), trace.spans.len(), "each has an id of its own");
    let asked: Vec<_> = trace.spans.iter().filter(|span| span.kind == SpanKind::Model).collect();
    assert!(asked.iter().all(|span| span.attributes["inputTokens"].as_i64() > Some(0)), "{asked:?}");
    assert!(asked.iter().all(|span| span.attributes["costMicroCents"].as_i64() > Some(0)), "{asked:?}");
    let entries = theazo.logs().query().search("run completed").await.expect("they are found").data;
    assert_eq!(entries[0].trace_id.as_ref(), Some(&trace.trace_id));
}

#[tokio::test]
async fn a_run_that_fails_is_a_trace_that_says_why() {
    let plane = TestPlane::start().await.expect("it starts");
    let theazo = plane.client();
    plane.script("researcher", vec![ScriptedTurn::error("the model is on strike")]).await.expect("it is scripted");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    session.run("researcher", "try").await.expect_err("it fails");

    let traces = theazo.traces().list().session_id(session.id()).await.expect("they are listed").data;
    let trace = theazo.traces().get(&traces[0].trace_id).await.expect("it is there");

    assert_eq!(trace.status, Some(TraceStatus::Failed));
    let failed: Vec<_> = trace.spans.iter().filter(|span| span.status == TraceStatus::Failed).collect();
    assert!(failed.iter().any(|span| span.kind == SpanKind::Run), "{failed:?}");
    let model = failed.iter().find(|span| span.kind == SpanKind::Model).expect("the model failed");
    assert!(model.error.as_deref().is_some_and(|error| error.contains("on strike")), "{model:?}");
}

#[tokio::test]
async fn a_trace_of_the_caller_is_kept_and_has_all_runs_that_it_led_to() {
    let plane = ControlPlane::start(PlaneConfig::test()).await.expect("it starts");
    let traceparent = || Some(format!("00-{TRACE}-b7ad6b7169203331-01"));
    let config = Config::with_api_key(plane.live_key().expect("it is new")).trace_context(traceparent);
    let transport = theazo::transport::Transport::to_plane(&plane, config).expect("the key is good");
    let theazo = Theazo::over(transport);
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    session.run("researcher", "one").await.expect("it runs");
    session.run("writer", "two").await.expect("it runs");

    let trace = theazo.traces().get(format!("tr_{TRACE}")).await.expect("it is there");

    let roots: Vec<_> = trace.spans.iter().filter(|span| span.parent_span_id.is_none()).collect();
    assert_eq!(roots.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["run researcher", "run writer"]);
    // Each attempt of the client is a span of its own in the caller's trace.
    assert!(roots.iter().all(|span| span.attributes["callerSpanId"].as_str().is_some()), "{roots:?}");
    let other_key = plane.create_account("another").await.expect("it is made");
    let other = theazo::transport::Transport::to_plane(&plane, Config::with_api_key(other_key)).expect("it is good");
    let unknown = Theazo::over(other).traces().get(format!("tr_{TRACE}")).await.expect_err("it is not theirs");
    assert_eq!(unknown.code().as_str(), "not_found");
    plane.shutdown().await;
}

#[tokio::test]
async fn what_an_agent_does_without_a_run_is_a_trace_too_and_pages_have_each_once() {
    let Worlds { ours, theirs, plane: _plane, .. } = Worlds::start().await;
    let session = ours.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().name("tool").await.expect("it is made");
    agent.exec("python", "print(1)").await.ok();
    agent.run("one").await.expect("it runs");
    session.run("researcher", "two").await.expect("it runs");
    agent.terminate().await.expect("it ends");

    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = ours.traces().list().limit(1).cursor(&cursor).await.expect("they are listed");
        pages.extend(page.data.iter().map(|trace| (trace.trace_id.to_string(), trace.run_id.is_empty())));
        cursor = page.cursor;
        if !page.has_more {
            break;
        }
    }
    let own = pages.iter().find(|(_, has_no_run)| *has_no_run).expect("the agent has one");
    let trace = ours.traces().get(own.0.as_str()).await.expect("it is there");

    assert_eq!(pages.len(), 3, "{pages:?}");
    assert_eq!(pages.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
    let spans = names(&trace.spans);
    assert_eq!(spans[0], ("sandbox", "agent tool", "completed"));
    assert!(spans.contains(&("exec", "run python", "completed")), "{spans:?}");
    assert!(!spans.iter().any(|(kind, ..)| *kind == "model"), "a run has a trace of its own: {spans:?}");
    assert!(theirs.traces().list().await.expect("they are listed").data.is_empty());
    let unknown = theirs.traces().get(own.0.as_str()).await.expect_err("it is ours");
    assert_eq!(unknown.code().as_str(), "not_found");
}

#[tokio::test]
async fn metrics_are_what_happened_in_each_interval() {
    let plane = TestPlane::start().await.expect("it starts");
    let theazo = plane.client();
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let begun = plane.clock().await.expect("it is told").now;
    plane.script("bad", vec![ScriptedTurn::error("no")]).await.expect("it is scripted");
    session.run("good", "one").await.expect("it runs");
    session.run("bad", "two").await.expect_err("it fails");
    let kept = session.agents().create().name("kept").await.expect("it is made");
    plane.advance(minutes(60)).await.expect("time passes");
    let result = session.run("good", "three").await.expect("it runs");
    kept.terminate().await.expect("it ends");
    plane.advance(minutes(60)).await.expect("time passes");
    let points = |metric: MetricName| {
        let query = theazo.metrics().query(metric).since(begun).interval(minutes(60));
        async { query.await.expect("they are reported").iter().map(|point| point.value).collect::<Vec<_>>() }
    };

    let summary = theazo.metrics().summary().await.expect("it is told");
    let spent: i64 =
        plane.charges().await.expect("they are told").iter().map(|charge| charge.cost.to_micro_cents()).sum();
    let cost = points(MetricName::CostTotal).await;

    assert_eq!(points(MetricName::ErrorRate).await, [Some(0.5), Some(0.0)]);
    assert_eq!(points(MetricName::AgentsActive).await, [Some(1.0), Some(0.0)]);
    assert_eq!(points(MetricName::AgentsBootTime).await, [Some(0.0), Some(0.0)]);
    assert!((cost.iter().flatten().sum::<f64>() * 1e6 - spent as f64).abs() < 1.0, "{cost:?} {spent}");
    assert!(cost[1].expect("it cost something") * 1e6 >= result.cost.to_micro_cents() as f64);
    assert_eq!(summary.cost_today.to_micro_cents(), spent);
    assert_eq!((summary.active_agents, summary.active_sessions, summary.agents_created_today), (0, 1, 4));
    assert!((summary.error_rate - 1.0 / 3.0).abs() < 1e-9);
    let tagged = theazo.metrics().query(MetricName::ErrorRate).since(begun).interval(minutes(120)).tags("agent:bad");
    assert_eq!(tagged.await.expect("it is reported")[0].value, Some(1.0));
    for (query, field) in [
        (theazo.metrics().query("weather"), "metric"),
        (theazo.metrics().query("latency").tags("region:eu"), "tags"),
        (
            theazo
                .metrics()
                .query("latency")
                .since(begun.minus(Duration::from_secs(1_000_000_000)))
                .interval(minutes(1)),
            "interval",
        ),
    ] {
        let refused = query.await.expect_err(field);
        assert_eq!(refused.details()["fields"][0]["field"], field, "{refused}");
    }
}

#[tokio::test]
async fn one_stream_shows_everything_and_goes_on_in_the_middle_of_an_event() {
    let Worlds { ours, theirs, plane: _plane, .. } = Worlds::start().await;
    let mut all = ours.activity().stream().await.expect("it opens").into_raw();
    let mut states = ours.activity().stream().kinds("state").user_id("ada").await.expect("it opens");
    theirs.sessions().for_user("ada").await.expect("it is made");
    for user in ["bob", "ada"] {
        let session = ours.sessions().for_user(user).await.expect("it is made");
        session.run("researcher", "one").await.expect("it runs");
    }
    let mut events: Vec<(String, Value)> = Vec::new();
    while events.iter().filter(|(_, event)| event["type"] == "state" && event["status"] == "completed").count() < 4 {
        let event = timeout(PATIENCE, all.next()).await.expect("it comes").expect("it goes on").expect("it streams");
        events.push((event.id.expect("it has one"), serde_json::from_slice(&event.data).expect("it is JSON")));
    }

    for kind in ["log", "span", "metric", "state"] {
        assert!(events.iter().any(|(_, event)| event["type"] == kind), "{kind}");
    }
    let running = events.iter().filter(|(_, event)| event["span"]["status"] == "running").count();
    let ended =
        events.iter().filter(|(_, event)| event["span"]["kind"] == "model" && event["span"]["status"] == "completed");
    assert!(running > 0 && ended.count() > 0);
    let middle = events.iter().position(|(id, _)| id.contains('.')).expect("some events have parts");
    let options = theazo::CallOptions::new().header("Last-Event-ID", &events[middle].0).max_retries(0);
    let operation = theazo::transport::operation("StreamActivity").expect("it is there");
    let mut resumed =
        ours.transport().open(theazo::transport::Call::new(operation).options(options)).await.expect("it opens");
    for (id, event) in &events[middle + 1..] {
        let next = timeout(PATIENCE, resumed.next()).await.expect("it comes").expect("it goes on").expect("it streams");
        assert_eq!(next.id.as_ref(), Some(id));
        assert_eq!(&serde_json::from_slice::<Value>(&next.data).expect("it is JSON"), event);
    }
    let first = timeout(PATIENCE, states.next()).await.expect("it comes").expect("it goes on").expect("it is an event");
    assert!(matches!(first, ActivityEvent::State { user_id, status, .. } if user_id == "ada" && status == "active"));
}

#[tokio::test]
async fn a_socket_shows_everything_with_the_place_of_each_event() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let (key, _) = server.keys.clone().expect("a new server makes keys");
    let theazo = Config::with_api_key(key).base_url(&server.url).build().await.expect("it is set up");
    let mut live = theazo.activity().socket().kinds("state,log").await.expect("it opens");
    theazo.sessions().for_user("ada").await.expect("it is made");

    let state = timeout(PATIENCE, live.next()).await.expect("it comes").expect("it goes on").expect("it is a message");
    let log = timeout(PATIENCE, live.next()).await.expect("it comes").expect("it goes on").expect("it is a message");
    let mut resumed = theazo.activity().socket().kinds("state,log").since(&state.id).await.expect("it opens");
    let again =
        timeout(PATIENCE, resumed.next()).await.expect("it comes").expect("it goes on").expect("it is a message");

    assert!(matches!(state.event, ActivityEvent::State { .. }), "{state:?}");
    assert!(matches!(&log.event, ActivityEvent::Log { entry, .. } if entry.message == "session created"), "{log:?}");
    assert_eq!(again, log);
}
