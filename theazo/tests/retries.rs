//! When a call is tried again, after how long, and what it says when it gives up.

mod support;

use std::time::{Duration, Instant};

use support::{SESSION, call, transport};
use theazo::{ErrorKind, types::ErrorCode};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

/// Answers with these in order; the last one stays.
async fn server(answers: Vec<ResponseTemplate>) -> MockServer {
    let server = MockServer::start().await;
    let count = std::sync::atomic::AtomicUsize::new(0);
    Mock::given(any())
        .respond_with(move |_: &Request| {
            let index = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed).min(answers.len() - 1);
            answers[index].clone()
        })
        .mount(&server)
        .await;
    server
}

fn fails(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status).insert_header("retry-after-ms", "1")
}

fn succeeds() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(SESSION, "application/json")
}

async fn requests(server: &MockServer) -> Vec<Request> {
    server.received_requests().await.unwrap()
}

#[tokio::test]
async fn each_status_is_tried_as_often_as_the_table_says() {
    let table = [
        (200, 1),
        (400, 1),
        (401, 1),
        (402, 1),
        (404, 1),
        (408, 3),
        (409, 1),
        (422, 1),
        (429, 3),
        (500, 3),
        (501, 1),
        (503, 3),
    ];

    for (status, expected) in table {
        let answer = if status == 200 { succeeds() } else { fails(status) };
        let server = server(vec![answer]).await;

        let result = transport(&server.uri()).call(call("GetSession", &["ses_1"])).await;

        assert_eq!(requests(&server).await.len(), expected, "{status}");
        assert_eq!(result.is_ok(), status == 200, "{status}");
        if let Err(error) = result {
            assert_eq!((error.status(), error.attempts().len()), (status, expected), "{status}");
            assert_eq!(error.is_retryable(), expected > 1, "{status}");
        }
    }
}

#[tokio::test]
async fn the_server_s_advice_overrides_the_table() {
    for (status, advice, expected) in [(409, "true", 3), (503, "false", 1), (429, "false", 1), (501, "true", 3)] {
        let server = server(vec![fails(status).insert_header("x-should-retry", advice)]).await;

        let error = transport(&server.uri()).call(call("GetSession", &["ses_1"])).await.unwrap_err();

        assert_eq!(requests(&server).await.len(), expected, "{status} {advice}");
        assert_eq!(error.status(), status);
    }
}

#[tokio::test]
async fn every_attempt_carries_the_same_key_and_its_number() {
    let server = server(vec![fails(503), fails(500), succeeds()]).await;

    let answer = transport(&server.uri()).call(call("CreateSession", &[]).body(r#"{"userId":"u"}"#)).await.unwrap();

    let sent = requests(&server).await;
    let header = |index: usize, name: &str| sent[index].headers[name].to_str().unwrap().to_owned();
    let key = header(0, "idempotency-key");
    assert!(key.starts_with("theazo-") && key.len() == 39, "{key}");
    for (index, number) in ["1", "2", "3"].iter().enumerate() {
        assert_eq!(header(index, "idempotency-key"), key);
        assert_eq!(header(index, "x-theazo-attempt"), *number);
        assert_eq!(sent[index].body, br#"{"userId":"u"}"#);
    }
    let statuses: Vec<_> = answer.meta.attempts.iter().map(|attempt| attempt.status).collect();
    assert_eq!(statuses, [Some(503), Some(500), Some(200)]);
}

#[tokio::test]
async fn a_key_that_the_caller_gives_is_sent_as_it_is() {
    let server = server(vec![succeeds().insert_header("Idempotent-Replayed", "true")]).await;
    let mut call = call("CreateSession", &[]).body("{}");
    call.options.idempotency_key = Some("order-17".to_owned());

    let answer = transport(&server.uri()).call(call).await.unwrap();

    assert_eq!(requests(&server).await[0].headers["idempotency-key"], "order-17");
    assert!(answer.meta.replayed);
}

#[tokio::test]
async fn a_pause_that_the_server_asks_for_is_kept_in_every_spelling() {
    let soon = jiff::Timestamp::now() + Duration::from_secs(2);
    let date = soon.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let spellings = [("retry-after", "1"), ("retry-after-ms", "1000"), ("retry-after", date.as_str())];

    for (name, value) in spellings {
        let server = server(vec![ResponseTemplate::new(429).insert_header(name, value), succeeds()]).await;
        let begun = Instant::now();

        let answer = transport(&server.uri()).call(call("GetSession", &["ses_1"])).await.unwrap();

        assert_eq!(answer.meta.attempts.len(), 2, "{name}: {value}");
        if value == date {
            // The date has whole seconds, so only the moment that it names is exact.
            assert!(jiff::Timestamp::now().as_second() >= soon.as_second(), "{value}");
        } else {
            assert!(begun.elapsed() >= Duration::from_secs(1), "{name}: {value}");
        }
    }
}

#[tokio::test]
async fn a_pause_longer_than_a_minute_fails_at_once_and_stands_on_the_error() {
    let server = server(vec![ResponseTemplate::new(429).insert_header("retry-after", "61")]).await;

    let error = transport(&server.uri()).call(call("GetSession", &["ses_1"])).await.unwrap_err();

    assert_eq!(requests(&server).await.len(), 1);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(61)));
    assert_eq!(error.code(), &ErrorCode::RateLimited);
    assert!(error.is_retryable());
    assert!(error.to_string().ends_with("; the server asks to wait 61 s first"), "{error}");
}

#[tokio::test]
async fn a_pause_beyond_the_deadline_fails_at_once() {
    let server = server(vec![ResponseTemplate::new(503).insert_header("retry-after", "30")]).await;
    let mut call = call("GetSession", &["ses_1"]);
    call.options.deadline = Some(Duration::from_secs(5));

    let error = transport(&server.uri()).call(call).await.unwrap_err();

    assert_eq!((requests(&server).await.len(), error.status()), (1, 503));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(30)));
}

#[tokio::test]
async fn retries_can_be_turned_off_for_a_client_and_on_for_a_call() {
    let server = server(vec![fails(503)]).await;
    let config = theazo::Config::with_api_key("th_live_secret").base_url(server.uri()).max_retries(0);
    let transport = theazo::Transport::new(config).unwrap();

    transport.call(call("GetSession", &["ses_1"])).await.unwrap_err();
    assert_eq!(requests(&server).await.len(), 1);

    let mut stubborn = call("GetSession", &["ses_1"]);
    stubborn.options.max_retries = Some(4);
    transport.call(stubborn).await.unwrap_err();
    assert_eq!(requests(&server).await.len(), 1 + 5);
}

#[tokio::test]
async fn an_outage_uses_up_the_budget_and_then_calls_fail_at_once() {
    let server = server(vec![fails(503)]).await;
    let transport = transport(&server.uri());

    for _ in 0..60 {
        transport.call(call("GetSession", &["ses_1"])).await.unwrap_err();
    }

    // 60 first attempts and the 100 retries of a full budget, not the 120 that each call for itself would make.
    assert_eq!(requests(&server).await.len(), 160);
}

#[tokio::test]
async fn a_connection_that_is_refused_is_tried_again_and_provably_not_sent() {
    // The port is taken, so that no other test gets it, but nobody listens on it.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();

    let error =
        transport(&format!("http://127.0.0.1:{port}")).call(call("CreateSession", &[]).body("{}")).await.unwrap_err();

    assert_eq!(error.kind(), &ErrorKind::NotSent);
    assert_eq!(error.code(), &ErrorCode::ConnectionError);
    assert_eq!(error.attempts().len(), 3);
    assert!(error.message().starts_with(&format!("cannot connect to http://127.0.0.1:{port}: ")), "{error}");
}
