//! HTTP/2: goodbyes, resets, changed settings, and many calls on one connection.

mod support;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use h2::{Reason, SendStream};
use support::{
    PATIENCE, SESSION, call,
    http2::{Deed, Server, fill},
    stream::{done, text, texts},
};
use theazo::{CallOptions, ErrorKind, EventStream, types::ErrorCode};
use tokio::time::{Instant, timeout};

const NO_LIMIT: u32 = 10_000;

#[tokio::test]
async fn row_22_a_goodbye_sends_what_was_under_way_over_a_new_connection() {
    for reason in [Reason::NO_ERROR, Reason::ENHANCE_YOUR_CALM, Reason::INTERNAL_ERROR, Reason::PROTOCOL_ERROR] {
        for (id, path, body) in [("GetSession", &["ses_1"][..], None), ("CreateSession", &[], Some("{}"))] {
            let mut server =
                Server::start(
                    NO_LIMIT,
                    move |number, _| {
                        if number == 2 { Deed::GoAway(reason) } else { Deed::Answer(SESSION) }
                    },
                )
                .await;
            let transport = server.transport();
            let mut call = call(id, path);
            if let Some(body) = body {
                call = call.body(body);
            }
            transport.call(call.clone()).await.unwrap();

            let answer = timeout(PATIENCE, transport.call(call)).await.unwrap().unwrap();

            assert_eq!(answer.body, SESSION, "{reason:?} {id}");
            assert_eq!(server.connections(), 2, "{reason:?} {id}");
            server.requests.recv().await.unwrap();
            let (lost, again) = (server.requests.recv().await.unwrap(), server.requests.recv().await.unwrap());
            assert_eq!(lost.get("idempotency-key"), again.get("idempotency-key"), "{reason:?} {id}");
            assert_eq!(lost.contains_key("idempotency-key"), body.is_some());
        }
    }
}

#[tokio::test]
async fn row_22_a_stream_that_is_reset_is_asked_for_again_and_without_retries_an_error() {
    let reasons = [
        Reason::REFUSED_STREAM,
        Reason::CANCEL,
        Reason::INTERNAL_ERROR,
        Reason::ENHANCE_YOUR_CALM,
        Reason::FLOW_CONTROL_ERROR,
    ];
    for reason in reasons {
        for after_head in [false, true] {
            let fail = move || if after_head { Deed::ResetAfterHead(reason) } else { Deed::Reset(reason) };
            let server =
                Server::start(NO_LIMIT, move |number, _| if number == 1 { fail() } else { Deed::Answer(SESSION) })
                    .await;
            let retried = timeout(PATIENCE, server.transport().call(call("GetSession", &["ses_1"]))).await.unwrap();
            assert_eq!(retried.unwrap().body, SESSION, "{reason:?}");
            assert_eq!(server.connections(), 1, "{reason:?}: the connection is fine");

            let server = Server::start(NO_LIMIT, move |_, _| fail()).await;
            let once = server.transport().with(CallOptions::new().max_retries(0));
            let error = timeout(PATIENCE, once.call(call("GetSession", &["ses_1"]))).await.unwrap().unwrap_err();
            assert_eq!((error.kind(), error.code()), (&ErrorKind::MaybeReceived, &ErrorCode::ConnectionError));
            assert!(error.message().contains("`GET /v1/sessions/{sessionId}`") && error.is_retryable(), "{error}");
        }
    }
}

#[tokio::test]
async fn row_22_settings_that_change_under_way_only_slow_a_call_down() {
    let server = Server::start(NO_LIMIT, |number, _| match number {
        1 => Deed::Answer(SESSION),
        _ => Deed::ShrinkWindow(SESSION),
    })
    .await;
    let transport = server.transport();
    transport.call(call("GetSession", &["ses_1"])).await.unwrap();
    let body = format!(r#"{{"userId":"u","metadata":{{"note":"{}"}}}}"#, "x".repeat(200_000));

    let create = call("CreateSession", &[]).body(body);
    let answer = timeout(PATIENCE, transport.call(create)).await.unwrap().unwrap();

    assert_eq!(answer.body, SESSION);
    assert_eq!(answer.meta.attempts.len(), 1);
}

#[tokio::test]
async fn row_22_five_hundred_calls_at_once_are_answered_however_few_streams_a_server_allows() {
    for limit in [1, 3, 100, NO_LIMIT] {
        let server = Server::start(limit, |_, _| Deed::Answer(SESSION)).await;
        let transport = server.transport();

        let calls = join_all((0..500).map(|_| transport.call(call("GetSession", &["ses_1"]))));
        let answers = timeout(PATIENCE, calls).await.expect("no call waits for another for ever");

        for answer in answers {
            assert_eq!(answer.unwrap().body, SESSION, "{limit} streams");
        }
        assert_eq!(server.connections(), 1, "{limit} streams");
    }
}

#[tokio::test]
async fn row_21_a_connection_that_went_dead_is_left_before_the_timeout_and_not_used_again() {
    let mut server = Server::start(NO_LIMIT, |_, connection| match connection {
        1 => Deed::Freeze,
        _ => Deed::Answer(SESSION),
    })
    .await;
    let transport = server.transport().with(CallOptions::new().max_retries(0));
    let dead = tokio::spawn({
        let transport = transport.clone();
        async move { transport.call(call("GetSession", &["ses_1"])).await.unwrap_err() }
    });
    server.requests.recv().await.unwrap();

    // From here on nothing comes over this connection, so the stopped clock goes from timer to timer.
    tokio::time::pause();
    let begun = Instant::now();
    let error = dead.await.unwrap();
    let took = begun.elapsed();
    tokio::time::resume();
    let answer = timeout(PATIENCE, transport.call(call("GetSession", &["ses_1"]))).await.unwrap();

    assert_eq!((error.kind(), error.code()), (&ErrorKind::MaybeReceived, &ErrorCode::ConnectionError), "{error}");
    assert!(took > Duration::from_secs(20) && took < Duration::from_secs(30), "{took:?}");
    assert_eq!(answer.unwrap().body, SESSION);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn row_22_streams_that_nobody_reads_do_not_stop_the_other_calls_of_their_connection() {
    let mut server =
        Server::start(NO_LIMIT, |number, _| if number <= 40 { Deed::Events } else { Deed::Answer(SESSION) }).await;
    let transport = server.transport();
    let piece = Bytes::from(text(1, &"x".repeat(16_000)));
    let unread = join_all((0..40).map(|_| transport.open(call("StreamRun", &["arun_1"])))).await;
    let filling = (0..40).map(|_| server.streams.try_recv().expect("each is open")).map(|mut stream| {
        let piece = &piece;
        async move { fill(&mut stream, piece, Duration::from_millis(300)).await }
    });
    let filled: Vec<usize> = join_all(filling).await;

    let answer = timeout(PATIENCE, transport.call(call("GetSession", &["ses_1"]))).await.expect("it is answered");

    assert_eq!(answer.unwrap().body, SESSION);
    assert_eq!((server.connections(), unread.len()), (1, 40));
    assert!(filled.iter().all(|&filled| filled > 0), "{filled:?}");
}

#[tokio::test]
async fn row_22_a_stream_of_events_survives_a_reset_and_a_goodbye() {
    let mut server = Server::start(NO_LIMIT, |number, _| match number {
        2 => Deed::GoAway(Reason::NO_ERROR),
        4 => Deed::GoAway(Reason::INTERNAL_ERROR),
        _ => Deed::Events,
    })
    .await;
    let mut stream = server.transport().open(call("StreamRun", &["arun_1"])).await.unwrap();
    for (event, reason) in [(text(1, "a"), Reason::INTERNAL_ERROR), (text(2, "b"), Reason::CANCEL)] {
        let mut sending = timeout(PATIENCE, receive(&mut server, &mut stream)).await.unwrap();
        sending.send_data(event.into(), false).unwrap();
        timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap();
        sending.send_reset(reason);
    }
    let mut sending = timeout(PATIENCE, receive(&mut server, &mut stream)).await.unwrap();
    sending.send_data(done(3).into(), true).unwrap();

    assert_eq!(texts(&mut stream).await, ["done"]);
    let mut resumed_after = Vec::new();
    while let Ok(head) = server.requests.try_recv() {
        resumed_after.push(head.get("last-event-id").map_or(String::new(), |id| id.to_str().unwrap().to_owned()));
    }
    assert_eq!(resumed_after, ["", "1", "1", "2", "2"]);
}

/// The server's side of the stream, which a client opens, or opens again, while it waits for an event.
async fn receive(server: &mut Server, stream: &mut EventStream) -> SendStream<Bytes> {
    tokio::select! {
        sending = server.streams.recv() => sending.expect("the server lives"),
        event = stream.next() => panic!("nothing was sent, but {event:?} came"),
    }
}
