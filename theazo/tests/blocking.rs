//! Calls of a thread that waits for them and drives its connections itself.

mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::mpsc,
    thread,
    time::Duration,
};

use support::{
    Act, PATIENCE, SESSION, Server, call,
    keep_alive::{self, json},
    transport,
};
use theazo::{CallOptions, Config, Transport, types::ErrorCode};
use tokio::{task::spawn_blocking, time::timeout};

#[tokio::test]
async fn calls_of_a_waiting_thread_share_a_connection_and_the_options_of_their_transport() {
    let server = keep_alive::Server::start(|asked| {
        assert!(asked.text.contains("x-team: growth"), "{}", asked.text);
        Some(json(200, &format!(r#"{{"id":"ses_{}"}}"#, asked.request)))
    });
    let server = server.await;
    let transport = transport(&server.url).with(CallOptions::new().header("x-team", "growth"));

    let bodies = spawn_blocking(move || {
        let mut blocking = transport.blocking().unwrap().unwrap();
        [(); 3].map(|()| {
            blocking.run(async |transport| transport.call(call("GetSession", &["ses_1"])).await).unwrap().body
        })
    });

    assert_eq!(bodies.await.unwrap(), [&br#"{"id":"ses_1"}"#[..], br#"{"id":"ses_2"}"#, br#"{"id":"ses_3"}"#]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_was_closed_between_calls_is_noticed_before_the_next_one_is_sent() {
    let (url, closed) = closing_server();
    let transport = transport(&url);

    let calls = spawn_blocking(move || {
        let mut blocking = transport.blocking().unwrap().unwrap();
        for _ in 0..20 {
            let create = call("CreateSession", &[]).body("{}").options(CallOptions::new().max_retries(0));
            let answer = blocking.run(async |transport| transport.call(create).await).unwrap();
            assert_eq!(answer.meta.attempts.len(), 1);
            closed.recv_timeout(PATIENCE).unwrap();
        }
    });

    calls.await.unwrap();
}

/// A server that closes each connection after one answer, without announcing it, and says when it has.
fn closing_server() -> (String, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, closed) = mpsc::channel();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let socket = socket.unwrap();
            let mut request = BufReader::new(&socket);
            let head = request.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            assert!(head.count() > 1);
            // What is left unread when a connection is closed resets it, and its answer may be lost.
            request.read_exact(&mut [0; "{}".len()]).unwrap();
            (&socket).write_all(&json(200, SESSION)).unwrap();
            drop(socket);
            if sender.send(()).is_err() {
                return;
            }
        }
    });
    (url, closed)
}

#[tokio::test]
async fn a_call_that_ran_out_of_time_closes_its_connection() {
    let mut server = Server::start([Act::Hold(String::new())]).await;
    let transport = server.transport();

    let (error, blocking) = spawn_blocking(move || {
        let mut blocking = transport.blocking().unwrap().unwrap();
        let options = CallOptions::new().timeout(Duration::from_millis(50)).max_retries(0);
        let late = call("GetSession", &["ses_1"]).options(options);
        let error = blocking.run(async |transport| transport.call(late).await).unwrap_err();
        (error, blocking)
    })
    .await
    .unwrap();

    assert_eq!(error.code(), &ErrorCode::Timeout);
    timeout(PATIENCE, server.closed()).await.expect("giving up closes the connection");
    drop(blocking);
}

#[tokio::test]
async fn as_many_wait_for_the_next_call_as_the_pool_may_keep_connections() {
    let config = |config: Config| Transport::new(config.base_url("http://127.0.0.1:9")).unwrap();
    let kept = |transport: &Transport| {
        let mut idle = Vec::new();
        (0..3).for_each(|_| transport.blocking().unwrap().unwrap().keep_in(&mut idle));
        idle.len()
    };
    let usual = config(Config::with_api_key("th_test_1"));
    let few = config(Config::with_api_key("th_test_1").pool_max_idle(2));
    let short = config(Config::with_api_key("th_test_1").pool_idle_timeout(Duration::from_nanos(1)));

    assert_eq!([kept(&usual), kept(&few), kept(&short)], [3, 2, 1]);
}

#[tokio::test]
async fn work_that_is_interrupted_closes_its_connection() {
    let mut server = Server::start([Act::Hold(String::new())]).await;
    let transport = server.transport();

    let (interrupted, blocking) = spawn_blocking(move || {
        let mut blocking = transport.blocking().unwrap().unwrap();
        let mut left = 3;
        let watch = || {
            left -= 1;
            if left == 0 { Err("interrupted") } else { Ok(()) }
        };
        let work = async |transport: &Transport| transport.call(call("GetSession", &["ses_1"])).await;
        (blocking.run_watching(work, watch).map(|_| ()), blocking)
    })
    .await
    .unwrap();

    assert_eq!(interrupted, Err("interrupted"));
    timeout(PATIENCE, server.closed()).await.expect("the connection is closed");
    drop(blocking);
}

#[tokio::test]
async fn a_client_of_the_application_cannot_be_driven_by_a_thread_of_ours() {
    assert!(support::memory::Memory::new([]).transport().blocking().unwrap().is_none());
}

#[test]
fn without_a_runtime_there_is_a_typed_error() {
    let error = transport("http://127.0.0.1:9").blocking().unwrap_err();

    assert_eq!(
        error.to_string(),
        "a thread that waits for calls needs a runtime of tokio for names and timers; enter one where \
         `Transport::blocking` is called"
    );
}
