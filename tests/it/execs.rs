//! Programs that are watched, written to, signalled and listed.

use std::{collections::BTreeMap, time::Duration};

use futures_util::StreamExt;
use serde_json::{Value, json};
use theazo::{
    Agent, Theazo,
    types::{ExecEvent, ExecId, ExecSignal},
};
use theazo_server::{ControlPlane, PlaneConfig, Runtimes};
use theazo_tests::{Http, ServerProcess, client_of};

async fn agent() -> (Theazo, Agent) {
    let theazo = Theazo::embedded().await.expect("it starts");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().await.expect("it is made");
    (theazo, agent)
}

/// What a program does until a condition holds; the last event is the one that made it hold.
macro_rules! watch {
    ($events:expr, $until:pat) => {{
        let mut seen = Vec::new();
        loop {
            let event = $events.next().await.expect("it goes on").expect("it streams");
            seen.push(event);
            if matches!(seen.last(), Some($until)) {
                break seen;
            }
        }
    }};
}

fn exec_id(events: &[ExecEvent]) -> ExecId {
    match &events[0] {
        ExecEvent::Started { exec_id, pid: Some(pid) } if *pid > 1 => exec_id.clone(),
        other => panic!("it began with {other:?}"),
    }
}

fn stdout(events: &[ExecEvent]) -> String {
    let printed = events.iter().filter_map(|event| match event {
        ExecEvent::Stdout { data } => Some(data.as_str()),
        _ => None,
    });
    printed.collect()
}

#[tokio::test]
async fn a_watched_program_is_seen_as_it_prints_and_answers_what_is_written_to_it() {
    let (_theazo, agent) = agent().await;
    let code = "import os, sys\nname = input('name? ')\nprint('hello ' + name)\nprint('bad', file=sys.stderr)\n\
                print(sys.stdin.read(), os.getcwd(), os.environ['GREETING'])\nsys.exit(3)";

    agent.files().make_dir("project").await.expect("it is made");
    let environment = BTreeMap::from([("GREETING".to_owned(), "hi".to_owned())]);
    let program = agent.exec_stream("python", code).stdin(true).directory("project").environment(environment);
    let mut events = program.await.expect("it starts");
    // The prompt ends with no line, and is seen all the same before anything is written.
    let mut seen = watch!(events, ExecEvent::Stdout { .. });
    assert_eq!(stdout(&seen), "name? ");
    let id = exec_id(&seen);
    agent.execs().write(&id, "ada\n").await.expect("it is written");
    seen.extend(watch!(events, ExecEvent::Stderr { .. }));
    agent.execs().write(&id, "cmVzdA==").encoding("base64").close(true).await.expect("it is written");
    seen.extend(watch!(events, ExecEvent::Exit { .. }));

    assert_eq!(stdout(&seen), "name? hello ada\nrest /workspace/project hi\n");
    let Some(ExecEvent::Exit { exit_code: 3, truncated: false, limit: None, .. }) = seen.last() else {
        panic!("it ended with {:?}", seen.last());
    };
    let after = events.next().await;
    assert!(after.is_none(), "nothing follows: {after:?}");
    let closed = agent.execs().write(&id, "more").await.expect_err("it has ended");
    assert_eq!(closed.code().as_str(), "conflict");
    agent.execs().kill(&id).await.expect("a program that has ended stays as it is");
    let mistyped = agent.execs().write(&id, "$").encoding("base64").await.expect_err("it is no base64");
    assert_eq!(mistyped.details()["fields"][0]["field"], "data");
}

#[tokio::test]
async fn a_signal_ends_a_program_and_leaving_its_stream_kills_it() {
    let (_theazo, agent) = agent().await;
    let code = "trap 'echo asked; exit 7' TERM; echo ready; while :; do sleep 0.01; done";

    let mut events = agent.exec_stream("shell", code).await.expect("it starts");
    let seen = watch!(events, ExecEvent::Stdout { .. });
    let deaf = agent.execs().write(exec_id(&seen), "x").await.expect_err("its input is empty");
    assert!(deaf.message().contains("must be started with `stdin`"), "{}", deaf.message());
    agent.execs().kill(exec_id(&seen)).signal(ExecSignal::Terminate).await.expect("it is sent");
    let seen = watch!(events, ExecEvent::Exit { .. });
    assert_eq!(stdout(&seen), "asked\n");
    assert!(matches!(seen.last(), Some(ExecEvent::Exit { exit_code: 7, .. })));

    let mut left =
        agent.exec_stream("shell", "echo ready; sleep 1000").idempotency_key("left").await.expect("it starts");
    watch!(left, ExecEvent::Stdout { .. });
    left.close().await.expect("the server is told");
    let mut again =
        agent.exec_stream("shell", "echo ready; sleep 1000").idempotency_key("left").await.expect("it attaches");
    let seen = watch!(again, ExecEvent::Exit { .. });
    assert!(matches!(seen.last(), Some(ExecEvent::Exit { exit_code: 137, limit: None, .. })));

    let mut detached = agent.exec_stream("shell", "echo ready; sleep 1000").await.expect("it starts");
    let seen = watch!(detached, ExecEvent::Stdout { .. });
    detached.detach();
    let id = exec_id(&seen);
    // The shell says that it is ready before it starts the other.
    let found = async {
        loop {
            let processes = agent.processes().await.expect("they are listed").data;
            let mut ours = processes.iter().filter(|process| process.exec_id.as_ref() == Some(&id));
            if ours.any(|process| process.command.contains("sleep 1000")) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), found).await.expect("it goes on without its stream");
    agent.execs().kill(&id).await.expect("it is killed");
}

#[tokio::test]
async fn programs_that_do_not_end_well_end_their_stream_with_the_reason() {
    let (_theazo, agent) = agent().await;

    let mut late = agent
        .exec_stream("shell", "echo begun; sleep 1000")
        .timeout(std::time::Duration::from_millis(300))
        .await
        .expect("it starts");
    let seen = watch!(late, ExecEvent::Error { .. });
    assert_eq!(stdout(&seen), "begun\n");
    let Some(ExecEvent::Error { error }) = seen.last() else { unreachable!("it is the last") };
    assert_eq!((error.code.as_str(), &error.details["execId"]), ("timeout", &json!(exec_id(&seen))));
    assert!(!error.details.contains_key("stdout"), "it is in the stream already");

    let mut nowhere = agent.exec_stream("shell", "pwd").directory("none").await.expect("it is taken");
    let seen = watch!(nowhere, ExecEvent::Error { .. });
    let [ExecEvent::Error { error }] = &seen[..] else { panic!("it never began: {seen:?}") };
    assert_eq!((error.code.as_str(), &error.details["fields"][0]["field"]), ("invalid_request", &json!("directory")));

    let mut lost = agent.exec_stream("shell", "echo begun; sleep 1000").await.expect("it starts");
    watch!(lost, ExecEvent::Stdout { .. });
    agent.terminate().await.expect("it ends");
    let seen = watch!(lost, ExecEvent::Error { .. });
    assert!(matches!(seen.last(), Some(ExecEvent::Error { error }) if error.code.as_str() == "conflict"), "{seen:?}");
    let refused = agent.exec_stream("shell", "true").await.expect_err("it has ended");
    assert_eq!(refused.code().as_str(), "conflict");
}

#[tokio::test]
async fn output_beyond_a_mebibyte_is_cut_and_the_rest_drained() {
    let (_theazo, agent) = agent().await;

    let mut events =
        agent.exec_stream("shell", "head -c 3000000 /dev/zero | tr '\\0' x; exit 4").await.expect("it starts");
    let seen = watch!(events, ExecEvent::Exit { .. });

    assert_eq!(stdout(&seen).len(), 1 << 20);
    assert!(matches!(seen.last(), Some(ExecEvent::Exit { exit_code: 4, truncated: true, .. })));
}

#[tokio::test]
async fn programs_of_others_are_not_found() {
    let (theazo, agent) = agent().await;
    let other =
        theazo.sessions().for_user("eve").await.expect("it is made").agents().create().await.expect("it is made");
    let mut events = agent.exec_stream("shell", "cat").stdin(true).await.expect("it starts");
    let id = exec_id(&watch!(events, ExecEvent::Started { .. }));

    let foreign = other.execs().kill(&id).await.expect_err("it is another agent's");
    let unknown = agent.execs().write("exec_none", "x").await.expect_err("there is none");

    assert_eq!((foreign.code().as_str(), unknown.code().as_str()), ("not_found", "not_found"));
    assert_eq!(foreign.message().replace(id.as_str(), "exec_none"), unknown.message(), "both sound the same");
    agent.execs().write(&id, "").close(true).await.expect("it still runs");
    watch!(events, ExecEvent::Exit { exit_code: 0, .. });
}

#[tokio::test]
async fn a_program_finds_who_it_runs_for_and_nothing_of_the_host() {
    let (_theazo, agent) = agent().await;

    let result = agent.exec("python", "import os, json\nprint(json.dumps(dict(os.environ)))").await.expect("it runs");

    let environment: BTreeMap<String, String> = serde_json::from_str(&result.stdout).expect("it is JSON");
    let names: Vec<&str> = environment.keys().map(String::as_str).collect();
    for own in ["THEAZO_AGENT_ID", "THEAZO_EXEC_ID", "THEAZO_SESSION_ID", "THEAZO_USER_ID"] {
        assert!(names.contains(&own), "{names:?}");
    }
    assert_eq!(
        (environment["THEAZO_AGENT_ID"].as_str(), environment["THEAZO_USER_ID"].as_str()),
        (agent.id().as_str(), "ada")
    );
    let known = ["GOTOOLCHAIN", "HOME", "LANG", "PATH", "PYTHONPATH"];
    let others: Vec<&str> =
        names.into_iter().filter(|name| !name.starts_with("THEAZO_") && !known.contains(name)).collect();
    assert_eq!(others, Vec::<&str>::new(), "cargo's own variables are the host's");
    let reserved = BTreeMap::from([("THEAZO_AGENT_ID".to_owned(), "agt_other".to_owned())]);
    let refused = agent.exec("python", "").environment(reserved).await.expect_err("it is ours");
    assert_eq!(refused.details()["fields"][0]["field"], "environment");
}

#[tokio::test]
async fn a_missing_interpreter_is_named() {
    let runtimes = Runtimes { go: "/nowhere/go".into(), ..Runtimes::default() };
    let plane = ControlPlane::start(PlaneConfig { runtimes, ..PlaneConfig::default() }).await.expect("it starts");
    let theazo = client_of(&plane, plane.live_key().expect("it is new"));
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().await.expect("it is made");

    let error = agent.exec("go", "package main").await.expect_err("there is no Go");

    assert_eq!((error.code().as_str(), error.status()), ("no_providers_available", 422));
    assert_eq!(error.message(), "no go interpreter at `/nowhere/go`; install it there or configure another path");
}

/// The events of a stream with their ids, until it ends or has as many.
async fn read(response: reqwest::Response, enough: usize) -> Vec<(i64, Value)> {
    let (mut text, mut body) = (String::new(), response.bytes_stream());
    let parse = |text: &str| -> Vec<(i64, Value)> {
        let blocks = text.split_inclusive("\n\n").filter(|block| block.ends_with("\n\n"));
        let field = |block: &str, name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        let events = blocks.filter_map(|block| Some((field(block, "id: ")?, field(block, "data: ")?)));
        events.map(|(id, data)| (id.parse().expect("a number"), serde_json::from_str(&data).expect("JSON"))).collect()
    };
    while let Some(piece) = body.next().await {
        text.push_str(&String::from_utf8_lossy(&piece.expect("it arrives")));
        if parse(&text).len() >= enough {
            break;
        }
    }
    parse(&text)
}

#[tokio::test]
async fn a_stream_that_breaks_resumes_after_the_last_event_and_starts_nothing_again() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let http = Http::new(&server.url, &server.keys.as_ref().expect("it is new").0);
    let (_, session) = http.send("POST", "/v1/sessions", json!({"userId": "ada"})).await;
    let sessions = format!("/v1/sessions/{}/agents", session["id"].as_str().expect("it has one"));
    let (_, agent) = http.send("POST", &sessions, json!({})).await;
    let path = format!("/v1/agents/{}/exec/stream", agent["id"].as_str().expect("it has one"));
    let body =
        json!({ "language": "shell", "code": "echo ran >> runs; echo one; read line; echo $line", "stdin": true });
    let open = async |seen: Option<i64>| {
        let mut request = http.request("POST", &path).header("idempotency-key", "k1").body(body.to_string());
        if let Some(seen) = seen {
            request = request.header("last-event-id", seen.to_string());
        }
        let response = request.send().await.expect("its head comes");
        assert_eq!(response.status(), 200);
        let id = response.headers()["x-theazo-exec-id"].to_str().expect("it is text").to_owned();
        (id, response)
    };

    let (id, response) = open(None).await;
    let first = read(response, 2).await;
    let kinds = |events: &[(i64, Value)]| {
        events.iter().map(|(_, event)| event["type"].as_str().expect("a kind").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&first), ["started", "stdout"]);
    let (same, response) = open(Some(first[1].0)).await;
    let stdin = path.replace("exec/stream", &format!("execs/{id}/stdin"));
    let (status, _) = http.send("POST", &stdin, json!({ "data": "two\n", "close": true })).await;
    let rest = read(response, usize::MAX).await;

    assert_eq!((status, same), (204, id));
    assert_eq!(kinds(&rest), ["stdout", "exit"]);
    assert_eq!(rest[0].1["data"], "two\n");
    // Who has seen the end is shown it once more, rather than nothing for ever.
    let (_, response) = open(Some(rest[1].0)).await;
    assert_eq!(read(response, usize::MAX).await, [rest[1].clone()]);
    let (_, response) = open(None).await;
    assert_eq!(read(response, usize::MAX).await, [first, rest].concat(), "and whoever has seen nothing, all of it");
    let (_, runs) = http.send("GET", &path.replace("exec/stream", "files/runs"), Value::Null).await;
    assert_eq!(runs["data"], "ran\n");
}
