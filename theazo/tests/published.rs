//! What the published client gets wrong on the way to the server, by the numbers of `docs/published-client.md`.

mod support;

use std::error::Error as _;

use serde_json::{Value, json};
use support::{
    Act, RESULT, SESSION, Server, call,
    memory::{Fate, Memory},
};
use theazo::{ErrorKind, Theazo, types::Cost};

const AGENTS: &str = include_str!("../../theazo-api/fixtures/AgentData.json");
const PAGE: &str = r#"{"data":[],"hasMore":true,"cursor":"next"}"#;

fn body(memory: &Memory, index: usize) -> Value {
    serde_json::from_slice(memory.requests()[index].body()).unwrap()
}

fn address(memory: &Memory, index: usize) -> String {
    memory.requests()[index].uri().to_string().trim_start_matches("http://memory.invalid").to_owned()
}

#[tokio::test(start_paused = true)]
async fn t8_the_body_of_a_failed_attempt_is_not_held_while_the_client_pauses() {
    let endless = Fate::endless_body();
    let memory = Memory::new([Fate::fails(503, &[("retry-after", "7")]), endless, Fate::json(200, SESSION)]);
    let transport = memory.transport();

    let under_way = tokio::spawn(async move { transport.call(call("GetSession", &["ses_1"])).await });
    // Into the pause after the first attempt.
    tokio::time::advance(std::time::Duration::from_secs(3)).await;
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }

    assert_eq!((memory.requests().len(), memory.open()), (1, 0));
    under_way.await.unwrap().unwrap();
    assert_eq!((memory.requests().len(), memory.open()), (3, 0), "the one that hung was left too");
}

#[tokio::test]
async fn t11_an_error_of_the_connection_keeps_its_cause_and_names_what_was_called() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);

    let error = support::transport(&url).call(call("GetSession", &["ses_1"])).await.unwrap_err();

    assert_eq!(error.kind(), &ErrorKind::NotSent);
    assert!(error.to_string().starts_with(&format!("cannot connect to {url}: Connection refused")), "{error}");
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    assert!(causes.last().is_some_and(|root| root.contains("Connection refused")), "{causes:?}");
}

#[tokio::test]
async fn t16_a_content_type_is_sent_only_with_a_body() {
    let memory = Memory::new([Fate::json(200, SESSION)]);
    let transport = memory.transport();
    let theazo = Theazo::over(transport.clone());

    theazo.sessions().get("ses_1").await.unwrap();
    let session = theazo.sessions().create().user_id("u").await.unwrap();
    session.pause().await.unwrap();
    transport.call(call("DeleteWebhook", &["wh_1"])).await.unwrap();

    let sent: Vec<(String, bool, usize)> = memory
        .requests()
        .iter()
        .map(|request| {
            (request.method().to_string(), request.headers().contains_key("content-type"), request.body().len())
        })
        .collect();
    let expected = [("GET", false, 0), ("POST", true, 14), ("POST", false, 0), ("DELETE", false, 0)];
    assert_eq!(sent, expected.map(|(method, has_type, length)| (method.to_owned(), has_type, length)));
}

#[tokio::test]
async fn a12_a_cap_of_nothing_is_a_cap() {
    let agents: Value = serde_json::from_str(AGENTS).unwrap();
    let memory = Memory::new([Fate::json(200, &agents[0].to_string()), Fate::json(200, RESULT)]);
    let agent = Theazo::over(memory.transport()).agents().get("agt_1").await.unwrap();

    agent.run("work for nothing").max_cost(Cost::cents(0)).await.unwrap();

    assert_eq!(body(&memory, 1)["maxCost"]["amount"], json!(0));
}

#[tokio::test]
async fn a14_a_handle_shows_what_the_server_says_and_not_what_was_expected() {
    let paused = SESSION
        .replace("active", "paused")
        .replace(r#""createdAt""#, r#""pausedAt":"2026-11-24T10:00:00.000Z","createdAt""#);
    let memory = Memory::new([Fate::json(200, SESSION), Fate::json(200, &paused), Fate::json(200, SESSION)]);
    let session = Theazo::over(memory.transport()).sessions().get("ses_1").await.unwrap();

    session.pause().await.unwrap();
    let after_pause = session.data();
    session.resume().await.unwrap();

    assert_eq!((after_pause.status.as_str(), after_pause.paused_at.is_some()), ("paused", true));
    assert_eq!(
        (session.data().status.as_str(), session.data().paused_at),
        ("active", None),
        "N20: nothing stale is left"
    );
}

#[tokio::test]
async fn n7_no_option_can_replace_the_agent_or_the_task() {
    let memory = Memory::new([Fate::json(200, SESSION), Fate::json(200, RESULT)]);
    let session = Theazo::over(memory.transport()).sessions().get("ses_1").await.unwrap();

    session.run("researcher", "look").model("fast").browser(true).await.unwrap();

    let sent = json!({ "agent": "researcher", "task": "look", "model": "fast", "browser": true });
    assert_eq!(body(&memory, 1), sent);
}

#[tokio::test]
async fn n13_a_search_stays_in_its_session_and_with_its_user() {
    let memory = Memory::new([Fate::json(200, SESSION), Fate::json(200, PAGE)]);
    let session = Theazo::over(memory.transport()).sessions().get("ses_1").await.unwrap();

    session.chat().search("invoice").await.unwrap();

    assert_eq!(body(&memory, 1), json!({ "query": "invoice", "userId": "u", "sessionId": "ses_1" }));
}

#[tokio::test]
async fn filters_that_were_dropped_are_sent() {
    let memory = Memory::new([Fate::json(200, PAGE), Fate::json(200, "[]"), Fate::json(200, SESSION)]);
    let theazo = Theazo::over(memory.transport());

    theazo.agents().list().session_id("ses_1").await.unwrap();
    theazo.metrics().query("latency").tags("provider:local,agent:a").await.unwrap();
    theazo.sessions().for_user("u").environment("staging").await.unwrap();

    assert_eq!(address(&memory, 0), "/v1/agents?sessionId=ses_1", "P3");
    assert_eq!(address(&memory, 1), "/v1/metrics?metric=latency&tags=provider%3Alocal%2Cagent%3Aa", "P4");
    assert_eq!(body(&memory, 2)["environment"], "staging", "P21");
}

#[tokio::test]
async fn p2_a_blank_or_broken_key_is_refused_when_the_client_is_made() {
    for key in ["", "   ", "two words", "line\nbreak", "é"] {
        let error = theazo::Transport::new(theazo::Config::with_api_key(key)).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Configuration, "{key:?}");
    }
    assert!(theazo::Transport::new(theazo::Config::with_api_key("  th_live_ok  ").base_url("http://h")).is_ok());
}

#[tokio::test]
async fn p8_a_list_is_understood_as_a_page_and_as_its_items_alone() {
    let items = Fate::Answer(
        200,
        vec![("x-next-cursor", "c2".to_owned())],
        "[{\"id\":\"fil_1\",\"filename\":\"a\",\"mimeType\":\"text/plain\",\"size\":1,\"purpose\":\"agent\",\"createdAt\":\"2026-11-24T09:00:00.000Z\"}]".to_owned(),
    );
    let empty = Fate::json(200, "[]");
    let memory = Memory::new([items, Fate::json(200, PAGE), empty, Fate::json(200, "")]);
    let theazo = Theazo::over(memory.transport());

    let bare = theazo.files().list().await.unwrap();
    let page = theazo.files().list().await.unwrap();
    let none = theazo.files().list().await.unwrap();
    let nothing = theazo.files().list().await.unwrap_err();

    assert_eq!((bare.data.len(), bare.has_more, bare.cursor.as_str()), (1, true, "c2"));
    assert_eq!((page.data.len(), page.has_more, page.cursor.as_str()), (0, true, "next"));
    assert_eq!((none.data.len(), none.has_more, none.cursor.as_str()), (0, false, ""));
    assert_eq!(nothing.kind(), &ErrorKind::Unreadable);
}

#[tokio::test]
async fn t19_no_id_leads_to_another_endpoint() {
    let memory = Memory::new([Fate::json(200, SESSION)]);
    let theazo = Theazo::over(memory.transport());

    for id in ["", ".", "..", "agt_1"] {
        let error = theazo.sessions().get(id).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidInput { parameter: "sessionId".to_owned() }, "{id:?}: {error}");
    }
    for (id, sent) in [
        ("../billing/budget", "/v1/sessions/..%2Fbilling%2Fbudget"),
        ("a?b#c%d e", "/v1/sessions/a%3Fb%23c%25d%20e"),
        ("é", "/v1/sessions/%C3%A9"),
    ] {
        theazo.sessions().get(id).await.unwrap();
        let count = memory.requests().len();
        assert_eq!(address(&memory, count - 1), sent);
    }
    assert_eq!(memory.requests().len(), 3);
}

#[tokio::test]
async fn t1_a_run_is_waited_for_as_long_as_it_takes() {
    let working = "HTTP/1.1 202 X\r\nx-theazo-continue: true\r\nx-theazo-run-id: arun_1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let script =
        [Act::Answer(working.to_owned()), Act::Close, Act::Answer(working.to_owned()), support::json(200, &[], RESULT)];
    let mut server = Server::start(script).await;

    let run = call("RunInSession", &["ses_1"]).body(r#"{"agent":"a","task":"t"}"#);
    let answer = server.transport().call(run).await.unwrap();

    assert_eq!(answer.body, RESULT);
    let mut keys = Vec::new();
    for _ in 0..4 {
        keys.push(server.request().await.header("idempotency-key").to_owned());
    }
    assert!(
        keys.iter().all(|key| !key.is_empty() && *key == keys[0]),
        "A3, T4: one run, however often it is asked for: {keys:?}"
    );
}
