//! The tool `screenshot`: pictures of pages by a browser that reaches what the agent may, and nothing else of this machine.

use std::{os::unix::fs::PermissionsExt, path::PathBuf};

use axum::{Router, routing};
use serde_json::{Value, json};
use theazo::{
    Agent,
    types::{GuardrailConfig, GuardrailViolationType, testing::ScriptedTurn},
};
use theazo_server::BrowserConfig;
use theazo_tests::ScriptedPlane;

/// The stand-in for Chromium.
fn stand_in() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder is made");
    let program = folder.path().join("stand-in-for-chromium");
    std::fs::write(&program, include_str!("stand_in_for_chromium.py")).expect("it is written");
    for path in [folder.path(), &program] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("it can be run");
    }
    (folder, program)
}

async fn plane_with(browser: BrowserConfig) -> (ScriptedPlane, Agent) {
    let plane = ScriptedPlane::start(|config| {
        config.tools.browser = browser;
        config.allow_private_targets = true;
    })
    .await;
    let session = plane.theazo.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().name("photographer").await.expect("it is made");
    (plane, agent)
}

/// Lets the agent's model call the tool, and returns what that returned.
async fn take(plane: &ScriptedPlane, agent: &Agent, input: Value) -> String {
    plane.script("photographer", &[ScriptedTurn::tool_call("screenshot", input), ScriptedTurn::text("done")]).await;
    agent.run("look").await.expect("it runs").tool_calls[0].output.clone()
}

/// What the stand-in saw.
async fn seen(agent: &Agent, path: &str) -> Value {
    let picture = agent.files().read(path).await.expect("it is there");
    let seen = picture.strip_prefix(b"\x89PNG\r\n\x1a\n").expect("it begins as a PNG does");
    serde_json::from_slice(seen).expect("it is what the stand-in writes")
}

async fn serve(router: Router) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

#[tokio::test]
async fn a_page_is_shown_by_a_browser_that_sees_nothing_but_the_guarded_network() {
    let (_folder, program) = stand_in();
    let (plane, agent) = plane_with(BrowserConfig::At(program)).await;
    let port = serve(Router::new().route("/", routing::get(|| async { "hello" }))).await;
    agent.files().write("private.txt", "of the agent").await.expect("it is written");

    let url = format!("http://localhost:{port}/");
    let said = take(&plane, &agent, json!({ "source": url, "path": "page.png", "width": 640, "height": 480 })).await;

    let seen = seen(&agent, "page.png").await;
    assert!(
        said.starts_with("a picture of 640 x 480 pixels (") && said.ends_with(" bytes) was saved to page.png"),
        "{said}"
    );
    assert_eq!((&seen["page"], &seen["text"], &seen["size"]), (&json!(url), &json!("hello"), &json!("640,480")));
    assert_eq!((&seen["direct"], &seen["bypass"], &seen["files"]), (&json!(false), &json!("<-loopback>"), &json!([])));
    assert_ne!(seen["user"], 0);
    let environment: Vec<&str> =
        seen["environment"].as_array().expect("it is one").iter().flat_map(Value::as_str).collect();
    assert!(!environment.iter().any(|name| name.starts_with("THEAZO")), "{environment:?}");
}

#[tokio::test]
async fn a_document_of_the_sandbox_is_shown_and_what_it_loads_goes_through_the_guardrails() {
    let (_folder, program) = stand_in();
    let (plane, agent) = plane_with(BrowserConfig::At(program)).await;
    let blocked = GuardrailConfig { blocked_domains: Some(vec!["127.0.0.1".to_owned()]), ..Default::default() };
    plane.theazo.guardrails().configure(blocked).await.expect("they are set");
    let port = serve(Router::new().route("/", routing::get(|| async { "a part" }))).await;
    let parts = format!("http://localhost:{port}/\nhttp://127.0.0.1:{port}/\nhttp://169.254.169.254/\n");
    agent.files().write("report.html", &parts[..]).await.expect("it is written");

    let said = take(&plane, &agent, json!({ "source": "report.html", "path": "/workspace/report.png" })).await;

    let domain = "the domain `127.0.0.1` is not one that may be called from here";
    let address = "the address 169.254.169.254 is link-local, which must not be called from here";
    let (head, missed) = said.split_once('\n').expect("something is missing");
    assert!(head.ends_with(" was saved to /workspace/report.png"), "{said}");
    assert_eq!(missed, format!("[not loaded: {domain}]\n[not loaded: {address}]"));
    let seen = seen(&agent, "report.png").await;
    assert_eq!((&seen["page"], &seen["files"]), (&json!("file:///workspace/page.html"), &json!(["page.html"])));
    assert_eq!(seen["parts"], json!(["a part", format!("403 {domain}"), format!("403 {address}")]));
    let whole = take(&plane, &agent, json!({ "source": format!("http://127.0.0.1:{port}/") })).await;
    assert_eq!(whole, format!("error: {domain}"));
    let violations = plane.theazo.guardrails().violations().r#type(GuardrailViolationType::DomainBlocked).await;
    assert_eq!(violations.expect("they are listed").data.len(), 2);
}

#[tokio::test]
async fn what_cannot_be_shown_is_told_and_where_there_is_no_browser_there_is_no_tool() {
    let (_folder, program) = stand_in();
    let (plane, agent) = plane_with(BrowserConfig::At(program)).await;
    agent.files().write("break.html", "break").await.expect("it is written");
    let closed =
        tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("it listens").local_addr().expect("it has one");

    for (input, problem) in [
        (json!({ "source": "break.html" }), "the browser took no picture and ended with 1: the stand-in broke"),
        (json!({ "source": "missing.html" }), "there is no file `missing.html`"),
        (
            json!({ "source": "http://169.254.169.254/" }),
            "the address 169.254.169.254 is link-local, which must not be called from here",
        ),
        (json!({ "source": "break.html", "width": 1 }), "`width` and `height` must be from 100 to 8000"),
    ] {
        assert_eq!(take(&plane, &agent, input).await, format!("error: {problem}"));
    }
    let unreachable = take(&plane, &agent, json!({ "source": format!("http://localhost:{}/", closed.port()) })).await;
    assert!(
        unreachable.ends_with(&format!("[not loaded: `localhost` accepts no connection on port {}]", closed.port())),
        "{unreachable}"
    );

    let (plane, agent) = plane_with(BrowserConfig::Usual).await;
    let absent = take(&plane, &agent, json!({ "source": "break.html" })).await;
    assert_eq!(absent, "error: there is no tool `screenshot`");
}

/// On a machine without Chromium its stand-in alone is tested.
#[tokio::test]
async fn a_real_chromium_shows_a_page_with_its_script_and_its_picture() {
    let program = PathBuf::from("/usr/bin/chromium");
    if !program.is_file() {
        eprintln!("there is no {}: no real browser was tested", program.display());
        return;
    }
    let (plane, agent) = plane_with(BrowserConfig::At(program)).await;
    let picture = "<svg xmlns='http://www.w3.org/2000/svg' width='64' height='64'><rect width='64' height='64' fill='#0a0'/></svg>";
    let page = "<body style='font: 40px sans-serif'>written<script>fetch('/part').then(part => part.text())\
                .then(text => document.body.append(' and ' + text))</script><img src='/picture.svg'>\
                <img src='http://169.254.169.254/no.png'>";
    let router = Router::new()
        .route("/", routing::get(move || async move { axum::response::Html(page) }))
        .route("/part", routing::get(|| async { "scripted" }))
        .route("/picture.svg", routing::get(move || async move { ([("content-type", "image/svg+xml")], picture) }));
    let port = serve(router).await;

    let input =
        json!({ "source": format!("http://localhost:{port}/"), "path": "page.png", "width": 600, "height": 300 });
    let said = take(&plane, &agent, input).await;

    assert!(said.contains(" was saved to page.png\n[not loaded: the address 169.254.169.254 is link-local"), "{said}");
    let png = agent.files().read("page.png").await.expect("it is there");
    assert_eq!(&png[16..24], [600_u32.to_be_bytes(), 300_u32.to_be_bytes()].concat());
}
