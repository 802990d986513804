//! What a hostile peer sends: bytes that two servers could read differently, heads without an end, JSON that explodes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use theazo_tests::{Http, ServerProcess};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Sends bytes and reads until the server closes, or says nothing more for a second.
async fn exchange(server: &ServerProcess, bytes: &[u8]) -> String {
    let address = server.url.trim_start_matches("http://");
    let mut socket = TcpStream::connect(address).await.expect("it connects");
    // A server that refuses may close before it has read everything.
    let _ = socket.write_all(bytes).await;
    let mut answer = Vec::new();
    let mut buffer = vec![0; 65_536];
    while let Ok(Ok(count @ 1..)) = tokio::time::timeout(Duration::from_secs(1), socket.read(&mut buffer)).await {
        answer.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The statuses of the answers in what a server said.
fn statuses(answer: &str) -> Vec<&str> {
    answer.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect()
}

#[tokio::test]
async fn row_23_a_request_whose_end_is_in_doubt_is_refused_and_nothing_behind_it_is_heard() {
    let directory = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let hidden = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let head = "POST /v1/sessions HTTP/1.1\r\nHost: x\r\n";

    for (name, request) in [
        (
            "a length, then chunks",
            format!("{head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        (
            "chunks, then a length",
            format!("{head}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        ("two lengths", format!("{head}Content-Length: 0\r\nContent-Length: 40\r\n\r\n{hidden}")),
        ("a list of lengths", format!("{head}Content-Length: 0, 40\r\n\r\n{hidden}")),
        ("a signed length", format!("{head}Content-Length: +0\r\n\r\n{hidden}")),
        ("a length in hexadecimal", format!("{head}Content-Length: 0x0\r\n\r\n{hidden}")),
        (
            "an encoding that is not the last",
            format!("{head}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        ("an encoding that is none", format!("{head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}")),
        ("a blank before the colon", format!("{head}Content-Length : 0\r\n\r\n{hidden}")),
        ("a folded header", format!("{head}X-A: b\r\n Content-Length: 40\r\n\r\n{hidden}")),
        ("a NUL in a header", format!("{head}X-A: b\0c\r\n\r\n{hidden}")),
        ("a lone CR", format!("{head}X-A: b\rContent-Length: 40\r\n\r\n{hidden}")),
        ("no host", format!("POST /v1/sessions HTTP/1.1\r\nContent-Length: 0\r\n\r\n{hidden}")),
        ("two hosts", format!("{head}Host: y\r\nContent-Length: 0\r\n\r\n{hidden}")),
        ("no request", format!("\u{16}\u{3}\u{1}\u{2}\r\n\r\n{hidden}")),
    ] {
        let answer = exchange(&server, request.as_bytes()).await;
        let found = statuses(&answer);
        assert!(found.len() <= 1, "{name}: the request behind it was heard: {found:?}");
        assert!(found.iter().all(|status| status.starts_with('4')), "{name}: {found:?}");
        assert!(!answer.contains("\"ok\""), "{name}");
    }
    assert_eq!(statuses(&exchange(&server, hidden.as_bytes()).await), ["200"], "the server lives");
}

#[tokio::test]
async fn row_23_a_head_that_is_too_large_or_never_ends_is_cut_off() {
    let directory = tempfile::tempdir().unwrap();
    let options = ["--head-timeout", "1", "--body-timeout", "1"];
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &options).await;
    let (key, _) = server.keys.clone().unwrap();
    let many: String = (0..200).map(|number| format!("X-{number}: y\r\n")).collect();

    for (name, request) in [
        ("a long line", format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(100_000))),
        ("a long header", format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(100_000))),
        ("many headers", format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n")),
    ] {
        let found = exchange(&server, request.as_bytes()).await;
        assert!(statuses(&found).iter().all(|status| status.starts_with('4')), "{name}: {found}");
    }
    let closes = async |bytes: &[u8]| {
        let mut socket = TcpStream::connect(server.url.trim_start_matches("http://")).await.unwrap();
        socket.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(20), socket.read_to_end(&mut answer)).await;
        closed.expect("the server closes").ok();
        String::from_utf8_lossy(&answer).into_owned()
    };
    closes(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
    closes(b"").await;
    let slow_body =
        format!("POST /v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Length: 10\r\n\r\n{{");
    assert_eq!(statuses(&closes(slow_body.as_bytes()).await), ["400"]);
}

#[tokio::test]
async fn row_40_json_that_explodes_is_refused_quickly_and_with_a_type() {
    let directory = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let (key, _) = server.keys.clone().unwrap();
    let http = Http::new(&server.url, &key);
    let path = "/v1/sessions/by-user/ada";
    let many = (0..1_000_000).map(|number| format!("\"k{number}\":1")).collect::<Vec<_>>().join(",");

    for (name, body) in [
        ("depth of arrays", "[".repeat(100_000)),
        ("depth of objects", "{\"a\":".repeat(100_000)),
        ("depth in a known field", format!("{{\"metadata\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000))),
        ("not a number", "{\"limits\":{\"maxAgents\":NaN}}".to_owned()),
        ("endless", "{\"limits\":{\"maxAgents\":Infinity}}".to_owned()),
        ("a huge whole number", "{\"limits\":{\"maxAgents\":123456789012345678901234567890}}".to_owned()),
        ("a huge exponent", "{\"limits\":{\"maxAgents\":1e999999}}".to_owned()),
        ("a fraction", "{\"limits\":{\"maxAgents\":1.5}}".to_owned()),
        ("a lone surrogate", "{\"metadata\":{\"a\":\"\\ud800\"}}".to_owned()),
        ("a control character", "{\"metadata\":{\"a\":\"\n\"}}".to_owned()),
        ("something after it", "{} {}".to_owned()),
        ("a comma too much", "{\"metadata\":{},}".to_owned()),
        ("100 MB", format!("{{\"metadata\":{{\"a\":\"{}\"}}}}", "x".repeat(100_000_000))),
        ("a million keys in limits", format!("{{\"limits\":{{{many}}}}}")),
    ] {
        let started = Instant::now();
        let sent = http.request("POST", path).body(body).send().await;
        // The server may close while the client still sends 100 MB.
        let Ok(response) = sent else {
            assert_eq!(name, "100 MB");
            continue;
        };
        let status = response.status().as_u16();
        let answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default();
        assert!(status == 400 || status == 422, "{name}: {status} {answer}");
        assert_eq!(answer["error"]["code"], "invalid_request", "{name}: {answer}");
        assert!(answer.to_string().len() < 20_000, "{name}: the answer is {} bytes", answer.to_string().len());
        assert!(started.elapsed() < Duration::from_secs(60), "{name}");
    }
    let (_, sessions) = http.send("GET", "/v1/sessions", Value::Null).await;
    assert_eq!(sessions["data"], json!([]), "nothing was made");
}

#[tokio::test]
async fn row_40_of_a_key_that_comes_twice_the_last_counts_and_unknown_ones_are_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let http = Http::new(&server.url, &server.keys.clone().unwrap().0);
    let many = (0..100_000).map(|number| format!("\"k{number}\":1")).collect::<Vec<_>>().join(",");
    let body = format!("{{\"metadata\":{{\"a\":\"1\",\"a\":\"2\"}},{many}}}");

    let response = http.request("POST", "/v1/sessions/by-user/ada").body(body).send().await.unwrap();

    assert_eq!(response.status(), 200);
    let session: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(session["metadata"], json!({ "a": "2" }));
}

#[tokio::test]
async fn row_48_pages_bodies_and_waits_have_limits_that_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let http = Http::new(&server.url, &server.keys.clone().unwrap().0);
    let field = |body: &Value| body["error"]["details"]["fields"][0]["field"].as_str().unwrap_or_default().to_owned();

    for path in ["/v1/sessions", "/v1/agents", "/v1/secrets", "/v1/providers", "/v1/api-keys"] {
        for limit in ["10000", "0", "-1", "9223372036854775808", "ten"] {
            let (status, body) = http.send("GET", &format!("{path}?limit={limit}"), Value::Null).await;
            assert_eq!((status, field(&body)), (422, "limit".to_owned()), "{path} {limit}: {body}");
        }
    }
    let large = format!("{{\"metadata\":{{\"a\":\"{}\"}}}}", "x".repeat(33 << 20));
    if let Ok(response) = http.request("POST", "/v1/sessions").body(large).send().await {
        assert_eq!(response.status(), 400);
    }
}

#[tokio::test]
async fn the_id_that_a_caller_gives_its_request_is_that_of_the_answer() {
    let directory = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let http = Http::new(&server.url, &server.keys.clone().unwrap().0);
    let ask = async |id: &str| {
        let response = http.request("GET", "/v1/sessions/ses_x").header("x-request-id", id).send().await.unwrap();
        let header = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert_eq!(body["requestId"], header, "it is beside the error");
        assert_eq!(body["error"]["requestId"], header, "and in it");
        header
    };

    assert_eq!(ask("shop-2026.11_7").await, "shop-2026.11_7");
    for unusable in ["", "a b", "<script>", &"x".repeat(129)] {
        assert!(ask(unusable).await.starts_with("req_"), "{unusable}");
    }
}
