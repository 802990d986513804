//! Timers fire when the clock passes them, and not before.

use std::time::Duration;

use theazo::{
    testing::TestPlane,
    types::{DurationInput, SessionLimits, testing::ScriptedTurn},
};
use theazo_tests::minutes;

#[tokio::test]
async fn a_session_ends_when_its_time_is_over() {
    let plane = TestPlane::start().await.expect("it starts");
    let limits = SessionLimits { max_duration: Some(DurationInput(Duration::from_secs(3600))), ..Default::default() };
    let session = plane.client().sessions().for_user("ada").limits(limits).await.expect("it is made");
    let status = |id| {
        let theazo = plane.client();
        async move { theazo.sessions().get(id).await.expect("it is kept").data().status.to_string() }
    };

    plane.advance(minutes(59)).await.expect("time passes");
    let before = status(session.id().clone()).await;
    let left = session.limits().await.expect("they are reported").max_duration.expect("there is one");
    assert_eq!((left.limit_ms, left.used_ms, left.remaining_ms), (3_600_000, 3_540_000, 60_000));
    plane.advance(minutes(2)).await.expect("time passes");
    let after = status(session.id().clone()).await;

    assert_eq!((before.as_str(), after.as_str()), ("active", "terminated"));
    let refused = session.agents().create().await.expect_err("it has ended");
    assert_eq!(refused.code().as_str(), "conflict");
}

#[tokio::test]
async fn a_run_that_takes_longer_than_its_timeout_fails() {
    let plane = TestPlane::start().await.expect("it starts");
    let session = plane.client().sessions().for_user("ada").await.expect("it is made");
    let input = serde_json::json!({"language": "python", "code": "import time; time.sleep(600)"});
    plane.script("slow", vec![ScriptedTurn::tool_call("run_code", input)]).await.expect("it is scripted");
    let run = session
        .runs()
        .start("slow", "take long")
        .provider("local")
        .timeout(Duration::from_secs(300))
        .await
        .expect("it starts");
    let mut events = run.stream().await.expect("it streams");
    events.next().await.expect("the tool is called").expect("it streams");

    plane.advance(minutes(6)).await.expect("time passes");
    let error = run.wait().await.expect_err("it took too long");

    assert_eq!((error.code().as_str(), error.message()), ("timeout", "the run did not end within 5m"));
}
