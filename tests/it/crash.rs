//! `kill -9` of the server: the caller still gets the one result and one bill.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use serde_json::{Value, json};
use theazo::{Theazo, types::StreamEvent};
use theazo_tests::{
    Http, ServerProcess,
    crash::{Plan, torment},
    soon,
};
use tokio::sync::Notify;

/// `cargo xtask crash` does it a few hundred times.
#[tokio::test]
async fn row_04_a_server_that_is_killed_again_and_again_loses_and_doubles_nothing() {
    let report = torment(Plan { kills: 8, callers: 4, seed: 4 }, |_| ()).await;

    assert_eq!(report.violations, Vec::<String>::new());
    for what in ["runs completed", "runs that a later process went on with", "log entries followed"] {
        assert!(report.count(what) > 0, "it was not idle: {report:?}");
    }
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

/// A model that asks for four tools at once and then answers, and a page that is slow the first time.
#[derive(Default)]
struct Outside {
    pages: AtomicUsize,
    page_asked: Notify,
}

async fn model(Json(request): Json<Value>) -> String {
    let was_called = request["messages"].to_string().contains(r#""role":"tool""#);
    let page =
        request["messages"].to_string().split("page: ").nth(1).map(|rest| rest[..rest.find('"').unwrap()].to_owned());
    let program = |name: &str| {
        let code =
            format!("open('{name}', 'a').write('x')\nprint('begun {name}', flush=True)\nimport time; time.sleep(600)");
        ("run_code", json!({ "language": "python", "code": code }))
    };
    let calls = [
        program("one"),
        program("two"),
        ("http_request", json!({ "url": page.expect("the task names it") })),
        ("write_file", json!({ "path": "three", "content": "3" })),
    ];
    let calls = calls.iter().enumerate().map(|(index, (name, input))| {
        let function = json!({ "name": name, "arguments": input.to_string() });
        json!({ "index": index, "id": format!("call_{index}"), "type": "function", "function": function })
    });
    let (delta, reason) = match was_called {
        true => (json!({ "content": "done" }), "stop"),
        false => (json!({ "tool_calls": calls.collect::<Vec<_>>() }), "tool_calls"),
    };
    let chunk = json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": reason }] });
    format!("data: {chunk}\n\ndata: [DONE]\n\n")
}

async fn page(State(outside): State<Arc<Outside>>) -> &'static str {
    if outside.pages.fetch_add(1, Ordering::SeqCst) == 0 {
        outside.page_asked.notify_one();
        std::future::pending::<()>().await;
    }
    "at last"
}

#[tokio::test]
async fn row_17_tools_in_flight_side_by_side_end_interrupted_once_each_and_only_what_is_repeatable_is_repeated() {
    let outside = Arc::new(Outside::default());
    let router = Router::new().route("/v1/chat/completions", post(model)).route("/page", get(page));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let base = format!("http://{}", listener.local_addr().expect("it listens"));
    let router = router.with_state(outside.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let directory = tempfile::tempdir().expect("a folder is made");
    let (model_url, options) = (format!("{base}/v1"), ["--allow-private-targets"]);
    let environment = [("OPENAI_BASE_URL", model_url.as_str()), ("OPENAI_API_KEY", "sk-1")];
    let server = ServerProcess::start_in(&environment, directory.path(), "127.0.0.1:0", &options).await;
    let (url, live_key) = (server.url.clone(), server.keys.clone().expect("it is new").0);
    let theazo =
        Theazo::builder().base_url(&url).api_key(&live_key).max_retries(20).build().await.expect("it is built");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().model("gpt-4o-mini").await.expect("it is made");
    let mut logs = theazo.logs().stream().session_id(session.id()).await.expect("they stream");
    let mut events = agent.stream(format!("page: {base}/page")).await.expect("it starts");
    let mut results = Vec::new();
    let mut note = |event: StreamEvent| {
        if let StreamEvent::ToolResult { tool_call_id, output, .. } = event {
            results.push((tool_call_id.expect("it has one"), output));
        }
        results.len()
    };

    // All four have begun, and one is done.
    let begun = async {
        let mut programs = 0;
        while programs < 2 {
            let entry = logs.next().await.expect("they go on").expect("they stream");
            programs += usize::from(entry.message.starts_with("begun "));
        }
        outside.page_asked.notified().await;
    };
    soon("a tool", begun).await;
    while note(soon("a result", events.next()).await.expect("it goes on").expect("it streams")) == 0 {}
    server.kill().await;
    let listen = url.trim_start_matches("http://").to_owned();
    let _server = ServerProcess::start_in(&environment, directory.path(), &listen, &options).await;
    while let Some(event) = soon("the run", events.next()).await {
        note(event.expect("the stream resumes"));
    }

    results.sort();
    let interrupted = "error: interrupted: the process that did this died; whether it took effect is not known";
    let outputs: Vec<&str> = results.iter().map(|(_, output)| output.as_str()).collect();
    assert_eq!(outputs.len(), 4, "each has one result: {results:?}");
    assert_eq!((outputs[0], outputs[1], outputs[3]), (interrupted, interrupted, "wrote 1 bytes to three"));
    assert!(outputs[2].contains("at last"), "{}", outputs[2]);
    assert_eq!(outside.pages.load(Ordering::SeqCst), 2, "reading is repeated");
    for program in ["one", "two"] {
        assert_eq!(agent.files().read(program).text().await.expect("it is there"), "x", "no program began twice");
    }
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
