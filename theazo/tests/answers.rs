//! Answers that are none of ours, or worse: pages of proxies, cut and inflated JSON. Each is a typed error, soon, and small.

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use support::{
    SESSION, call,
    memory::{Fate, Memory, Piece},
    memory_used::{grown_since, resident},
    websocket,
};
use theazo::{CallOptions, Error, ErrorKind, Theazo};
use tokio::sync::Mutex;

/// An operation of each kind of answer.
type Operation = fn(Theazo) -> BoxFuture<'static, Result<(), Error>>;

const OPERATIONS: &[(&str, Operation)] = &[
    ("one thing", |theazo| Box::pin(async move { theazo.sessions().get("ses_1").await.map(drop) })),
    ("a page", |theazo| Box::pin(async move { theazo.sessions().list().await.map(drop) })),
    ("a bare list", |theazo| Box::pin(async move { theazo.schedules().list().await.map(drop) })),
    ("created", |theazo| Box::pin(async move { theazo.sessions().create().await.map(drop) })),
    ("a run", |theazo| {
        let run = call("RunInSession", &["ses_1"]).body(r#"{"agent":"a","task":"t"}"#);
        Box::pin(async move {
            let answer = theazo.transport().call(run).await?;
            assert!(serde_json::from_slice::<theazo::types::RunResult>(&answer.body).is_err());
            Ok(())
        })
    }),
    ("a wait", |theazo| Box::pin(async move { theazo.tasks().wait("task_1").await.map(drop) })),
    ("nothing", |theazo| Box::pin(async move { theazo.webhooks().delete("wh_1").await.map(drop) })),
    ("events", |theazo| Box::pin(async move { theazo.logs().stream().await.map(drop) })),
];

/// A client whose every call is answered like this, with a request id, and is not tried again.
fn answering(status: u16, headers: &[(&'static str, &str)], body: impl Into<Bytes>) -> Theazo {
    let mut all = vec![("x-request-id", "req_7".to_owned())];
    all.extend(headers.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let memory = Memory::new([Fate::Pieces(status, all, vec![Piece::Bytes(body.into())])]);
    Theazo::over(memory.transport().with(CallOptions::new().max_retries(0)))
}

const HTML: &[(&str, &str)] = &[("content-type", "text/html")];
const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const PAGE: &str = "<html>\n  <body>Please log in, th_live_secret</body>\n</html>";
const SHOWN_PAGE: &str = "`<html> <body>Please log in, [hidden]</body> </html>`";

#[tokio::test]
async fn row_51_an_error_of_an_intermediary_keeps_its_status_its_request_id_and_its_first_bytes() {
    type Answer = (u16, &'static [(&'static str, &'static str)], &'static [u8], ErrorKind, &'static str);
    const ANSWERS: &[Answer] = &[
        (502, HTML, PAGE.as_bytes(), ErrorKind::Answered, SHOWN_PAGE),
        (502, &[], b"", ErrorKind::Answered, "HTTP 502 and an empty body"),
        (503, &[], b" \r\n\t", ErrorKind::Answered, "HTTP 503 and an empty body"),
        (500, JSON, br#"{"error":{"code":"#, ErrorKind::Answered, r#"HTTP 500 and `{"error":{"code":`"#),
        (500, JSON, br#"{"message":"Internal server error"}"#, ErrorKind::Answered, "Internal server error"),
        (500, JSON, br#"{"error":"th_live_secret"}"#, ErrorKind::Answered, r#"HTTP 500 and `{"error":"[hidden]"}`"#),
        (500, JSON, b"null", ErrorKind::Answered, "HTTP 500 and `null`"),
        (500, JSON, br#"["a"]"#, ErrorKind::Answered, r#"HTTP 500 and `["a"]`"#),
        (504, &[("content-type", "text/plain")], b"upstream timed out", ErrorKind::Answered, "`upstream timed out`"),
        (413, HTML, b"<h1>too large</h1>", ErrorKind::Answered, "HTTP 413 and `<h1>too large</h1>`"),
        (407, HTML, b"proxy", ErrorKind::Answered, "HTTP 407 and `proxy`"),
        (502, HTML, b"\xFF\xFE\x00broken\x1b[31m", ErrorKind::Answered, "broken"),
        (502, &[("content-encoding", "gzip")], b"\x1f\x8b\x08\x00\x00\x00", ErrorKind::Answered, "HTTP 502 and `"),
        (302, &[("location", "https://sso.example.com/?t=th_live_secret")], b"", ErrorKind::Unreadable, "HTTP 302"),
        (304, &[], b"", ErrorKind::Unreadable, "HTTP 304 and an empty body"),
        (399, HTML, PAGE.as_bytes(), ErrorKind::Unreadable, SHOWN_PAGE),
    ];

    for (status, headers, body, kind, said) in ANSWERS {
        for (name, operation) in OPERATIONS {
            let error = operation(answering(*status, headers, *body)).await.expect_err(said);

            let what = format!("{name}, answered with {status}: {error}");
            assert_eq!((error.status(), error.request_id(), error.kind()), (*status, "req_7", kind), "{what}");
            assert!(error.message().contains(said), "{what} does not say {said}");
            assert!(!format!("{error} {error:?} {}", error.to_json()).contains("th_live_secret"), "{what}");
            assert!(!error.message().contains('\u{1b}'), "{what}: a terminal is not told what to do");
        }
    }
}

#[tokio::test]
async fn row_51_a_success_that_is_none_is_unreadable_and_shows_its_first_bytes() {
    type Answer = (u16, &'static [(&'static str, &'static str)], &'static [u8], &'static str, bool);
    // What is said of it, and whether it is as good as nothing where nothing is read.
    const ANSWERS: &[Answer] = &[
        (200, HTML, PAGE.as_bytes(), SHOWN_PAGE, false),
        (200, JSON, PAGE.as_bytes(), SHOWN_PAGE, false),
        (200, &[("content-encoding", "gzip")], b"\x1f\x8b\x08\x00\x00", "HTTP 200", false),
        (203, HTML, b"<!-- cached -->", "`<!-- cached -->`", false),
        (200, JSON, b"", "", true),
        (204, &[], b"", "HTTP 204 and an empty body", true),
        (200, JSON, br#"{"id":"ses_1","#, r#"`{"id":"ses_1",`"#, true),
        (200, JSON, br#"{"other":"shape","key":"th_live_secret"}"#, r#""key":"[hidden]"}`"#, true),
        (200, JSON, b"null", "`null`", true),
        (200, JSON, b"\"text\"", "`\"text\"`", true),
        (200, JSON, b"[1]", "[1]", true),
        (200, &[("content-type", "text/plain")], b"OK", "`OK`", false),
    ];

    for (status, headers, body, said, is_nothing) in ANSWERS {
        for (name, operation) in OPERATIONS {
            let outcome = operation(answering(*status, headers, *body)).await;

            let what = format!("{name}, answered with {status} and {}", String::from_utf8_lossy(body));
            let is_decoded_by_the_caller = *name == "a run" && *is_nothing && !body.is_empty();
            if (*name == "nothing" && *is_nothing) || is_decoded_by_the_caller {
                assert!(outcome.is_ok(), "{what}: {outcome:?}");
                continue;
            }
            let error = outcome.expect_err(&what);
            assert_eq!((error.status(), error.request_id()), (*status, "req_7"), "{what}: {error}");
            assert_eq!(error.kind(), &ErrorKind::Unreadable, "{what}: {error}");
            assert!(error.message().contains(said), "{what}: {error}");
            assert!(!format!("{error:?}").contains("th_live_secret"), "{what}: {error:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn row_51_an_error_whose_body_is_lost_late_or_endless_is_still_the_error_that_it_is() {
    let head = || vec![("x-request-id", "req_7".to_owned())];
    let start = || Piece::from("<h1>Bad Gateway</h1>");
    let bodies = [
        (vec![Piece::Break], "an empty body"),
        (vec![start(), Piece::Break], "`<h1>Bad Gateway</h1>`"),
        (vec![start(), Piece::Hang], "`<h1>Bad Gateway</h1>`"),
        (vec![Piece::Pause(Duration::from_secs(3600)), start()], "an empty body"),
        (vec![start(), Piece::Endless(Bytes::from(vec![b' '; 64 << 10]))], "`<h1>Bad Gateway</h1>...`"),
    ];

    for (pieces, said) in bodies {
        for (name, operation) in OPERATIONS {
            let memory = Memory::new([Fate::Pieces(401, head(), pieces.clone())]);
            let begun = tokio::time::Instant::now();

            let error = operation(Theazo::over(memory.transport())).await.expect_err(said);

            assert_eq!((error.status(), error.request_id()), (401, "req_7"), "{name}: {error}");
            assert!(error.message().ends_with(&format!("HTTP 401 and {said}")), "{name}: {error}");
            assert_eq!((memory.requests().len(), memory.open()), (1, 0), "{name}: it is not tried again");
            assert!(begun.elapsed() <= Duration::from_secs(36), "{name}: {:?}", begun.elapsed());
        }
    }
}

/// Tests that measure memory do it one after the other.
static MEASURING: Mutex<()> = Mutex::const_new(());

const MIB: usize = 1 << 20;

/// The outcome of fetching a session that is answered like this; it must come soon and leave little behind.
async fn fetch(what: &str, status: u16, body: Bytes) -> Result<theazo::types::SessionData, Error> {
    let (before, begun, length) = (resident(), Instant::now(), body.len());
    let outcome = answering(status, JSON, body).sessions().get("ses_1").await.map(|session| (*session.data()).clone());
    assert!(begun.elapsed() < Duration::from_secs(20), "{what} took {:?}", begun.elapsed());
    if let Err(error) = &outcome {
        assert_eq!((error.status(), error.request_id()), (status, "req_7"), "{what}: {error}");
        assert!(error.to_string().len() < 1_000, "{what}: the message stays readable");
        assert!(error.to_json().len() < 2_000, "{what}: the error stays small");
    }
    assert!(grown_since(before) < 4 * length + 16 * MIB, "{what}: {} bytes of memory", grown_since(before));
    outcome
}

#[tokio::test]
async fn row_40_json_bombs_are_errors_in_bounded_time_and_memory() {
    let _alone = MEASURING.lock().await;
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    let members = (0..1_000_000).map(|number| format!("\"k{number}\":0")).collect::<Vec<_>>().join(",");
    let bombs = [
        ("arrays in arrays", deep("[", "]")),
        ("arrays in arrays that never end", "[".repeat(1_000_000)),
        ("objects in objects", deep("{\"a\":", "}").replacen("}", "1}", 1)),
        (
            "deep in a member that takes anything",
            SESSION.replace("\"metadata\":{}", &format!("\"metadata\":{{\"a\":{}}}", deep("[", "]"))),
        ),
        ("a million members", format!("{{{members}}}")),
        ("a member that stands twice", SESSION.replacen("{", "{\"id\":\"ses_2\",", 1)),
        (
            "a number of a thousand digits",
            SESSION.replace("\"metadata\":{}", &format!("\"metadata\":{}", "9".repeat(1_000))),
        ),
        ("a number beyond all numbers", r#"{"id":1e999}"#.to_owned()),
        ("not a number", r#"{"id":NaN}"#.to_owned()),
        ("infinity", r#"{"id":-Infinity}"#.to_owned()),
        ("half a character", SESSION.replace("\"ses_1\"", r#""\ud800""#)),
        ("halves in the wrong order", SESSION.replace("\"ses_1\"", r#""\udc00\ud800""#)),
        ("a text of 100 MB where an object should be", format!("\"{}\"", "x".repeat(100_000_000))),
        ("a name of 100 MB", format!("{{\"{}\":1}}", "x".repeat(100_000_000))),
        (
            "a status of 100 MB where a number should be",
            SESSION.replace("\"limits\":{}", &format!("\"limits\":\"{}\"", "x".repeat(100_000_000))),
        ),
        ("more after the end", format!("{SESSION}{SESSION}")),
        ("only white space", " ".repeat(1_000_000)),
    ];

    for (what, bomb) in bombs {
        let error = fetch(what, 200, bomb.into()).await.expect_err(what);

        assert_eq!(error.kind(), &ErrorKind::Unreadable, "{what}: {error}");
    }
}

#[tokio::test]
async fn row_40_odd_json_that_means_something_is_understood() {
    let _alone = MEASURING.lock().await;
    let with = |member: &str| SESSION.replacen("{", &format!("{{{member},"), 1);
    let long = "x".repeat(100_000_000);

    let unknown = fetch("a text of 100 MB that nobody knows", 200, with(&format!("\"new\":\"{long}\"")).into()).await;
    let members: String = (0..1_000_000).map(|number| format!("\"k{number}\":[],")).collect();
    let wide = fetch("a million members that nobody knows", 200, with(members.trim_end_matches(',')).into()).await;
    let deep = format!("\"new\":{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep = fetch("arrays in arrays that nobody knows", 200, with(&deep).into()).await;
    let twice = fetch("an unknown member that stands twice", 200, with("\"new\":1,\"new\":2").into()).await;
    let pair = SESSION.replace("\"userId\":\"u\"", r#""userId":"\ud83e\udd80""#);
    let crab = fetch("two halves of a character", 200, pair.into()).await.unwrap();
    let marked = fetch("white space around", 200, format!(" \r\n\t{SESSION}\n").into()).await;

    for session in [unknown, wide, deep, twice, marked] {
        assert_eq!(session.unwrap().id.as_str(), "ses_1");
    }
    assert_eq!(crab.user_id, "🦀");
}

#[tokio::test]
async fn row_40_bombs_in_errors_and_in_events_are_no_worse() {
    let _alone = MEASURING.lock().await;
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let long = "x".repeat(100_000_000);
    let envelopes = [
        ("deep details", format!(r#"{{"error":{{"code":"conflict","message":"m","details":{{"a":{deep}}}}}}}"#)),
        ("a message of 100 MB", format!(r#"{{"error":{{"code":"conflict","message":"{long}"}}}}"#)),
        ("a code of 100 MB", format!(r#"{{"error":{{"code":"{long}","message":"m"}}}}"#)),
        ("half a character", r#"{"error":{"code":"conflict","message":"\ud800"}}"#.to_owned()),
    ];
    for (what, envelope) in envelopes {
        let error = fetch(what, 409, envelope.into()).await.expect_err(what);
        assert_eq!((error.kind(), error.code().as_str()), (&ErrorKind::Answered, "conflict"), "{what}");
    }

    let entry = websocket::entry_json("log_4");
    let events = [
        format!("id: 1\ndata: {deep}\n\n"),
        format!("id: 2\ndata: {{\"id\":{}}}\n\n", "9".repeat(100_000)),
        format!("id: 3\ndata: {{\"type\":\"done\",\"x\":{deep}}}\n\n"),
        format!("id: 4\ndata: {entry}\n\ndata: [DONE]\n\n"),
    ];
    let memory = Memory::new([Fate::events(events.map(|event| event.as_str().into()))]);
    let mut log = Theazo::over(memory.transport()).logs().stream().await.unwrap();
    for number in 1..=3 {
        let error = log.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Unreadable, "event {number}");
        assert!(error.to_string().len() < 1_000, "event {number}");
    }
    assert_eq!(log.next().await.unwrap().unwrap().id.as_str(), "log_4");
    assert!(log.next().await.is_none());

    // Where some events are the last ones, each is looked into: the third is, whatever else it holds.
    let mut run = memory.transport().open(call("StreamRun", &["arun_1"])).await.unwrap();
    let mut count = 0;
    while let Some(event) = run.next().await {
        event.unwrap();
        count += 1;
    }
    assert_eq!(count, 3);
}
