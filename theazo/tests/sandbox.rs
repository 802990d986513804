//! The bridge of a program in a sandbox: what it reports, in which order, and that it never gets in the way.

mod support;

use std::{collections::HashSet, time::Duration};

use serde_json::{Map, Value, json};
use support::{Act, PATIENCE, Server, in_child, json as answer};
use theazo::{
    sandbox::{ModelCall, Sandbox},
    types::{Cost, LogLevel},
};

fn accepted(count: usize) -> Vec<Act> {
    (0..count).map(|_| answer(200, &[], "{}")).collect()
}

async fn body(server: &mut Server) -> (String, Value) {
    let request = tokio::time::timeout(PATIENCE, server.request()).await.expect("a report comes");
    assert_eq!(request.header("authorization"), "", "the address is the secret");
    (request.line, serde_json::from_str(&request.body).unwrap())
}

fn connect(server: &Server) -> Sandbox {
    Sandbox::connect(format!("{}/bridge/tz_canary_token", server.url), "agt_1", "ses_1").unwrap()
}

#[tokio::test]
async fn reports_arrive_in_their_order_with_whose_they_are() {
    let mut server = Server::start(accepted(5)).await;
    let sandbox = connect(&server);

    sandbox.log(LogLevel::Warn, "careful", Map::from_iter([("left".to_owned(), json!(3))]));
    let cost = Some(Cost::cents(3));
    sandbox.track_model(ModelCall { model: "anthropic/claude".to_owned(), input_tokens: 10, output_tokens: 5, cost });
    sandbox.progress(140.0, "nearly");
    sandbox.progress(f64::NAN, "lost count");
    sandbox.complete("42", ["/workspace/report.md"]);
    sandbox.flush().await.unwrap();

    let (line, log) = body(&mut server).await;
    assert!(line.starts_with("POST /bridge/tz_canary_token/"), "{line}");
    assert_eq!(
        (&log["agentId"], &log["sessionId"], &log["level"], &log["message"], &log["metadata"]),
        (&json!("agt_1"), &json!("ses_1"), &json!("warn"), &json!("careful"), &json!({ "left": 3 }))
    );
    let (_, model) = body(&mut server).await;
    assert_eq!(
        (&model["model"], &model["inputTokens"], &model["cost"]["amount"]),
        (&json!("anthropic/claude"), &json!(10), &json!(3))
    );
    assert_eq!(body(&mut server).await.1["percentage"], json!(100.0));
    assert_eq!(body(&mut server).await.1["percentage"], json!(0.0));
    let (_, completion) = body(&mut server).await;
    assert_eq!((&completion["output"], &completion["artifacts"]), (&json!("42"), &json!(["/workspace/report.md"])));
    assert_eq!(sandbox.lost(), 0);
}

#[tokio::test]
async fn spans_nest_and_what_is_logged_within_them_belongs_to_them() {
    let mut server = Server::start(accepted(4)).await;
    let sandbox = connect(&server);

    let outcome: Result<u32, String> = sandbox
        .span("outer", async {
            sandbox.info("within");
            let inner: Result<(), String> = sandbox.span("inner", async { Err("it broke".to_owned()) }).await;
            assert_eq!(inner, Err("it broke".to_owned()));
            Ok(7)
        })
        .await;
    sandbox.info("after");
    sandbox.flush().await.unwrap();

    assert_eq!(outcome, Ok(7));
    let reports =
        [body(&mut server).await.1, body(&mut server).await.1, body(&mut server).await.1, body(&mut server).await.1];
    let [within, inner, outer, after] = &reports;
    assert_eq!(
        (&inner["name"], &inner["status"], &inner["error"]),
        (&json!("inner"), &json!("failed"), &json!("it broke"))
    );
    assert_eq!((&outer["name"], &outer["status"]), (&json!("outer"), &json!("completed")));
    assert_eq!(inner["parentSpanId"], outer["spanId"]);
    assert_eq!(within["spanId"], outer["spanId"]);
    assert_eq!((outer.get("parentSpanId"), after.get("spanId")), (None, None));
    let traces: HashSet<&str> = reports.iter().map(|report| report["traceId"].as_str().unwrap()).collect();
    assert_eq!(traces.len(), 1);
}

#[tokio::test]
async fn a_span_whose_work_is_dropped_is_reported_as_failed() {
    let mut server = Server::start(accepted(1)).await;
    let sandbox = connect(&server);

    {
        let work = sandbox.span("endless", std::future::pending::<Result<(), String>>());
        assert!(tokio::time::timeout(Duration::from_millis(1), work).await.is_err());
    }
    sandbox.flush().await.unwrap();

    let span = body(&mut server).await.1;
    assert_eq!((&span["status"], &span["error"]), (&json!("failed"), &json!("the work was dropped before its end")));
}

#[tokio::test]
async fn what_cannot_be_sent_is_counted_and_told_by_flush_and_the_program_goes_on() {
    let script = [answer(400, &[], r#"{"error":{"code":"invalid_request","message":"no"}}"#), answer(200, &[], "{}")];
    let server = Server::start(script).await;
    let sandbox = connect(&server);

    sandbox.info("refused");
    sandbox.info("taken");
    let error = sandbox.flush().await.unwrap_err();

    assert_eq!((error.status(), sandbox.lost()), (400, 1));
    assert!(!format!("{error} {error:?} {sandbox:?}").contains("tz_canary"), "{error:?}");
    sandbox.flush().await.unwrap();
}

#[tokio::test]
async fn a_report_that_fails_for_a_passing_reason_is_sent_again_with_the_same_key() {
    let script = [answer(503, &["retry-after: 0"], ""), Act::Close, answer(200, &[], "{}")];
    let mut server = Server::start(script).await;
    let sandbox = connect(&server);

    sandbox.info("once");
    sandbox.flush().await.unwrap();

    let requests = [server.request().await, server.request().await, server.request().await];
    let keys: HashSet<&str> = requests.iter().map(|request| request.header("idempotency-key")).collect();
    assert!(keys.len() == 1 && !keys.contains(""), "{keys:?}");
    assert_eq!(sandbox.lost(), 0);
}

#[test]
fn dropping_the_last_handle_sends_what_is_left() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut server = runtime.block_on(Server::start(accepted(20)));
    let sandbox = connect(&server);

    for number in 0..20 {
        sandbox.info(number.to_string());
    }
    drop(sandbox);

    let told: Vec<Value> = (0..20).map(|_| runtime.block_on(body(&mut server)).1["message"].clone()).collect();
    assert_eq!(told, (0..20).map(|number| json!(number.to_string())).collect::<Vec<_>>());
}

#[tokio::test]
async fn outside_of_a_sandbox_the_same_program_runs_and_says_so_once() {
    let name = "outside_of_a_sandbox_the_same_program_runs_and_says_so_once";
    if let Some(output) = in_child(name, &[("THEAZO_AGENT_ID", "agt_1")]) {
        output.assert_success();
        let said = "theazo: this program is in no sandbox, so it reports nothing: not all of THEAZO_ENDPOINT, \
                    THEAZO_AGENT_ID, THEAZO_SESSION_ID are set";
        assert_eq!(output.stderr.matches(said).count(), 1, "{}", output.stderr);
        return;
    }
    for sandbox in [Sandbox::from_env(), Sandbox::from_env()] {
        sandbox.info("nobody hears");
        assert_eq!(sandbox.span("work", async { Ok::<_, String>(7) }).await, Ok(7));
        sandbox.flush().await.unwrap();
        assert!(!sandbox.is_connected() && sandbox.lost() == 0);
    }
}
