//! Many agents and programs at once: nobody waits for what others do, and who ends something ends all that is below it.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use theazo::{
    TypedStream,
    testing::{ScriptedExec, ScriptedTurn, TestPlane},
    types::LogEntry,
};
use theazo_tests::{ScriptedPlane, processes_with, soon};

/// More than a worker has places.
const MANY: usize = 600;

const ONE_HOUR: Duration = Duration::from_secs(3600);

/// Reads a log until something was said so often.
async fn until(logs: &mut TypedStream<LogEntry>, count: usize, what: &str) {
    let mut seen = 0;
    while seen < count {
        // Several lines that a program printed may be one entry.
        seen += logs.next().await.expect("they go on").expect("they stream").message.matches(what).count();
    }
}

#[tokio::test]
async fn row_48_long_programs_hold_up_neither_another_user_nor_their_own_end() {
    let plane = TestPlane::start().await.expect("it starts");
    let theazo = plane.client();
    let busy = theazo.sessions().for_user("busy").await.expect("it is made");
    let agent = busy.agents().create().name("busy").await.expect("it is made");
    let long = ScriptedExec { duration_ms: Some(3_600_000), ..ScriptedExec::prints("begun\n") };
    plane.script_execs("busy", vec![long; MANY]).await.expect("it is scripted");
    let mut logs = theazo.logs().stream().agent_id(agent.id()).await.expect("they stream");
    let programs = (0..MANY).map(|_| {
        let agent = agent.clone();
        tokio::spawn(async move { agent.exec("shell", "sleep 3600").await })
    });
    let programs: Vec<_> = programs.collect();

    soon("a program", until(&mut logs, MANY, "begun")).await;
    let other = theazo.sessions().for_user("other").await.expect("it is made");
    soon("another user's run", other.run("analyst", "count")).await.expect("it runs");
    let ended = soon("their end", busy.terminate()).await.expect("it ends");

    assert_eq!(ended.data().status.as_str(), "terminated");
    for program in soon("a program", join_all(programs)).await {
        let error = program.expect("it is asked for").expect_err("its agent ended");
        assert_eq!(error.code().as_str(), "conflict", "{error}");
    }
}

#[tokio::test]
async fn row_48_slow_models_hold_up_neither_another_user_nor_the_end_of_their_runs() {
    let plane = TestPlane::start().await.expect("it starts");
    let theazo = plane.client();
    let busy = theazo.sessions().for_user("busy").await.expect("it is made");
    let slow = ScriptedTurn { delay: Some(ONE_HOUR.into()), ..ScriptedTurn::text("late") };
    plane.script("slow", vec![slow; MANY]).await.expect("it is scripted");
    let mut logs = theazo.logs().stream().session_id(busy.id()).await.expect("they stream");
    let runs = (0..MANY).map(|_| {
        let busy = busy.clone();
        tokio::spawn(async move { busy.run("slow", "wait").await })
    });
    let runs: Vec<_> = runs.collect();

    soon("a run", until(&mut logs, MANY, "step 0: asking")).await;
    let other = theazo.sessions().for_user("other").await.expect("it is made");
    soon("another user's run", other.run("analyst", "count")).await.expect("it runs");
    soon("their end", busy.terminate()).await.expect("it ends");

    for run in soon("a run", join_all(runs)).await {
        let error = run.expect("it is asked for").expect_err("its session ended");
        assert_eq!(error.code().as_str(), "cancelled", "{error}");
    }
}

/// Starts programs that start programs, each with the marker as an argument and in a session of its own, and says so for each.
fn growing(marker: &str) -> String {
    format!(
        "grow() {{
            if [ $1 -gt 0 ]; then grow $(($1 - 1)) & grow $(($1 - 1)) & fi
            setsid sleep {marker} & echo grown
        }}
        grow 3; sleep {marker}"
    )
}

#[tokio::test]
async fn row_48_who_ends_a_session_ends_the_whole_tree_of_its_agents_and_programs() {
    const AGENTS: usize = 4;
    let plane = ScriptedPlane::start(|_| ()).await;
    let session = plane.theazo.sessions().for_user("ada").await.expect("it is made");
    let marker = format!("600.{:07}", std::process::id());
    let mut logs = plane.theazo.logs().stream().session_id(session.id()).await.expect("they stream");
    let mut works = Vec::new();
    for number in 0..AGENTS {
        let name = format!("grower-{number}");
        let input = json!({ "language": "shell", "code": growing(&marker) });
        plane.script(&name, &[ScriptedTurn::tool_call("run_code", input)]).await;
        let agent = session.agents().create().name(name).await.expect("it is made");
        let (running, code) = (agent.clone(), growing(&marker));
        works.push(tokio::spawn(async move { running.run("grow").await.map(drop) }));
        works.push(tokio::spawn(async move { agent.exec("shell", code).await.map(drop) }));
    }
    // One says so for each node of a tree.
    soon("a program", until(&mut logs, works.len() * 15, "grown")).await;
    let grown = processes_with(&marker);
    assert!(grown >= works.len(), "{grown}");

    let begun = Instant::now();
    soon("their end", session.terminate()).await.expect("it ends");
    let took = begun.elapsed();

    assert_eq!(processes_with(&marker), 0, "all are gone when the call returns");
    eprintln!("{grown} processes of {AGENTS} agents were gone after {took:?}");
    for work in soon("the work", join_all(works)).await {
        let error = work.expect("it is asked for").expect_err("its session ended");
        assert!(matches!(error.code().as_str(), "cancelled" | "conflict"), "{error}");
    }
    let agents = session.agents().list().await.expect("they are listed");
    assert!(agents.data.iter().all(|agent| agent.data().status.as_str() == "completed"), "{:?}", agents.data);
}
