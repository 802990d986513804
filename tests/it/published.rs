//! The wire as the published client uses it.

use futures_util::StreamExt;
use serde_json::{Value, json};
use theazo_tests::{Http, ServerProcess};

async fn server() -> (tempfile::TempDir, ServerProcess, Http) {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let http = Http::new(&server.url, &server.keys.as_ref().expect("it is new").0);
    (directory, server, http)
}

fn id(value: &Value) -> &str {
    value["id"].as_str().expect("it has an id")
}

#[tokio::test]
async fn posts_without_a_body_and_gets_with_a_content_type_are_taken() {
    let (_directory, _server, http) = server().await;

    let (status, session) = http.send("POST", "/v1/sessions/by-user/user%2F1", Value::Null).await;

    assert_eq!(status, 200);
    assert_eq!(session["userId"], "user/1");
    assert_eq!(session["metadata"], json!({}));
    assert_eq!(session["limits"], json!({}));
    let (status, again) = http.send("GET", &format!("/v1/sessions/{}", id(&session)), Value::Null).await;
    assert_eq!((status, &again), (200, &session));
}

#[tokio::test]
async fn the_agents_stream_is_opened_first_and_the_run_posted_then() {
    let (_directory, _server, http) = server().await;
    let (_, session) = http.send("POST", "/v1/sessions", json!({"userId": "ada"})).await;
    let (_, agent) = http.send("POST", &format!("/v1/sessions/{}/agents", id(&session)), json!({})).await;
    assert_eq!(agent["status"], "ready");

    let path = format!("/v1/agents/{}/stream", id(&agent));
    let stream = http.request("GET", &path).header("accept", "text/event-stream").send().await.expect("headers come");
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let posted = http
        .send("POST", &format!("/v1/agents/{}/run", id(&agent)), json!({"task": "count words", "stream": true}))
        .await;
    assert_eq!(posted.0, 200);

    let mut text = String::new();
    let mut body = stream.bytes_stream();
    while let Some(piece) = body.next().await {
        text.push_str(&String::from_utf8_lossy(&piece.expect("it arrives")));
    }
    let events: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).expect("each line is one JSON"))
        .collect();
    assert_eq!(events.last().expect("there is one")["type"], "done");
    assert!(events.iter().any(|event| event["type"] == "tool_call" && event["tool"] == "run_code"));
}

#[tokio::test]
async fn exec_takes_the_older_name_of_the_language_and_status_is_shaped_as_published() {
    let (_directory, _server, http) = server().await;
    let (_, session) = http.send("POST", "/v1/sessions", json!({"userId": "ada"})).await;
    let (_, agent) = http.send("POST", &format!("/v1/sessions/{}/agents", id(&session)), json!({})).await;
    let agent_path = format!("/v1/agents/{}", id(&agent));

    let (status, result) =
        http.send("POST", &format!("{agent_path}/exec"), json!({"lang": "python", "code": "print('hi')"})).await;
    let (_, info) = http.send("GET", &format!("{agent_path}/status"), Value::Null).await;
    let (written, _) = http
        .send(
            "POST",
            &format!("{agent_path}/files"),
            json!({"path": "/data/a.txt", "data": "aGk=", "encoding": "base64"}),
        )
        .await;
    let (_, read) = http.send("GET", &format!("{agent_path}/files/data/a.txt"), Value::Null).await;
    let (_, listed) = http.send("GET", &format!("{agent_path}/files?dir=%2Fdata"), Value::Null).await;

    assert_eq!(status, 200);
    assert_eq!((&result["stdout"], &result["exitCode"]), (&json!("hi\n"), &json!(0)));
    assert_eq!(info["status"], "ready");
    assert_eq!(info["cost"]["currency"], "usd");
    assert_eq!(written, 204);
    assert_eq!(read["data"], "hi");
    assert_eq!(listed[0]["name"], "a.txt");
}

#[tokio::test]
async fn lists_page_by_cursor() {
    let (_directory, _server, http) = server().await;
    for index in 0..5 {
        http.send("POST", "/v1/sessions", json!({"userId": format!("user_{index}")})).await;
    }

    let (_, first) = http.send("GET", "/v1/sessions?limit=2", Value::Null).await;
    let cursor = first["cursor"].as_str().expect("it has one");
    let (_, second) = http.send("GET", &format!("/v1/sessions?limit=2&cursor={cursor}"), Value::Null).await;
    let cursor = second["cursor"].as_str().expect("it has one");
    let (_, third) = http.send("GET", &format!("/v1/sessions?limit=2&cursor={cursor}"), Value::Null).await;
    let users = |page: &Value| -> Vec<String> {
        let data = page["data"].as_array().expect("it is a list");
        data.iter().map(|session| session["userId"].as_str().unwrap_or_default().to_owned()).collect()
    };

    assert_eq!(users(&first), ["user_4", "user_3"]);
    assert_eq!(users(&second), ["user_2", "user_1"]);
    assert_eq!(users(&third), ["user_0"]);
    assert_eq!((&third["hasMore"], &third["cursor"]), (&json!(false), &json!("")));
    let (status, _) = http.send("GET", "/v1/sessions?limit=0", Value::Null).await;
    assert_eq!(status, 422);
}

#[tokio::test]
async fn the_server_describes_itself() {
    let (_directory, server, _http) = server().await;
    // Without a key.
    let (status, document) = Http::new(&server.url, "").send("GET", "/v1/openapi.json", Value::Null).await;

    assert_eq!(status, 200);
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["paths"]["/v1/sessions"]["post"]["operationId"], "CreateSession");
}

#[tokio::test]
async fn a_path_that_is_not_text_is_a_typed_error() {
    let (_directory, _server, http) = server().await;

    let (status, answer) = http.send("GET", "/v1/sessions/%FF", Value::Null).await;

    assert_eq!((status, &answer["error"]["code"]), (400, &json!("invalid_request")));
    assert!(answer["requestId"].as_str().is_some_and(|id| id.starts_with("req_")));
}

#[tokio::test]
async fn a_finished_run_ends_its_stream_whatever_was_seen_last() {
    let (_directory, _server, http) = server().await;
    let (_, session) = http.send("POST", "/v1/sessions", json!({"userId": "ada"})).await;
    let path = format!("/v1/sessions/{}/run", id(&session));
    let (_, result) = http.send("POST", &path, json!({"agent": "a", "task": "t"})).await;
    let path = format!("/v1/runs/{}/stream", result["runId"].as_str().expect("it says which run"));

    let whole = http.request("GET", &path).send().await.expect("headers come").text().await.expect("the stream ends");
    let last = whole.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().expect("events have ids");

    let request = http.request("GET", &path).header("last-event-id", last);
    let text = request.send().await.expect("headers come").text().await.expect("the stream ends");

    assert!(text.contains(r#""type":"done""#), "{text}");
}
