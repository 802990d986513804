//! Calls on the thread that waits for them, or of an event loop: what is true of all connections, and what is true of these.

#![cfg(unix)]
#![expect(clippy::duplicate_mod, reason = "the tests of all connections are those of others, too")]

#[path = "connections.rs"]
mod connections;
#[path = "faults.rs"]
mod faults;
mod support;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use futures_util::future::join_all;
use support::{
    PATIENCE, SESSION, Server, call, in_child,
    keep_alive::{self, json},
    memory::Memory,
    reactor::{is_readable, wait},
    tls::TlsServer,
};
use theazo::{CallOptions, Config, Transport, config::HttpVersion, transport::Reactor, types::ErrorCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::oneshot,
    task::spawn_blocking,
    time::timeout,
};

/// A client like any other, and what a reactor makes of it.
fn on(reactor: &Reactor, url: &str) -> Transport {
    Transport::new(Config::with_api_key("th_live_secret").base_url(url)).unwrap().on(reactor).unwrap()
}

/// Does `work` on a thread of its own, which has a reactor.
async fn beside<T: Send + 'static>(work: impl FnOnce(Reactor) -> T + Send + 'static) -> T {
    let reactor = Reactor::new().unwrap();
    timeout(PATIENCE, spawn_blocking(|| work(reactor))).await.expect("it ends").unwrap()
}

#[tokio::test]
async fn calls_share_a_connection_and_the_options_of_their_transport() {
    let server = keep_alive::Server::start(|asked| {
        assert!(asked.text.contains("x-team: growth"), "{}", asked.text);
        Some(json(200, &format!(r#"{{"id":"ses_{}"}}"#, asked.request)))
    });
    let server = server.await;
    let url = server.url.clone();

    let bodies = beside(move |reactor| {
        let transport = on(&reactor, &url).with(CallOptions::new().header("x-team", "growth"));
        [(); 3].map(|()| reactor.run(transport.call(call("GetSession", &["ses_1"]))).unwrap().body)
    });

    assert_eq!(bodies.await, [&br#"{"id":"ses_1"}"#[..], br#"{"id":"ses_2"}"#, br#"{"id":"ses_3"}"#]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn requests_have_the_form_that_they_have_over_other_connections() {
    let calls = || {
        let key = CallOptions::new().idempotency_key("k");
        [
            call("GetSession", &["ses_1"]),
            call("CreateSession", &[]).body(r#"{"userId":"u"}"#).options(key.clone()),
            call("PauseSession", &["ses_1"]).options(key),
        ]
    };
    let start = async || Server::start(calls().map(|_| support::json(200, &[], SESSION))).await;
    let (mut usual, mut ours) = (start().await, start().await);
    let (usual_url, our_url) = (usual.url.clone(), ours.url.clone());

    let transport = Transport::new(Config::with_api_key("th_live_secret").base_url(&usual_url)).unwrap();
    for call in calls() {
        transport.call(call).await.unwrap();
    }
    let url = our_url.clone();
    beside(move |reactor| {
        let transport = on(&reactor, &url);
        for call in calls() {
            reactor.run(transport.call(call)).unwrap();
        }
    })
    .await;

    for _ in calls() {
        let (mut usual, mut ours) = (usual.request().await, ours.request().await);
        for (request, url) in [(&mut usual, &usual_url), (&mut ours, &our_url)] {
            assert_eq!(request.headers.remove("host").as_deref(), url.strip_prefix("http://"));
            assert!(request.headers.remove("traceparent").is_some());
        }
        assert_eq!((ours.line, ours.headers, ours.body), (usual.line, usual.headers, usual.body));
    }
}

#[tokio::test]
async fn each_call_at_the_same_time_has_a_connection() {
    let server = keep_alive::Server::start(|_| Some(json(200, SESSION))).await;
    let url = server.url.clone();

    let answers = beside(move |reactor| {
        let transport = on(&reactor, &url);
        let calls = (0..5).map(|_| transport.call(call("GetSession", &["ses_1"])));
        reactor.run(join_all(calls))
    });

    assert_eq!(answers.await.into_iter().map(|answer| answer.unwrap().body).collect::<Vec<_>>(), [SESSION; 5]);
    assert_eq!(server.connections(), 5);
}

#[tokio::test]
async fn a_connection_that_the_server_closes_while_nobody_uses_it_is_closed_here_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let ((answered, is_idle), (end, ended)) = (oneshot::channel(), oneshot::channel());
    let client = tokio::spawn(beside(move |reactor| {
        let transport = on(&reactor, &url);
        reactor.run(transport.call(call("GetSession", &["ses_1"]))).unwrap();
        answered.send(()).unwrap();
        reactor.run(ended).unwrap();
    }));

    let (mut socket, _) = listener.accept().await.unwrap();
    let mut request = [0; 4096];
    assert!(socket.read(&mut request).await.unwrap() > 0);
    socket.write_all(&json(200, SESSION)).await.unwrap();
    is_idle.await.unwrap();
    socket.shutdown().await.unwrap();

    assert_eq!(timeout(PATIENCE, socket.read(&mut request)).await.expect("it is closed").unwrap(), 0);
    end.send(()).unwrap();
    client.await.unwrap();
}

#[tokio::test]
async fn idle_connections_are_kept_as_the_settings_of_the_pool_say() {
    let server = keep_alive::Server::start(|_| Some(json(200, SESSION))).await;
    let configs: [fn(Config) -> Config; 3] =
        [|config| config, |config| config.pool_max_idle(0), |config| config.pool_idle_timeout(Duration::from_nanos(1))];
    let mut opened = Vec::new();
    for config in configs {
        let before = server.connections();
        let config = config(Config::with_api_key("th_test_1").base_url(&server.url));
        beside(move |reactor| {
            let transport = Transport::new(config).unwrap().on(&reactor).unwrap();
            for _ in 0..3 {
                reactor.run(transport.call(call("GetSession", &["ses_1"]))).unwrap();
            }
        })
        .await;
        opened.push(server.connections() - before);
    }

    assert_eq!(opened, [1, 3, 3]);
}

#[tokio::test]
async fn bodies_of_any_size_come_through_both_ways() {
    let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(4 << 20));
    let answer = json(200, &large);
    let server = keep_alive::Server::start(move |asked| {
        let body = asked.text.split_once("\r\n\r\n").unwrap().1;
        Some(if body.len() > 1 << 20 { answer.clone() } else { json(400, "{}") })
    });
    let server = server.await;
    let (url, sent) = (server.url.clone(), large.clone());

    let bodies = beside(move |reactor| {
        let transport = on(&reactor, &url);
        [(); 2].map(|()| {
            let create = call("CreateSession", &[]).body(sent.clone());
            reactor.run(transport.call(create)).unwrap().body
        })
    });

    assert!(bodies.await.iter().all(|body| body == large.as_bytes()));
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn tls_is_spoken_with_http_1_and_a_server_that_wants_another_is_asked_the_usual_way() {
    let both = TlsServer::start(&["h2", "http/1.1"]).await;
    let other = TlsServer::start(&["h2"]).await;
    let configs = [&both, &other].map(|server| server.config().ca_file(server.authority.path()).max_retries(0));

    let [answer, lost] = beside(move |reactor| {
        configs.map(|config| {
            let transport = Transport::new(config).unwrap().on(&reactor).unwrap();
            reactor.run(transport.call(call("GetSession", &["ses_1"])))
        })
    })
    .await;

    assert_eq!(answer.unwrap().body, SESSION);
    assert_eq!(*both.protocols.lock().unwrap(), ["http/1.1"]);
    // The server speaks the text of HTTP/1.1 alone; here only what was agreed on counts.
    assert_eq!(lost.unwrap_err().code(), &ErrorCode::ConnectionError);
    assert_eq!(*other.protocols.lock().unwrap(), ["h2"]);
}

#[test]
fn what_a_reactor_cannot_watch_is_left_to_others() {
    let reactor = Reactor::new().unwrap();
    let watched = |config: Config| Transport::new(config).unwrap().on(&reactor).is_some();
    let config = || Config::with_api_key("th_test_1").base_url("http://127.0.0.1:9");

    assert!(watched(config()));
    assert!(watched(config().proxy("none")));
    assert!(!watched(config().proxy("http://127.0.0.1:8")));
    assert!(!watched(config().http_version(HttpVersion::Http2)));
    assert!(Memory::new([]).transport().on(&reactor).is_none());
}

#[test]
fn the_proxy_of_the_system_is_left_to_others() {
    let name = "the_proxy_of_the_system_is_left_to_others";
    if let Some(child) = in_child(name, &[("http_proxy", "http://127.0.0.1:8"), ("no_proxy", "localhost")]) {
        return child.assert_success();
    }
    let reactor = Reactor::new().unwrap();
    let watched = ["http://example.com", "http://localhost:9"]
        .map(|url| Transport::new(Config::with_api_key("th_test_1").base_url(url)).unwrap().on(&reactor).is_some());

    assert_eq!(watched, [false, true]);
}

#[tokio::test]
async fn no_ring_is_lost_whenever_it_comes() {
    const RINGS: usize = 20_000;
    let (rung, reactor) = (Arc::new(AtomicUsize::new(0)), Reactor::new().unwrap());
    let threads = [(); 2].map(|()| {
        let (rung, reactor) = (rung.clone(), reactor.clone());
        thread::spawn(move || {
            for _ in 0..RINGS {
                rung.fetch_add(1, Ordering::SeqCst);
                reactor.ring();
            }
        })
    });

    // Ends only if the last ring makes the descriptor readable, or is seen by a turn.
    let seen = spawn_blocking(move || {
        let mut seen = 0;
        while seen < 2 * RINGS {
            wait(&reactor);
            reactor.turn(|| seen = rung.load(Ordering::SeqCst));
        }
        seen
    });

    assert_eq!(timeout(PATIENCE, seen).await.expect("the last ring is seen").unwrap(), 2 * RINGS);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn work_that_rings_is_done_again_and_the_event_loop_has_its_say_between() {
    let reactor = Reactor::new().unwrap();
    let mut left = 3;
    reactor.turn(|| {
        if left > 0 {
            left -= 1;
            reactor.ring();
        }
    });
    assert_eq!((left, is_readable(&reactor)), (0, false));

    let mut done = 0;
    reactor.turn(|| {
        done += 1;
        reactor.ring();
    });
    assert!((1..100).contains(&done), "{done}");
    assert!(is_readable(&reactor));
    reactor.turn(|| ());
    assert!(!is_readable(&reactor));
}

#[test]
fn after_work_that_panicked_another_turn_is_due() {
    let reactor = Reactor::new().unwrap();

    catch_unwind(AssertUnwindSafe(|| reactor.turn(|| panic!("on purpose")))).unwrap_err();

    assert!(is_readable(&reactor));
    reactor.turn(|| ());
    reactor.ring();
    assert!(is_readable(&reactor));
}
