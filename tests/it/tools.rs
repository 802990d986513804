//! The built-in tools, as a scripted model calls them: in real sandboxes and against servers on this machine.

use std::net::SocketAddr;

use axum::{Router, http::HeaderMap, response::Redirect, routing};
use serde_json::{Value, json};
use theazo::types::{
    RunResult,
    testing::{ScriptedToolCall, ScriptedTurn},
};
use theazo_tests::ScriptedPlane;

/// A turn that calls several tools at once.
fn calls(tools: &[(&str, Value)]) -> ScriptedTurn {
    let call = |(tool, input): &(&str, Value)| ScriptedToolCall {
        tool: (*tool).to_owned(),
        input: input.as_object().expect("it is an object").clone(),
    };
    ScriptedTurn { tool_calls: Some(tools.iter().map(call).collect()), ..Default::default() }
}

/// Runs an agent whose model calls these tools, one turn after the other, and returns what they returned.
async fn run_tools(plane: &ScriptedPlane, turns: &[&[(&str, Value)]]) -> RunResult {
    let mut script: Vec<ScriptedTurn> = turns.iter().map(|turn| calls(turn)).collect();
    script.push(ScriptedTurn::text("done"));
    plane.script("worker", &script).await;
    let session = plane.theazo.sessions().for_user("ada").await.expect("it is made");
    session.run("worker", "work").await.expect("it runs")
}

fn outputs(result: &RunResult) -> Vec<&str> {
    result.tool_calls.iter().map(|call| call.output.as_str()).collect()
}

async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[tokio::test]
async fn tools_of_one_answer_run_side_by_side_and_return_in_the_order_asked() {
    let plane = ScriptedPlane::start(|_| {}).await;
    // The first one ends only after the second has worked.
    let waits = "while [ ! -e go ]; do sleep 0.01; done; echo waited";

    let result = run_tools(
        &plane,
        &[&[
            ("run_command", json!({ "command": waits, "timeout_seconds": 60 })),
            ("write_file", json!({ "path": "go", "content": "now" })),
            ("read_file", json!({ "path": "missing" })),
        ]],
    )
    .await;

    assert_eq!(outputs(&result), ["waited\n", "wrote 3 bytes to go", "error: there is no file `missing`"]);
    assert_eq!(
        result.tool_calls.iter().map(|call| call.tool.as_str()).collect::<Vec<_>>(),
        ["run_command", "write_file", "read_file"]
    );
}

#[tokio::test]
async fn files_and_programs_work_on_the_same_folder() {
    let plane = ScriptedPlane::start(|_| {}).await;
    let python = "open('b.txt', 'w').write(open('a.txt').read().upper()); print('done')";

    let result = run_tools(
        &plane,
        &[
            &[("write_file", json!({ "path": "a.txt", "content": "hello" }))],
            &[("run_code", json!({ "language": "python", "code": python }))],
            &[
                ("read_file", json!({ "path": "b.txt" })),
                ("list_files", json!({})),
                ("run_command", json!({ "command": "cat b.txt; echo oops >&2; exit 3" })),
                ("read_file", json!({ "file": "b.txt" })),
                ("run_code", json!({ "language": "cobol", "code": "" })),
            ],
        ],
    )
    .await;

    assert_eq!(
        outputs(&result),
        [
            "wrote 5 bytes to a.txt",
            "done\n",
            "HELLO",
            "a.txt (5 bytes)\nb.txt (5 bytes)",
            "exit code 3\nstdout:\nHELLO\nstderr:\noops\n",
            "error: the input `file` is not right: unknown field `file`, expected `path` or `offset`",
            "error: `cobol` is not one of `python`, `node`, `go` and `shell`",
        ]
    );
}

/// A PDF file with one page that shows a text.
fn pdf(text: &str) -> Vec<u8> {
    let shown = format!("BT /F1 24 Tf 72 700 Td ({text}) Tj ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{shown}\nendstream", shown.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>".to_owned(),
    ];
    let mut file = "%PDF-1.4\n".to_owned();
    let mut places = String::new();
    for (index, object) in objects.iter().enumerate() {
        places.push_str(&format!("{:010} 00000 n \n", file.len()));
        file.push_str(&format!("{} 0 obj\n{object}\nendobj\n", index + 1));
    }
    let start = file.len();
    file.push_str(&format!("xref\n0 6\n0000000000 65535 f \n{places}trailer\n<< /Size 6 /Root 1 0 R >>\n"));
    file.push_str(&format!("startxref\n{start}\n%%EOF\n"));
    file.into_bytes()
}

#[tokio::test]
async fn spreadsheets_and_pdf_files_are_read_from_the_sandbox_and_from_the_web() {
    let file = pdf("Quarterly report");
    let router = Router::new().route("/report.pdf", routing::get(move || async move { file.clone() }));
    let url = format!("http://{}/report.pdf", serve(router).await);
    let plane = ScriptedPlane::start(|config| config.allow_private_targets = true).await;

    let result = run_tools(
        &plane,
        &[
            &[
                ("write_file", json!({ "path": "prices.csv", "content": "item;price\npen;1,5\nink;3\n" })),
                ("http_request", json!({ "url": url, "save_to": "report.pdf" })),
            ],
            &[
                ("read_spreadsheet", json!({ "path": "prices.csv", "limit": 1 })),
                ("pdf_reader", json!({ "source": "report.pdf" })),
                ("pdf_reader", json!({ "source": url })),
                ("pdf_reader", json!({ "source": "prices.csv" })),
                ("pdf_reader", json!({ "source": "report.pdf", "first_page": 2 })),
            ],
        ],
    )
    .await;

    let outputs = &outputs(&result)[2..];
    let table = r#"{"columns":["item","price"],"total_rows":2,"offset":0,"rows":[["pen","1,5"]]}"#;
    assert_eq!(outputs[0], format!("{table}\n[more: read on with the offset 1]"));
    assert_eq!(outputs[1], "--- page 1 of 1 ---\nQuarterly report\n");
    assert_eq!(outputs[2], outputs[1]);
    assert!(outputs[3].starts_with("error: `prices.csv`: the file cannot be read:"), "{}", outputs[3]);
    assert_eq!(outputs[4], "error: `report.pdf`: there is no page 2; the file has 1 pages");
}

#[tokio::test]
async fn http_requests_reach_this_machine_only_where_that_is_allowed() {
    let echo = |headers: HeaderMap, body: String| async move {
        format!("{} {body}", headers.get("x-token").map_or("none", |token| token.to_str().unwrap_or_default()))
    };
    let router = Router::new()
        .route("/echo", routing::any(echo))
        .route("/metadata", routing::get(async || Redirect::to("http://169.254.169.254/latest/meta-data/")))
        .route("/bytes", routing::get(async || vec![0xff_u8, 0xfe, 0]));
    let url = format!("http://{}", serve(router).await);
    let open = ScriptedPlane::start(|config| config.allow_private_targets = true).await;
    let post = json!({
        "url": format!("{url}/echo"), "method": "POST", "headers": { "x-token": "t" }, "body": { "a": 1 },
    });
    let save = json!({ "url": format!("{url}/bytes"), "save_to": "got.bin" });

    let result = run_tools(
        &open,
        &[
            &[
                ("http_request", post),
                ("http_request", json!({ "url": format!("{url}/metadata") })),
                ("http_request", json!({ "url": format!("{url}/bytes") })),
                ("http_request", save),
            ],
            &[("list_files", json!({}))],
        ],
    )
    .await;

    let outputs = outputs(&result);
    assert!(outputs[0].starts_with(&format!("200 {url}/echo\n")), "{}", outputs[0]);
    assert!(outputs[0].ends_with("\n\nt {\"a\":1}"), "{}", outputs[0]);
    let forbidden = "error: the address 169.254.169.254 is link-local, which must not be called from here";
    assert_eq!(outputs[1], forbidden);
    assert!(outputs[2].contains("[the body is not text; it has 3 bytes;"), "{}", outputs[2]);
    assert!(outputs[3].ends_with("[3 bytes were saved to got.bin]"), "{}", outputs[3]);
    assert_eq!(outputs[4], "got.bin (3 bytes)");

    let closed = ScriptedPlane::start(|_| {}).await;
    let result = run_tools(&closed, &[&[("http_request", json!({ "url": format!("{url}/echo") }))]]).await;
    let forbidden = "error: the address 127.0.0.1 is loopback, which must not be called from here";
    assert_eq!(result.tool_calls[0].output, forbidden);
}

#[tokio::test]
async fn an_agent_has_the_tools_that_it_was_given_and_no_others() {
    let plane = ScriptedPlane::start(|_| {}).await;
    let session = plane.theazo.sessions().for_user("ada").await.expect("it is made");
    let turn =
        calls(&[("read_file", json!({ "path": "a" })), ("run_code", json!({ "language": "shell", "code": "" }))]);
    plane.script("reader", &[turn, ScriptedTurn::text("done")]).await;

    let tools = vec!["read_file".to_owned(), "web_search".to_owned()];
    let agent = session.agents().create().name("reader").tools(tools).await.expect("it is made");
    let result = agent.run("read").await.expect("it runs");
    let error = session.agents().create().tools(vec!["mind_reading".to_owned()]).await.expect_err("there is none");

    assert_eq!(outputs(&result), ["error: there is no file `a`", "error: there is no tool `run_code`"]);
    assert_eq!(error.code().as_str(), "invalid_request");
    assert!(error.to_string().contains("`tools` has `mind_reading`, which is no tool"), "{error}");
}
