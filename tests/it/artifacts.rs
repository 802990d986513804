//! What runs made: the files of a one-shot agent are kept when its sandbox goes.

use serde_json::{Value, json};
use theazo::{
    testing::{ChargeKind, TestPlane},
    types::{
        CostLimit, FilePurpose, KeptArtifact, Period, SessionLimits,
        testing::{ScriptedToolCall, ScriptedTurn},
    },
};
use theazo_server::FilesConfig;
use theazo_tests::{ScriptedPlane, Worlds, minutes, script};

/// A turn that writes files.
fn writes(files: &[(&str, &str)]) -> ScriptedTurn {
    let write = |(path, content): &(&str, &str)| {
        let input: Value = json!({ "path": path, "content": content });
        ScriptedToolCall { tool: "write_file".to_owned(), input: input.as_object().expect("it is one").clone() }
    };
    ScriptedTurn { tool_calls: Some(files.iter().map(write).collect()), ..Default::default() }
}

fn kept(files: &[KeptArtifact]) -> Vec<(&str, bool)> {
    files.iter().map(|file| (file.path.as_str(), file.file_id.is_some())).collect()
}

#[tokio::test]
async fn the_files_of_a_one_shot_run_can_be_downloaded_when_its_sandbox_is_gone() {
    let plane = TestPlane::start().await.expect("it starts");
    let theazo = plane.client();
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let large = "x".repeat(1_000_000);
    let files = [("report.md", "# Report"), ("charts/revenue.csv", &large), (".cache/pip", "no result")];
    plane.script("analyst", [writes(&files), ScriptedTurn::text("done")]).await.expect("it is scripted");

    let result = session.run("analyst", "analyse").await.expect("it runs");
    session.terminate().await.expect("it ends");

    assert_eq!(result.artifacts, ["/workspace/charts/revenue.csv", "/workspace/report.md"]);
    let files = result.files.expect("the sandbox is gone");
    assert_eq!(kept(&files), [("/workspace/charts/revenue.csv", true), ("/workspace/report.md", true)]);
    assert_eq!((files[0].size, files[1].size), (Some(1_000_000), Some(8)));
    let report = files[1].file_id.clone().expect("it was kept");
    assert_eq!(&theazo.files().download(&report).await.expect("it is there")[..], b"# Report");
    let made = theazo.files().list().purpose(FilePurpose::AgentOutput).session_id(session.id()).await;
    let made = made.expect("they are listed").data;
    assert_eq!(made.iter().map(|file| file.filename.as_str()).collect::<Vec<_>>(), ["report.md", "revenue.csv"]);
    assert_eq!((made[0].user_id.as_str(), made[1].mime_type.as_deref()), ("ada", Some("text/csv")));
    let run = theazo.runs().get(result.run_id).await.expect("it is kept");
    assert_eq!(run.data().agent_id, made[0].agent_id.clone().expect("an agent made it"));

    plane.advance(minutes(73 * 60)).await.expect("time passes");
    let charges = plane.charges().await.expect("they are listed");
    let storage = charges.iter().filter(|charge| charge.kind == ChargeKind::Storage);
    assert_eq!(storage.map(|charge| charge.cost.to_micro_cents()).sum::<i64>(), 1_000);
}

#[tokio::test]
async fn what_has_no_room_is_left_out_and_the_run_does_not_fail_for_it() {
    let limits = FilesConfig { max_file_bytes: 100, max_account_bytes: 150 };
    let plane = ScriptedPlane::start(|config| {
        config.files = limits;
        config.default_provider = Some("simulated".to_owned());
    })
    .await;
    let session = plane.theazo.sessions().for_user("ada").await.expect("it is made");
    let (large, fitting) = ("x".repeat(101), "y".repeat(100));
    let files = [("a.txt", large.as_str()), ("b.txt", &fitting), ("c.txt", &fitting), ("d.txt", "d")];
    plane.script("writer", &[writes(&files), ScriptedTurn::text("done")]).await;

    let result = session.run("writer", "write").await.expect("it runs");

    let files = result.files.expect("the sandbox is gone");
    let names = ["/workspace/a.txt", "/workspace/b.txt", "/workspace/c.txt", "/workspace/d.txt"];
    assert_eq!(result.artifacts, names);
    assert_eq!(kept(&files), [(names[0], false), (names[1], true), (names[2], false), (names[3], true)]);
    assert_eq!(
        (files[0].size, files[0].left_out.as_deref()),
        (Some(101), Some("it is 101 bytes, and a file may have 100"))
    );
    let full = files[2].left_out.as_deref().expect("it says why");
    assert!(full.starts_with("the limit `storedFileBytes` of 150 is reached"), "{full}");
    assert_eq!(plane.theazo.files().list().await.expect("they are listed").data.len(), 2);

    let many: Vec<(String, &str)> = (0..120).map(|index| (format!("{index:03}.txt"), "")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(path, content)| (path.as_str(), *content)).collect();
    plane.script("writer", &[writes(&many), ScriptedTurn::text("done")]).await;
    let result = session.run("writer", "write").await.expect("it runs");
    let files = result.files.expect("the sandbox is gone");
    assert_eq!((result.artifacts.len(), files.iter().filter(|file| file.file_id.is_some()).count()), (120, 100));
    assert_eq!(files[119].left_out.as_deref(), Some("of the artifacts of a run 100 are kept"));
}

#[tokio::test]
async fn the_files_of_an_agent_that_goes_on_stay_with_it_and_nobody_else_sees_those_that_are_kept() {
    let Worlds { ours, theirs, test, plane } = Worlds::start().await;
    let (writes, done) = (writes(&[("a.txt", "a")]), ScriptedTurn::text("done"));
    script(&ours, "writer", &[writes.clone(), done.clone(), writes, done]).await;
    let session = ours.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().name("writer").await.expect("it is made");

    let lasting = agent.run("write").await.expect("it runs");
    assert_eq!((lasting.artifacts, lasting.files), (vec!["/workspace/a.txt".to_owned()], None));
    assert!(ours.files().list().await.expect("it is empty").data.is_empty());

    let gone = session.run("writer", "write").await.expect("it runs");
    let id = gone.files.expect("the sandbox is gone")[0].file_id.clone().expect("it was kept");
    assert_eq!(&ours.files().download(&id).await.expect("it is ours")[..], b"a");
    for stranger in [&theirs, &test] {
        assert_eq!(stranger.files().download(&id).await.expect_err("it is not theirs").status(), 404);
    }
    plane.shutdown().await;
}

#[tokio::test]
async fn what_a_run_made_before_it_stood_still_is_among_its_files() {
    let plane = TestPlane::start().await.expect("it starts");
    let limit = |cents| SessionLimits { max_cost: Some(CostLimit::cents(cents, Period::Day)), ..Default::default() };
    let session = plane.client().sessions().for_user("ada").limits(limit(4)).await.expect("it is made");
    let cost = |turn| ScriptedTurn { input_tokens: Some(10_000), output_tokens: Some(0), ..turn };
    let turns =
        [cost(writes(&[("early.txt", "early")])), cost(writes(&[("late.txt", "late")])), ScriptedTurn::text("done")];
    plane.script("writer", turns).await.expect("it is scripted");

    let stopped = session.run("writer", "write").idempotency_key("once").await.expect_err("there is too little");
    assert_eq!(stopped.code().as_str(), "session_limit_exceeded");
    session.update_limits(limit(100)).await.expect("it is raised");
    let result = session.run("writer", "write").idempotency_key("once").await.expect("it goes on");

    let files = result.files.expect("the sandbox is gone");
    assert_eq!(kept(&files), [("/workspace/early.txt", true), ("/workspace/late.txt", true)]);
}

#[tokio::test]
async fn what_a_program_reported_is_kept_where_it_is_there() {
    let plane = ScriptedPlane::start(|_| {}).await;
    let session = plane.theazo.sessions().for_user("ada").await.expect("it is made");
    let code = "import json, os, urllib.request
open('/data/result.csv', 'w').write('id\\n1\\n')
os.symlink('/etc/passwd', '/workspace/link')
body = {'agentId': os.environ['THEAZO_AGENT_ID'], 'sessionId': os.environ['THEAZO_SESSION_ID'],
    'output': 'one row', 'artifacts': ['/data/result.csv', 'missing.txt']}
request = urllib.request.Request(os.environ['THEAZO_ENDPOINT'] + '/v1/sandbox/complete', json.dumps(body).encode(),
    {'Content-Type': 'application/json'})
print(urllib.request.urlopen(request, timeout=30).status)";
    let call = ScriptedTurn::tool_call("run_code", json!({ "language": "python", "code": code }));
    plane.script("worker", &[call, ScriptedTurn::text("done")]).await;

    let result = session.run("worker", "work").await.expect("it runs");

    assert_eq!((result.output.as_str(), result.tool_calls[0].output.as_str()), ("one row", "204\n"));
    let files = result.files.expect("the sandbox is gone");
    assert_eq!(kept(&files), [("/workspace/link", false), ("/data/result.csv", true), ("missing.txt", false)]);
    assert_eq!(files[2].left_out.as_deref(), Some("there is no file `missing.txt`"));
    let id = files[1].file_id.clone().expect("it was kept");
    assert_eq!(&plane.theazo.files().download(id).await.expect("it is there")[..], b"id\n1\n");
}
