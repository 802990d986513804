//! Connections that break in the ways that networks have: dead, dripping, cut in a chunk, poisoned, full of leftovers.

mod support;

use std::time::Duration;

use support::{
    Act, PATIENCE, SESSION, Server, call, events,
    keep_alive::{self, json},
    stream::{done, stream_call, text, texts},
    transport,
};
use theazo::{CallOptions, ErrorKind, Transport, types::ErrorCode};
use tokio::{
    net::TcpSocket,
    time::{Instant, timeout},
};

fn impatient(transport: &Transport) -> Transport {
    transport.with(CallOptions::new().max_retries(0).timeout(Duration::from_millis(250)))
}

/// The session with another id.
fn session(id: &str) -> String {
    SESSION.replace("ses_1", id)
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn row_21_a_host_that_swallows_connections_is_given_up_after_the_connect_timeout() {
    // A full queue of connections that nobody accepts: the system drops every further attempt without a word.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(300), tokio::net::TcpStream::connect(address)).await {
        waiting.push(connected.unwrap());
    }
    let config = theazo::Config::with_api_key("th_live_secret")
        .base_url(format!("http://{address}"))
        .connect_timeout(Duration::from_millis(200))
        .max_retries(0);

    let error = timeout(PATIENCE, Transport::new(config).unwrap().call(call("CreateSession", &[]).body("{}")))
        .await
        .expect("it is given up")
        .unwrap_err();

    assert_eq!((error.kind(), error.code()), (&ErrorKind::NotSent, &ErrorCode::ConnectionError), "{error}");
    assert!(error.is_retryable());
}

#[tokio::test]
async fn row_21_an_answer_that_drips_is_left_at_the_timeout_however_long_it_goes_on() {
    let head = "HTTP/1.1 200 OK\r\n";
    for start in
        ["HTTP/1.1 200 O".to_owned(), format!("{head}x-name: "), format!("{head}content-length: 100000\r\n\r\n")]
    {
        let mut server = Server::start([Act::Drip(start)]).await;
        let begun = Instant::now();

        let error = impatient(&server.transport()).call(call("GetSession", &["ses_1"])).await.unwrap_err();

        assert_eq!((error.kind(), error.code()), (&ErrorKind::MaybeReceived, &ErrorCode::Timeout), "{error}");
        assert!(begun.elapsed() >= Duration::from_millis(250));
        timeout(PATIENCE, server.closed()).await.expect("the connection is closed");
    }
}

#[tokio::test]
async fn row_21_an_answer_in_chunks_that_ends_in_the_middle_is_lost_and_not_half_an_answer() {
    let (first, second) = SESSION.split_at(40);
    let whole = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x};name=value\r\n{second}\r\n0\r\nx-trailer: y\r\n\r\n",
        first.len(),
        second.len(),
    );
    let script: Vec<Act> = (0..whole.len()).map(|cut| Act::Answer(whole[..cut].to_owned())).collect();
    let server = Server::start(script.into_iter().chain([Act::Answer(whole.clone())])).await;
    let once = server.transport().with(CallOptions::new().max_retries(0));

    for cut in 0..whole.len() {
        let error = once.call(call("GetSession", &["ses_1"])).await.expect_err(&format!("cut at {cut}"));
        assert_eq!((error.kind(), error.is_retryable()), (&ErrorKind::MaybeReceived, true), "cut at {cut}: {error}");
    }
    assert_eq!(once.call(call("GetSession", &["ses_1"])).await.unwrap().body, SESSION);
}

#[tokio::test]
async fn row_21_events_in_chunks_that_end_in_the_middle_are_resumed() {
    let event = text(1, "a");
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let cuts = [
        format!("{head}{:x}\r\n{event}\r\n", event.len()),
        format!("{head}{:x}\r\n{event}\r\nff\r\nid: 2\ndata: {{", event.len()),
        format!("{head}{:x}\r\n{event}\r\nnonsense\r\n", event.len()),
    ];

    for cut in cuts {
        let mut server = Server::start([Act::Answer(cut), Act::Answer(events(&[], &done(2)))]).await;
        let mut stream = server.transport().open(stream_call()).await.unwrap();

        assert_eq!(texts(&mut stream).await, ["a", "done"]);
        server.request().await;
        assert_eq!(server.request().await.header("last-event-id"), "1");
    }
}

#[tokio::test]
async fn row_21_an_answer_that_comes_too_late_is_never_taken_for_that_of_another_call() {
    // The first request of the first connection is answered only after the second one was sent, if it were.
    let server = keep_alive::Server::start(|asked| {
        Some(match (asked.connection, asked.request) {
            (1, 1) => Vec::new(),
            (1, _) => json(200, &session("ses_late")),
            _ => json(200, &session("ses_2")),
        })
    })
    .await;
    let transport = transport(&server.url);

    let error = impatient(&transport).call(call("GetSession", &["ses_1"])).await.unwrap_err();
    let answer = transport.call(call("GetSession", &["ses_2"])).await.unwrap();

    assert_eq!(error.code(), &ErrorCode::Timeout);
    assert_eq!(answer.body, session("ses_2"));
    assert_eq!(server.connections(), 2, "the connection that failed is not used again");
}

#[tokio::test]
async fn row_23_what_follows_an_answer_is_never_taken_for_the_next_one() {
    for extra in [json(200, &session("ses_smuggled")), b"x".to_vec(), b"HTTP/1.1 200 OK\r\n".to_vec()] {
        let server = keep_alive::Server::start(move |asked| {
            Some(match asked.connection {
                1 => [json(200, SESSION), extra.clone()].concat(),
                _ => json(200, &session("ses_2")),
            })
        })
        .await;
        let transport = transport(&server.url).with(CallOptions::new().max_retries(0));

        let first = transport.call(call("GetSession", &["ses_1"])).await.unwrap();
        let second = timeout(PATIENCE, transport.call(call("GetSession", &["ses_2"]))).await.unwrap();

        assert_eq!(first.body, SESSION);
        // If the leftover came in the very moment in which the call was sent, the call failed; it never got the leftover.
        if let Ok(answer) = second {
            assert_eq!(answer.body, session("ses_2"));
        }
        let third = timeout(PATIENCE, transport.call(call("GetSession", &["ses_2"]))).await.unwrap().unwrap();
        assert_eq!(third.body, session("ses_2"));
    }
}

#[tokio::test]
async fn row_23_two_lengths_in_one_answer_are_an_error_or_read_by_the_chunks() {
    let smuggled = json(200, &session("ses_smuggled"));
    let length = SESSION.len();
    let both = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{SESSION}\r\n0\r\n\r\n"
    );
    let other_order = format!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: {}\r\n\r\n{length:x}\r\n{SESSION}\r\n0\r\n\r\n",
        length + 200
    );
    let hidden = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n{length:x}\r\n{SESSION}\r\n0\r\n\r\n");

    for bytes in [both, other_order, hidden] {
        let answer = [bytes.as_bytes(), &smuggled].concat();
        let server = keep_alive::Server::start(move |asked| {
            (asked.request == 1)
                .then(|| if asked.connection == 1 { answer.clone() } else { json(200, &session("ses_2")) })
        })
        .await;
        let transport = impatient(&transport(&server.url));

        match transport.call(call("GetSession", &["ses_1"])).await {
            Ok(answer) => assert_eq!(answer.body, SESSION, "{bytes}"),
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::MaybeReceived | ErrorKind::Unreadable), "{bytes}: {error}")
            }
        }
        if let Ok(answer) = transport.call(call("GetSession", &["ses_2"])).await {
            assert_eq!(answer.body, session("ses_2"), "{bytes}");
        }
    }
}

#[tokio::test]
async fn row_21_a_connection_that_the_server_closed_while_idle_costs_no_call() {
    let server = keep_alive::Server::start(|asked| (asked.request == 1).then(|| json(200, SESSION))).await;
    let transport = transport(&server.url);

    for _ in 0..20 {
        let answer = transport.call(call("GetSession", &["ses_1"])).await.unwrap();
        assert_eq!(answer.body, SESSION);
    }
}

#[tokio::test]
async fn an_answer_that_is_an_error_leaves_its_connection_in_the_pool() {
    let server =
        keep_alive::Server::start(|asked| Some(json(if asked.request < 3 { 503 } else { 200 }, SESSION))).await;

    let answer = transport(&server.url).call(call("GetSession", &["ses_1"])).await.unwrap();

    assert_eq!((answer.meta.attempts.len(), server.connections()), (3, 1));
}
