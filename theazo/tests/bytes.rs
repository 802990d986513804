//! A server that misbehaves byte by byte: answers cut at every offset, resets, one byte at a time, silence, nonsense.

mod support;

use std::time::Duration;

use support::{
    Act, PATIENCE, SESSION, Server, call, json,
    memory_used::{grown_since, resident},
};
use theazo::{CallOptions, ErrorKind, Transport, types::ErrorCode};
use tokio::time::timeout;

fn answer() -> String {
    let Act::Answer(bytes) = json(200, &["x-request-id: req_1"], SESSION) else { unreachable!("`json` answers") };
    bytes
}

fn once(transport: &Transport) -> Transport {
    transport.with(CallOptions::new().max_retries(0))
}

#[tokio::test]
async fn row_08_an_answer_that_is_cut_at_any_offset_is_an_error_of_unknown_outcome() {
    let whole = answer();
    let head = whole.find("\r\n\r\n").unwrap() + 4;
    let script: Vec<Act> = (0..whole.len()).map(|cut| Act::Answer(whole[..cut].to_owned())).collect();
    let server = Server::start(script).await;
    let transport = once(&server.transport());

    for cut in 0..whole.len() {
        let error = transport.call(call("CreateSession", &[]).body("{}")).await.expect_err(&format!("cut at {cut}"));

        assert_eq!(error.kind(), &ErrorKind::MaybeReceived, "cut at {cut} of {head}: {error}");
        assert_eq!(error.code(), &ErrorCode::ConnectionError, "cut at {cut}");
        assert!(error.is_retryable(), "the key makes it safe: cut at {cut}");
    }
}

#[tokio::test]
async fn row_21_an_answer_that_is_reset_at_any_offset_is_asked_for_again_with_the_same_key() {
    let whole = answer();
    let offsets: Vec<usize> = (0..whole.len()).step_by(7).collect();
    let script = offsets.iter().flat_map(|&cut| [Act::Reset(whole.as_bytes()[..cut].to_vec()), Act::Answer(answer())]);
    let mut server = Server::start(script).await;
    let transport = server.transport().with(CallOptions::new().max_retries(1));

    for cut in offsets {
        let answer =
            transport.call(call("CreateSession", &[]).body("{}")).await.unwrap_or_else(|e| panic!("{cut}: {e}"));

        assert_eq!(answer.body, SESSION);
        let (first, second) = (server.request().await, server.request().await);
        assert_eq!(first.header("idempotency-key"), second.header("idempotency-key"), "reset at {cut}");
        assert_eq!((first.header("x-theazo-attempt"), second.header("x-theazo-attempt")), ("1", "2"));
    }
}

#[tokio::test]
async fn row_21_an_answer_that_comes_byte_by_byte_is_an_answer() {
    let server = Server::start([Act::Trickle(answer())]).await;

    let answer = once(&server.transport()).call(call("GetSession", &["ses_1"])).await.unwrap();

    assert_eq!((answer.body, answer.meta.request_id.as_str()), (SESSION.into(), "req_1"));
}

#[tokio::test]
async fn row_21_a_server_that_stalls_in_its_answer_is_left_at_the_timeout_and_the_connection_closed() {
    let whole = answer();
    for cut in [0, 9, whole.len() / 2, whole.len() - 1] {
        let mut server = Server::start([Act::Hold(whole[..cut].to_owned())]).await;
        let transport = server.transport().with(CallOptions::new().max_retries(0).timeout(Duration::from_millis(200)));

        let error = transport.call(call("GetSession", &["ses_1"])).await.unwrap_err();

        assert_eq!(error.code(), &ErrorCode::Timeout, "stalled at {cut}");
        assert_eq!(error.message(), "`GET /v1/sessions/{sessionId}` took longer than 200ms");
        timeout(PATIENCE, server.closed()).await.expect("the client closes what it does not wait for");
    }
}

#[tokio::test]
async fn row_23_answers_that_http_forbids_are_errors_and_never_a_panic() {
    let long = "x".repeat(200_000);
    let many: String = (0..2_000).map(|number| format!("x-{number}: y\r\n")).collect();
    let forbidden = [
        "garbage\r\n\r\n".to_owned(),
        "HTTP/9.9 200 OK\r\n\r\n".to_owned(),
        "HTTP/1.1 abc OK\r\n\r\n".to_owned(),
        "HTTP/1.1 99 X\r\ncontent-length: 2\r\n\r\n{}".to_owned(),
        format!("HTTP/1.1 200 OK\r\nx: {long}{long}{long}\r\ncontent-length: 2\r\n\r\n{{}}"),
        format!("HTTP/1.1 200 OK\r\n{many}content-length: 2\r\n\r\n{{}}"),
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 7\r\n\r\n{}".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}".to_owned(),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nbad header\r\n\r\n{}".to_owned(),
        "HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 2\r\n\r\n{}".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n folded: x\r\n\r\n{}".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 0x2\r\n\r\n{}".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 3\r\n\r\n{}".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n{}".to_owned(),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;{long}\r\n{{}}\r\n0\r\n\r\n"),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\nx: {long}\r\n\r\n"),
    ];
    let count = forbidden.len();
    let server = Server::start(forbidden.clone().map(Act::Answer)).await;
    let transport = once(&server.transport());

    for (index, bytes) in forbidden.iter().enumerate().take(count) {
        let error = timeout(PATIENCE, transport.call(call("GetSession", &["ses_1"])))
            .await
            .expect("it does not hang")
            .expect_err(&bytes[..bytes.len().min(60)]);
        assert_eq!(error.kind(), &ErrorKind::MaybeReceived, "{index}: {error}");
    }
}

#[tokio::test]
async fn row_23_interim_answers_and_bare_line_feeds_are_understood() {
    let length = SESSION.len();
    let tolerated = [
        format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{SESSION}"),
        format!(
            "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{SESSION}"
        ),
        format!("HTTP/1.1 200 OK\ncontent-length: {length}\n\n{SESSION}"),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{SESSION}\r\n0\r\n\r\n"),
        format!("HTTP/1.0 200 OK\r\n\r\n{SESSION}"),
    ];
    let server = Server::start(tolerated.clone().map(Act::Answer)).await;
    let transport = once(&server.transport());

    for bytes in tolerated {
        let answer = transport.call(call("GetSession", &["ses_1"])).await.unwrap_or_else(|e| panic!("{bytes}: {e}"));
        assert_eq!(answer.body, SESSION, "{bytes}");
    }
}

#[tokio::test]
async fn row_23_interim_answers_without_an_end_are_left_at_the_timeout() {
    let flood = "HTTP/1.1 100 Continue\r\n\r\n".repeat(100_000);
    let mut server = Server::start([Act::Hold(flood)]).await;
    let transport = server.transport().with(CallOptions::new().max_retries(0).timeout(Duration::from_millis(500)));

    let error = timeout(PATIENCE, transport.call(call("GetSession", &["ses_1"]))).await.unwrap().unwrap_err();

    assert_eq!(error.code(), &ErrorCode::Timeout, "{error}");
    timeout(PATIENCE, server.closed()).await.expect("the connection is closed");
}

#[tokio::test]
async fn row_23_a_gib_that_is_announced_is_refused_at_once_and_one_that_is_not_at_the_limit() {
    let announced = "HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n{\"id\":\"".to_owned();
    let mut server = Server::start([Act::Hold(announced)]).await;
    let error = timeout(PATIENCE, once(&server.transport()).call(call("GetSession", &["ses_1"]))).await.unwrap();

    let error = error.unwrap_err();
    assert_eq!(error.message(), "the answer to `GET /v1/sessions/{sessionId}` is larger than 268435456 bytes");
    assert_eq!(error.hint(), Some("ask for less at once, or raise `max_answer_bytes`"));
    timeout(PATIENCE, server.closed()).await.expect("the connection is closed");

    let chunk = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
    let chunks = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}", chunk.repeat(64));
    let mut server = Server::start([Act::Hold(chunks)]).await;
    let config = theazo::Config::with_api_key("th_live_secret").base_url(&server.url).max_answer_bytes(8 << 20);
    let before = resident();
    let error = timeout(PATIENCE, Transport::new(config).unwrap().call(call("GetSession", &["ses_1"]))).await.unwrap();

    assert_eq!(error.unwrap_err().kind(), &ErrorKind::Unreadable);
    assert!(grown_since(before) < 48 << 20, "{} bytes of memory", grown_since(before));
    timeout(PATIENCE, server.closed()).await.expect("the rest is not read");
}

#[tokio::test]
async fn t3_an_answer_that_is_too_large_is_refused_before_it_is_read() {
    let announced =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999999999999\r\n\r\n{".to_owned();
    let endless = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{}", " ".repeat(10_000));

    for act in [Act::Hold(announced), Act::Hold(endless)] {
        let mut server = Server::start([act]).await;
        let config = theazo::Config::with_api_key("th_live_secret").base_url(&server.url).max_answer_bytes(5_000);

        let error = Transport::new(config).unwrap().call(call("GetSession", &["ses_1"])).await.unwrap_err();

        assert_eq!(error.kind(), &ErrorKind::Unreadable);
        assert_eq!(error.message(), "the answer to `GET /v1/sessions/{sessionId}` is larger than 5000 bytes");
        timeout(PATIENCE, server.closed()).await.expect("the rest is not read");
    }
}
