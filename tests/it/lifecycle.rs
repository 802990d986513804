//! What agents do by themselves: they try failed runs again, and pause where they have nothing to do.

use std::time::Duration;

use theazo::{
    Session,
    testing::TestPlane,
    types::{AgentFailureAction, AutoPause, LifecycleConfig, StreamEvent, testing::ScriptedTurn},
};
use theazo_tests::minutes;

async fn plane() -> (TestPlane, Session) {
    let plane = TestPlane::start().await.expect("it starts");
    let session = plane.client().sessions().for_user("ada").await.expect("it is made");
    (plane, session)
}

fn on_failure(action: AgentFailureAction) -> LifecycleConfig {
    LifecycleConfig { on_failure: Some(action), ..Default::default() }
}

#[tokio::test]
async fn a_failed_run_is_tried_again_after_its_delay_and_not_for_ever() {
    let (plane, session) = plane().await;
    let lifecycle = LifecycleConfig {
        max_retries: Some(1),
        retry_delay: Some(Duration::from_secs(60).into()),
        ..on_failure(AgentFailureAction::Retry)
    };
    let agent = session.agents().create().name("writer").lifecycle(lifecycle).await.expect("it is made");
    let broken = || ScriptedTurn::error("overloaded");
    plane.script("writer", vec![broken(), ScriptedTurn::text("at last")]).await.expect("it is scripted");

    let mut events = agent.stream("write").await.expect("it starts");
    let told = events.next().await.expect("it goes on").expect("it streams");
    plane.advance(Duration::from_secs(59)).await.expect("time passes");
    let run = session.runs().list().await.expect("they are listed").data[0].clone();
    let waiting = run.data().status.to_string();
    plane.advance(Duration::from_secs(1)).await.expect("time passes");
    let result = run.wait().await.expect("it works now");
    plane.script("writer", vec![broken(), broken()]).await.expect("it is scripted");
    let mut twice = agent.stream("write").await.expect("it starts");
    twice.next().await.expect("it goes on").expect("it streams");
    plane.advance(Duration::from_secs(60)).await.expect("time passes");
    let mut last = None;
    while let Some(event) = twice.next().await {
        last = Some(event.expect("it streams"));
    }

    let message = "the run failed and is tried again, for the 1. time: the model failed: overloaded";
    assert!(matches!(&told, StreamEvent::Progress { message: said, .. } if said == message), "{told:?}");
    assert_eq!((waiting.as_str(), result.output.as_str()), ("queued", "at last"));
    assert!(matches!(last, Some(StreamEvent::Error { .. })), "{last:?}");
    assert_eq!(agent.status().await.expect("it is told").status.as_str(), "ready");
}

#[tokio::test]
async fn an_agent_whose_run_failed_pauses_or_ends_if_it_is_made_so() {
    let (plane, session) = plane().await;
    let make = async |name: &str, action| {
        plane.script(name, vec![ScriptedTurn::error("overloaded")]).await.expect("it is scripted");
        let agent = session.agents().create().name(name).lifecycle(on_failure(action)).await.expect("it is made");
        agent.run("write").await.expect_err("the model fails");
        agent
    };

    let paused = make("careful", AgentFailureAction::Pause).await;
    let ended = make("strict", AgentFailureAction::Terminate).await;

    assert_eq!(paused.status().await.expect("it is told").status.as_str(), "paused");
    assert_eq!(ended.status().await.expect("it is told").status.as_str(), "failed");
    paused.resume().await.expect("it goes on");
    paused.run("write").await.expect("it works now");
}

#[tokio::test]
async fn an_idle_agent_pauses_costs_nothing_and_wakes_for_the_next_thing_to_do() {
    let (plane, session) = plane().await;
    let auto_pause = Some(AutoPause { after_idle: minutes(10).into() });
    let lifecycle = LifecycleConfig { auto_pause, ..Default::default() };
    let agent = session.agents().create().lifecycle(lifecycle).await.expect("it is made");
    let status = async || agent.status().await.expect("it is told").status.to_string();
    agent.files().write("kept.txt", "kept").await.expect("it is written");

    plane.advance(minutes(9)).await.expect("time passes");
    agent.exec("python", "1").await.expect("it runs");
    plane.advance(minutes(9)).await.expect("time passes");
    let busy_enough = status().await;
    plane.advance(minutes(60)).await.expect("time passes");
    let asleep = status().await;
    let minutes_asleep = session.usage().await.expect("it is reported").compute_minutes;
    assert_eq!(agent.files().read("kept.txt").text().await.expect("it wakes"), "kept");
    let awake = status().await;
    plane.advance(minutes(60)).await.expect("time passes");
    agent.run("anything").await.expect("it wakes");

    assert_eq!((busy_enough.as_str(), asleep.as_str(), awake.as_str()), ("ready", "paused", "ready"));
    assert_eq!(minutes_asleep, 19.0);
    assert_eq!(session.usage().await.expect("it is reported").compute_minutes, 29.0);
}

#[tokio::test]
async fn a_caller_who_pauses_a_sleeping_agent_resumes_it() {
    let (plane, session) = plane().await;
    let auto_pause = Some(AutoPause { after_idle: minutes(1).into() });
    let lifecycle = LifecycleConfig { auto_pause, ..Default::default() };
    let agent = session.agents().create().lifecycle(lifecycle).await.expect("it is made");
    plane.advance(minutes(2)).await.expect("time passes");

    agent.pause().await.expect("it is the caller's pause now");
    let refused = agent.exec("python", "1").await.expect_err("it is paused");
    agent.resume().await.expect("it goes on");

    assert_eq!(refused.code().as_str(), "conflict");
    agent.exec("python", "1").await.expect("it runs");
}
