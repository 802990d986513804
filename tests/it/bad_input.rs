//! Bad input: a typed error or a contained result, with the field or the reason named, and nothing lost.

use std::time::Duration;

use theazo::{
    Theazo,
    testing::TestPlane,
    types::{CostLimit, Period, SessionLimits},
};
use theazo_tests::{Http, ServerProcess, Worlds};

#[tokio::test]
async fn no_key_and_a_wrong_key_are_unauthorized() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let client = |key: &str| Theazo::builder().base_url(&server.url).api_key(key).build();

    let wrong = client("th_live_wrong").await.expect("it is built").sessions().list().await.expect_err("it is wrong");
    let blank = client(" ").await.expect_err("a blank key is refused before anything is sent");
    let (status, body) = Http::new(&server.url, "").send("GET", "/v1/sessions", serde_json::Value::Null).await;

    assert_eq!((wrong.code().as_str(), wrong.status()), ("unauthorized", 401));
    assert!(!wrong.request_id().is_empty());
    assert!(blank.to_string().contains("THEAZO_API_KEY"), "{blank}");
    assert_eq!((status, body["error"]["code"].as_str()), (401, Some("unauthorized")));
}

#[tokio::test]
async fn an_unknown_id_and_an_id_of_another_kind_are_not_found() {
    let plane = TestPlane::start().await.expect("it starts");
    let theazo = plane.client();

    let unknown = theazo.sessions().get("ses_nobody").await.expect_err("there is none");
    let other_kind = theazo.agents().get("ses_nobody").await.expect_err("there is none");

    assert_eq!((unknown.code().as_str(), unknown.status()), ("not_found", 404));
    assert_eq!(unknown.message(), "there is no session `ses_nobody`");
    assert!(other_kind.message().contains("`agt_`"), "{other_kind}");
}

#[tokio::test]
async fn another_accounts_things_are_not_found() {
    let Worlds { ours, theirs, plane: _plane, .. } = Worlds::start().await;
    let session = ours.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().await.expect("it is made");

    let session_error = theirs.sessions().get(session.id()).await.expect_err("it is not theirs");
    let agent_error = theirs.agents().get(agent.id()).await.expect_err("it is not theirs");
    let same_user = theirs.sessions().for_user("ada").await.expect("they have their own");

    assert_eq!(session_error.code().as_str(), "not_found");
    assert_eq!(agent_error.code().as_str(), "not_found");
    assert_ne!(same_user.id(), session.id());
    assert_eq!(theirs.sessions().list().await.expect("they are listed").data.len(), 1);
    assert_eq!(theirs.logs().query().await.expect("they are found").data.len(), 1);
}

#[tokio::test]
async fn an_impossible_limit_names_its_field_and_changes_nothing() {
    let plane = TestPlane::start().await.expect("it starts");
    let theazo = plane.client();
    let limits = SessionLimits { max_cost: Some(CostLimit::cents(-5, Period::Day)), ..Default::default() };

    let error = theazo.sessions().for_user("ada").limits(limits).await.expect_err("it is impossible");

    assert_eq!(error.code().as_str(), "invalid_request");
    assert!(error.message().contains("limits.maxCost.amount"), "{error}");
    assert!(plane.requests().await.expect("they are listed").is_empty(), "nothing was sent");
    assert!(theazo.sessions().list().await.expect("they are listed").data.is_empty());
}

#[tokio::test]
async fn the_server_checks_for_itself_and_a_misspelt_limit_is_no_missing_limit() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let http = Http::new(&server.url, &server.keys.as_ref().expect("it is new").0);
    let field = |body: &serde_json::Value| body["error"]["details"]["fields"][0]["field"].clone();

    let cases = [
        (serde_json::json!({"limits": {"maxCosts": {"amount": 5, "period": "day"}}}), "limits.maxCosts"),
        (serde_json::json!({"limits": {"maxCost": {"amount": -5, "period": "day"}}}), "limits.maxCost.amount"),
        (serde_json::json!({"limits": {"maxCost": {"amount": 5, "period": "year"}}}), "limits.maxCost.period"),
        (serde_json::json!({"limits": {"maxCost": {"amount": "5", "period": "day"}}}), "limits.maxCost.amount"),
        (serde_json::json!({"limits": {"maxAgents": -1}}), "limits.maxAgents"),
        (serde_json::json!({"userId": "  "}), "userId"),
    ];
    for (body, wanted) in cases {
        let (status, answer) = http.send("POST", "/v1/sessions", body.clone()).await;
        assert_eq!((status, field(&answer)), (422, wanted.into()), "{body}");
    }
    let unreadable = http.request("POST", "/v1/sessions").body("{bad").send().await.expect("it answers");
    assert_eq!(unreadable.status().as_u16(), 400);
    let (_, sessions) = http.send("GET", "/v1/sessions", serde_json::Value::Null).await;
    assert_eq!(sessions["data"].as_array().map(Vec::len), Some(0), "nothing was made");
}

#[tokio::test]
async fn what_is_not_served_yet_says_so() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let http = Http::new(&server.url, &server.keys.as_ref().expect("it is new").0);

    let response = http.request("GET", "/v1/workflows").send().await.expect("it answers");
    assert_eq!(response.status().as_u16(), 501);
    assert_eq!(response.headers()["x-should-retry"], "false");
    let (_, session) = http.send("POST", "/v1/sessions", serde_json::json!({})).await;
    let path = format!("/v1/sessions/{}/agents", session["id"].as_str().expect("it has an id"));
    let (status, answer) = http.send("POST", &path, serde_json::json!({"approvals": {"require": ["x"]}})).await;
    assert_eq!((status, answer["error"]["details"]["field"].as_str()), (501, Some("approvals")));
    let (status, answer) = http.send("POST", &path, serde_json::json!({"browser": true})).await;
    assert_eq!((status, answer["error"]["code"].as_str()), (422, Some("no_providers_available")));
}

#[tokio::test]
async fn a_program_that_never_ends_is_killed_and_the_agent_goes_on() {
    let theazo = Theazo::embedded().await.expect("it starts");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().await.expect("it is made");

    let code = "print('begun', flush=True)\nwhile True: pass";
    let error = agent.exec("python", code).timeout(Duration::from_millis(500)).await.expect_err("it never ends");

    assert_eq!((error.code().as_str(), error.status()), ("timeout", 504));
    assert_eq!(error.details()["stdout"], "begun\n");
    assert_eq!(agent.exec("python", "print('still here')").await.expect("it runs").stdout, "still here\n");
}

#[tokio::test]
async fn a_gigabyte_of_output_is_cut_and_the_exit_code_kept() {
    let theazo = Theazo::embedded().await.expect("it starts");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().await.expect("it is made");

    let code = "import sys\nblock = 'x' * (1 << 20)\nfor _ in range(1024): sys.stdout.write(block)\nsys.exit(7)";
    let result = agent.exec("python", code).await.expect("it runs");

    assert_eq!((result.exit_code, result.truncated, result.stdout.len()), (7, true, 1 << 20));
}

#[tokio::test]
async fn a_sandbox_cannot_read_the_hosts_files() {
    let theazo = Theazo::embedded().await.expect("it starts");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().await.expect("it is made");
    let secret = tempfile::NamedTempFile::new().expect("a file is made");
    std::fs::write(secret.path(), "the host's secret").expect("it is written");
    let path = secret.path().display();

    let code = format!("import os\nos.symlink('{path}', 'link')\nprint(open('{path}').read())");
    let result = agent.exec("python", code).await.expect("it runs");
    let by_link = agent.files().read("link").await.expect_err("the link leads out");
    let by_path = agent.files().read(path.to_string()).await.expect_err("it is outside");
    let by_dots = agent.files().read("../../../etc/passwd").await.expect_err("it is outside");

    assert_eq!(result.exit_code, 1);
    assert!(result.stderr.contains("No such file or directory"), "{}", result.stderr);
    assert_eq!(by_link.code().as_str(), "not_found");
    assert_eq!(by_path.code().as_str(), "invalid_request");
    assert!(["invalid_request", "not_found"].contains(&by_dots.code().as_str()), "{by_dots}");
}
