//! What is cancelled ends, wherever it stands: while a model is asked, and while tools run side by side.

use std::{sync::Arc, time::Instant};

use axum::{Router, extract::State, routing::post};
use serde_json::json;
use theazo::{
    Agent, Run,
    testing::{ScriptedToolCall, ScriptedTurn},
    types::StreamEvent,
};
use theazo_server::{ControlPlane, ModelKeys, PlaneConfig};
use theazo_tests::{ScriptedPlane, client_of, eventually, processes_with, soon};
use tokio::sync::mpsc;

/// What a model server sees.
#[derive(Debug, PartialEq)]
enum Seen {
    Asked,
    HungUp,
}

/// Tells that a request ended without an answer.
struct Pending(mpsc::UnboundedSender<Seen>);

impl Drop for Pending {
    fn drop(&mut self) {
        let _ = self.0.send(Seen::HungUp);
    }
}

async fn never_answer(State(seen): State<Arc<mpsc::UnboundedSender<Seen>>>) {
    let _pending = Pending((*seen).clone());
    let _ = seen.send(Seen::Asked);
    std::future::pending::<()>().await;
}

/// Cancels a run, and waits until its agent can be given the next.
async fn cancel(run: &Run, agent: &Agent) {
    let begun = Instant::now();
    let cancelled = soon("the cancelling", run.cancel()).await.expect("it is cancelled");
    assert_eq!(cancelled.data().status.as_str(), "cancelled");
    let error = soon("the run", run.wait()).await.expect_err("it was cancelled");
    assert_eq!(error.code().as_str(), "cancelled");
    let free = async {
        while agent.status().await.expect("it is told").status.as_str() != "ready" {
            tokio::task::yield_now().await;
        }
    };
    soon("the agent", free).await;
    eprintln!("the agent was free after {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_run_is_cancelled_while_its_model_says_nothing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}/v1", listener.local_addr().expect("it listens"));
    let (seen, mut sees) = mpsc::unbounded_channel();
    let router = Router::new().route("/v1/chat/completions", post(never_answer)).with_state(Arc::new(seen));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let keys = ModelKeys::default().with("openai", Some("sk-1"), Some(&url));
    let config = PlaneConfig { model_keys: keys, ..PlaneConfig::default() }.default_provider("local");
    let plane = ControlPlane::start(config).await.expect("it starts");
    let theazo = client_of(&plane, plane.live_key().expect("the plane is new"));
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().model("gpt-4o-mini").await.expect("it is made");

    for _ in 0..3 {
        let events = agent.stream("wait").await.expect("it starts");
        let run_id = events.run_id().expect("the head says which run it is").to_owned();
        let run = theazo.runs().get(run_id).await.expect("it is kept");
        assert_eq!(soon("the model", sees.recv()).await, Some(Seen::Asked));

        cancel(&run, &agent).await;

        assert_eq!(soon("the model's request", sees.recv()).await, Some(Seen::HungUp));
    }
}

#[tokio::test]
async fn a_run_is_cancelled_while_its_tools_run_side_by_side() {
    let plane = ScriptedPlane::start(|_| ()).await;
    let marker = format!("700.{:07}", std::process::id());
    let call = ScriptedToolCall {
        tool: "run_code".to_owned(),
        input: json!({ "language": "shell", "code": format!("setsid sleep {marker} & sleep {marker}") })
            .as_object()
            .expect("it is an object")
            .clone(),
    };
    let turn = ScriptedTurn { tool_calls: Some(vec![call; 4]), ..Default::default() };
    plane.script("worker", &[turn, ScriptedTurn::text("next")]).await;
    let session = plane.theazo.sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().name("worker").await.expect("it is made");

    let mut events = agent.stream("work").await.expect("it starts");
    let run_id = events.run_id().expect("the head says which run it is").to_owned();
    let run = plane.theazo.runs().get(run_id).await.expect("it is kept");
    for _ in 0..4 {
        let event = soon("a tool", events.next()).await.expect("it goes on").expect("it streams");
        assert!(matches!(event, StreamEvent::ToolCall { .. }), "{event:?}");
    }
    eventually("the start of all programs", || processes_with(&format!("sleep\0{marker}")) == 8).await;
    cancel(&run, &agent).await;

    eventually("the end of all programs", || processes_with(&marker) == 0).await;
    assert_eq!(soon("the next run", agent.run("go on")).await.expect("it runs").output, "next");
}
