//! A fast server and a slow reader: what nobody reads stays with the server, and nothing is lost.

mod support;

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use support::{
    PATIENCE, call,
    http2::{self, Deed, fill},
    memory::{Fate, Memory, Piece},
    memory_used::{grown_since, resident},
    stream::{done, text},
    transport,
    websocket::{PING, close, entry, frame, head},
};
use theazo::{ErrorKind, EventStream, types::ErrorCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Mutex,
    time::timeout,
};

/// Tests that measure memory do it one after the other.
static MEASURING: Mutex<()> = Mutex::const_new(());

const MIB: usize = 1 << 20;

/// What a server's side of a connection holds back: little where it is measured, much where it is to be fast.
const SMALL: u32 = 16 << 10;
const LARGE: u32 = 1 << 20;

/// Nobody takes anything for this long: the writer is blocked.
const BLOCKED: Duration = Duration::from_millis(500);

/// A server's side of a connection that repeats the same bytes.
struct Writer {
    socket: TcpStream,
    bytes: Bytes,
    written: usize,
}

impl Writer {
    fn new(socket: TcpStream, bytes: Bytes) -> Self {
        Self { socket, bytes, written: 0 }
    }

    /// Writes as much as the reader takes, and gives how much that was: what the reader read, and what all the buffers
    /// between them hold. The system's own part of these is small: it grows only for who reads.
    async fn write_until_blocked(&mut self) -> usize {
        let before = self.written;
        while let Ok(Ok(count)) =
            timeout(BLOCKED, self.socket.write(&self.bytes[self.written % self.bytes.len()..])).await
        {
            self.written += count;
        }
        self.written - before
    }
}

/// A server's side of one connection, with the request read.
async fn accept(listener: &TcpListener) -> (TcpStream, String) {
    let (mut socket, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let (mut request, mut piece) = (String::new(), [0; 1024]);
    while !request.ends_with("\r\n\r\n") {
        let count = socket.read(&mut piece).await.unwrap();
        request.push_str(std::str::from_utf8(&piece[..count]).unwrap());
    }
    (socket, request)
}

/// A server whose connections hold back this much themselves.
fn listen(send_buffer: u32) -> (TcpListener, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(send_buffer).unwrap();
    socket.set_recv_buffer_size(SMALL).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(16).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// Events of 1 KiB, numbered so that each repetition of the text has the same ones.
fn many_events() -> Bytes {
    (1..=256).map(|number| text(number, &"x".repeat(1_000))).collect::<String>().into()
}

/// Reads until this many bytes of text have come.
async fn read(stream: &mut EventStream, bytes: usize) {
    let mut read = 0;
    while read < bytes {
        read += timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap().data.len();
    }
}

#[tokio::test]
async fn row_26_events_that_nobody_reads_stay_with_the_server() {
    let _alone = MEASURING.lock().await;
    let (listener, url) = listen(SMALL);
    let transport = transport(&url);
    let (opening, accepting) = (transport.open(call("StreamRun", &["arun_1"])), async {
        let (mut socket, _) = accept(&listener).await;
        socket.write_all(support::events(&[], "").as_bytes()).await.unwrap();
        socket
    });
    let (stream, socket) = tokio::join!(opening, accepting);
    let (mut stream, mut writer) = (stream.unwrap(), Writer::new(socket, many_events()));
    let before = resident();

    let held = writer.write_until_blocked().await;

    println!("an unread stream of events holds {held} bytes");
    assert!((1..=MIB).contains(&held), "{held} bytes are held");
    assert!(grown_since(before) <= MIB, "{} bytes of memory", grown_since(before));
    // The reader comes back: the server goes on, and little more is held than before.
    let (taken, ()) = tokio::join!(writer.write_until_blocked(), read(&mut stream, 2 * MIB));
    assert!((MIB..=4 * MIB).contains(&taken), "{taken} bytes for 2 MiB that were read");
    assert!(grown_since(before) <= 2 * MIB, "{} bytes of memory", grown_since(before));
}

#[tokio::test]
async fn row_26_events_over_http_2_that_nobody_reads_stay_with_the_server() {
    let _alone = MEASURING.lock().await;
    let mut server = http2::Server::start(1_000, |_, _| Deed::Events).await;
    let transport = server.transport();
    let mut stream = transport.open(call("StreamRun", &["arun_1"])).await.unwrap();
    let mut sending = server.streams.recv().await.unwrap();
    let events = many_events();

    let held = fill(&mut sending, &events, BLOCKED).await;

    println!("an unread stream of events over HTTP/2 holds {held} bytes");
    assert!((1..=MIB).contains(&held), "{held} bytes are held");
    let (again, ()) = tokio::join!(fill(&mut sending, &events, BLOCKED), read(&mut stream, 8 * MIB));
    assert!((7 * MIB..=9 * MIB).contains(&again), "{again} bytes for 8 MiB that were read");
}

#[tokio::test]
async fn row_26_log_entries_that_nobody_reads_stay_with_the_server() {
    let _alone = MEASURING.lock().await;
    let (listener, url) = listen(SMALL);
    let transport = transport(&url);
    let (opening, accepting) = (transport.open(call("OpenLogSocket", &[])), async {
        let (mut socket, request) = accept(&listener).await;
        let key = request.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
        socket.write_all(&head(key)).await.unwrap();
        socket
    });
    let (stream, socket) = tokio::join!(opening, accepting);
    let (mut stream, mut writer) = (stream.unwrap(), Writer::new(socket, entry("log_1").repeat(2_000).into()));

    let held = writer.write_until_blocked().await;

    println!("an unread log socket holds {held} bytes");
    assert!((1..=MIB).contains(&held), "{held} bytes are held");
    let (again, ()) = tokio::join!(writer.write_until_blocked(), read(&mut stream, MIB));
    assert!(again >= MIB / 2, "{again} bytes for 1 MiB that was read");
}

#[tokio::test]
async fn row_26_a_hundred_slow_readers_take_little_memory_each() {
    let _alone = MEASURING.lock().await;
    const READERS: usize = 100;
    let (listener, url) = listen(SMALL);
    let transport = transport(&url);
    let written = Arc::new(AtomicUsize::new(0));
    let counted = written.clone();
    let server = tokio::spawn(async move {
        let events = many_events();
        let mut writers = Vec::new();
        for _ in 0..READERS {
            let (mut socket, _) = accept(&listener).await;
            let (events, counted) = (events.clone(), counted.clone());
            writers.push(tokio::spawn(async move {
                socket.write_all(support::events(&[], "").as_bytes()).await.unwrap();
                let mut writer = Writer::new(socket, events);
                counted.fetch_add(writer.write_until_blocked().await, Ordering::SeqCst);
                writer
            }));
        }
        futures_util::future::join_all(writers).await
    });
    let before = resident();

    let mut streams = Vec::new();
    for _ in 0..READERS {
        let mut stream = transport.open(call("StreamRun", &["arun_1"])).await.unwrap();
        // One event each, so that every stream is under way.
        timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap();
        streams.push(stream);
    }
    let writers = server.await.unwrap();

    let (grown, held) = (grown_since(before) / READERS, written.load(Ordering::SeqCst) / READERS);
    println!("each of {READERS} unread streams takes {grown} bytes of memory; its server could write {held}");
    assert!(grown <= MIB, "{grown} bytes of memory a stream");
    assert_eq!((writers.len(), streams.len()), (READERS, READERS));
}

#[tokio::test]
async fn row_24_a_line_of_64_mib_is_refused_before_it_fills_the_memory() {
    let _alone = MEASURING.lock().await;
    for begins in ["data: ", ": ", "id: ", "unknown"] {
        let (listener, url) = listen(LARGE);
        let transport = transport(&url);
        let before = resident();
        let writing = tokio::spawn(async move {
            let (mut socket, _) = accept(&listener).await;
            socket.write_all((support::events(&[], "") + begins).as_bytes()).await.unwrap();
            let (piece, mut written) = (vec![b'x'; 64 << 10], 0);
            while written < 64 * MIB && socket.write_all(&piece).await.is_ok() {
                written += piece.len();
            }
            written
        });
        let mut stream = transport.open(call("StreamRun", &["arun_1"])).await.unwrap();

        let error = timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap_err();

        assert_eq!(error.kind(), &ErrorKind::Unreadable, "{begins}");
        let said = "an event of `GET /v1/runs/{runId}/stream` is larger than 16777216 bytes";
        assert_eq!(error.message(), said, "{begins}");
        let written = timeout(PATIENCE, writing).await.unwrap().unwrap();
        assert!(written < 32 * MIB, "the connection is closed: {written}");
        assert!(grown_since(before) < 48 * MIB, "{} bytes of memory", grown_since(before));
    }
}

#[tokio::test]
async fn row_26_a_piece_of_tiny_events_with_a_long_id_is_not_multiplied() {
    let _alone = MEASURING.lock().await;
    // As one piece: 1 MiB of id and 100,000 events, which would be 100 GiB if each were made at once.
    let id = format!("id: {}\n", "7".repeat(MIB));
    let events = id + &"data: 1\n\n".repeat(100_000) + &done(2);
    let memory = Memory::new([Fate::events([Piece::Bytes(events.into())])]);
    let mut stream = memory.transport().open(call("StreamRun", &["arun_1"])).await.unwrap();
    let before = resident();

    for _ in 0..100 {
        stream.next().await.unwrap().unwrap();
    }

    assert!(grown_since(before) < 16 * MIB, "{} bytes of memory", grown_since(before));
}

#[tokio::test]
async fn row_27_pings_of_a_server_that_reads_no_answers_do_not_fill_the_memory() {
    let _alone = MEASURING.lock().await;
    let (listener, url) = listen(LARGE);
    let transport = transport(&url);
    let before = resident();
    tokio::spawn(async move {
        let (mut socket, request) = accept(&listener).await;
        let key = request.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
        socket.write_all(&head(key)).await.unwrap();
        let pings = frame(PING, &[b'p'; 125]).repeat(1_000);
        for _ in 0..80 {
            socket.write_all(&pings).await.unwrap();
        }
        socket.write_all(&[entry("log_1"), close(1000, "")].concat()).await.unwrap();
        // The connection stays open, and nobody reads what the client says.
        poll_fn(|_| std::task::Poll::<()>::Pending).await;
    });
    let mut stream = transport.open(call("OpenLogSocket", &[])).await.unwrap();

    let event = timeout(PATIENCE, stream.next()).await.expect("the entry comes").unwrap().unwrap();

    assert_eq!(event.id.as_deref(), Some("log_1"));
    assert!(grown_since(before) < 4 * MIB, "{} bytes of memory for 10 MB of pings", grown_since(before));
    assert!(timeout(PATIENCE, stream.next()).await.expect("the stream ends").is_none());
}

#[tokio::test]
async fn row_52_a_peer_that_never_stops_talking_is_left_at_the_deadline_and_stops_nobody_else() {
    let memory = Memory::new([Fate::events([Piece::Endless(Bytes::from_static(b": busy\n\n"))])]);
    let mut call = call("StreamRun", &["arun_1"]);
    call.options.deadline = Some(Duration::from_millis(200));
    let mut stream = memory.transport().open(call).await.unwrap();
    // On the one thread that there is.
    let has_run = Arc::new(AtomicBool::new(false));
    let runs = has_run.clone();
    tokio::spawn(async move { runs.store(true, Ordering::SeqCst) });

    let error = timeout(PATIENCE, stream.next()).await.expect("it ends").unwrap().unwrap_err();

    assert!(has_run.load(Ordering::SeqCst), "another task came to its turn");
    assert_eq!(error.code(), &ErrorCode::Timeout);
    assert_eq!(memory.open(), 0);
}
