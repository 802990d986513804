//! Runs on real protocols: a control plane in this process, and providers on this machine that speak as the real ones do.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Response, StatusCode},
    routing::post,
};
use serde_json::{Value, json};
use theazo::{
    Config, Session, Theazo, Transport,
    types::{AgentModelConfig, ModelProviderConfig, ProviderConfig},
};
use theazo_server::{ControlPlane, ModelKeys, PlaneConfig};

/// A provider that gives each request the next answer, and remembers what it was asked.
#[derive(Clone)]
struct Provider {
    url: String,
    seen: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
}

impl Provider {
    async fn start(path: &str, answers: &[(u16, String)]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it listens"));
        let provider = Self { url, seen: Arc::default(), answers: Arc::new(Mutex::new(answers.to_vec().into())) };
        let router = Router::new().route(path, post(Self::answer)).with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    async fn answer(State(provider): State<Self>, headers: HeaderMap, body: Bytes) -> Response<Body> {
        let body = serde_json::from_slice(&body).expect("it is JSON");
        provider.seen.lock().expect("nothing panics here").push((headers, body));
        let (status, text) =
            provider.answers.lock().expect("nothing panics here").pop_front().expect("there are enough");
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = StatusCode::from_u16(status).expect("it is a status");
        response.headers_mut().insert("retry-after-ms", 1.into());
        response
    }

    fn seen(&self) -> Vec<(HeaderMap, Value)> {
        self.seen.lock().expect("nothing panics here").clone()
    }
}

async fn plane_with(keys: ModelKeys) -> (ControlPlane, Session) {
    let config = PlaneConfig { model_keys: keys, ..PlaneConfig::default() }.default_provider("simulated");
    let plane = ControlPlane::start(config).await.expect("it starts");
    let config = Config::with_api_key(plane.live_key().expect("the plane is new"));
    let theazo = Theazo::over(Transport::to_plane(&plane, config).expect("the key is good"));
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    (plane, session)
}

fn messages(events: &[Value]) -> (u16, String) {
    let named =
        events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default()));
    (200, named.collect())
}

fn completions(events: &[Value]) -> (u16, String) {
    (200, events.iter().map(|event| format!("data: {event}\n\n")).chain(["data: [DONE]\n\n".to_owned()]).collect())
}

#[tokio::test]
async fn a_run_asks_anthropic_calls_its_tool_and_costs_what_was_counted() {
    let start = |input: i64, cached: i64| {
        let usage = json!({ "input_tokens": input, "cache_read_input_tokens": cached, "output_tokens": 1 });
        json!({ "type": "message_start", "message": { "usage": usage } })
    };
    let stop = |reason: &str, output: i64| {
        let delta = json!({ "stop_reason": reason });
        [
            json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": output } }),
            json!({ "type": "message_stop" }),
        ]
    };
    let block = |index: u64, start: Value, delta: Value| {
        [
            json!({ "type": "content_block_start", "index": index, "content_block": start }),
            json!({ "type": "content_block_delta", "index": index, "delta": delta }),
            json!({ "type": "content_block_stop", "index": index }),
        ]
    };
    let text = |index, text| {
        block(index, json!({ "type": "text", "text": "" }), json!({ "type": "text_delta", "text": text }))
    };
    let tool = json!({ "type": "tool_use", "id": "toolu_01", "name": "write_file", "input": {} });
    let input = json!({ "type": "input_json_delta", "partial_json": r#"{"path":"report.md","content":"done"}"# });
    let first: Vec<Value> = [
        vec![start(1_000, 0)],
        text(0, "I will write it.").to_vec(),
        block(1, tool, input).to_vec(),
        stop("tool_use", 50).to_vec(),
    ]
    .concat();
    let second: Vec<Value> =
        [vec![start(100, 1_000)], text(0, "It is written.").to_vec(), stop("end_turn", 10).to_vec()].concat();
    let overloaded = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } });
    let answers = [messages(&first), (529, overloaded.to_string()), messages(&second)];
    let anthropic = Provider::start("/v1/messages", &answers).await;
    let keys = ModelKeys::default().with("anthropic", Some("sk-ant-1"), Some(&anthropic.url));
    let (_plane, session) = plane_with(keys).await;

    let result = session.run("writer", "write the report").await.expect("it runs");

    assert_eq!(
        (result.output.as_str(), result.artifacts.as_slice()),
        ("It is written.", &["/workspace/report.md".to_owned()][..])
    );
    let usage = session.usage().await.expect("it is reported");
    // 1000 in at 300 and 50 out at 1500; 100 in at 300, 1000 from the cache at 30 and 10 out at 1500; and ten percent.
    assert_eq!(usage.model_cost.to_micro_cents(), (375_000 + 75_000) * 11 / 10);
    assert_eq!(usage.model_calls, 2);
    let seen = anthropic.seen();
    let model: Vec<&Value> = seen.iter().map(|(_, body)| &body["model"]).collect();
    assert_eq!(model, ["claude-sonnet-4-6"; 3]);
    let keys: Vec<_> = seen.iter().map(|(headers, _)| headers["idempotency-key"].clone()).collect();
    assert!(keys[0] != keys[1] && keys[1] == keys[2], "a repeated call says that it is the same: {keys:?}");
    assert_eq!(seen[1].1, seen[2].1);
    assert_eq!(
        seen[2].1["messages"],
        json!([
            { "role": "user", "content": [{ "type": "text", "text": "write the report" }] },
            { "role": "assistant", "content": [
                { "type": "text", "text": "I will write it." },
                { "type": "tool_use", "id": "toolu_01", "name": "write_file",
                  "input": { "path": "report.md", "content": "done" } },
            ] },
            { "role": "user", "content": [{
                "type": "tool_result", "tool_use_id": "toolu_01", "content": "wrote 4 bytes to report.md",
                "cache_control": { "type": "ephemeral" },
            }] },
        ])
    );
}

#[tokio::test]
async fn a_run_asks_openai_calls_its_tools_and_costs_what_was_counted() {
    let delta = |delta: Value, reason: Option<&str>| json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": reason }] });
    let usage = |input: i64, output: i64| json!({ "choices": [], "usage": { "prompt_tokens": input, "completion_tokens": output } });
    let call = |index: u64, id: &str, path: &str| {
        let arguments = json!({ "path": path, "content": path }).to_string();
        json!({ "index": index, "id": id, "type": "function", "function": { "name": "write_file", "arguments": arguments } })
    };
    let both = json!({ "tool_calls": [call(0, "call_a", "a.txt"), call(1, "call_b", "b.txt")] });
    let first = [delta(both, None), delta(json!({}), Some("tool_calls")), usage(1_000, 40)];
    let second =
        [delta(json!({ "content": "Both are there." }), None), delta(json!({}), Some("stop")), usage(1_200, 10)];
    let openai = Provider::start("/v1/chat/completions", &[completions(&first), completions(&second)]).await;
    let base_url = format!("{}/v1", openai.url);
    let keys = ModelKeys::default().with("openai", Some("sk-1"), Some(&base_url));
    let (_plane, session) = plane_with(keys).await;

    let result = session.run("writer", "write both").model("gpt-4o-mini").await.expect("it runs");

    assert_eq!((result.output.as_str(), result.tool_calls.len()), ("Both are there.", 2));
    let usage = session.usage().await.expect("it is reported");
    // 2200 in at 15 and 50 out at 60 micro-cents each, and ten percent.
    assert_eq!(usage.model_cost.to_micro_cents(), (33_000 + 3_000) * 11 / 10);
    let (headers, asked) = openai.seen()[1].clone();
    assert_eq!((headers["authorization"].to_str().ok(), &asked["model"]), (Some("Bearer sk-1"), &json!("gpt-4o-mini")));
    let results: Vec<&Value> = asked["messages"]
        .as_array()
        .expect("it is a list")
        .iter()
        .filter(|message| message["role"] == "tool")
        .collect();
    assert_eq!(
        results,
        [
            &json!({ "role": "tool", "tool_call_id": "call_a", "content": "wrote 5 bytes to a.txt" }),
            &json!({ "role": "tool", "tool_call_id": "call_b", "content": "wrote 5 bytes to b.txt" }),
        ]
    );
}

#[tokio::test]
async fn an_answer_is_no_longer_than_the_budget_has_room_for() {
    let stop = [json!({ "choices": [{ "index": 0, "delta": { "content": "Yes." }, "finish_reason": "stop" }] })];
    let openai = Provider::start("/v1/chat/completions", &[completions(&stop)]).await;
    let base_url = format!("{}/v1", openai.url);
    let (_plane, session) = plane_with(ModelKeys::default().with("openai", None, Some(&base_url))).await;

    // An answer of the usual length could cost 16 cents more than that.
    let result = session.run("writer", "say yes").model("gpt-4o").max_cost(theazo::types::Cost::cents(5)).await;

    assert_eq!(result.expect("a shorter answer is enough").output, "Yes.");
    let longest = openai.seen()[0].1["max_tokens"].as_i64().expect("it is a number");
    assert!((1_024..4_500).contains(&longest), "{longest}");
}

/// What a provider says that answers yes, of 1000 tokens in and 10 out.
fn yes() -> (u16, String) {
    let delta = json!({ "choices": [{ "index": 0, "delta": { "content": "Yes." }, "finish_reason": "stop" }] });
    completions(&[delta, json!({ "choices": [], "usage": { "prompt_tokens": 1_000, "completion_tokens": 10 } })])
}

async fn plane_that_reaches_this_machine() -> (ControlPlane, Theazo) {
    let config = PlaneConfig { allow_private_targets: true, ..PlaneConfig::default() }.default_provider("simulated");
    let plane = ControlPlane::start(config).await.expect("it starts");
    let config = Config::with_api_key(plane.live_key().expect("the plane is new"));
    let theazo = Theazo::over(Transport::to_plane(&plane, config).expect("the key is good"));
    (plane, theazo)
}

#[tokio::test]
async fn a_customers_own_gateway_is_asked_with_the_customers_key_and_costs_nothing_here() {
    let gateway = Provider::start("/v1/chat/completions", &[yes(), yes(), yes()]).await;
    let base_url = format!("{}/v1", gateway.url);
    let (_plane, theazo) = plane_that_reaches_this_machine().await;
    theazo.secrets().set([("gateway_key", "sk-customer")]).await.expect("it is kept");
    let config = ProviderConfig { base_url: Some(base_url.clone()), ..ProviderConfig::default() };
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let own = AgentModelConfig {
        base_url: Some(base_url),
        credential_ref: Some("gateway_key".to_owned()),
        name: Some("meta/llama-of-the-house".to_owned()),
        ..AgentModelConfig::default()
    };

    // As the agent says, then as the account says, for a model of the gateway and for one of another provider.
    let agent = session.agents().create().model(own).await.expect("it is made");
    agent.run("say yes").await.expect("it runs");
    theazo.providers().set("openai").credential_ref("gateway_key").config(config).await.expect("it is set");
    session.run("writer", "say yes").model("openai/house-model").await.expect("it runs");
    session.run("writer", "say yes").model("anthropic/claude-sonnet").await.expect("it runs");

    let seen = gateway.seen();
    let asked: Vec<_> = seen
        .iter()
        .map(|(headers, body)| (headers["authorization"].to_str().unwrap_or_default(), body["model"].clone()))
        .collect();
    let key = "Bearer sk-customer";
    let models = ["meta/llama-of-the-house", "house-model", "anthropic/claude-sonnet"];
    assert_eq!(asked, models.map(|model| (key, json!(model))));
    assert_eq!(agent.data().model, "meta/llama-of-the-house");
    let usage = session.usage().await.expect("it is reported");
    assert_eq!((usage.model_calls, usage.model_cost.to_micro_cents()), (3, 0));
}

#[tokio::test]
async fn the_models_that_a_session_brings_are_asked_without_being_named() {
    let delta = json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "Yes." } });
    let answer = messages(&[
        json!({ "type": "message_start", "message": { "usage": { "input_tokens": 9, "output_tokens": 1 } } }),
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
        delta,
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 2 } }),
        json!({ "type": "message_stop" }),
    ]);
    let anthropic = Provider::start("/v1/messages", &[answer]).await;
    let (plane, _) = plane_that_reaches_this_machine().await;
    let own = ModelProviderConfig { base_url: Some(anthropic.url.clone()), ..ModelProviderConfig::new("anthropic") };
    let config = Config::with_api_key(plane.live_key().expect("the plane is new"));
    let config = config.models(own.credential("apiKey", "sk-ant-customer"));
    let theazo = Theazo::over(Transport::to_plane(&plane, config).expect("the key is good"));
    let session = theazo.sessions().for_user("ada").await.expect("it is made");

    let result = session.run("writer", "say yes").model("claude-haiku").await.expect("it runs");

    assert_eq!(result.output, "Yes.");
    let (headers, asked) = anthropic.seen()[0].clone();
    assert_eq!(
        (headers["x-api-key"].to_str().ok(), &asked["model"]),
        (Some("sk-ant-customer"), &json!("claude-haiku-4-5"))
    );
    assert_eq!(session.usage().await.expect("it is reported").model_cost.to_micro_cents(), 0);
}

#[tokio::test]
async fn a_customers_address_inside_the_operators_network_is_not_called() {
    let inside = Provider::start("/v1/chat/completions", &[yes()]).await;
    let (_plane, session) = plane_with(ModelKeys::default()).await;
    let own = |base_url: Option<String>, provider: Option<&str>, name: Option<&str>| AgentModelConfig {
        base_url,
        provider: provider.map(str::to_owned),
        name: name.map(str::to_owned),
        ..AgentModelConfig::default()
    };

    let agent = session.agents().create().model(own(Some(format!("{}/v1", inside.url)), None, Some("m"))).await;
    let error = agent.expect("it is made").run("say yes").await.expect_err("it is not called");
    let refused = async |model: AgentModelConfig| {
        let error = session.agents().create().model(model).await.expect_err("it cannot be asked");
        error.details()["fields"][0]["field"].as_str().unwrap_or_default().to_owned()
    };

    assert_eq!(error.details()["reason"], "rejected");
    assert_eq!(inside.seen().len(), 0);
    assert_eq!(refused(own(Some("https://gateway.example.com".to_owned()), None, None)).await, "model.name");
    assert_eq!(refused(own(None, Some("nobody"), None)).await, "model.name");
    let unknown_key =
        AgentModelConfig { credential_ref: Some("nothing".to_owned()), ..own(None, Some("openai"), None) };
    assert_eq!(refused(unknown_key).await, "model.credentialRef");
    assert_eq!(refused(own(None, Some("ollama"), Some("llama"))).await, "model");
}
