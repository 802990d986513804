//! Strangers: what each operation of the table answers to those whose things it is not about.

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde_json::{Value, json};
use theazo_api::{Access, Method, Operation};
use theazo_server::{ApiKeyOptions, create_account_in, create_key_in, list_keys_in, revoke_key_in};
use theazo_tests::{Http, ServerProcess};

/// What stands in names of ours, and must never be told to a stranger.
const CANARY: &str = "tz_canary_of_ours";

/// Operations on a name that is the caller's own choice: a stranger makes or sets something of its own.
const OWN_NAMES: [&str; 2] = ["GetOrCreateUserSession", "SetProvider"];

/// A body of this operation that passes its checks: the golden one of its type.
pub fn body_of(operation: &Operation) -> Value {
    if matches!(operation.method, Method::Get | Method::Delete) {
        return Value::Null;
    }
    let document: Value = serde_json::from_str(theazo_api::OPENAPI).expect("it is JSON");
    let path = operation.path.replace("...}", "}");
    let described = &document["paths"][&path][operation.method.as_str().to_lowercase()];
    let schema = &described["requestBody"]["content"]["application/json"]["schema"]["$ref"];
    let Some(name) = schema.as_str().and_then(|reference| reference.rsplit('/').next()) else {
        return json!({ "name": "value" });
    };
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../theazo-api/fixtures").join(format!("{name}.json"));
    let text = std::fs::read_to_string(file).expect("every type has a fixture");
    let mut body = serde_json::from_str::<Value>(&text).expect("it is JSON")[0].clone();
    if let Some(members) = body.as_object_mut() {
        members.retain(|name, _| !operation.planned_fields.contains(&name.as_str()));
    }
    body
}

/// The path of an operation with these values of its parameters.
fn path_of(operation: &Operation, values: &BTreeMap<&str, String>) -> String {
    let path = operation.path_parameters().fold(operation.path.to_owned(), |path, name| {
        let value = values.get(name).unwrap_or_else(|| panic!("{}: add a row for `{name}`", operation.id));
        path.replace(&format!("{{{name}...}}"), value).replace(&format!("{{{name}}}"), value)
    });
    let query = if operation.id == "ExportUsage" { "?format=json" } else { "" };
    path + query
}

/// The values of every parameter of the table: things of ours where this test makes one, and else ids that fit.
fn parameters(made: &[(&'static str, String)]) -> BTreeMap<&'static str, String> {
    let names =
        theazo_api::operations().into_iter().flat_map(|operation| operation.path_parameters().collect::<Vec<_>>());
    let mut values: BTreeMap<&str, String> = names.map(|name| (name, format!("{name}_nobody"))).collect();
    values.extend(made.iter().cloned());
    values
}

/// An answer without what differs from call to call.
async fn ask(http: &Http, operation: &Operation, values: &BTreeMap<&str, String>) -> (u16, String) {
    let path = path_of(operation, values);
    let sent = http.send(operation.method.as_str(), &path, body_of(operation));
    let answered = tokio::time::timeout(Duration::from_secs(20), sent).await;
    let (status, mut body) = answered.unwrap_or_else(|_| panic!("{} answers at once", operation.id));
    let id = body.get("requestId").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(object) = body.as_object_mut() {
        object.remove("requestId");
    }
    let mut text = body.to_string();
    if !id.is_empty() {
        text = text.replace(&id, "");
    }
    // The longest first: one may be the beginning of another. The path of a file is a letter of any word.
    let mut ids: Vec<&String> =
        values.iter().filter(|(name, _)| !["path", "port"].contains(*name)).map(|(_, value)| value).collect();
    ids.sort_by_key(|value| std::cmp::Reverse(value.len()));
    for value in ids {
        text = text.replace(value.as_str(), "ID");
    }
    (status, text)
}

#[tokio::test]
async fn row_35_a_stranger_learns_nothing_from_any_operation() {
    let directory = tempfile::tempdir().unwrap();
    let options = ["--wrong-keys-per-minute", "0", "--provider", "simulated"];
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &options).await;
    let (live, test) = server.keys.clone().unwrap();
    let ours = Http::new(&server.url, &live);
    let (_, session) = ours.send("POST", "/v1/sessions/by-user/tz_canary_of_ours", json!({})).await;
    let session_id = session["id"].as_str().unwrap().to_owned();
    let (_, agent) = ours.send("POST", &format!("/v1/sessions/{session_id}/agents"), json!({ "name": CANARY })).await;
    let agent_id = agent["id"].as_str().unwrap().to_owned();
    let (status, run) = ours.send("POST", &format!("/v1/agents/{agent_id}/run"), json!({ "task": CANARY })).await;
    assert_eq!(status, 200, "{run}");
    assert_eq!(ours.send("POST", "/v1/secrets", json!({ CANARY: "value" })).await.0, 204);
    let keys = list_keys_in(directory.path()).unwrap();
    let key_id = keys.iter().find(|listed| live.starts_with(&listed.key.prefix)).unwrap().key.id.to_string();
    let (_, runs) = ours.send("GET", &format!("/v1/sessions/{session_id}/runs"), Value::Null).await;
    let run_id = runs["data"][0]["id"].as_str().unwrap_or_default().to_owned();
    let of_ours = parameters(&[
        ("sessionId", session_id.clone()),
        ("agentId", agent_id),
        ("runId", run_id),
        ("keyId", key_id),
        ("userId", CANARY.to_owned()),
        ("name", CANARY.to_owned()),
        ("path", "p".to_owned()),
        ("port", "8080".to_owned()),
    ]);
    let of_nobody: BTreeMap<&str, String> = of_ours
        .iter()
        .map(|(name, value)| (*name, if ["path", "port"].contains(name) { value.clone() } else { format!("{value}x") }))
        .collect();

    let account = create_account_in(directory.path(), "another").await.unwrap();
    let key = |options| create_key_in(directory.path(), options);
    let revoked =
        key(ApiKeyOptions { live: true, name: "revoked".to_owned(), ..ApiKeyOptions::default() }).await.unwrap();
    let revoked_id = list_keys_in(directory.path()).unwrap();
    let revoked_id = revoked_id.iter().find(|listed| listed.key.name == "revoked").unwrap().key.id.to_string();
    revoke_key_in(directory.path(), &revoked_id).await.unwrap();
    let expired = ApiKeyOptions { live: true, expires_in_days: Some(0), ..ApiKeyOptions::default() };
    let expired = key(expired).await.unwrap();
    let mut rows = 0;

    for operation in theazo_api::operations() {
        if operation.planned || operation.access != Access::Key {
            continue;
        }
        let id = operation.id;
        let mut refusals = Vec::new();
        for key in ["th_live_nobody", &revoked, &expired] {
            refusals.push(ask(&Http::new(&server.url, key), operation, &of_ours).await);
        }
        assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{id}: {refusals:?}");
        assert!(refusals[0].0 == 401 && refusals[0].1.contains("\"unauthorized\""), "{id}: {refusals:?}");
        let (status, _) = ask(&Http::new(&server.url, ""), operation, &of_ours).await;
        assert_eq!(status, 401, "{id} without a key");
        for (stranger, key) in [("another account", account.live_key.as_str()), ("the test world", &test)] {
            let http = Http::new(&server.url, key);
            if operation.path_parameters().next().is_some() && !OWN_NAMES.contains(&id) {
                let (of_ours, of_nobody) =
                    (ask(&http, operation, &of_ours).await, ask(&http, operation, &of_nobody).await);
                assert_eq!(of_ours, of_nobody, "{id} for {stranger}: what is ours is as what is not there");
                assert!(!of_ours.1.contains(CANARY), "{id} for {stranger}: {of_ours:?}");
            } else if operation.method == Method::Get && operation.reply == theazo_api::Reply::Json {
                let (_, listed) = ask(&http, operation, &of_ours).await;
                assert!(!listed.contains(CANARY) && !listed.contains(&session_id), "{id} for {stranger}: {listed}");
            }
        }
        rows += 1;
    }

    let served = theazo_api::operations().into_iter().filter(|one| !one.planned && one.access == Access::Key).count();
    assert_eq!(rows, served);
    let (_, after) = ours.send("GET", &format!("/v1/sessions/{session_id}"), Value::Null).await;
    assert_eq!(after["status"], "active", "no stranger changed it");
    let (_, secrets) = ours.send("GET", "/v1/secrets", Value::Null).await;
    assert_eq!(secrets[0]["name"], CANARY);
}
