//! The typed face: what its methods send, and what they make of the answers.

mod support;

use std::time::Duration;

use futures_util::TryStreamExt;
use serde_json::{Value, json};
use support::{Act, RESULT, SESSION, Server, events};
use theazo::{
    ErrorKind, Session, Theazo,
    types::{Cost, CostLimit, Period, SessionLimits, SessionStatus, StreamEvent},
};

const AGENT: &str = r#"{"id":"agt_1","sessionId":"ses_1","status":"ready","provider":"simulated","compute":"python","model":"offline","createdAt":"2026-11-24T09:00:00.000Z"}"#;

fn answer(status: u16, body: &str) -> Act {
    support::json(status, &[], body)
}

async fn session(script: impl IntoIterator<Item = Act>) -> (Server, Session) {
    let mut server = Server::start([answer(200, SESSION)].into_iter().chain(script)).await;
    let session = Theazo::over(server.transport()).sessions().get("ses_1").await.unwrap();
    server.request().await;
    (server, session)
}

fn body(request: &support::Request) -> Value {
    serde_json::from_str(&request.body).unwrap()
}

#[tokio::test]
async fn arguments_and_setters_become_the_body() {
    let (mut server, session) = session([answer(200, RESULT)]).await;

    let result = session
        .run("researcher", "analyze competitor pricing")
        .browser(true)
        .timeout(Duration::from_secs(90))
        .max_cost(Cost::cents(50))
        .await
        .unwrap();

    let request = server.request().await;
    assert_eq!(request.line, "POST /v1/sessions/ses_1/run");
    assert_eq!(
        body(&request),
        json!({
            "agent": "researcher",
            "task": "analyze competitor pricing",
            "browser": true,
            "timeout": "90000ms",
            "maxCost": { "amount": 50, "currency": "usd" },
        })
    );
    assert_eq!(result.output, "42");
}

#[tokio::test]
async fn a_user_s_id_and_limits_reach_the_right_place() {
    let mut server = Server::start([answer(200, SESSION)]).await;
    let limits = SessionLimits { max_cost: Some(CostLimit::cents(500, Period::Day)), ..SessionLimits::default() };

    let theazo = Theazo::over(server.transport());
    theazo.sessions().for_user("user/1").limits(limits).metadata([("plan", "pro")]).await.unwrap();

    let request = server.request().await;
    assert_eq!(request.line, "POST /v1/sessions/by-user/user%2F1");
    assert_eq!(
        body(&request),
        json!({
            "limits": { "maxCost": { "amount": 500, "currency": "usd", "period": "day" } },
            "metadata": { "plan": "pro" },
        })
    );
}

#[tokio::test]
async fn a_wrong_argument_is_named_and_nothing_is_sent() {
    let (mut server, session) = session([]).await;
    let limits = SessionLimits { max_cost: Some(CostLimit::cents(-1, Period::Day)), ..SessionLimits::default() };

    let task = session.run("researcher", " ").await.unwrap_err();
    let nested = Theazo::over(server.transport()).sessions().create().limits(limits).await.unwrap_err();
    let path = Theazo::over(server.transport()).sessions().get("").await.unwrap_err();

    assert_eq!(task.to_string(), "`task` must say what to do");
    assert_eq!(task.kind(), &ErrorKind::InvalidInput { parameter: "task".to_owned() });
    assert_eq!(nested.kind(), &ErrorKind::InvalidInput { parameter: "limits.maxCost.amount".to_owned() });
    assert_eq!(path.to_string(), "`sessionId` must not be empty");
    assert_eq!(server.unread(), 0);
}

#[tokio::test]
async fn a_call_on_a_handle_refreshes_it_and_its_clones() {
    let paused = SESSION.replace("active", "paused");
    let (_server, session) = session([answer(200, &paused)]).await;
    let clone = session.clone();
    assert_eq!(clone.data().status, SessionStatus::Active);

    let returned = session.pause().await.unwrap();

    assert_eq!(clone.data().status, SessionStatus::Paused);
    assert_eq!(returned.data().status, SessionStatus::Paused);
}

#[tokio::test]
async fn a_list_gives_one_page_or_all_items() {
    let page = |ids: &[u32], cursor: &str| {
        let data: Vec<String> = ids.iter().map(|id| SESSION.replace("ses_1", &format!("ses_{id}"))).collect();
        let has_more = !cursor.is_empty();
        answer(200, &format!(r#"{{"data":[{}],"hasMore":{has_more},"cursor":"{cursor}"}}"#, data.join(",")))
    };
    let script = [page(&[1, 2], "c1"), page(&[1, 2], "c1"), page(&[3], "c2"), page(&[], "")];
    let mut server = Server::start(script).await;
    let theazo = Theazo::over(server.transport());
    let list = || theazo.sessions().list().status("active").limit(2);

    let page = list().await.unwrap();
    let all: Vec<Session> = list().items().try_collect().await.unwrap();

    assert_eq!((page.data.len(), page.has_more, page.cursor.as_str()), (2, true, "c1"));
    let ids: Vec<&str> = all.iter().map(|session| session.id().as_str()).collect();
    assert_eq!(ids, ["ses_1", "ses_2", "ses_3"]);
    let mut lines = Vec::new();
    for _ in 0..4 {
        lines.push(server.request().await.line);
    }
    assert_eq!(
        lines,
        [
            "GET /v1/sessions?status=active&limit=2",
            "GET /v1/sessions?status=active&limit=2",
            "GET /v1/sessions?status=active&limit=2&cursor=c1",
            "GET /v1/sessions?status=active&limit=2&cursor=c2",
        ]
    );
}

#[tokio::test]
async fn a_list_whose_cursor_does_not_move_ends() {
    let page = || answer(200, &format!(r#"{{"data":[{SESSION}],"hasMore":true,"cursor":"same"}}"#));
    let server = Server::start([page(), page()]).await;

    let items = Theazo::over(server.transport()).sessions().list().items().collect(100).await.unwrap();

    assert_eq!(items.len(), 2);
}

#[tokio::test]
async fn files_go_as_text_or_bytes_and_come_back_as_they_were() {
    let empty = || Act::Answer("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_owned());
    let (mut server, session) = session([
        answer(201, AGENT),
        empty(),
        empty(),
        answer(200, r#"{"data":"/wA=","encoding":"base64"}"#),
        answer(200, r#"{"data":"hello","encoding":"utf-8"}"#),
        answer(200, "[]"),
    ])
    .await;
    let agent = session.agents().create().name("writer").tools(["run_code"]).await.unwrap();

    agent.files().write("notes.txt", "hello").await.unwrap();
    agent.files().write("pixel.bin", b"\xFF\x00").await.unwrap();
    let bytes = agent.files().read("/data/pixel.bin").await.unwrap();
    let text = agent.files().read("notes.txt").text().await.unwrap();
    agent.files().list().dir("/data").await.unwrap();

    assert_eq!((&bytes[..], text.as_str()), (&b"\xFF\x00"[..], "hello"));
    assert_eq!(body(&server.request().await), json!({ "name": "writer", "tools": ["run_code"] }));
    assert_eq!(body(&server.request().await), json!({ "path": "notes.txt", "data": "hello" }));
    assert_eq!(body(&server.request().await), json!({ "path": "pixel.bin", "data": "/wA=", "encoding": "base64" }));
    assert_eq!(server.request().await.line, "GET /v1/agents/agt_1/files/%2Fdata/pixel.bin");
    assert_eq!(server.request().await.line, "GET /v1/agents/agt_1/files/notes.txt");
    assert_eq!(server.request().await.line, "GET /v1/agents/agt_1/files?dir=%2Fdata");
}

#[tokio::test]
async fn a_stream_gives_typed_events_and_keeps_unknown_ones() {
    let stream = events(
        &["x-theazo-run-id: arun_1"],
        "data: {\"type\":\"text\",\"text\":\"hi\"}\n\ndata: {\"type\":\"new_kind\",\"x\":1}\n\ndata: [DONE]\n\n",
    );
    let (mut server, session) = session([answer(201, AGENT), Act::Answer(stream)]).await;
    let agent = session.agents().create().await.unwrap();

    let mut events = agent.stream("greet").await.unwrap();

    assert_eq!(events.next().await.unwrap().unwrap(), StreamEvent::Text { text: "hi".to_owned() });
    let StreamEvent::Other(members) = events.next().await.unwrap().unwrap() else { panic!("it is unknown") };
    assert_eq!(members["x"], 1);
    assert!(events.next().await.is_none());
    server.request().await;
    assert_eq!(body(&server.request().await), json!({ "task": "greet" }));
}

#[tokio::test]
async fn options_of_one_call_and_the_meta_of_its_answer() {
    let replayed = support::json(200, &["Idempotent-Replayed: true", "x-request-id: req_3"], RESULT);
    let (mut server, session) = session([replayed]).await;

    let request = session.run("a", "t").idempotency_key("order-17").header("x-tag", "blue").max_retries(0);
    let (result, meta) = request.with_meta().await.unwrap();

    let sent = server.request().await;
    assert_eq!((sent.header("idempotency-key"), sent.header("x-tag")), ("order-17", "blue"));
    assert_eq!(result.output, "42");
    assert_eq!((meta.status, meta.request_id.as_str(), meta.replayed, meta.attempts.len()), (200, "req_3", true, 1));
}

#[tokio::test]
async fn a_call_with_many_fields_needs_no_larger_future_than_one_without() {
    let (server, session) = session([]).await;
    let theazo = Theazo::over(server.transport());

    let many = size_of_val(&*session.agents().create().into_future());
    let none = size_of_val(&*theazo.health().into_future());

    assert!(many < none + 256 && none < 4096, "{many} bytes for a new agent, {none} for a look at the health");
}

#[test]
fn everything_is_send_and_sync() {
    fn send<T: Send>() {}
    fn both<T: Send + Sync + Clone + 'static>() {}

    both::<Theazo>();
    both::<Session>();
    both::<theazo::Agent>();
    both::<theazo::Run>();
    both::<theazo::Transport>();
    both::<theazo::requests::RunInSessionRequest>();
    send::<theazo::TypedStream<StreamEvent>>();
    send::<theazo::Items<Session>>();
}
