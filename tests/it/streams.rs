//! Streams: nothing is lost, nothing comes twice, and nobody sees another's.

use std::time::Duration;

use serde_json::json;
use theazo::{
    Config, EventStream, Theazo,
    transport::{Call, CallOptions, Transport, operation},
    types::{AgentLogEvent, LogLevel},
};
use theazo_server::{ControlPlane, PlaneConfig, Retention, StreamLimits};
use theazo_tests::{Http, ServerProcess, Worlds};
use tokio::time::timeout;

/// How long a test waits for what should come at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// Streams all log entries after an event.
async fn logs_after(theazo: &Theazo, id: &str) -> Result<EventStream, theazo::Error> {
    let options = CallOptions::new().header("Last-Event-ID", id).max_retries(0);
    theazo.transport().open(Call::new(operation("StreamLogs").expect("it is there")).options(options)).await
}

/// The ids and messages of the next entries.
async fn read(stream: &mut EventStream, count: usize) -> Vec<(String, String)> {
    let mut entries = Vec::new();
    for _ in 0..count {
        let event = timeout(PATIENCE, stream.next()).await.expect("it comes").expect("it goes on").expect("it streams");
        let entry: serde_json::Value = serde_json::from_slice(&event.data).expect("it is JSON");
        let message = entry["message"].as_str().expect("it has one").to_owned();
        entries.push((event.id.expect("each has an id"), message));
    }
    entries
}

async fn plane_with(config: PlaneConfig) -> (ControlPlane, Theazo) {
    let plane = ControlPlane::start(config).await.expect("it starts");
    let key = plane.live_key().expect("it is new").to_owned();
    let transport = Transport::to_plane(&plane, Config::with_api_key(key)).expect("the key is good");
    (plane, Theazo::over(transport))
}

#[tokio::test]
async fn row_25_a_stream_that_is_dropped_goes_on_after_any_event_without_loss_or_repetition() {
    let Worlds { ours, theirs, plane: _plane, .. } = Worlds::start().await;
    let mut whole = logs_after(&ours, "0").await.expect("it opens");
    for user in ["ada", "bob", "eve"] {
        ours.sessions()
            .for_user(user)
            .await
            .expect("it is made")
            .runs()
            .start("researcher", "x")
            .await
            .expect("it starts");
        theirs.sessions().for_user(user).await.expect("it is made");
    }
    let events = read(&mut whole, 20).await;

    for (index, (id, _)) in events.iter().enumerate() {
        let mut rest = logs_after(&ours, id).await.expect("it opens");
        let count = (events.len() - index - 1).min(3);
        assert_eq!(read(&mut rest, count).await, events[index + 1..index + 1 + count], "after {id}");
    }
}

#[tokio::test]
async fn row_25_a_stream_that_breaks_before_its_first_event_misses_none_of_those_that_come_before_it_is_open_again() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let (key, _) = server.keys.as_ref().expect("a new server makes keys");
    let http = Http::new(&server.url, key);
    let user = |name: &str| http.send("POST", "/v1/sessions", json!({ "userId": name }));
    user("ada").await;
    let mut opening = http.request("GET", "/v1/logs/stream").send().await.expect("it opens");
    let first = opening.chunk().await.expect("it comes").expect("it streams");
    let place =
        String::from_utf8_lossy(&first).lines().next().and_then(|line| line.strip_prefix("id: ")).map(str::to_owned);
    drop(opening);
    user("bob").await;

    let place = place.expect("it says where it begins, before there is an event");
    let resumed = http.request("GET", "/v1/logs/stream").header("last-event-id", place).send().await;
    let mut resumed = resumed.expect("it opens");
    let mut text = String::new();
    while !text.contains("data: ") {
        text.push_str(&String::from_utf8_lossy(&resumed.chunk().await.expect("it comes").expect("it streams")));
    }

    assert!(text.contains("session created") && text.contains(r#""userId":"bob""#), "{text}");
    assert!(!text.contains(r#""ada""#), "{text}");
}

#[tokio::test]
async fn row_25_events_that_are_not_kept_any_more_are_a_gap_that_is_told() {
    let retention = Retention { events: Some(3), ..Retention::default() };
    let (plane, theazo) = plane_with(PlaneConfig { retention, ..PlaneConfig::test() }).await;
    for user in 0..6 {
        theazo.sessions().for_user(format!("user_{user}")).await.expect("it is made");
    }
    let mut whole = logs_after(&theazo, "0").await.expect("it opens");
    let before = read(&mut whole, 6).await;
    theazo
        .transport()
        .call(Call::new(operation("AdvanceClock").expect("it is there")).body(r#"{"by":"2h"}"#))
        .await
        .expect("time passes");
    let pruned = async {
        while theazo.logs().query().await.expect("they are found").data.len() > 3 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, pruned).await.expect("the oldest go");

    let mut resumed = logs_after(&theazo, &before[0].0).await.expect("it opens");
    let gap = timeout(PATIENCE, resumed.next()).await.expect("it comes").expect("it goes on").expect("it streams");
    let gap: serde_json::Value = serde_json::from_slice(&gap.data).expect("it is JSON");
    let rest = read(&mut resumed, 3).await;
    let mut none_lost = logs_after(&theazo, &before[2].0).await.expect("it opens");

    assert_eq!((&gap["level"], &gap["metadata"]["event"]), (&"warn".into(), &"stream.gap".into()));
    assert_eq!(gap["message"], format!("events are missing here: those up to {} are not kept any more", before[2].0));
    assert_eq!(rest, before[3..]);
    assert_eq!(read(&mut none_lost, 3).await, before[3..], "whoever has seen all that is gone misses nothing");
    plane.shutdown().await;
}

#[tokio::test]
async fn row_25_another_s_place_in_the_log_is_refused_as_one_that_does_not_exist_is() {
    let Worlds { ours, theirs, test, plane: _plane } = Worlds::start().await;
    let session = theirs.sessions().for_user("ada").await.expect("it is made");
    ours.sessions().for_user("bob").await.expect("it is made");
    let mut seen = logs_after(&theirs, "0").await.expect("it opens");
    let (place, _) = read(&mut seen, 1).await.remove(0);
    let refusal = async |theazo: &Theazo, id: &str| {
        let error = logs_after(theazo, id).await.map(drop).expect_err("it is refused");
        (error.status(), error.code().to_string(), error.message().replace(id, "ID"))
    };

    let foreign = refusal(&ours, &place).await;

    assert_eq!((foreign.0, foreign.1.as_str()), (403, "forbidden"));
    assert_eq!(refusal(&ours, "999999").await, foreign);
    assert_eq!(refusal(&ours, &format!("log_{place:0>12}")).await, foreign);
    assert_eq!(refusal(&test, &place).await, foreign);
    for garbage in ["-1", "one", "1.0", "18446744073709551616", "log_", "1\u{e9}"] {
        let (status, code, _) = refusal(&ours, garbage).await;
        assert_eq!((status, code.as_str()), (422, "invalid_request"), "{garbage}");
    }
    logs_after(&theirs, &place).await.expect("its own place is good");
    drop(session);
}

#[tokio::test]
async fn row_25_a_stream_that_cannot_begin_starts_no_run() {
    let Worlds { ours, plane: _plane, .. } = Worlds::start().await;
    let agent = ours.sessions().for_user("ada").await.expect("it is made").agents().create().await.expect("it is made");
    let call = Call::new(operation("StreamAgentRun").expect("it is there")).path([agent.id().to_string()]);
    let options = CallOptions::new().header("Last-Event-ID", "999999").max_retries(0);

    let refused = ours.transport().open(call.body(r#"{"task":"x"}"#).options(options)).await.map(drop);

    assert_eq!(refused.expect_err("it is refused").status(), 403);
    let runs =
        ours.sessions().for_user("ada").await.expect("it is there").runs().list().await.expect("they are listed");
    assert_eq!(runs.data.len(), 0);
}

#[tokio::test]
async fn the_log_of_an_agent_has_its_own_entries_alone_and_its_level() {
    let Worlds { ours, theirs, plane: _plane, .. } = Worlds::start().await;
    let session = ours.sessions().for_user("ada").await.expect("it is made");
    let (agent, other) = tokio::join!(session.agents().create().into_future(), session.agents().create().into_future());
    let (agent, other) = (agent.expect("it is made"), other.expect("it is made"));
    let mut all = agent.logs().await.expect("it opens");
    let mut warnings = agent.logs().level("error").await.expect("it opens");

    other.exec("python", "print(1)").await.expect("it runs");
    agent.exec("python", "import sys; print(2); print(3, file=sys.stderr)").await.ok();
    agent.terminate().await.expect("it ends");

    let mut messages = Vec::new();
    while messages.last().is_none_or(|last| last != "agent ended, sandbox removed") {
        match timeout(PATIENCE, all.next()).await.expect("it comes").expect("it goes on").expect("it is an event") {
            AgentLogEvent::Log { message, agent_id, .. } => {
                assert_eq!(agent_id, agent.id().as_str());
                messages.push(message);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(messages[0], "program in python started");
    assert!(futures_util::FutureExt::now_or_never(warnings.next()).is_none(), "there was no error");
    let foreign = theirs
        .transport()
        .open(Call::new(operation("StreamAgentLogs").expect("it is there")).path([agent.id().to_string()]));
    assert_eq!(foreign.await.map(drop).expect_err("it is ours").code().as_str(), "not_found");
    let level = agent.logs().level("loud").await.map(drop).expect_err("it is no level");
    assert_eq!(level.details()["fields"][0]["field"], "level");
}

#[tokio::test]
async fn an_account_has_so_many_streams_and_the_refusal_names_the_limit() {
    let streams = StreamLimits { per_account: 2, ..StreamLimits::default() };
    let (plane, theazo) = plane_with(PlaneConfig { streams, ..PlaneConfig::test() }).await;
    let (one, _two) =
        (logs_after(&theazo, "0").await.expect("it opens"), logs_after(&theazo, "0").await.expect("it opens"));

    let refused = logs_after(&theazo, "0").await.map(drop).expect_err("there is no room");
    drop(one);
    logs_after(&theazo, "0").await.expect("there is room again");

    assert_eq!((refused.status(), refused.code().as_str()), (429, "rate_limited"));
    assert_eq!((&refused.details()["limit"], &refused.details()["retryAfter"]), (&2.into(), &5.into()));
    plane.shutdown().await;
}

#[tokio::test]
async fn row_24_whatever_a_model_writes_is_whole_lines_of_data_that_read_as_it_was_written() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &["--test-plane"]).await;
    let http = Http::new(&server.url, &server.keys.as_ref().expect("a new server makes keys").0);
    let nasty = "a\r\n\r\ndata: {}\rid: 7\0\u{feff}\u{2028}\u{1f600}event: x\n\nend";
    let script = json!({ "agent": "researcher", "turns": [{ "text": nasty }] });
    assert_eq!(http.send("POST", "/testing/scripts", script).await.0, 204);
    let (_, session) = http.send("POST", "/v1/sessions", json!({ "userId": "ada" })).await;
    let runs = format!("/v1/sessions/{}/runs", session["id"].as_str().expect("it has an id"));
    let (_, run) = http.send("POST", &runs, json!({ "agent": "researcher", "task": nasty })).await;
    let stream = format!("/v1/runs/{}/stream", run["id"].as_str().expect("it has an id"));

    let text = http.request("GET", &stream).send().await.expect("it opens").text().await.expect("it is UTF-8");

    let (mut written, mut output) = (String::new(), None);
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with(':')) {
        match line.split_once(": ").expect("each line is a field") {
            ("id", id) => assert!(id.bytes().all(|byte| byte.is_ascii_digit()), "{id:?}"),
            ("data", data) => {
                let event: serde_json::Value = serde_json::from_str(data).expect("each line of data is whole");
                written.push_str(event["text"].as_str().unwrap_or_default());
                output = event["output"].as_str().map(str::to_owned).or(output);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((written.as_str(), output.as_deref()), (nasty, Some(nasty)));
}

#[tokio::test]
async fn row_25_a_socket_shows_what_the_stream_shows_and_goes_on_where_it_was() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let (key, _) = server.keys.clone().expect("a new server makes keys");
    let theazo = Config::with_api_key(key).base_url(&server.url).build().await.expect("it is set up");
    let mut live = theazo.logs().socket().await.expect("it opens");
    for user in ["ada", "bob", "eve"] {
        theazo.sessions().for_user(user).await.expect("it is made");
    }
    let mut ids = Vec::new();
    for _ in 0..3 {
        let entry =
            timeout(PATIENCE, live.next()).await.expect("it comes").expect("it goes on").expect("it is an entry");
        assert_eq!((entry.message.as_str(), entry.level), ("session created", LogLevel::Info));
        ids.push(entry.id);
    }

    let mut resumed = theazo.logs().socket().since(&ids[0]).await.expect("it opens");
    let entry =
        timeout(PATIENCE, resumed.next()).await.expect("it comes").expect("it goes on").expect("it is an entry");
    assert_eq!((entry.id, entry.user_id.as_str()), (ids[1].clone(), "bob"));
    let refused = theazo.logs().socket().since("log_000000999999").await.map(drop).expect_err("it does not exist");
    assert_eq!((refused.status(), refused.code().as_str()), (403, "forbidden"));
    let http = Http::new(&server.url, &server.keys.as_ref().expect("it has keys").0);
    let (status, body) = http.send("GET", "/v1/logs/socket", serde_json::Value::Null).await;
    assert_eq!((status, body["error"]["code"].as_str()), (400, Some("invalid_request")));

    // The server stops with a word; the stream goes on with the next one on the same data.
    let address = server.url.trim_start_matches("http://").to_owned();
    assert!(server.stop().await.success());
    let _next = ServerProcess::start(directory.path(), &address, &[]).await;
    theazo.sessions().for_user("zoe").await.expect("it is made");
    let entry = timeout(PATIENCE, live.next()).await.expect("it comes").expect("it goes on").expect("it is an entry");
    assert_eq!(entry.user_id, "zoe");
}
