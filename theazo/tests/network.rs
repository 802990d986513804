//! The way to the server: proxies, certificates, and who may be trusted.

mod support;

use std::sync::{Arc, Mutex};

use support::{SESSION, call, tls::TlsServer};
use theazo::{Config, ErrorKind, Transport, config::HttpVersion};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[tokio::test]
async fn a_certificate_counts_when_its_authority_is_in_the_given_file_and_not_before() {
    let server = TlsServer::start(&[]).await;
    let stranger = Transport::new(server.config()).unwrap();
    let trusting = Transport::new(server.config().ca_file(server.authority.path())).unwrap();

    let error = stranger.call(call("GetSession", &["ses_1"])).await.unwrap_err();
    let answer = trusting.call(call("GetSession", &["ses_1"])).await.unwrap();

    assert_eq!((error.kind(), error.attempts().len()), (&ErrorKind::NotSent, 1), "a wrong certificate stays wrong");
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    assert_eq!(answer.body, SESSION);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_whoever_signed_it() {
    let server = TlsServer::start(&[]).await;
    let elsewhere = server.url.replace("localhost", "127.0.0.1");
    let transport = Transport::new(server.config().base_url(elsewhere).ca_file(server.authority.path())).unwrap();

    let error = transport.call(call("GetSession", &["ses_1"])).await.unwrap_err();

    assert_eq!(error.kind(), &ErrorKind::NotSent);
    assert!(error.to_string().contains("not valid for name"), "{error}");
}

#[tokio::test]
async fn tls_agrees_on_http_2_where_both_speak_it_and_on_what_the_caller_wants() {
    let server = TlsServer::start(&["h2", "http/1.1"]).await;
    let trusting = || server.config().ca_file(server.authority.path()).max_retries(0);
    for version in [HttpVersion::Auto, HttpVersion::Http1, HttpVersion::Http2] {
        let transport = Transport::new(trusting().http_version(version)).unwrap();
        // The server speaks the text of HTTP/1.1 alone; here only what was agreed on counts.
        let _ = transport.call(call("GetSession", &["ses_1"])).await;
    }

    assert_eq!(*server.protocols.lock().unwrap(), ["h2", "http/1.1", "h2"]);
}

/// A proxy that writes down what it is asked for, and passes it on.
async fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heads = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let heads = heads.clone();
            tokio::spawn(async move {
                let mut bytes = vec![0; 8192];
                let count = client.read(&mut bytes).await.unwrap();
                let head = String::from_utf8_lossy(&bytes[..count]).into_owned();
                heads.lock().unwrap().push(head.clone());
                if let Some(target) = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()) {
                    let mut server = TcpStream::connect(target).await.unwrap();
                    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await.unwrap();
                    tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
                } else {
                    let support::Act::Answer(answer) = support::json(200, &[], SESSION) else { unreachable!() };
                    client.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (address, asked)
}

#[tokio::test]
async fn calls_go_through_the_proxy_that_was_named() {
    let (address, asked) = proxy().await;
    let server = TlsServer::start(&[]).await;
    let through = format!("http://me:hunter2@{address}");
    let plain = Config::with_api_key("th_live_secret").base_url("http://api.invalid").proxy(&through);
    let sealed = server.config().proxy(&through).ca_file(server.authority.path());

    Transport::new(plain).unwrap().call(call("GetSession", &["ses_1"])).await.unwrap();
    let answer = Transport::new(sealed).unwrap().call(call("GetSession", &["ses_1"])).await.unwrap();

    assert_eq!(answer.body, SESSION);
    let asked = asked.lock().unwrap().clone();
    assert!(asked[0].starts_with("GET http://api.invalid/v1/sessions/ses_1 HTTP/1.1\r\n"), "{}", asked[0]);
    let target = server.url.trim_start_matches("https://");
    assert!(asked[1].starts_with(&format!("CONNECT {target} HTTP/1.1\r\n")), "{}", asked[1]);
    // The base64 of `me:hunter2`, and nothing of ours before TLS.
    assert!(asked[1].to_lowercase().contains("proxy-authorization: basic bwu6ahvudgvymg=="), "{}", asked[1]);
    assert!(!asked[1].contains("th_live_secret"), "{}", asked[1]);
}

#[tokio::test]
async fn the_proxy_of_the_system_counts_unless_none_is_wanted() {
    let (address, asked) = proxy().await;
    let name = "the_proxy_of_the_system_counts_unless_none_is_wanted";
    // In a thread, since the proxy is a task of this runtime.
    let child = tokio::task::spawn_blocking(move || {
        support::in_child(name, &[("HTTP_PROXY", &format!("http://{address}")), ("NO_PROXY", "localhost")])
    });
    if let Some(output) = child.await.unwrap() {
        output.assert_success();
        assert_eq!(asked.lock().unwrap().len(), 1);
        return;
    }
    let config = || Config::with_api_key("k").base_url("http://api.invalid").max_retries(0);
    assert!(config().explain().unwrap().get("proxy").unwrap().value.ends_with(" (HTTP_PROXY)"));

    Transport::new(config()).unwrap().call(call("GetSession", &["ses_1"])).await.unwrap();
    let error = Transport::new(config().proxy("none")).unwrap().call(call("GetSession", &["ses_1"])).await.unwrap_err();

    assert_eq!(error.kind(), &ErrorKind::NotSent, "nobody has such a name");
}
