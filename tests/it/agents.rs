//! Agents that live: programs, files, streams, pauses.

use theazo::{
    Theazo,
    testing::TestPlane,
    types::{StreamEvent, testing::ScriptedTurn},
};
use theazo_tests::minutes;

async fn plane() -> (Theazo, theazo::Session) {
    let theazo = Theazo::embedded().await.expect("it starts");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    (theazo, session)
}

#[tokio::test]
async fn a_program_runs_in_the_sandbox_and_its_files_stay() {
    let (_theazo, session) = plane().await;
    let agent = session.agents().create().browser(false).await.expect("it is made");
    assert_eq!(agent.data().status.as_str(), "ready");

    let first =
        agent.exec("python", "open('made.txt', 'w').write('by a program')\nprint(6 * 7)").await.expect("it runs");
    let second = agent.exec("shell", "cat made.txt; exit 3").await.expect("it runs");

    assert_eq!((first.stdout.as_str(), first.exit_code), ("42\n", 0));
    assert_eq!((second.stdout.as_str(), second.exit_code), ("by a program", 3));
    assert_eq!(agent.files().read("made.txt").text().await.expect("it is there"), "by a program");
}

#[tokio::test]
async fn files_are_written_read_and_listed() {
    let (_theazo, session) = plane().await;
    let agent = session.agents().create().await.expect("it is made");

    agent.files().write("notes/a.txt", "text").await.expect("it is written");
    agent.files().write("/data/blob", vec![0_u8, 159, 146, 150]).await.expect("it is written");

    assert_eq!(agent.files().read("/workspace/notes/a.txt").await.expect("it is there").as_ref(), b"text");
    assert_eq!(agent.files().read("/data/blob").await.expect("it is there").as_ref(), [0, 159, 146, 150]);
    let names = |entries: Vec<theazo::types::FileEntry>| {
        entries.into_iter().map(|entry| (entry.name, entry.size, entry.directory)).collect::<Vec<_>>()
    };
    let workspace = agent.files().list().dir("/workspace").await.expect("it is listed");
    assert_eq!(names(workspace), [("notes".to_owned(), 0, true)]);
    let data = agent.files().list().await.expect("it is listed");
    assert_eq!(names(data), [("blob".to_owned(), 4, false)]);
}

#[tokio::test]
async fn a_stream_shows_text_and_tools_as_they_come_and_ends_with_the_result() {
    let (_theazo, session) = plane().await;
    let agent = session.agents().create().await.expect("it is made");

    let mut events = agent.stream("count words").await.expect("it starts");
    let mut text = String::new();
    let mut kinds = Vec::new();
    while let Some(event) = events.next().await {
        match event.expect("it streams") {
            StreamEvent::Text { text: piece } => text.push_str(&piece),
            StreamEvent::ToolCall { tool, .. } => kinds.push(format!("call {tool}")),
            StreamEvent::ToolResult { tool, .. } => kinds.push(format!("result {tool}")),
            StreamEvent::Done { output, .. } => {
                assert!(text.ends_with(&output), "the stream showed the output");
                kinds.push("done".to_owned());
            }
            _ => {}
        }
    }

    assert_eq!(kinds, ["call run_code", "result run_code", "done"]);
    assert_eq!(agent.status().await.expect("it is told").status.as_str(), "ready");
}

#[tokio::test]
async fn an_agent_remembers_what_it_did_before() {
    let plane = TestPlane::start().await.expect("it starts");
    let session = plane.client().sessions().for_user("ada").await.expect("it is made");
    let turns = vec![ScriptedTurn::text("first answer"), ScriptedTurn::text("second answer")];
    plane.script("writer", turns).await.expect("it is scripted");
    let agent = session.agents().create().name("writer").await.expect("it is made");

    assert_eq!(agent.run("one").await.expect("it runs").output, "first answer");
    let second = agent.run("two").await.expect("it runs");

    assert_eq!(second.output, "second answer");
    // The second call of the model carried the first task and answer too, so it took more tokens in.
    let charges = plane.charges().await.expect("they are listed");
    let model: Vec<i64> = charges
        .iter()
        .filter(|charge| charge.kind.as_str() == "model")
        .map(|charge| charge.cost.to_micro_cents())
        .collect();
    assert!(model[1] > model[0], "{model:?}");
}

#[tokio::test]
async fn a_paused_agent_costs_nothing_does_nothing_and_goes_on() {
    let plane = TestPlane::start().await.expect("it starts");
    let session = plane.client().sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().await.expect("it is made");
    agent.files().write("kept.txt", "kept").await.expect("it is written");
    plane.advance(minutes(1)).await.expect("time passes");
    agent.pause().await.expect("it pauses");
    let at_pause = session.usage().await.expect("it is reported");

    let refused = agent.exec("python", "1").await.expect_err("it is paused");
    plane.advance(minutes(60)).await.expect("time passes");
    let later = session.usage().await.expect("it is reported");
    agent.resume().await.expect("it goes on");

    assert_eq!(refused.code().as_str(), "conflict");
    assert_eq!(at_pause.cost, later.cost);
    // A minute costs half a cent of compute; without a run nothing is orchestrated.
    assert_eq!(later.cost.to_micro_cents(), 500_000);
    assert_eq!(later.compute_minutes, 1.0);
    assert_eq!(agent.files().read("kept.txt").text().await.expect("it is there"), "kept");
}

#[tokio::test]
async fn a_failed_run_is_retried_and_a_good_one_is_not() {
    let plane = TestPlane::start().await.expect("it starts");
    let session = plane.client().sessions().for_user("ada").await.expect("it is made");
    let turns = vec![ScriptedTurn::error("overloaded"), ScriptedTurn::text("fine now")];
    plane.script("writer", turns).await.expect("it is scripted");
    let agent = session.agents().create().name("writer").await.expect("it is made");

    let failed = agent.run("write").await.expect_err("the model fails");
    let too_early = session.agents().create().await.expect("it is made").retry().await.expect_err("it never ran");
    agent.retry().await.expect("it is tried again");
    let run = session.runs().list().await.expect("they are listed").data[0].clone();
    let result = run.wait().await.expect("it works now");

    assert_eq!((failed.code().as_str(), failed.message()), ("provider_error", "the model failed: overloaded"));
    assert_eq!(too_early.code().as_str(), "conflict");
    assert_eq!(result.output, "fine now");
    assert_eq!(run.data().task, "write");
    assert_eq!(agent.retry().await.expect_err("it did not fail").code().as_str(), "conflict");
}

#[tokio::test]
async fn leaving_a_stream_early_cancels_the_run() {
    let plane = TestPlane::start().await.expect("it starts");
    let theazo = plane.client();
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().provider("local").name("slow").await.expect("it is made");
    let input = serde_json::json!({"language": "python", "code": "import time; time.sleep(60)"});
    let turn = ScriptedTurn::tool_call("run_code", input);
    plane.script("slow", vec![turn]).await.expect("it is scripted");

    let mut events = agent.stream("take long").await.expect("it starts");
    let run_id = events.run_id().expect("the stream says which run it shows").to_owned();
    let first = events.next().await.expect("it shows something").expect("it streams");
    assert!(matches!(first, StreamEvent::ToolCall { .. }), "{first:?}");
    events.close().await.expect("it is cancelled");

    let run = theazo.runs().get(run_id).await.expect("it is kept");
    let error = run.wait().await.expect_err("it was cancelled");
    assert_eq!(error.code().as_str(), "cancelled");
    assert_eq!(run.data().id.as_str(), run.id().as_str());
}

#[tokio::test]
async fn an_agent_whose_run_failed_takes_the_next_at_once() {
    let config = theazo_server::PlaneConfig::test();
    let directory = tempfile::tempdir().expect("a folder is made");
    let plane = theazo_server::ControlPlane::start(config.data_dir(directory.path())).await.expect("it starts");
    let config = theazo::Config::with_api_key(plane.live_key().expect("the plane is new"));
    let transport = theazo::transport::Transport::to_plane(&plane, config).expect("the key is good");
    let refusing = serde_json::json!({"agent": "broken", "turns": [{"error": "no", "times": 10}]}).to_string();
    let script = theazo::transport::Call::new(theazo::transport::operation("ScriptAgent").expect("it is there"));
    transport.call(script.body(refusing)).await.expect("it is scripted");
    let session = Theazo::over(transport).sessions().for_user("ada").await.expect("it is made");
    // No model call fits into a cent.
    let capped = session.agents().create().cost_cap(theazo::types::Cost::cents(1)).await.expect("it is made");
    let broken = session.agents().create().name("broken").await.expect("it is made");

    for _ in 0..10 {
        let at_cap = capped.run("write").await.expect_err("it is capped");
        let failed = broken.run("write").await.expect_err("its model fails");

        assert_eq!(at_cap.code().as_str(), "session_limit_exceeded", "{at_cap}");
        assert_eq!(failed.code().as_str(), "provider_error", "{failed}");
    }
}

#[tokio::test]
async fn a_cancelled_run_says_at_once_what_it_cost_so_far() {
    let plane = TestPlane::start().await.expect("it starts");
    let session = plane.client().sessions().for_user("ada").await.expect("it is made");
    let input = serde_json::json!({"language": "python", "code": "import time; time.sleep(60)"});
    plane.script("slow", vec![ScriptedTurn::tool_call("run_code", input)]).await.expect("it is scripted");
    let run = session.runs().start("slow", "take long").provider("local").await.expect("it starts");
    let mut events = run.stream().await.expect("it streams");
    events.next().await.expect("the tool is called").expect("it streams");

    let cancelled = run.cancel().await.expect("it is cancelled");

    assert_eq!(cancelled.data().status.as_str(), "cancelled");
    assert!(cancelled.data().cost.to_micro_cents() > 0, "the model was asked");
}

#[tokio::test]
async fn folders_of_any_depth_are_kept_in_snapshots_and_removed_with_their_agent() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let options = theazo::embedded::PlaneOptions { data_dir: Some(directory.path().into()), ..Default::default() };
    let plane = theazo::embedded::Plane::start(options).await.expect("it starts");
    let session = plane.client().sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().await.expect("it is made");
    let make =
        "import os\nfor _ in range(5000):\n    os.mkdir('d')\n    os.chdir('d')\nos.mkdir('e', 0)\nprint('deep')";
    assert_eq!(agent.exec("python", make).await.expect("it runs").stdout, "deep\n");
    // A path that no system call takes at once.
    let file = format!("{}file.txt", "d/".repeat(4000));
    agent.files().write(&file, "down here").await.expect("it is written");

    let snapshot = agent.pause().await.expect("it pauses");
    let fork = agent.snapshots().fork(snapshot.id).await.expect("it is forked");

    assert_eq!(fork.files().read(&file).text().await.expect("it is there"), "down here");
    let count = "import os\ndepth = 0\nwhile os.path.isdir('d'):\n    os.chdir('d')\n    depth += 1\nprint(depth, os.listdir())";
    assert_eq!(fork.exec("python", count).await.expect("it runs").stdout, "5000 ['e']\n");
    for ended in [agent, fork] {
        ended.terminate().await.expect("it ends");
        let left = directory.path().join("sandboxes").join("agents").join(ended.id().as_str());
        assert!(!left.exists(), "nothing of it is left");
    }
    session.terminate().await.expect("it ends");
}

#[tokio::test]
async fn a_deadline_ends_the_wait_for_a_program_that_takes_longer() {
    let (_theazo, session) = plane().await;
    let agent = session.agents().create().await.expect("it is made");

    let begun = std::time::Instant::now();
    let call = agent.exec("python", "import time; time.sleep(30)").deadline(std::time::Duration::from_millis(200));
    let error = call.await.expect_err("the deadline comes first");

    assert_eq!(error.code().as_str(), "timeout");
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "it did not wait for the program");
}
