//! Files of the account: stored, listed, downloaded with and without a key, and in the sandboxes of their user.

use serde_json::json;
use theazo::{
    FileData,
    testing::{ChargeKind, TestPlane},
    types::{FilePurpose, testing::ScriptedTurn},
};
use theazo_server::FilesConfig;
use theazo_tests::{Http, ScriptedPlane, ServerProcess, Worlds, minutes, plain_client};

#[tokio::test]
async fn a_file_is_kept_and_comes_back_as_it_was() {
    let Worlds { ours, theirs, test, plane: _plane } = Worlds::start().await;
    let bytes = FileData::from(vec![0xff_u8, 0, 0x80]);

    let table = ours.files().upload("orders.csv", "id,total\n1,99\n", FilePurpose::AgentInput, "ada").await;
    let table = table.expect("it is stored");
    let picture = ours.files().upload("logo", bytes, FilePurpose::Knowledge, "bob").mime_type("image/png").await;
    let picture = picture.expect("it is stored");

    assert_eq!((table.filename.as_str(), table.size, table.mime_type.as_deref()), ("orders.csv", 14, Some("text/csv")));
    assert_eq!(picture.mime_type.as_deref(), Some("image/png"));
    assert_eq!(ours.files().get(table.id.clone()).await.expect("it is there"), table);
    let content = ours.files().download(table.id.clone()).await.expect("it is there");
    assert_eq!(&content[..], b"id,total\n1,99\n");
    let content = ours.files().download(picture.id.clone()).await.expect("it is there");
    assert_eq!(&content[..], [0xff, 0, 0x80]);

    let all = ours.files().list().await.expect("they are listed").data;
    assert_eq!(all, [picture.clone(), table.clone()]);
    let of_ada = ours.files().list().user_id("ada").await.expect("they are listed").data;
    assert_eq!(of_ada, std::slice::from_ref(&table));
    let documents = ours.files().list().purpose(FilePurpose::Knowledge).await.expect("they are listed").data;
    assert_eq!(documents, std::slice::from_ref(&picture));

    for stranger in [&theirs, &test] {
        assert!(stranger.files().list().await.expect("it is empty").data.is_empty());
        let error = stranger.files().get(table.id.clone()).await.expect_err("it is not theirs");
        assert_eq!((error.code().as_str(), error.status()), ("not_found", 404));
        assert!(stranger.files().delete(table.id.clone()).await.is_err());
    }

    ours.files().delete(table.id.clone()).await.expect("it is deleted");
    assert_eq!(ours.files().get(table.id.clone()).await.expect_err("it is gone").status(), 404);
    assert_eq!(ours.files().delete(table.id).await.expect_err("it is gone").status(), 404);
    assert_eq!(ours.files().list().await.expect("they are listed").data, [picture]);
}

/// A gigabyte (10^9 bytes) costs 10 cents for a month of 730 hours.
#[tokio::test]
async fn a_file_is_charged_by_the_hour_while_it_is_kept() {
    let plane = TestPlane::start().await.expect("it starts");
    let files = plane.client().files();
    let file = files.upload("a.txt", "x".repeat(1_000_000), FilePurpose::AgentInput, "ada").await;
    let file = file.expect("it is stored");
    let charged = async || {
        let charges = plane.charges().await.expect("they are listed");
        let of_ada = charges.iter().filter(|charge| charge.kind == ChargeKind::Storage && charge.user_id == "ada");
        of_ada.map(|charge| charge.cost.to_micro_cents()).sum::<i64>()
    };

    plane.advance(minutes(73 * 60)).await.expect("time passes");
    let kept = charged().await;
    files.delete(file.id).await.expect("it is deleted");
    plane.advance(minutes(73 * 60)).await.expect("time passes");

    assert_eq!((kept, charged().await), (1_000, 1_000));
}

#[tokio::test]
async fn limits_hold_for_one_file_and_for_all_of_them() {
    let limits = FilesConfig { max_file_bytes: 100, max_account_bytes: 150 };
    let plane = ScriptedPlane::start(|config| config.files = limits).await;
    let files = plane.theazo.files();
    let upload = |bytes: usize| files.upload("a.txt", "x".repeat(bytes), FilePurpose::AgentInput, "ada");

    let large = upload(101).await.expect_err("it is too large");
    assert_eq!(
        (large.code().as_str(), large.details()["fields"][0]["field"].as_str()),
        ("invalid_request", Some("data"))
    );
    let first = upload(100).await.expect("it fits");
    let again = files.upload("a.txt", "y".repeat(50), FilePurpose::AgentInput, "ada").idempotency_key("once");
    let second = again.await.expect("it fits");
    let replayed = files.upload("a.txt", "y".repeat(50), FilePurpose::AgentInput, "ada").idempotency_key("once");
    assert_eq!(replayed.await.expect("it is the same one"), second);
    let full = upload(1).await.expect_err("there is no room");
    assert_eq!((full.code().as_str(), full.status()), ("session_limit_exceeded", 402));
    assert_eq!((&full.details()["limit"], &full.details()["used"]), (&json!("storedFileBytes"), &json!(150)));

    files.delete(first.id).await.expect("it is deleted");
    upload(100).await.expect("there is room again");
    let taken = files.upload("k.txt", "k", FilePurpose::Knowledge, "ada").auto_ingest(true).await;
    let taken = taken.expect_err("there is no knowledge");
    assert_eq!((taken.code().as_str(), taken.status()), ("not_implemented", 501));
}

#[tokio::test]
async fn an_address_of_a_file_works_without_a_key_until_it_expires_or_the_file_goes() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &["--test-plane"]).await;
    let (key, _) = server.keys.clone().expect("it is new");
    let http = Http::new(&server.url, &key);
    let page = json!({
        "filename": "a b.html", "data": "PHA+aGk8L3A+", "purpose": "agent_output", "userId": "ada",
    });
    let (status, file) = http.send("POST", "/v1/files", page).await;
    assert_eq!(status, 201, "{file}");
    let id = file["id"].as_str().expect("it has an id");
    let path = format!("/v1/files/{id}/url?expiresIn=10m");
    let (_, link) = http.send("GET", &path, json!(null)).await;
    let url = link["url"].as_str().expect("it has an address").to_owned();
    let fetch = async |url: &str| plain_client().get(url).send().await.expect("the server answers");

    assert!(url.starts_with(&format!("{}/v1/downloads/", server.url)) && url.ends_with("/a%20b.html"), "{url}");
    let answer = fetch(&url).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/html");
    assert_eq!(answer.headers()["content-disposition"], "attachment; filename*=UTF-8''a%20b.html");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert_eq!(answer.text().await.expect("it arrives"), "<p>hi</p>");
    assert_eq!(fetch(&url.replace("downloads/", "downloads/x")).await.status(), 404);

    let (_, second) = http.send("GET", &path, json!(null)).await;
    http.send("POST", "/testing/clock/advance", json!({ "by": "599s" })).await;
    assert_eq!(fetch(&url).await.status(), 200);
    let third = http.send("GET", &format!("/v1/files/{id}/url"), json!(null)).await.1;
    http.send("POST", "/testing/clock/advance", json!({ "by": "1s" })).await;
    assert_eq!(fetch(&url).await.status(), 404);
    assert_eq!(fetch(second["url"].as_str().expect("it has one")).await.status(), 404);
    let third = third["url"].as_str().expect("it has one");
    assert_eq!(fetch(third).await.status(), 200, "it works for an hour");
    http.send("DELETE", &format!("/v1/files/{id}"), json!(null)).await;
    assert_eq!(fetch(third).await.status(), 404);
}

#[tokio::test]
async fn files_outlive_the_server_and_nothing_of_deleted_ones_stays_on_disk() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let (key, _) = server.keys.clone().expect("it is new");
    let http = Http::new(&server.url, &key);
    let upload = |data: &str| json!({ "filename": "a", "data": data, "purpose": "agent_input", "userId": "ada" });
    let (_, kept) = http.send("POST", "/v1/files", upload("a2VwdA==")).await;
    let (_, gone) = http.send("POST", "/v1/files", upload("Z29uZQ==")).await;
    let id = |file: &serde_json::Value| file["id"].as_str().expect("it has an id").to_owned();
    let (status, _) = http.send("DELETE", &format!("/v1/files/{}", id(&gone)), json!(null)).await;
    assert_eq!(status, 204);
    let (_, link) = http.send("GET", &format!("/v1/files/{}/url", id(&kept)), json!(null)).await;
    std::fs::write(directory.path().join("files/unfinished-file_x"), "half").expect("it is written");
    server.kill().await;

    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let http = Http::new(&server.url, &key);
    let (_, content) = http.send("GET", &format!("/v1/files/{}/content", id(&kept)), json!(null)).await;
    assert_eq!(content, json!({ "data": "kept", "encoding": "utf-8" }));
    let token = link["url"].as_str().and_then(|url| url.split_once("/v1/")).expect("it has a path").1;
    let answer = plain_client().get(format!("{}/v1/{token}", server.url)).send().await.expect("the server answers");
    assert_eq!(answer.text().await.expect("it arrives"), "kept");
    let left: Vec<_> = std::fs::read_dir(directory.path().join("files")).expect("it is there").collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test]
async fn what_a_user_gave_is_in_the_sandboxes_of_that_users_agents() {
    let plane = ScriptedPlane::start(|_| {}).await;
    let files = plane.theazo.files();
    let upload = |name: &'static str, data: &'static str, user: &'static str| {
        files.upload(name, data, FilePurpose::AgentInput, user).into_future()
    };
    upload("a.txt", "old", "ada").await.expect("it is stored");
    upload("a.txt", "new", "ada").await.expect("it is stored");
    upload("b.txt", "bob's", "bob").await.expect("it is stored");
    files.upload("c.txt", "made", FilePurpose::AgentOutput, "ada").await.expect("it is stored");
    let session = plane.theazo.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().name("reader").await.expect("it is made");

    let listed = agent.exec("shell", "cat /data/a.txt; ls /data").await.expect("it runs");
    assert_eq!(listed.stdout, "newa.txt\n");

    agent.exec("shell", "echo mine > /data/a.txt").await.expect("it runs");
    upload("later.txt", "later", "ada").await.expect("it is stored");
    let read = ScriptedTurn::tool_call("run_command", json!({ "command": "cat /data/a.txt /data/later.txt" }));
    plane.script("reader", &[read, ScriptedTurn::text("done")]).await;
    let result = agent.run("read").await.expect("it runs");
    assert_eq!(result.tool_calls[0].output, "mine\nlater", "what is there already stays as the agent left it");
}
