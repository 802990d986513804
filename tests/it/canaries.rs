//! Canaries: what is secret is planted wherever something secret may be given, and looked for wherever something is kept.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use theazo_tests::{Http, ServerProcess};

/// Every file below a directory.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        let kind = path.symlink_metadata().expect("it is there").file_type();
        if kind.is_dir() {
            found.extend(files_below(&path));
        } else if kind.is_file() {
            found.push(path);
        }
    }
    found
}

fn has_canary(bytes: &[u8]) -> Option<String> {
    let at = bytes.windows(10).position(|window| window == b"tz_canary_")?;
    Some(String::from_utf8_lossy(&bytes[at..bytes.len().min(at + 40)]).into_owned())
}

#[tokio::test]
async fn row_37_no_secret_is_in_what_is_kept_logged_or_answered() {
    let (data, logs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = logs.path().join("log");
    let server = ServerProcess::start_logging(data.path(), &log).await;
    let (live, _) = server.keys.clone().unwrap();
    let http = Http::new(&server.url, &live);
    let mut answers = Vec::new();
    let mut send = async |method: &str, path: &str, body: Value| {
        let (status, body) = http.send(method, path, body).await;
        answers.push(format!("{method} {path}: {status} {body}"));
        body
    };

    let own = json!({
        "userId": "ada",
        "compute": { "providers": [
            { "provider": "local", "credentials": { "apiKey": "tz_canary_compute" } },
            { "provider": "e2b", "credentials": { "apiKey": "tz_canary_e2b", "other": "tz_canary_other" } },
        ] },
        "models": { "provider": "anthropic", "credentials": { "apiKey": "tz_canary_model" } },
    });
    let session = send("POST", "/v1/sessions", own.clone()).await;
    send("POST", "/v1/sessions/by-user/bob", own).await;
    let session = format!("/v1/sessions/{}", session["id"].as_str().expect("it is made"));
    send("POST", "/v1/secrets", json!({ "account_key": "tz_canary_account" })).await;
    send("PUT", "/v1/providers/openai", json!({ "credentialRef": "account_key" })).await;
    send("POST", &format!("{session}/secrets"), json!({ "session_key": "tz_canary_session" })).await;
    // What is refused must not be repeated in the reason.
    send("POST", &format!("{session}/secrets"), json!({ "bad-name": "tz_canary_bad_name" })).await;
    send("POST", "/v1/secrets", json!({ "number": { "a": "tz_canary_shape" } })).await;
    send("POST", "/v1/sessions", json!({ "models": { "credentials": { "apiKey": "tz_canary_no_provider" } } })).await;
    let agent = send("POST", &format!("{session}/agents"), json!({})).await;
    let agent = format!("/v1/agents/{}", agent["id"].as_str().expect("it is made"));
    // Programs have the secret, and show that they have.
    let program = "import os; print('length', len(os.environ['SESSION_KEY']))";
    let ran = send("POST", &format!("{agent}/exec"), json!({ "language": "python", "code": program })).await;
    assert_eq!(ran["stdout"], "length 17\n", "{ran}");
    let leaking =
        "import os, sys; print('A', os.environ['SESSION_KEY'], 'B'); print(os.environ['SESSION_KEY'], file=sys.stderr)";
    let leaked = send("POST", &format!("{agent}/exec"), json!({ "language": "python", "code": leaking })).await;
    assert_eq!((&leaked["stdout"], &leaked["stderr"]), (&json!("A [hidden] B\n"), &json!("[hidden]\n")), "{leaked}");
    for path in
        ["/v1/logs?limit=100", "/v1/secrets", "/v1/providers", "/v1/sessions", "/v1/api-keys", "/v1/openapi.json"]
    {
        send("GET", path, Value::Null).await;
    }
    for path in [&session, &format!("{session}/secrets"), &agent] {
        send("GET", path, Value::Null).await;
    }
    assert_eq!(server.stop().await.code(), Some(0));

    for answer in &answers {
        assert_eq!(has_canary(answer.as_bytes()), None, "{answer}");
    }
    let files = files_below(data.path());
    assert!(files.iter().any(|file| file.ends_with("theazo.db")), "{files:?}");
    for file in files.iter().chain([&log]) {
        let bytes = std::fs::read(file).expect("it can be read");
        assert_eq!(has_canary(&bytes), None, "in {}", file.display());
        let is_key_file = file.ends_with("master.key");
        let found = bytes.windows(live.len()).any(|window| window == live.as_bytes());
        assert!(!found || is_key_file, "the API key is in {}", file.display());
    }
}
