//! Log streams over WebSockets, against frames written by hand.

mod support;

use futures_util::future::join_all;
use rand::{Rng, SeedableRng, rngs::StdRng};
use support::{
    Act, PATIENCE, Server, call, json,
    websocket::{
        BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close, close_code, entry, entry_json, frame, masked_frame, part,
        raw_frame, read_frames,
    },
};
use theazo::{CallOptions, Error, ErrorKind, EventStream, types::ErrorCode};
use tokio::time::timeout;

async fn open(server: &Server) -> EventStream {
    timeout(PATIENCE, server.transport().open(call("OpenLogSocket", &[]))).await.expect("it opens").unwrap()
}

/// The ids of all entries until the stream ends, and the error that it ends with, if any.
async fn read(stream: &mut EventStream) -> (Vec<String>, Option<Error>) {
    let mut ids = Vec::new();
    loop {
        match timeout(PATIENCE, stream.next()).await.expect("the stream goes on") {
            None => return (ids, None),
            Some(Err(error)) => {
                assert!(stream.next().await.is_none(), "nothing follows an error");
                return (ids, Some(error));
            }
            Some(Ok(event)) => {
                let entry: serde_json::Value = serde_json::from_slice(&event.data).unwrap();
                assert_eq!(event.id.as_deref(), entry["id"].as_str());
                ids.push(entry["id"].as_str().unwrap().to_owned());
            }
        }
    }
}

#[tokio::test]
async fn row_27_a_log_is_read_to_its_end_and_the_goodbye_answered() {
    let frames = [entry("log_1"), entry("log_2"), close(1000, "")].concat();
    let mut server = Server::start([Act::Socket(frames)]).await;
    let mut stream = open(&server).await;

    let (ids, error) = read(&mut stream).await;

    assert_eq!(ids, ["log_1", "log_2"]);
    assert!(error.is_none(), "{error:?}");
    let request = server.request().await;
    assert_eq!(request.line, "GET /v1/logs/socket");
    assert_eq!((request.header("upgrade"), request.header("sec-websocket-version")), ("websocket", "13"));
    let said = timeout(PATIENCE, server.closed()).await.expect("the client closes the connection");
    assert_eq!(close_code(&said), Some(1000));
}

#[tokio::test]
async fn row_27_a_message_in_any_number_of_frames_is_one_entry() {
    let json = entry_json("log_1");
    let (first, rest) = json.as_bytes().split_at(10);
    let (second, third) = rest.split_at(1);
    let frames = [
        part(TEXT, first),
        part(CONTINUATION, b""),
        // A ping may come between the frames of a message.
        frame(PING, b"are you there?"),
        part(CONTINUATION, second),
        frame(CONTINUATION, third),
        part(TEXT, b""),
        frame(CONTINUATION, entry_json("log_2").as_bytes()),
        close(1000, ""),
    ];
    let mut server = Server::start([Act::Socket(frames.concat())]).await;
    let mut stream = open(&server).await;

    let (ids, error) = read(&mut stream).await;

    assert_eq!((ids, error.is_none()), (vec!["log_1".to_owned(), "log_2".to_owned()], true));
    let said = read_frames(&timeout(PATIENCE, server.closed()).await.unwrap());
    assert_eq!(said[0], (PONG, b"are you there?".to_vec()));
}

#[tokio::test]
async fn row_27_frames_that_the_protocol_forbids_end_the_stream_with_an_error_and_a_code() {
    let broken_text = [b"\xFF".as_slice(), entry_json("log_2").as_bytes()].concat();
    let huge = [&[0x81, 127][..], &(17_u64 << 20).to_be_bytes()].concat();
    let impossible = [&[0x81, 127][..], &u64::MAX.to_be_bytes()].concat();
    let forbidden = [
        ("masked", masked_frame(TEXT, entry_json("log_2").as_bytes()), 1002),
        ("masked ping", masked_frame(PING, b""), 1002),
        ("reserved bits, as compression sets them", raw_frame(0x80 | 0x40 | TEXT, None, b"x"), 1002),
        ("unknown data frame", frame(3, b"x"), 1002),
        ("unknown control frame", frame(11, b"x"), 1002),
        ("continues nothing", frame(CONTINUATION, b"x"), 1002),
        ("a message inside of a message", [part(TEXT, b"{"), frame(TEXT, b"x")].concat(), 1002),
        ("ping in parts", part(PING, b"x"), 1002),
        ("ping that is too long", frame(PING, &[0; 126]), 1002),
        ("goodbye of one byte", frame(CLOSE, b"\x03"), 1002),
        ("not UTF-8", frame(TEXT, &broken_text), 1007),
        ("binary", frame(BINARY, entry_json("log_2").as_bytes()), 1003),
        ("too large", huge, 1009),
        ("larger than any memory", impossible, 1009),
    ];

    for (what, bytes, code) in forbidden {
        let mut server = Server::start([Act::Socket([entry("log_1"), bytes].concat())]).await;
        let mut stream = open(&server).await;

        let (ids, error) = read(&mut stream).await;

        let error = error.expect(what);
        assert_eq!((ids, error.kind()), (vec!["log_1".to_owned()], &ErrorKind::Unreadable), "{what}: {error}");
        assert!(error.message().contains("`GET /v1/logs/socket`") && !error.is_retryable(), "{what}: {error}");
        let said = timeout(PATIENCE, server.closed()).await.expect("the client closes the connection");
        assert_eq!(close_code(&said), Some(code), "{what}");
        server.request().await;
        assert_eq!(server.unread(), 0, "{what}: it is not tried again");
    }
}

#[tokio::test]
async fn row_27_a_message_that_grows_too_large_in_small_frames_is_refused_too() {
    let piece = part(CONTINUATION, &vec![b'x'; 1 << 20]);
    let frames = [part(TEXT, b"{"), piece.repeat(17)].concat();
    let mut server = Server::start([Act::Socket(frames)]).await;
    let mut stream = open(&server).await;

    let (ids, error) = read(&mut stream).await;

    assert_eq!(ids, Vec::<String>::new());
    assert_eq!(error.unwrap().message(), "an event of `GET /v1/logs/socket` is larger than 16777216 bytes");
    let said = timeout(PATIENCE, server.closed()).await.expect("the client closes the connection");
    assert_eq!(close_code(&said), Some(1009));
}

#[tokio::test]
async fn row_27_every_close_code_either_ends_the_stream_or_is_resumed_after_the_last_entry() {
    // The same would happen again. Any other code may pass, those included that must not be sent.
    let for_good = [1002, 1003, 1007, 1008, 1009, 1010];
    let may_pass = [1001, 1004, 1005, 1006, 1011, 1012, 1013, 1014, 1015, 0, 999, 1016, 2999, 3000, 4401, 4999, 65_535];

    join_all([1000].into_iter().chain(for_good).chain(may_pass).map(async |code| {
        let first = Act::Socket([entry("log_1"), close(code, "because")].concat());
        let second = Act::Socket([entry("log_2"), close(1000, "")].concat());
        let mut server = Server::start([first, second]).await;
        let mut stream = open(&server).await;

        let (ids, error) = read(&mut stream).await;

        assert_eq!(server.request().await.line, "GET /v1/logs/socket", "{code}");
        if for_good.contains(&code) {
            let error = error.unwrap_or_else(|| panic!("{code} ends the stream"));
            assert_eq!((error.kind(), error.code()), (&ErrorKind::Answered, &ErrorCode::ConnectionError), "{code}");
            let said = format!("the server closed the stream of `GET /v1/logs/socket` with {code}: because");
            assert_eq!((ids, error.message()), (vec!["log_1".to_owned()], said.as_str()));
            assert_eq!(server.unread(), 0, "{code}");
        } else if code == 1000 {
            assert_eq!((ids, error.is_none(), server.unread()), (vec!["log_1".to_owned()], true, 0));
        } else {
            assert_eq!(ids, ["log_1", "log_2"], "{code}");
            assert!(error.is_none(), "{code}: {error:?}");
            assert_eq!(server.request().await.line, "GET /v1/logs/socket?since=log_1", "{code}");
        }
    }))
    .await;
}

#[tokio::test]
async fn row_27_a_socket_that_is_cut_at_any_byte_resumes_after_the_last_entry() {
    let frames = [entry("log_1"), entry("log_2"), entry("log_3"), close(1000, "")].concat();
    let one = entry("log_1").len();

    let frames = &frames;
    join_all((0..frames.len()).step_by(5).map(async |cut| {
        let seen = (cut / one).min(3);
        let rest = frames[seen * one..].to_vec();
        let mut server = Server::start([Act::CutSocket(frames[..cut].to_vec()), Act::Socket(rest)]).await;
        let mut stream = open(&server).await;

        let (ids, error) = read(&mut stream).await;

        assert_eq!(ids, ["log_1", "log_2", "log_3"], "cut at {cut}: {error:?}");
        assert!(error.is_none(), "cut at {cut}: {error:?}");
        server.request().await;
        let since = if seen == 0 { String::new() } else { format!("?since=log_{seen}") };
        assert_eq!(server.request().await.line, format!("GET /v1/logs/socket{since}"), "cut at {cut}");
    }))
    .await;
}

#[tokio::test]
async fn row_27_a_flood_of_pings_is_answered_and_hides_no_entry() {
    let flood = frame(PING, &[7; 125]).repeat(20_000);
    let mut server = Server::start([Act::Socket([flood, entry("log_1"), close(1000, "")].concat())]).await;
    let mut stream = open(&server).await;

    let (ids, error) = read(&mut stream).await;

    assert_eq!((ids, error.is_none()), (vec!["log_1".to_owned()], true));
    let said = read_frames(&timeout(PATIENCE, server.closed()).await.unwrap());
    let pongs = said.iter().filter(|(opcode, payload)| *opcode == PONG && payload == &[7; 125]).count();
    assert!((1..=20_000).contains(&pongs), "{pongs} answers");
}

#[tokio::test]
async fn row_27_an_answer_that_opens_no_socket_is_an_error_of_the_call() {
    let wrong_key = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                     sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let refused = r#"{"error":{"code":"forbidden","message":"not yours"}}"#;
    let table = [
        (Act::Answer(wrong_key.to_owned()), ErrorKind::MaybeReceived, "does not open a WebSocket"),
        (json(403, &[], refused), ErrorKind::Answered, "not yours"),
        (json(200, &[], "{}"), ErrorKind::Unreadable, "which is not a stream of events"),
        (json(426, &[], ""), ErrorKind::Answered, "HTTP 426"),
    ];

    for (act, kind, said) in table {
        let server = Server::start([act]).await;
        let once = server.transport().with(CallOptions::new().max_retries(0));

        let error = timeout(PATIENCE, once.open(call("OpenLogSocket", &[]))).await.unwrap().unwrap_err();

        assert_eq!(error.kind(), &kind, "{error}");
        assert!(error.message().contains(said), "{error}");
    }
}

/// Frames at random, right ones and then perhaps bytes at random, with the ids of the entries in the right ones.
fn random_frames(random: &mut StdRng) -> (Vec<u8>, Vec<String>) {
    let (mut bytes, mut ids) = (Vec::new(), Vec::new());
    for number in 0..random.random_range(0..6) {
        let id = format!("log_{number}");
        match random.random_range(0..5) {
            0 => bytes.extend(frame(PING, &vec![b'p'; random.random_range(0..126)])),
            1 => bytes.extend(frame(PONG, &vec![b'p'; random.random_range(0..126)])),
            2 => {
                let json = entry_json(&id);
                let mut cuts: Vec<usize> = (0..3).map(|_| random.random_range(0..json.len())).collect();
                cuts.sort_unstable();
                bytes.extend(part(TEXT, &json.as_bytes()[..cuts[0]]));
                bytes.extend(part(CONTINUATION, &json.as_bytes()[cuts[0]..cuts[1]]));
                bytes.extend(frame(PING, b""));
                bytes.extend(part(CONTINUATION, &json.as_bytes()[cuts[1]..cuts[2]]));
                bytes.extend(frame(CONTINUATION, &json.as_bytes()[cuts[2]..]));
                ids.push(id);
            }
            _ => {
                bytes.extend(entry(&id));
                ids.push(id);
            }
        }
    }
    if random.random_bool(0.8) {
        let junk: Vec<u8> = (0..random.random_range(1..200)).map(|_| random.random()).collect();
        bytes.extend(junk);
    }
    (bytes, ids)
}

#[tokio::test]
async fn row_27_random_bytes_never_lose_an_entry_before_them_nor_hang_nor_panic() {
    let mut random = StdRng::seed_from_u64(27);
    let cases: Vec<_> = (0..400).map(|_| random_frames(&mut random)).collect();

    for few in cases.chunks(40) {
        join_all(few.iter().map(async |(bytes, ids)| {
            let server = Server::start([Act::CutSocket(bytes.clone())]).await;
            let once = server.transport().with(CallOptions::new().max_retries(0));
            let mut stream = once.open(call("OpenLogSocket", &[])).await.unwrap();

            let mut given = Vec::new();
            let ending = loop {
                match timeout(PATIENCE, stream.next()).await.expect("it ends") {
                    Some(Ok(event)) => given.extend(event.id),
                    Some(Err(error)) => break Some(error),
                    None => break None,
                }
            };

            assert_eq!(given.get(..ids.len()), Some(&ids[..]), "{bytes:?}: {ending:?}");
            if let Some(error) = ending {
                let kinds = [ErrorKind::Unreadable, ErrorKind::MaybeReceived, ErrorKind::Answered];
                assert!(kinds.contains(error.kind()), "{error}");
            }
        }))
        .await;
    }
}
