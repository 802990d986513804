//! Answers that are errors or nonsense, and secrets that must not show.

mod support;

use support::{Act, SESSION, Server, call, json};
use theazo::{Config, Error, ErrorKind, Theazo, Transport, types::ErrorCode};

async fn answered(act: Act) -> Error {
    let mut call = call("GetSession", &["ses_1"]);
    call.options.max_retries = Some(0);
    Server::start([act]).await.transport().call(call).await.unwrap_err()
}

#[tokio::test]
async fn an_error_carries_everything_that_the_server_said() {
    let body = r#"{"error":{"code":"session_limit_exceeded","message":"session `ses_1` has used its 500 cents","details":{"limit":"maxCost","runId":"arun_1"}},"requestId":"req_body"}"#;

    let error = answered(json(402, &["x-request-id: req_header"], body)).await;

    assert_eq!(error.kind(), &ErrorKind::Answered);
    assert_eq!(error.code(), &ErrorCode::SessionLimitExceeded);
    assert_eq!(error.request_id(), "req_body");
    assert_eq!(error.details()["runId"], "arun_1");
    assert!(!error.is_retryable());
    assert_eq!(
        error.to_string(),
        "session `ses_1` has used its 500 cents (HTTP 402, session_limit_exceeded) [req_body]; raise the limit of the \
         session; a run that waits at it then goes on"
    );
}

#[tokio::test]
async fn the_request_id_of_the_header_counts_where_the_body_has_none() {
    let error =
        answered(json(404, &["x-request-id: req_header"], r#"{"error":{"code":"not_found","message":"no"}}"#)).await;

    assert_eq!(error.request_id(), "req_header");
}

#[tokio::test]
async fn an_answer_of_something_else_shows_its_first_bytes() {
    let proxy = answered(json(502, &[], "<html><body>Bad Gateway</body></html>")).await;
    let portal = answered(json(200, &[], "<html>please log in</html>")).await;
    let empty = answered(json(200, &[], "")).await;
    let moved = answered(json(301, &["location: https://other.example"], "")).await;

    assert_eq!((proxy.kind(), proxy.code()), (&ErrorKind::Answered, &ErrorCode::InternalError));
    assert!(proxy.message().ends_with("HTTP 502 and `<html><body>Bad Gateway</body></html>`"), "{proxy}");
    assert_eq!((portal.kind(), portal.status()), (&ErrorKind::Unreadable, 200));
    assert!(portal.message().ends_with("HTTP 200 and `<html>please log in</html>`, not JSON"), "{portal}");
    assert!(empty.message().ends_with("HTTP 200 and an empty body"), "{empty}");
    assert_eq!(moved.kind(), &ErrorKind::Unreadable);
    assert!(moved.hint().unwrap().contains("https://other.example"), "{moved}");
}

#[tokio::test]
async fn json_of_another_shape_is_unreadable_and_keeps_the_request_id() {
    let server = Server::start([json(200, &["x-request-id: req_5"], r#"{"id":7}"#)]).await;

    let error = Theazo::over(server.transport()).sessions().get("ses_1").await.unwrap_err();

    assert_eq!((error.kind(), error.request_id()), (&ErrorKind::Unreadable, "req_5"));
    assert!(
        error.message().starts_with("the answer to `GET /v1/sessions/{sessionId}` is not what the API describes: ")
    );
}

#[tokio::test]
async fn early_blanks_before_the_json_do_not_matter() {
    let server = Server::start([json(200, &[], &format!("  \n \n{SESSION}"))]).await;

    let session = Theazo::over(server.transport()).sessions().get("ses_1").await.unwrap();

    assert_eq!(session.id().as_str(), "ses_1");
}

#[tokio::test]
async fn the_key_is_nowhere_to_be_seen() {
    let echo = json(400, &[], r#"{"error":{"code":"invalid_request","message":"got Bearer th_live_secret"}}"#);
    let page = json(500, &[], "you sent: Authorization: Bearer th_live_secret");
    let server = Server::start([echo, page, Act::Close, json(200, &[], SESSION)]).await;
    let transport = server.transport();
    let mut once = call("GetSession", &["ses_1"]);
    once.options.max_retries = Some(0);

    let mut shown = vec![format!("{transport:?}"), format!("{:?}", Theazo::over(transport.clone()))];
    for _ in 0..3 {
        let error = transport.call(once.clone()).await.unwrap_err();
        shown.extend([error.to_string(), format!("{error:?}"), error.to_json()]);
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            shown.extend([cause.to_string(), format!("{cause:?}")]);
            source = cause.source();
        }
    }
    let session = Theazo::over(transport.clone()).sessions().get("ses_1").await.unwrap();
    shown.push(format!("{session:?} {:?}", session.run("a", "t")));
    let invalid_key = Transport::new(Config::with_api_key("th_live_secret\u{7f}\n!")).unwrap_err();
    shown.extend([invalid_key.to_string(), format!("{:?}", Config::with_api_key("th_live_secret"))]);

    for text in shown {
        assert!(!text.contains("th_live_secret"), "{text}");
    }
}

#[test]
fn a_client_that_cannot_work_says_so_before_it_sends() {
    let at = |base_url: &str| {
        let config = Config::with_api_key("k").base_url(base_url);
        Transport::new(config).unwrap_err()
    };

    let blank = Transport::new(Config::with_api_key("  ")).unwrap_err();

    assert_eq!(blank.kind(), &ErrorKind::Configuration);
    assert_eq!(blank.to_string(), "there is no API key; give one to the client, or set THEAZO_API_KEY");
    assert!(at("api.theazo.com").to_string().starts_with("the base address `api.theazo.com` is not a URL; "));
    assert!(at("local").to_string().contains("feature `embedded`"));
}
