//! Every operation of the table, one by one: without a key it is refused, and another account's things are not found.

use serde_json::{Value, json};
use theazo_api::{Access, Method, Operation, Reply};
use theazo_tests::{Http, ServerProcess, Worlds};

fn path_with(operation: &Operation, ids: &[(&str, &str)]) -> String {
    operation
        .path
        .split('/')
        .map(|segment| {
            let name = segment.trim_matches(|c| c == '{' || c == '}').trim_end_matches("...");
            match ids.iter().find(|(known, _)| *known == name && segment.starts_with('{')) {
                Some((_, id)) => (*id).to_owned(),
                None => segment.to_owned(),
            }
        })
        .collect::<Vec<_>>()
        .join("/")
}

/// The path of an operation on things that do not exist.
fn some_path(operation: &Operation) -> String {
    let ids = [("sessionId", "ses_x"), ("agentId", "agt_x"), ("runId", "arun_x"), ("userId", "u"), ("path", "p")];
    path_with(operation, &ids)
}

/// A body that passes the checks of any operation that takes one.
fn some_body(operation: &Operation) -> Value {
    match operation.method {
        Method::Get | Method::Delete => Value::Null,
        _ if operation.strict.contains(&"") => json!({}),
        _ if operation.id.starts_with("Set") && operation.id.ends_with("Secrets") => json!({ "name": "value" }),
        _ => json!({
            "userId": "u", "agent": "a", "task": "t", "language": "python", "code": "1", "path": "p", "data": "d",
            "content": "c", "name": "n", "version": 1, "input": {},
        }),
    }
}

#[tokio::test]
async fn every_operation_needs_a_key_but_those_that_have_another_lock() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &["--wrong-keys-per-minute", "0"]).await;
    let http = Http::new(&server.url, "th_live_nobody");
    let mut refused = 0;

    for operation in theazo_api::operations() {
        let (status, body) = http.send(operation.method.as_str(), &some_path(operation), some_body(operation)).await;
        let code = body["error"]["code"].as_str();
        match operation.access {
            Access::Key => assert_eq!((status, code), (401, Some("unauthorized")), "{}", operation.id),
            Access::Sandbox => assert_eq!((status, code), (401, Some("unauthorized")), "{}", operation.id),
            Access::Open if !operation.planned => assert_eq!(status, 200, "{}", operation.id),
            _ => assert_eq!((status, code), (501, Some("not_implemented")), "{}", operation.id),
        }
        refused += usize::from(status == 401);
    }

    let is_locked = |operation: &&&Operation| matches!(operation.access, Access::Key | Access::Sandbox);
    let locked = theazo_api::operations().iter().filter(is_locked).count();
    assert_eq!(refused, locked);
    assert!(locked > 200, "{locked}");
}

#[tokio::test]
async fn an_operation_that_is_not_served_yet_says_so_and_one_that_is_does_not() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let (key, _) = server.keys.as_ref().expect("a new server makes keys");
    let http = Http::new(&server.url, key);

    for operation in theazo_api::operations() {
        let streams = matches!(operation.reply, Reply::Events | Reply::Socket);
        if streams && !operation.planned {
            continue;
        }
        let (status, body) = http.send(operation.method.as_str(), &some_path(operation), some_body(operation)).await;
        assert_eq!(status == 501, operation.planned, "{}: {body}", operation.id);
        if operation.planned {
            let message = format!("`{}` is part of the API, but this version does not serve it", operation.id);
            assert_eq!(body["error"]["message"], message);
        }
    }
}

#[tokio::test]
async fn no_operation_shows_or_changes_another_accounts_things() {
    let Worlds { ours, theirs, plane: _plane, .. } = Worlds::start().await;
    let session = ours.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().await.expect("it is made");
    agent.run("anything").await.expect("it runs");
    let run = session.runs().list().await.expect("they are listed").data[0].clone();
    let before = ours.logs().query().limit(1000).await.expect("they are found").data.len();
    let mut tried = 0;

    for operation in theazo_api::operations() {
        let known = [
            ("sessionId", session.id().as_str()),
            ("agentId", agent.id().as_str()),
            ("runId", run.id().as_str()),
            ("path", "p"),
            ("port", "8080"),
        ];
        let id_of = |name: &str| known.iter().find(|(known, _)| *known == name).map(|(_, id)| (*id).to_owned());
        let concerned =
            operation.path_parameters().any(|name| !["path", "port"].contains(&name) && id_of(name).is_some());
        if operation.planned || !concerned || operation.path_parameters().any(|name| name == "userId") {
            continue;
        }
        let parameters =
            operation.path_parameters().map(|name| id_of(name).unwrap_or_else(|| "x".to_owned())).collect();
        let query = match operation.id {
            "ExportUsage" => vec![("format".to_owned(), "json".to_owned())],
            _ => Vec::new(),
        };
        let body = crate::strangers::body_of(operation);
        let call = theazo::transport::Call {
            operation,
            path: parameters,
            query,
            body: (!body.is_null()).then(|| body.to_string().into()),
            options: Default::default(),
        };
        let error = match operation.reply {
            theazo_api::Reply::Events => theirs.transport().open(call).await.map(drop).expect_err(operation.id),
            _ => theirs.transport().call(call).await.map(drop).expect_err(operation.id),
        };
        assert_eq!(error.code().as_str(), "not_found", "{}: {error}", operation.id);
        tried += 1;
    }

    assert!(tried >= 25, "{tried}");
    let after = ours.logs().query().limit(1000).await.expect("they are found").data.len();
    assert_eq!(before, after, "nothing happened to what is ours");
}
