//! Streams: what resumes, what ends them, and what leaving them does.

mod support;

use std::time::Duration;

use support::{
    Act, PATIENCE, Server, call, events, json,
    stream::{DONE, RUN, done, stream_call, text, texts},
};
use theazo::{Config, ErrorKind, EventStream, Transport, types::ErrorCode};
use tokio::time::timeout;

async fn open(server: &Server) -> EventStream {
    timeout(PATIENCE, server.transport().open(stream_call())).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_broken_stream_resumes_after_the_last_event_and_gives_each_once() {
    let first = events(&["x-theazo-run-id: arun_1"], &(text(1, "a") + &text(2, "b") + "id: 3\ndata: {\"type\":\"te"));
    // The second connection repeats an event that was seen.
    let second = events(&[], &(text(2, "b") + &text(3, "c")));
    let third = events(&[], &(text(4, "d") + &done(5)));
    let mut server = Server::start([Act::Answer(first), Act::Answer(second), Act::Answer(third)]).await;

    let mut stream = open(&server).await;

    assert_eq!(stream.run_id(), Some("arun_1"));
    assert_eq!(texts(&mut stream).await, ["a", "b", "c", "d", "done"]);
    let requests = [server.request().await, server.request().await, server.request().await];
    let resumed_after: Vec<&str> = requests.iter().map(|request| request.header("last-event-id")).collect();
    assert_eq!(resumed_after, ["", "2", "3"]);
    for request in &requests {
        assert_eq!(request.line, "POST /v1/agents/agt_1/runs/stream");
        assert_eq!(request.header("accept"), "text/event-stream");
        assert_eq!(request.header("idempotency-key"), requests[0].header("idempotency-key"));
        assert_eq!(request.body, r#"{"task":"t"}"#);
    }
    drop(stream);
    assert_eq!(server.unread(), 0, "a stream that has ended cancels nothing");
}

#[tokio::test]
async fn progress_resets_the_count_of_failures() {
    let script = (1..=8).map(|id| Act::Answer(events(&[], &text(id, "x"))));
    let server = Server::start(script.chain([Act::Answer(events(&[], &done(9)))])).await;
    let mut call = stream_call();
    call.options.max_retries = Some(1);

    let mut stream = server.transport().open(call).await.unwrap();

    assert_eq!(texts(&mut stream).await.len(), 9);
}

#[tokio::test]
async fn a_stream_that_cannot_be_resumed_ends_with_one_error() {
    let gone = json(404, &["x-request-id: req_9"], r#"{"error":{"code":"not_found","message":"no such run"}}"#);
    let first = events(&["x-theazo-run-id: arun_1"], &text(1, "a"));
    let mut server = Server::start([Act::Answer(first), gone]).await;
    let mut stream = open(&server).await;
    timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap();

    let error = timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap_err();

    assert_eq!((error.code(), error.request_id()), (&ErrorCode::NotFound, "req_9"));
    assert_eq!(error.details()["runId"], "arun_1");
    assert!(stream.next().await.is_none());
    drop(stream);
    server.request().await;
    server.request().await;
    assert_eq!(server.unread(), 0, "after an error the run goes on");
}

#[tokio::test]
async fn a_stream_without_progress_gives_up_after_its_retries() {
    let empty = || Act::Answer(events(&[], ": heartbeat\n\n"));
    let server = Server::start([empty(), empty(), empty()]).await;
    let mut call = stream_call();
    call.options.max_retries = Some(2);
    let mut stream = server.transport().open(call).await.unwrap();

    let error = timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap_err();

    assert_eq!(error.code(), &ErrorCode::ConnectionError);
    assert_eq!(
        error.message(),
        "the stream of `POST /v1/agents/{agentId}/runs/stream` broke: the connection ended before the stream did"
    );
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_stream_ends_after_done_error_or_the_published_end_mark() {
    let error = r#"data: {"type":"error","runId":"arun_1","error":{"code":"cancelled","message":"stopped"}}"#;
    for (last, expected) in [(DONE, 2), (error, 2), ("data: [DONE]", 1)] {
        let held = Act::Hold(events(&[], &format!("{}{last}\n\n{}", text(1, "a"), text(9, "never given"))));
        let mut server = Server::start([held]).await;
        let mut stream = open(&server).await;

        let mut count = 0;
        while let Some(event) = timeout(PATIENCE, stream.next()).await.expect("the stream ends") {
            event.unwrap();
            count += 1;
        }

        assert_eq!(count, expected, "{last}");
        timeout(PATIENCE, server.closed()).await.expect("the end closes the connection");
    }
}

#[tokio::test]
async fn dropping_a_stream_early_closes_it_and_cancels_the_run() {
    let held = Act::Hold(events(&["x-theazo-run-id: arun_1"], &text(1, "a")));
    let mut server = Server::start([held, json(200, &[], RUN)]).await;
    let mut stream = open(&server).await;
    timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap();

    drop(stream);

    timeout(PATIENCE, server.closed()).await.expect("the connection is closed");
    server.request().await;
    let cancel = timeout(PATIENCE, server.request()).await.expect("the run is cancelled");
    assert_eq!(cancel.line, "POST /v1/runs/arun_1/cancel");
    assert!(cancel.header("idempotency-key").starts_with("theazo-"));
}

#[tokio::test]
async fn leaving_while_the_stream_is_being_opened_cancels_what_it_started() {
    let held = Act::Hold(events(&["x-theazo-run-id: arun_1"], ""));
    let mut server = Server::start([Act::Hold(String::new()), held, json(200, &[], RUN)]).await;
    let transport = server.transport();

    let opening = tokio::spawn(async move { transport.open(stream_call()).await.map(drop) });
    let first = server.request().await;
    opening.abort();

    let again = timeout(PATIENCE, server.request()).await.expect("the call is attached to again");
    assert_eq!(again.line, first.line);
    assert_eq!(again.header("idempotency-key"), first.header("idempotency-key"));
    let cancel = timeout(PATIENCE, server.request()).await.expect("the run is cancelled");
    assert_eq!(cancel.line, "POST /v1/runs/arun_1/cancel");
}

#[tokio::test]
async fn closing_a_stream_waits_until_the_server_knows() {
    let held = Act::Hold(events(&["x-theazo-run-id: arun_1"], ""));
    let mut server = Server::start([held, json(200, &[], RUN)]).await;

    timeout(PATIENCE, open(&server).await.close()).await.unwrap().unwrap();

    server.request().await;
    assert_eq!(server.request().await.line, "POST /v1/runs/arun_1/cancel");
}

#[tokio::test]
async fn a_detached_stream_lets_the_run_go_on() {
    let held = Act::Hold(events(&["x-theazo-run-id: arun_1"], ""));
    let mut server = Server::start([held, json(200, &[], RUN)]).await;

    open(&server).await.detach();

    timeout(PATIENCE, server.closed()).await.expect("the connection is closed");
    server.request().await;
    assert_eq!(server.unread(), 0);
}

#[tokio::test]
async fn leaving_a_stream_that_only_watches_cancels_nothing() {
    let held = Act::Hold(events(&["x-theazo-run-id: arun_1"], ""));
    let mut server = Server::start([held, json(200, &[], RUN)]).await;

    let stream = server.transport().open(call("StreamRun", &["arun_1"])).await.unwrap();
    drop(stream);

    timeout(PATIENCE, server.closed()).await.expect("the connection is closed");
    server.request().await;
    assert_eq!(server.unread(), 0);
}

#[test]
fn a_stream_can_be_dropped_outside_the_runtime_and_after_it() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let held = || Act::Hold(events(&["x-theazo-run-id: arun_1"], ""));
    let (mut server, first) = runtime.block_on(async {
        let server = Server::start([held(), json(200, &[], RUN), held()]).await;
        let first = open(&server).await;
        (server, first)
    });

    drop(first);

    let cancel = runtime.block_on(async {
        server.request().await;
        timeout(PATIENCE, server.request()).await.expect("the run is cancelled")
    });
    assert_eq!(cancel.line, "POST /v1/runs/arun_1/cancel");

    let second = runtime.block_on(open(&server));
    runtime.shutdown_background();
    drop(second);
}

#[tokio::test]
async fn the_deadline_bounds_the_whole_stream() {
    let held = Act::Hold(events(&["x-theazo-run-id: arun_1"], &text(1, "a")));
    let mut server = Server::start([held]).await;
    let mut call = stream_call();
    call.options.deadline = Some(Duration::from_millis(100));
    let mut stream = server.transport().open(call).await.unwrap();
    timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap();

    let error = timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap_err();

    assert_eq!(error.code(), &ErrorCode::Timeout);
    timeout(PATIENCE, server.closed()).await.expect("the connection is closed");
}

#[tokio::test]
async fn a_stream_that_cannot_be_opened_fails_as_a_call_does() {
    let refused = json(402, &[], r#"{"error":{"code":"session_limit_exceeded","message":"the limit is reached"}}"#);
    let html =
        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi".to_owned();
    let server = Server::start([Act::Close, refused, Act::Answer(html)]).await;

    let limited = server.transport().open(stream_call()).await.unwrap_err();
    let foreign = server.transport().open(stream_call()).await.unwrap_err();

    assert_eq!((limited.status(), limited.code()), (402, &ErrorCode::SessionLimitExceeded));
    assert_eq!(limited.attempts().len(), 2);
    assert_eq!(foreign.kind(), &ErrorKind::Unreadable);
}

#[tokio::test]
async fn a_stream_outlives_the_timeout_of_plain_requests() {
    let held = Act::Hold(events(&[], &text(1, "a")));
    let server = Server::start([held]).await;
    let config = Config::with_api_key("th_live_secret").base_url(&server.url).timeout(Duration::from_millis(200));
    let mut stream = Transport::new(config).unwrap().open(stream_call()).await.unwrap();
    timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap();

    let waited = timeout(Duration::from_millis(600), stream.next()).await;

    assert!(waited.is_err(), "the stream is still open");
}
