//! Files between this machine, the account and knowledge: what is sent, and what becomes of answers.

mod support;

use std::{fs, path::Path};

use serde_json::{Value, json};
use support::{Act, Request, SESSION, Server};
use theazo::{ErrorKind, FileData, Session, Theazo, types::FilePurpose};

const STORED: &str = r#"{"id":"file_1","filename":"a.bin","mimeType":null,"size":3,"purpose":"agent_input","userId":"ada","createdAt":"2026-11-24T09:00:00.000Z"}"#;

/// `FF 00 7F` in base64.
const BYTES: &str = r#"{"data":"/wB/","encoding":"base64"}"#;

fn answer(status: u16, body: &str) -> Act {
    support::json(status, &[], body)
}

fn body(request: &Request) -> Value {
    serde_json::from_str(&request.body).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn session(server: &mut Server) -> Session {
    let session = Theazo::over(server.transport()).sessions().get("ses_1").await.unwrap();
    server.request().await;
    session
}

#[tokio::test]
async fn text_bytes_and_files_are_stored_as_base64() {
    let mut server = Server::start([STORED; 3].map(|stored| answer(201, stored))).await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.bin"), b"\xFF\x00\x7F").unwrap();
    let files = Theazo::over(server.transport()).files();

    files.upload("a.txt", "hello", FilePurpose::AgentInput, "ada").mime_type("text/plain").await.unwrap();
    files.upload("b.bin", b"\xFF\x00\x7F", "agent_input", "ada").await.unwrap();
    let from_path = FileData::from_path(folder.path().join("a.bin")).await.unwrap();
    let stored = files.upload("c.bin", from_path, "knowledge", "ada").auto_ingest(true).await.unwrap();

    assert_eq!(stored.id.as_str(), "file_1");
    let request = server.request().await;
    assert_eq!(request.line, "POST /v1/files");
    assert_eq!(
        body(&request),
        json!({
            "filename": "a.txt", "data": "aGVsbG8=", "purpose": "agent_input", "userId": "ada", "mimeType": "text/plain",
        })
    );
    assert_eq!(body(&server.request().await)["data"], "/wB/");
    assert_eq!(
        body(&server.request().await),
        json!({ "filename": "c.bin", "data": "/wB/", "purpose": "knowledge", "userId": "ada", "autoIngest": true })
    );
}

#[tokio::test]
async fn knowledge_takes_files_by_their_names() {
    const ADDED: &str = r#"{"collection":"handbook","chunks":4,"sources":2}"#;
    let mut server = Server::start([answer(200, SESSION), answer(201, ADDED)]).await;
    let session = session(&mut server).await;

    let files = [FileData::from("# Handbook").named("handbook.md"), FileData::from(b"%PDF\xFF").named("terms.pdf")];
    let added = session.knowledge().upload(files).collection("handbook").await.unwrap();

    assert_eq!(added.sources, 2);
    let request = server.request().await;
    assert_eq!(request.line, "POST /v1/knowledge/upload");
    assert_eq!(
        body(&request),
        json!({
            "userId": "u", "sessionId": "ses_1", "collection": "handbook",
            "files": [
                { "filename": "handbook.md", "data": "IyBIYW5kYm9vaw==" },
                { "filename": "terms.pdf", "data": "JVBERv8=" },
            ],
        })
    );
}

#[tokio::test]
async fn a_stored_file_comes_back_as_bytes_as_text_or_into_a_file() {
    let text = r#"{"data":"hello","encoding":"utf-8"}"#;
    let mut server = Server::start([BYTES, text, BYTES, BYTES].map(|content| answer(200, content))).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    fs::write(&path, "what was there before").unwrap();
    let download = || Theazo::over(server.transport()).files().download("file_1");

    let bytes = download().await.unwrap();
    let text = download().text().await.unwrap();
    let not_text = download().text().await.unwrap_err();
    download().save(&path).await.unwrap();

    assert_eq!((&bytes[..], text.as_str()), (&b"\xFF\x00\x7F"[..], "hello"));
    assert_eq!(not_text.to_string(), "the file is not UTF-8 text; read it as bytes: await the request itself");
    assert_eq!(fs::read(&path).unwrap(), b"\xFF\x00\x7F");
    assert_eq!(names(folder.path()), ["a.bin"]);
    assert_eq!(server.request().await.line, "GET /v1/files/file_1/content");
}

#[tokio::test]
async fn a_file_of_a_sandbox_is_saved_too() {
    const AGENT: &str = r#"{"id":"agt_1","sessionId":"ses_1","status":"ready","provider":"simulated","compute":"python","model":"offline","createdAt":"2026-11-24T09:00:00.000Z"}"#;
    let mut server = Server::start([answer(200, AGENT), answer(200, BYTES)]).await;
    let folder = tempfile::tempdir().unwrap();
    let agent = Theazo::over(server.transport()).agents().get("agt_1").await.unwrap();

    agent.files().read("chart.png").save(folder.path().join("chart.png")).await.unwrap();

    assert_eq!(fs::read(folder.path().join("chart.png")).unwrap(), b"\xFF\x00\x7F");
    server.request().await;
    assert_eq!(server.request().await.line, "GET /v1/agents/agt_1/files/chart.png");
}

#[tokio::test]
async fn what_fails_leaves_the_file_as_it_was_and_nothing_beside_it() {
    let missing = r#"{"error":{"code":"not_found","message":"there is no file `file_1`"}}"#;
    let odd = r#"{"data":"?","encoding":"base64"}"#;
    let server = Server::start([answer(404, missing), answer(200, odd)]).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    fs::write(&path, "what was there before").unwrap();
    let download = || Theazo::over(server.transport()).files().download("file_1");

    let missing = download().save(&path).await.unwrap_err();
    let odd = download().save(&path).await.unwrap_err();

    assert_eq!((missing.code().as_str(), odd.kind()), ("not_found", &ErrorKind::Unreadable));
    assert_eq!(fs::read_to_string(&path).unwrap(), "what was there before");
    assert_eq!(names(folder.path()), ["a.bin"]);
}

#[tokio::test]
async fn a_download_that_is_dropped_leaves_nothing() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"data\":";
    let mut server = Server::start([Act::Hold(head.to_owned())]).await;
    let folder = tempfile::tempdir().unwrap();
    let download = Theazo::over(server.transport()).files().download("file_1").save(folder.path().join("a.bin"));

    tokio::select! {
        _ = download => panic!("it is never answered"),
        _ = server.request() => {}
    }

    server.closed().await;
    assert_eq!(names(folder.path()), [""; 0]);
}

#[tokio::test]
async fn a_path_that_cannot_be_used_is_named_and_nothing_is_sent() {
    let mut server = Server::start([]).await;
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("missing").join("a.bin");
    let download = || Theazo::over(server.transport()).files().download("file_1");

    let read = FileData::from_path(&nowhere).await.unwrap_err();
    let written = download().save(&nowhere).await.unwrap_err();
    let unnamed = download().save("/").await.unwrap_err();

    for error in [&read, &written, &unnamed] {
        assert_eq!(error.kind(), &ErrorKind::InvalidInput { parameter: "path".to_owned() });
    }
    let shown = nowhere.display();
    assert!(read.to_string().starts_with(&format!("`path` cannot be read: {shown}: ")), "{read}");
    assert!(written.to_string().starts_with(&format!("`path` cannot be written: {shown}: ")), "{written}");
    assert_eq!(unnamed.to_string(), "`path` names no file: /");
    assert!(std::error::Error::source(&read).is_some());
    assert_eq!(server.unread(), 0);
}
