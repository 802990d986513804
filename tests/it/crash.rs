//! `kill -9` of the server: the caller still gets the one result and one bill.

use theazo::{Theazo, types::StreamEvent};
use theazo_tests::{
    Http, ServerProcess,
    crash::{Plan, torment},
};

/// `cargo xtask crash` does it a few hundred times.
#[tokio::test]
async fn row_04_a_server_that_is_killed_again_and_again_loses_and_doubles_nothing() {
    let report = torment(Plan { kills: 8, callers: 4, seed: 4 }, |_| ()).await;

    assert_eq!(report.violations, Vec::<String>::new());
    assert!(report.completed > 0 && report.continued > 0 && report.files > 0, "it was not idle: {report:?}");
}

#[tokio::test]
async fn row_17_a_run_survives_a_kill_in_its_middle() {
    let directory = tempfile::tempdir().expect("a folder is made");
    // Slow enough to be in the middle of the model's answer when the server dies.
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &["--offline-pace-ms", "40"]).await;
    let (url, live_key) = (server.url.clone(), server.keys.clone().expect("it is new").0);
    let theazo =
        Theazo::builder().base_url(&url).api_key(&live_key).max_retries(20).build().await.expect("it is built");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let caller = tokio::spawn({
        let session = session.clone();
        async move { session.run("researcher", "survive").await }
    });
    // The first piece of text proves that the model is in the middle of its answer.
    let run = loop {
        if let Some(run) = session.runs().list().await.expect("they are listed").data.into_iter().next() {
            break run;
        }
    };
    let mut events = run.stream().await.expect("it streams");
    let mut seen = Vec::new();
    while !seen.iter().any(|event| matches!(event, StreamEvent::Text { .. })) {
        seen.push(events.next().await.expect("it goes on").expect("it streams"));
    }

    server.kill().await;
    let listen = url.trim_start_matches("http://").to_owned();
    let server = ServerProcess::start(directory.path(), &listen, &[]).await;

    assert!(server.keys.is_none(), "keys are told once");
    let result = caller.await.expect("the caller lives").expect("the caller gets the result");
    assert!(result.output.contains("survive"), "{}", result.output);
    while let Some(event) = events.next().await {
        seen.push(event.expect("the stream resumes"));
    }
    let text: String = seen
        .iter()
        .filter_map(|event| match event {
            StreamEvent::Text { text } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert!(text.starts_with("My plan: first a program in the sandbox looks at the task, "), "{text}");
    assert!(text.ends_with(&result.output), "no piece of text was lost or shown twice: {text}");
    assert_eq!(session.runs().list().await.expect("they are listed").data.len(), 1);
    let usage = session.usage().await.expect("it is reported");
    assert_eq!(usage.cost, result.cost, "the one bill");
    assert_eq!(usage.model_calls, 2, "no model call was billed twice");
    assert_eq!(server.stop().await.code(), Some(0));
}

#[tokio::test]
async fn row_17_a_program_in_flight_is_not_repeated_and_says_that_its_outcome_is_unknown() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let (url, live_key) = (server.url.clone(), server.keys.clone().expect("it is new").0);
    let theazo =
        Theazo::builder().base_url(&url).api_key(&live_key).max_retries(20).build().await.expect("it is built");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().await.expect("it is made");
    agent.files().write("kept.txt", "kept").await.expect("it is written");
    let mut logs = theazo.logs().stream().session_id(session.id()).await.expect("they stream");
    let caller = tokio::spawn({
        let agent = agent.clone();
        async move { agent.exec("python", "import time\nprint('begun', flush=True)\ntime.sleep(60)").await }
    });
    while logs.next().await.expect("they go on").expect("they stream").message != "begun" {}

    server.kill().await;
    let listen = url.trim_start_matches("http://").to_owned();
    let _server = ServerProcess::start(directory.path(), &listen, &[]).await;

    let error = caller.await.expect("the caller lives").expect_err("nobody knows what became of it");
    assert_eq!(error.code().as_str(), "interrupted");
    assert_eq!(agent.files().read("kept.txt").text().await.expect("files stay"), "kept");
    assert_eq!(agent.exec("python", "print(1)").await.expect("the agent goes on").stdout, "1\n");
}

#[tokio::test]
async fn a_second_server_on_the_same_data_says_so() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let _server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;

    let second = std::process::Command::new(theazo_tests::server_binary())
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(directory.path())
        .output()
        .expect("it runs");

    assert_eq!(second.status.code(), Some(1));
    let message = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(message.contains("another control plane is using it"), "{message}");
}

#[tokio::test]
async fn keys_create_makes_a_key_that_works_at_once() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;

    let made = std::process::Command::new(theazo_tests::server_binary())
        .args(["keys", "create", "--data-dir"])
        .arg(directory.path())
        .output()
        .expect("it runs");
    let key = String::from_utf8(made.stdout).expect("it is text").trim().to_owned();

    assert!(key.starts_with("th_live_"), "{key}");
    let (status, _) = Http::new(&server.url, &key).send("GET", "/v1/sessions", serde_json::Value::Null).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn keys_create_without_a_control_plane_says_what_to_do() {
    let directory = tempfile::tempdir().expect("a folder is made");

    let refused = std::process::Command::new(theazo_tests::server_binary())
        .args(["keys", "create", "--data-dir"])
        .arg(directory.path())
        .output()
        .expect("it runs");

    assert_eq!(refused.status.code(), Some(1));
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(message.contains("`theazo serve` makes one"), "{message}");
}
