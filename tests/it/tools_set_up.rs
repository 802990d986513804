//! The tools that need something set up: real where it is, absent where it is not.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, extract::Query, http::HeaderMap, routing};
use serde_json::{Value, json};
use theazo::types::testing::ScriptedTurn;
use theazo_server::{MailConfig, SearchConfig};
use theazo_tests::ScriptedPlane;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

/// Runs an agent whose model calls one tool, and returns what that returned.
async fn call(plane: &ScriptedPlane, tool: &str, input: Value) -> String {
    plane.script("worker", &[ScriptedTurn::tool_call(tool, input), ScriptedTurn::text("done")]).await;
    let session = plane.theazo.sessions().for_user("ada").await.expect("it is made");
    let result = session.run("worker", "work").await.expect("it runs");
    result.tool_calls[0].output.clone()
}

#[tokio::test]
async fn a_search_is_that_of_the_service_that_is_set_up() {
    let brave = |headers: HeaderMap, Query(query): Query<Vec<(String, String)>>| async move {
        let key = headers.get("x-subscription-token").map_or("", |key| key.to_str().unwrap_or_default());
        let asked = query.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        Json(json!({ "type": "search", "web": { "results": [
            { "title": key, "url": "https://a.example/", "description": asked },
            { "title": "second", "url": "https://b.example/" },
        ] } }))
    };
    let searxng = || async { Json(json!({ "results": [{ "title": "t", "url": "u", "content": "c" }] })) };
    let router = Router::new().route("/brave", routing::get(brave)).route("/searxng", routing::get(searxng));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    let with = |path: &str, key: Option<&str>| SearchConfig {
        url: format!("http://{address}{path}"),
        key: key.map(Into::into),
    };

    let brave = with("/brave", Some("secret"));
    let plane = ScriptedPlane::start(|config| config.tools.search = Some(brave)).await;
    let found = call(&plane, "web_search", json!({ "query": " pen & ink ", "limit": 1 })).await;
    assert_eq!(found, "1. secret\nhttps://a.example/\nq=pen & ink&count=1");
    let searxng = with("/searxng", None);
    let plane = ScriptedPlane::start(|config| config.tools.search = Some(searxng)).await;
    assert_eq!(call(&plane, "web_search", json!({ "query": "pen" })).await, "1. t\nu\nc");

    let plane = ScriptedPlane::start(|_| {}).await;
    for (tool, input) in [("web_search", json!({ "query": "pen" })), ("send_email", json!({ "to": "a@example.com" }))] {
        assert_eq!(call(&plane, tool, input).await, format!("error: there is no tool `{tool}`"));
    }
}

/// A mail server that takes one message, and what it was told.
async fn mail_server() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("smtp://{}", listener.local_addr().expect("it is bound"));
    let told = Arc::new(Mutex::new(Vec::new()));
    let lines = told.clone();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("somebody connects");
        let (read, mut write) = stream.into_split();
        write.write_all(b"220 mail\r\n").await.expect("it is written");
        let mut read = BufReader::new(read).lines();
        let mut in_message = false;
        while let Some(line) = read.next_line().await.expect("it is read") {
            let answer = match line.as_str() {
                "." => Some("250 taken"),
                _ if in_message => None,
                "DATA" => Some("354 go on"),
                "QUIT" => Some("221 bye"),
                _ => Some("250 good"),
            };
            in_message = line == "DATA" || (in_message && line != ".");
            lines.lock().expect("it is free").push(line);
            if let Some(answer) = answer {
                write.write_all(format!("{answer}\r\n").as_bytes()).await.expect("it is written");
            }
        }
    });
    (url, told)
}

#[tokio::test]
async fn an_e_mail_goes_through_the_mail_server_that_is_set_up() {
    let (url, told) = mail_server().await;
    let mail = MailConfig { url: url.into(), from: "Agents <agents@example.com>".to_owned() };
    let plane = ScriptedPlane::start(|config| config.tools.mail = Some(mail)).await;
    let message =
        json!({ "to": ["ada@example.com"], "bcc": "bob@example.com", "subject": "Prices", "body": "They rose." });

    assert_eq!(call(&plane, "send_email", message).await, "sent to 2 recipients");

    let told = told.lock().expect("it is free").clone();
    let has = |line: &str| told.iter().any(|told| told == line);
    assert!(has("MAIL FROM:<agents@example.com>") && has("RCPT TO:<bob@example.com>"), "{told:?}");
    assert!(
        has("Subject: Prices") && has("They rose.") && !told.iter().any(|line| line.starts_with("Bcc")),
        "{told:?}"
    );
    let wrong = call(&plane, "send_email", json!({ "to": "nobody", "subject": "", "body": "" })).await;
    assert_eq!(wrong, "error: `nobody` is not an e-mail address");
}
