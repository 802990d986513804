//! Runs, from the outside: streams that start them, input, cancellation, progress.

use theazo::{
    Session,
    testing::TestPlane,
    types::{StreamEvent, testing::ScriptedTurn},
};
use theazo_tests::minutes;

async fn plane() -> (TestPlane, Session) {
    let plane = TestPlane::start().await.expect("it starts");
    let session = plane.client().sessions().for_user("ada").await.expect("it is made");
    (plane, session)
}

/// A turn that runs a program which waits for the file `go`.
fn waits_for_go() -> ScriptedTurn {
    let code = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\nprint('gone')";
    ScriptedTurn::tool_call("run_code", serde_json::json!({ "language": "python", "code": code }))
}

#[tokio::test]
async fn one_call_starts_a_one_shot_run_and_streams_it_to_its_end() {
    let (plane, session) = plane().await;
    plane.script("writer", vec![ScriptedTurn::text("all done")]).await.expect("it is scripted");

    let mut events = session.stream("writer", "write").await.expect("it starts");
    let run_id = events.run_id().expect("the head says which run it is").to_owned();
    let mut seen = Vec::new();
    while let Some(event) = events.next().await {
        seen.push(event.expect("it streams"));
    }

    let text: String = seen
        .iter()
        .filter_map(|event| match event {
            StreamEvent::Text { text } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(text, "all done");
    assert!(matches!(seen.last(), Some(StreamEvent::Done { output, .. }) if output == "all done"), "{seen:?}");
    let runs = session.runs().list().await.expect("they are listed").data;
    assert_eq!(runs.iter().map(|run| run.id().as_str()).collect::<Vec<_>>(), [run_id.as_str()]);
}

#[tokio::test]
async fn what_is_said_to_a_running_agent_is_read_before_its_next_step() {
    let (plane, session) = plane().await;
    let agent = session.agents().create().provider("local").name("slow").await.expect("it is made");
    plane.script("slow", vec![waits_for_go()]).await.expect("it is scripted");
    let mut events = agent.stream("wait").await.expect("it starts");
    let first = events.next().await.expect("it goes on").expect("it streams");
    assert!(matches!(first, StreamEvent::ToolCall { .. }), "{first:?}");
    let said = "the deploy failed again";
    agent.send(said).r#type("new_failure").await.expect("it is taken");
    agent.files().write("go", "").await.expect("it is written");
    let mut output = String::new();
    while let Some(event) = events.next().await {
        if let StreamEvent::Done { output: last, .. } = event.expect("it streams") {
            output = last;
        }
    }
    agent.terminate().await.expect("it ends");
    let ended = agent.send("still there?").await.expect_err("it has ended");

    assert!(output.contains(&format!("For the task \"new_failure: {said}\"")), "{output}");
    assert_eq!(ended.code().as_str(), "conflict");
}

#[tokio::test]
async fn what_is_said_to_an_agent_that_has_nothing_to_do_is_its_next_task() {
    let (plane, session) = plane().await;
    let agent = session.agents().create().name("writer").await.expect("it is made");
    plane.script("writer", vec![ScriptedTurn::text("it was build 42")]).await.expect("it is scripted");

    agent.send("which build failed?").r#type("new_failure").await.expect("it is taken");
    let run = session.runs().list().await.expect("they are listed").data[0].clone();
    let answer = run.wait().await.expect("it is done");
    agent.pause().await.expect("it pauses");
    let paused = agent.send("and now?").await.expect_err("it was told to stand still");

    assert_eq!(run.data().task, "new_failure: which build failed?");
    assert_eq!(answer.output, "it was build 42");
    assert_eq!(paused.code().as_str(), "conflict");
}

#[tokio::test]
async fn an_agent_whose_run_was_cancelled_takes_the_next_at_once() {
    let (plane, session) = plane().await;
    let agent = session.agents().create().provider("local").name("slow").await.expect("it is made");

    for round in 0..5 {
        plane.script("slow", vec![waits_for_go(), ScriptedTurn::text("next")]).await.expect("it is scripted");
        let mut events = agent.stream("wait").await.expect("it starts");
        events.next().await.expect("it goes on").expect("it streams");
        let run = plane.client().runs().get(events.run_id().expect("it is told").to_owned()).await.expect("it is kept");
        run.cancel().await.expect("it is cancelled");
        let next = agent.run("again").await.unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_eq!(next.output, "next");
    }
}

#[tokio::test]
async fn an_agent_of_a_paused_session_is_not_resumed_alone() {
    let (_plane, session) = plane().await;
    let agent = session.agents().create().await.expect("it is made");
    session.pause().await.expect("it pauses");

    let refused = agent.resume().await.expect_err("its session is paused");
    let still = agent.status().await.expect("it is told").status;
    session.resume().await.expect("it goes on");
    let after = agent.status().await.expect("it is told").status;

    assert_eq!(refused.code().as_str(), "conflict");
    assert!(refused.message().contains("is paused; resume it first"), "{refused}");
    assert_eq!((still.as_str(), after.as_str()), ("paused", "ready"));
}

#[tokio::test]
async fn progress_counts_the_time_in_which_an_agent_was_active() {
    let (plane, session) = plane().await;
    let agent = session.agents().create().await.expect("it is made");
    plane.advance(minutes(10)).await.expect("time passes");
    agent.pause().await.expect("it pauses");
    plane.advance(minutes(30)).await.expect("time passes");
    let asleep = agent.progress().await.expect("it is told");
    agent.resume().await.expect("it goes on");
    plane.advance(minutes(5)).await.expect("time passes");
    agent.terminate().await.expect("it ends");
    plane.advance(minutes(60)).await.expect("time passes");
    let ended = agent.progress().await.expect("it is told");

    assert_eq!((asleep.status.as_str(), asleep.total_duration.as_str()), ("hibernated", "40m"));
    assert_eq!(asleep.active_duration_ms, 600_000);
    assert_eq!((ended.status.as_str(), ended.total_duration.as_str()), ("terminated", "45m"));
    assert_eq!((ended.active_duration.as_str(), ended.checkpoints), ("15m", 0));
}
