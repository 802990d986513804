//! Connections that break, stall or come late.

mod support;

use std::time::Duration;

use support::{Act, PATIENCE, RESULT, SESSION, Server, call, json};
use theazo::{ErrorKind, types::ErrorCode};
use tokio::{io::AsyncWriteExt, time::timeout};

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_key() {
    let mut server = Server::start([Act::Close, json(201, &["x-request-id: req_2"], SESSION)]).await;

    let answer = server.transport().call(call("CreateSession", &[]).body("{}")).await.unwrap();

    let (first, second) = (server.request().await, server.request().await);
    assert_eq!(first.line, "POST /v1/sessions");
    assert_eq!(first.header("idempotency-key"), second.header("idempotency-key"));
    assert_eq!((first.header("x-theazo-attempt"), second.header("x-theazo-attempt")), ("1", "2"));
    assert_eq!(answer.meta.request_id, "req_2");
    assert_eq!(answer.meta.attempts[0].status, None);
}

#[tokio::test]
async fn a_body_that_is_cut_short_is_asked_for_again() {
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":".to_owned();
    let server = Server::start([Act::Answer(cut), json(200, &[], SESSION)]).await;

    let answer = server.transport().call(call("GetSession", &["ses_1"])).await.unwrap();

    assert_eq!(answer.body, SESSION.as_bytes());
    assert_eq!(answer.meta.attempts.len(), 2);
}

#[tokio::test]
async fn an_outcome_that_stays_unclear_says_so() {
    let server = Server::start([Act::Close]).await;
    let mut call = call("CreateSession", &[]).body("{}");
    call.options.max_retries = Some(0);

    let error = server.transport().call(call).await.unwrap_err();

    assert_eq!(error.kind(), &ErrorKind::MaybeReceived);
    assert_eq!(error.code(), &ErrorCode::ConnectionError);
    let start = format!("the connection to {} ended before the answer to `POST /v1/sessions`: ", server.url);
    assert!(error.message().starts_with(&start), "{error}");
}

#[tokio::test]
async fn the_timeout_covers_the_head_and_the_body() {
    let head_only = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_owned();
    for act in [Act::Hold(String::new()), Act::Hold(head_only)] {
        let mut server = Server::start([act]).await;
        let mut call = call("GetSession", &["ses_1"]);
        call.options.timeout = Some(Duration::from_millis(50));
        call.options.max_retries = Some(0);

        let error = timeout(PATIENCE, server.transport().call(call)).await.unwrap().unwrap_err();

        assert_eq!(error.code(), &ErrorCode::Timeout);
        assert_eq!(error.kind(), &ErrorKind::MaybeReceived);
        assert_eq!(error.message(), "`GET /v1/sessions/{sessionId}` took longer than 50ms");
        timeout(PATIENCE, server.closed()).await.expect("giving up closes the connection");
    }
}

#[tokio::test]
async fn an_attempt_that_times_out_is_tried_again() {
    let server = Server::start([Act::Hold(String::new()), json(200, &[], SESSION)]).await;
    let mut call = call("GetSession", &["ses_1"]);
    call.options.timeout = Some(Duration::from_millis(300));

    let answer = server.transport().call(call).await.unwrap();

    assert_eq!(
        answer.meta.attempts[0].problem.as_deref(),
        Some("`GET /v1/sessions/{sessionId}` took longer than 300ms")
    );
    assert_eq!(answer.meta.status, 200);
}

#[tokio::test]
async fn the_deadline_bounds_all_attempts_together() {
    let holds = (0..10).map(|_| Act::Hold(String::new()));
    let server = Server::start(holds).await;
    let mut call = call("GetSession", &["ses_1"]);
    call.options.deadline = Some(Duration::from_millis(200));
    call.options.max_retries = Some(100);

    let error = timeout(PATIENCE, server.transport().call(call)).await.unwrap().unwrap_err();

    assert_eq!(error.code(), &ErrorCode::Timeout);
    assert_eq!(error.message(), "`GET /v1/sessions/{sessionId}` took longer than 200ms");
}

#[tokio::test]
async fn a_run_that_outlives_a_request_is_waited_for_with_the_same_request() {
    let go_on = || json(202, &["x-theazo-continue: true", "x-theazo-run-id: arun_1"], "");
    let mut server = Server::start([go_on(), go_on(), json(200, &[], RESULT)]).await;
    let run = call("RunInSession", &["ses_1"]).body(r#"{"agent":"researcher","task":"work"}"#);

    let answer = server.transport().call(run).await.unwrap();

    assert_eq!(answer.body, RESULT.as_bytes());
    assert_eq!(answer.meta.attempts.len(), 1, "waiting on is neither an attempt nor a retry");
    let requests = [server.request().await, server.request().await, server.request().await];
    for request in &requests {
        assert_eq!(request.line, "POST /v1/sessions/ses_1/run");
        assert_eq!(request.header("prefer"), "wait=25");
        assert_eq!(request.header("x-theazo-attempt"), "1");
        assert_eq!(request.header("idempotency-key"), requests[0].header("idempotency-key"));
        assert_eq!(request.body, r#"{"agent":"researcher","task":"work"}"#);
    }
}

#[tokio::test]
async fn a_run_that_is_waited_for_survives_more_broken_connections_than_a_call_has_retries() {
    let go_on = || json(202, &["x-theazo-continue: true"], "");
    let script = [Act::Close, go_on(), Act::Close, go_on(), Act::Close, json(200, &[], RESULT)];
    let server = Server::start(script).await;
    let mut run = call("RunInSession", &["ses_1"]).body(r#"{"agent":"a","task":"t"}"#);
    run.options.max_retries = Some(1);

    let answer = timeout(PATIENCE, server.transport().call(run)).await.unwrap().unwrap();

    assert_eq!(answer.meta.attempts.len(), 4);
}

#[tokio::test]
async fn a_caller_who_stops_waiting_for_a_run_learns_its_id() {
    let go_on = json(202, &["x-theazo-continue: true", "x-theazo-run-id: arun_7"], "");
    let mut server = Server::start([go_on, Act::Hold(String::new())]).await;
    let mut run = call("RunInSession", &["ses_1"]).body(r#"{"agent":"a","task":"t"}"#);
    run.options.timeout = Some(Duration::from_millis(1500));

    let error = timeout(PATIENCE, server.transport().call(run)).await.unwrap().unwrap_err();

    assert_eq!(error.code(), &ErrorCode::Timeout);
    assert_eq!(error.details()["runId"], "arun_7");
    assert_eq!(error.hint(), Some("the run goes on, `runs.get` with `arun_7` finds it"));
    assert_eq!(server.request().await.header("prefer"), "wait=1");
}

#[tokio::test]
async fn dropping_a_call_closes_its_connection() {
    let mut server = Server::start([Act::Hold(String::new())]).await;
    let transport = server.transport();

    let pending = tokio::spawn(async move { transport.call(call("GetSession", &["ses_1"])).await });
    server.request().await;
    pending.abort();

    timeout(PATIENCE, server.closed()).await.expect("the connection is closed");
}

#[tokio::test]
async fn a_peer_that_does_not_speak_tls_is_not_tried_again() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok();
        }
    });

    let error = support::transport(&url).call(call("GetSession", &["ses_1"])).await.unwrap_err();

    assert_eq!(error.kind(), &ErrorKind::NotSent);
    assert_eq!(error.attempts().len(), 1);
    assert!(!error.is_retryable());
    server.abort();
}
