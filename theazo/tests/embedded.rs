//! The SDK against the real control plane in this process: what a user's first hour looks like, and what tests can do.
#![cfg(feature = "embedded")]

use std::time::Duration;

use theazo::{
    Config, ErrorKind, Plane, PlaneOptions, Theazo,
    testing::{ScriptedTurn, TestPlane},
    types::{AgentStatus, Cost, CostLimit, ErrorCode, Period, RunStatus, SessionLimits, SessionStatus, StreamEvent},
};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

fn says(text: &str) -> ScriptedTurn {
    ScriptedTurn { text: Some(text.to_owned()), ..ScriptedTurn::default() }
}

async fn simulated() -> Theazo {
    let options = PlaneOptions { default_provider: Some("simulated".to_owned()), ..PlaneOptions::default() };
    Plane::start(options).await.unwrap().client()
}

#[tokio::test]
async fn a_client_works_as_long_as_anything_of_it_is_held() {
    let theazo = simulated().await;
    assert_eq!(theazo.health().await.unwrap().status, "ok");
    let session = theazo.sessions().for_user("user_123").await.unwrap();
    drop(theazo);

    let result = session.run("researcher", "analyze competitor pricing").await.unwrap();

    assert!(!result.output.is_empty());
    assert!(result.cost.to_micro_cents() > 0);
}

#[tokio::test]
async fn a_scripted_agent_answers_as_told_and_its_charges_can_be_seen() {
    let plane = TestPlane::start().await.unwrap();
    plane.script("researcher", [says("forty-two")]).await.unwrap();
    let session = plane.client().sessions().for_user("user_1").await.unwrap();

    let result = session.run("researcher", "what is the answer?").await.unwrap();

    assert_eq!(result.output, "forty-two");
    let charges = plane.charges().await.unwrap();
    assert!(charges.iter().all(|charge| charge.user_id == "user_1" && charge.run_id == result.run_id.as_str()));
    let sum: i64 = charges.iter().map(|charge| charge.cost.to_micro_cents()).sum();
    assert_eq!(sum, result.cost.to_micro_cents());
}

#[tokio::test]
async fn a_lost_answer_runs_once_and_is_charged_once() {
    let plane = TestPlane::start().await.unwrap();
    plane.script("worker", [says("first"), says("second")]).await.unwrap();
    let session = plane.client().sessions().for_user("user_1").await.unwrap();
    plane.fail_next().kind("reset_after").operation("RunInSession").await.unwrap();

    let (result, meta) = session.run("worker", "work").with_meta().await.unwrap();

    assert_eq!(result.output, "first");
    assert_eq!(meta.attempts.len(), 2);
    let runs = session.runs().list().await.unwrap();
    assert_eq!(runs.data.len(), 1);
    let sent: Vec<_> =
        plane.requests().await.unwrap().into_iter().filter(|request| request.operation == "RunInSession").collect();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0].idempotency_key, sent[1].idempotency_key);
    assert_eq!((sent[0].attempt, sent[1].attempt), (1, 2));
}

#[tokio::test]
async fn injected_faults_are_retried_until_they_end() {
    let plane = TestPlane::start().await.unwrap();
    plane.fail_next().status(503).times(2).operation("GetOrCreateUserSession").await.unwrap();

    let (_, meta) = plane.client().sessions().for_user("user_1").with_meta().await.unwrap();

    let statuses: Vec<_> = meta.attempts.iter().map(|attempt| attempt.status.unwrap()).collect();
    assert_eq!(statuses[..2], [503, 503]);
    assert_eq!(statuses.len(), 3);
}

#[tokio::test]
async fn a_stream_tells_what_happens_until_it_is_done() {
    let plane = TestPlane::start().await.unwrap();
    plane.script("writer", [says("hello there")]).await.unwrap();
    let session = plane.client().sessions().for_user("user_1").await.unwrap();
    let agent = session.agents().create().name("writer").await.unwrap();

    let mut events = agent.stream("greet").await.unwrap();
    let run_id = events.run_id().unwrap().to_owned();
    let (mut text, mut last) = (String::new(), None);
    while let Some(event) = timeout(PATIENCE, events.next()).await.unwrap() {
        match event.unwrap() {
            StreamEvent::Text { text: piece } => text.push_str(&piece),
            other => last = Some(other),
        }
    }

    assert_eq!(text, "hello there");
    let Some(StreamEvent::Done { run_id: done, output, .. }) = last else { panic!("{last:?}") };
    assert_eq!((done.as_str(), output.as_str()), (run_id.as_str(), "hello there"));
}

#[tokio::test]
async fn leaving_a_stream_early_cancels_its_run() {
    let options = PlaneOptions {
        default_provider: Some("simulated".to_owned()),
        offline_pace: Duration::from_secs(3600),
        ..PlaneOptions::default()
    };
    let theazo = Plane::start(options).await.unwrap().client();
    let session = theazo.sessions().for_user("user_1").await.unwrap();
    let agent = session.agents().create().await.unwrap();

    let events = agent.stream("write a long story").await.unwrap();
    let run = theazo.runs().get(events.run_id().unwrap()).await.unwrap();
    assert!(!run.data().status.is_terminal(), "{run:?}");
    drop(events);

    // The stream of the run ends when the run is cancelled; nothing else ends it within an hour.
    let mut watched = run.stream().await.unwrap();
    let mut last = None;
    while let Some(event) = timeout(PATIENCE, watched.next()).await.expect("the run ends") {
        last = Some(event.unwrap());
    }
    let Some(StreamEvent::Error { error, .. }) = last else { panic!("{last:?}") };
    assert_eq!(error.code, ErrorCode::Cancelled);
    assert_eq!(theazo.runs().get(run.id().as_str()).await.unwrap().data().status, RunStatus::Cancelled);
}

#[tokio::test]
async fn files_and_states_go_round() {
    let plane = TestPlane::start().await.unwrap();
    let session = plane.client().sessions().for_user("user_1").await.unwrap();
    let agent = session.agents().create().browser(false).await.unwrap();

    agent.files().write("deep/notes.txt", "hello").await.unwrap();
    agent.files().write("/data/pixel.bin", b"\xFF\x00\x7F").await.unwrap();

    assert_eq!(agent.files().read("deep/notes.txt").text().await.unwrap(), "hello");
    assert_eq!(&agent.files().read("/data/pixel.bin").await.unwrap()[..], b"\xFF\x00\x7F");
    assert_eq!(&agent.files().read("../data/pixel.bin").await.unwrap()[..], b"\xFF\x00\x7F");
    let missing = agent.files().read("missing.txt").await.unwrap_err();
    assert_eq!((missing.kind(), missing.code()), (&ErrorKind::Answered, &ErrorCode::NotFound));
    let names: Vec<String> =
        agent.files().list().dir("/data").await.unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["pixel.bin"]);

    agent.terminate().await.unwrap();
    assert_eq!(agent.data().status, AgentStatus::Completed);
    session.terminate().await.unwrap();
    assert_eq!(session.data().status, SessionStatus::Terminated);
}

#[tokio::test]
async fn a_limit_is_an_error_that_says_what_to_do() {
    let plane = TestPlane::start().await.unwrap();
    let limits = SessionLimits { max_agents: Some(1), ..SessionLimits::default() };
    let session = plane.client().sessions().for_user("user_1").limits(limits).await.unwrap();
    session.agents().create().await.unwrap();

    let error = session.agents().create().await.unwrap_err();

    assert_eq!((error.status(), error.code()), (402, &ErrorCode::SessionLimitExceeded));
    assert!(!error.is_retryable());
    assert!(!error.request_id().is_empty());
    assert_eq!(error.hint(), Some("raise the limit of the session; a run that waits at it then goes on"));
}

#[tokio::test]
async fn the_clock_moves_when_the_test_says_so() {
    let plane = TestPlane::start().await.unwrap();
    let before = plane.clock().await.unwrap().now;

    let after = plane.advance(Duration::from_secs(90 * 60)).await.unwrap().now;

    assert_eq!(after.since(before), Duration::from_secs(90 * 60));
    assert_eq!(plane.clock().await.unwrap().now, after);
}

#[tokio::test]
async fn lists_page_themselves() {
    let plane = TestPlane::start().await.unwrap();
    let theazo = plane.client();
    for user in 0..7 {
        theazo.sessions().for_user(format!("user_{user}")).await.unwrap();
    }

    let page = theazo.sessions().list().limit(3).await.unwrap();
    let all = theazo.sessions().list().limit(3).items().collect(100).await.unwrap();

    assert_eq!((page.data.len(), page.has_more), (3, true));
    let users: Vec<String> = all.iter().map(|session| session.data().user_id.clone()).collect();
    assert_eq!(users, ["user_6", "user_5", "user_4", "user_3", "user_2", "user_1", "user_0"]);
}

#[tokio::test]
async fn data_in_a_folder_outlives_the_plane() {
    let folder = tempfile::tempdir().unwrap();
    let options = || PlaneOptions {
        data_dir: Some(folder.path().to_owned()),
        default_provider: Some("simulated".to_owned()),
        ..PlaneOptions::default()
    };
    let plane = Plane::start(options()).await.unwrap();
    let limits = SessionLimits { max_cost: Some(CostLimit::cents(500, Period::Day)), ..SessionLimits::default() };
    let id = plane.client().sessions().for_user("user_1").limits(limits).await.unwrap().id().clone();
    plane.shutdown().await;
    drop(plane);

    let again = Plane::start(options()).await.unwrap();
    let session = again.client().sessions().for_user("user_1").await.unwrap();

    assert_eq!(session.id(), &id);
    assert_eq!(session.data().limits.max_cost.as_ref().map(|limit| limit.amount), Some(500));
    again.shutdown().await;
}

#[tokio::test]
async fn the_local_address_starts_a_plane_whatever_key_is_given() {
    let theazo = Theazo::builder().api_key("th_live_of_a_server").base_url("local").build().await.unwrap();

    let session = theazo.sessions().for_user("user_1").await.unwrap();

    assert_eq!(session.data().user_id, "user_1");
}

#[tokio::test]
async fn a_test_key_leaves_no_usage() {
    let plane = TestPlane::start().await.unwrap();
    let keys = plane.plane().keys().clone();
    let config = Config::new().api_key(keys.test);
    let theazo = Theazo::over(plane.plane().transport_with(config).unwrap());

    theazo.sessions().for_user("user_1").await.unwrap().run("a", "work").await.unwrap();

    assert_eq!(
        plane.client().usage().summary().await.unwrap().total_cost,
        Cost { micro_cents: Some(0), ..Cost::cents(0) }
    );
}
