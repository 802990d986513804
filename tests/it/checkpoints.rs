//! Checkpoints and agents that work for days: what is kept, what is gone back to, and what happens by the clock.

use std::time::Duration;

use theazo::{
    Agent, Session, Theazo,
    testing::{ExecFailure, ScriptedExec, TestPlane},
    types::{LongRunningOpts, testing::ScriptedTurn},
};
use theazo_tests::minutes;

async fn plane() -> (TestPlane, Session) {
    let plane = TestPlane::start().await.expect("it starts");
    let session = plane.client().sessions().for_user("ada").await.expect("it is made");
    (plane, session)
}

async fn text_of(agent: &Agent, path: &str) -> String {
    agent.files().read(path).text().await.expect("it is there")
}

fn writes(path: &str, data: &str) -> ScriptedTurn {
    ScriptedTurn::tool_call("write_file", serde_json::json!({ "path": path, "content": data }))
}

fn runs_code() -> ScriptedTurn {
    ScriptedTurn::tool_call("run_code", serde_json::json!({ "language": "python", "code": "work()" }))
}

#[tokio::test]
async fn an_agent_goes_on_from_a_checkpoint_with_the_files_that_it_had() {
    for provider in ["local", "simulated"] {
        let theazo = Theazo::embedded().await.expect("it starts");
        let session = theazo.sessions().for_user("ada").await.expect("it is made");
        let agent = session.agents().create().provider(provider).await.expect("it is made");
        agent.files().write("draft.txt", "first").await.expect("it is written");

        let first = agent.checkpoint().phase("indexing").progress(40.0).await.expect("it is made");
        agent.files().write("draft.txt", "second").await.expect("it is written");
        agent.files().write("more.txt", "more").await.expect("it is written");
        let second = agent.checkpoint().await.expect("it is made");
        let made = agent.progress().await.expect("it is told");
        agent.pause().await.expect("it pauses");
        agent.resume().checkpoint(first.id.clone()).region("eu").await.expect("it goes on");
        let back = agent.progress().await.expect("it is told");
        let listed = agent.checkpoints().await.expect("they are listed").data;

        assert_eq!(text_of(&agent, "draft.txt").await, "first");
        let gone = agent.files().read("more.txt").await.expect_err("it was not there yet");
        assert_eq!(gone.code().as_str(), "not_found");
        assert_eq!((first.phase.as_deref(), first.progress), (Some("indexing"), 40.0));
        assert_eq!((second.phase.as_deref(), second.progress), (None, 40.0));
        assert_eq!((made.phase.as_deref(), made.percentage, made.checkpoints), (None, Some(40.0), 2));
        assert_eq!(made.last_checkpoint_at, Some(second.created_at));
        assert_eq!((back.phase.as_deref(), back.percentage), (Some("indexing"), Some(40.0)));
        assert_eq!(listed, [second.clone(), first.clone()]);
        assert_eq!(agent.status().await.expect("it is told").region, "eu");
        // Back and forth: the later one is still there.
        agent.pause().await.expect("it pauses");
        agent.resume().checkpoint(second.id).await.expect("it goes on");
        assert_eq!(text_of(&agent, "draft.txt").await, "second");
    }
}

#[tokio::test]
async fn what_was_said_and_done_since_a_checkpoint_is_not_remembered() {
    let (plane, session) = plane().await;
    let agent = session.agents().create().name("writer").await.expect("it is made");
    let knows = |word: &str| ScriptedTurn { times: Some(9), ..ScriptedTurn::text(format!("knows {word}")).when(word) };
    plane.script("writer", vec![knows("plums"), knows("pears"), knows("apples")]).await.expect("it is scripted");
    agent.run("buy apples").await.expect("it runs");
    let apples = agent.checkpoint().await.expect("it is made");
    agent.run("buy pears").await.expect("it runs");
    let pears = agent.checkpoint().await.expect("it is made");
    agent.run("buy plums").await.expect("it runs");
    let back_to = async |checkpoint: &theazo::types::CheckpointData| {
        agent.pause().await.expect("it pauses");
        agent.resume().checkpoint(checkpoint.id.clone()).await.expect("it goes on");
        agent.run("what is on the list?").await.expect("it runs").output
    };

    let all = agent.run("what is on the list?").await.expect("it runs").output;
    let of_apples = back_to(&apples).await;
    let of_pears = back_to(&pears).await;

    assert_eq!((all.as_str(), of_pears.as_str(), of_apples.as_str()), ("knows plums", "knows pears", "knows apples"));
}

#[tokio::test]
async fn a_run_goes_on_from_a_checkpoint_in_its_middle_and_each_step_is_paid_once() {
    let (plane, session) = plane().await;
    let agent = session.agents().create().name("writer").await.expect("it is made");
    let slow = || ScriptedExec { duration_ms: Some(30_000), ..ScriptedExec::prints("done\n") };
    plane.script_execs("writer", [slow(), slow()]).await.expect("it is scripted");
    let turns = [writes("a.txt", "a"), runs_code(), runs_code(), ScriptedTurn::text("as far as I got")];
    plane.script("writer", turns).await.expect("it is scripted");

    let mut events = agent.stream("work").await.expect("it starts");
    let mut tools = 0;
    while tools < 3 {
        let event = events.next().await.expect("it goes on").expect("it streams");
        tools += i32::from(matches!(
            event,
            theazo::types::StreamEvent::ToolCall { .. } | theazo::types::StreamEvent::ToolResult { .. }
        ));
    }
    // The first program is under way.
    let checkpoint = agent.checkpoint().phase("first program").await.expect("it is made");
    plane.advance(Duration::from_secs(31)).await.expect("time passes");
    let event = events.next().await.expect("it goes on").expect("it streams");
    assert!(matches!(event, theazo::types::StreamEvent::ToolResult { .. }), "{event:?}");
    agent.pause().await.expect("it pauses");
    agent.resume().checkpoint(checkpoint.id).await.expect("it goes on");
    let run = session.runs().list().await.expect("they are listed").data[0].clone();
    let result = run.wait().await.expect("it is done");

    let tools = result.tool_calls.iter().map(|call| (call.tool.as_str(), call.output.as_str())).collect::<Vec<_>>();
    assert_eq!(tools[1].0, "run_code");
    assert!(tools[1].1.starts_with("error: interrupted"), "{tools:?}");
    assert_eq!(tools.len(), 2, "the second program is forgotten: {tools:?}");
    assert_eq!(result.output, "as far as I got");
    let charges = plane.charges().await.expect("they are listed");
    let mut ids: Vec<&str> = charges.iter().map(|charge| charge.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), charges.len(), "nothing is charged twice");
}

#[tokio::test]
async fn an_agent_makes_checkpoints_by_itself_while_it_works_and_keeps_the_last_ten() {
    let (plane, session) = plane().await;
    let every_hour = LongRunningOpts { checkpoint_interval: Some(minutes(60).into()), ..Default::default() };
    let agent = session.agents().create().long_running(every_hour).await.expect("it is made");
    let count = async || agent.progress().await.expect("it is told").checkpoints;

    plane.advance(minutes(180)).await.expect("time passes");
    let idle = count().await;
    for hour in 0..12 {
        agent.files().write("hour", hour.to_string()).await.expect("it is written");
        plane.advance(minutes(60)).await.expect("time passes");
    }
    let worked = count().await;
    agent.pause().await.expect("it pauses");
    let newest = agent.checkpoints().await.expect("they are listed").data[0].clone();
    agent.resume().checkpoint(newest.id).await.expect("it goes on");

    assert_eq!((idle, worked), (0, 10));
    assert_eq!(text_of(&agent, "hour").await, "11");
}

#[tokio::test]
async fn an_agent_hibernates_without_a_sandbox_and_wakes_when_something_is_said_to_it() {
    let (plane, session) = plane().await;
    let opts = LongRunningOpts { hibernate_after_idle: Some(minutes(10).into()), ..Default::default() };
    let agent = session.agents().create().name("watcher").long_running(opts).await.expect("it is made");
    plane.script("watcher", vec![ScriptedTurn::text("I am on it")]).await.expect("it is scripted");
    agent.files().write("notes.txt", "kept").await.expect("it is written");

    plane.advance(minutes(120)).await.expect("time passes");
    let asleep = agent.progress().await.expect("it is told");
    agent.send("build 42 fails").r#type("new_failure").await.expect("it wakes");
    let run = session.runs().list().await.expect("they are listed").data[0].clone();
    let answer = run.wait().await.expect("it is done");

    assert_eq!((asleep.status.as_str(), asleep.active_duration.as_str()), ("hibernated", "10m"));
    assert_eq!((run.data().task.as_str(), answer.output.as_str()), ("new_failure: build 42 fails", "I am on it"));
    assert_eq!(text_of(&agent, "notes.txt").await, "kept");
    assert_eq!(agent.progress().await.expect("it is told").status.as_str(), "active");
    assert_eq!(session.usage().await.expect("it is reported").compute_minutes, 10.0);
    let made = plane.events().await.expect("they are listed");
    assert_eq!(made.iter().filter(|event| event.kind == "agent.ready").count(), 2, "the first sandbox had gone");
}

#[tokio::test]
async fn an_agent_ends_when_its_time_is_over_unless_it_is_not_long_running() {
    let (plane, session) = plane().await;
    let opts = |long_running| LongRunningOpts {
        long_running: Some(long_running),
        max_duration: Some(minutes(60).into()),
        ..Default::default()
    };
    let ends = session.agents().create().long_running(opts(true)).await.expect("it is made");
    let stays = session.agents().create().long_running(opts(false)).await.expect("it is made");

    plane.advance(minutes(61)).await.expect("time passes");

    assert_eq!(ends.status().await.expect("it is told").status.as_str(), "completed");
    assert_eq!(stays.status().await.expect("it is told").status.as_str(), "ready");
}

#[tokio::test]
async fn a_run_whose_sandbox_is_lost_goes_on_from_the_last_checkpoint_if_it_is_made_so() {
    for (auto_resume, kept) in [(true, "before"), (false, "after")] {
        let (plane, session) = plane().await;
        let opts = LongRunningOpts { auto_resume: Some(auto_resume), ..Default::default() };
        let agent = session.agents().create().name("worker").long_running(opts).await.expect("it is made");
        agent.files().write("state", "before").await.expect("it is written");
        agent.checkpoint().await.expect("it is made");
        plane.script_execs("worker", [ScriptedExec::fails(ExecFailure::Lost)]).await.expect("it is scripted");
        let turns = [writes("state", "after"), runs_code(), ScriptedTurn::text("done")];
        plane.script("worker", turns).await.expect("it is scripted");

        let result = agent.run("work").await.expect("it goes on");

        assert_eq!(result.output, "done");
        assert_eq!(text_of(&agent, "state").await, kept);
        let told = result.tool_calls.iter().filter(|call| call.output == "error: the sandbox is gone").count();
        assert_eq!((told, result.tool_calls.len()), if auto_resume { (0, 0) } else { (1, 2) });
    }
}

#[tokio::test]
async fn what_is_no_checkpoint_of_the_agent_is_not_gone_back_to() {
    let (_plane, session) = plane().await;
    let agent = session.agents().create().await.expect("it is made");
    let other = session.agents().create().await.expect("it is made");
    let theirs = other.checkpoint().await.expect("it is made");
    let refused = async |checkpoint: &str| agent.resume().checkpoint(checkpoint).await.expect_err("it is refused");
    let awake = agent.resume().await.expect_err("it is not paused");
    let snapshot = agent.pause().await.expect("it pauses");

    let not_its_own = refused(theirs.id.as_str()).await;
    let plain = refused(&snapshot.id.as_str().replace("snap_", "ckpt_")).await;
    let odd = refused("whatever").await;
    let elsewhere = agent.resume().provider("local").await.expect_err("it has no files there");
    let full = agent.checkpoint().progress(101.0).await.expect_err("that is too far");

    assert_eq!(awake.code().as_str(), "conflict");
    for error in [not_its_own, plain, odd] {
        assert_eq!((error.code().as_str(), error.status()), ("not_found", 404));
    }
    assert_eq!(elsewhere.message(), "`provider` must be `simulated`, which has the agent's files, or be left out");
    assert_eq!(full.code().as_str(), "invalid_request");
    assert_eq!(agent.status().await.expect("it is told").status.as_str(), "paused");
    assert_eq!(agent.checkpoints().await.expect("they are listed").data, []);
}
