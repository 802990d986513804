//! Row 37: canary secrets go in wherever a secret can, and come out nowhere but on the wire.

mod support;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use support::{in_child, said::Said};
use theazo::{
    Config, Secret, Theazo,
    hooks::{Hook, RequestEvent, ResponseEvent},
    transport::{Body, Call, HttpClient, HttpError, operation},
    types::{ComputeProviderConfig, McpConnectOpts, ModelProviderConfig},
};

const CANARY: &str = "tz_canary_";

/// A canary whose line breaks and quotes are written in other ways in JSON and in what is shown of it.
const PRIVATE_KEY: &str = "-----BEGIN\ntz_canary_line_one\n\"tz_canary_line_two\"\n";

/// How the other side misbehaves.
#[derive(Clone, Copy, Debug)]
enum Echo {
    /// It refuses, and says what it was sent.
    Refusal,
    /// It is a proxy that shows what it was sent.
    Page,
    /// It takes the request, and its answer is cut in the middle of a secret, one that it made where it makes some.
    CutAnswer,
    /// It takes the request, and answers something else that holds what it was sent.
    OtherShape,
}

#[derive(Clone)]
struct Echoing {
    how: Echo,
    /// How many canaries arrived, so that the test is known to send them.
    arrived: Arc<Mutex<usize>>,
}

impl HttpClient for Echoing {
    fn send(&self, request: http::Request<Bytes>) -> BoxFuture<'static, Result<http::Response<Body>, HttpError>> {
        let sent = String::from_utf8(request.body().to_vec()).unwrap();
        let headers = request.headers().values().map(|value| value.to_str().unwrap().to_owned());
        let all = format!("{sent} {}", headers.collect::<Vec<_>>().join(" "));
        *self.arrived.lock().unwrap() += sent.matches(CANARY).count();
        let text = serde_json::to_string(&all).unwrap();
        let makes_secrets = ["/v1/api-keys", "/v1/webhooks"].contains(&request.uri().path());
        let (status, body) = match self.how {
            Echo::Refusal => (
                422,
                format!(
                    r#"{{"error":{{"code":"invalid_request","message":{text},"details":{{"sent":[{text}]}}}},"requestId":"req_1"}}"#
                ),
            ),
            Echo::Page => (502, format!("<html>{all}</html>")),
            Echo::CutAnswer if makes_secrets => (200, format!(r#"{{"id":"x","key":"{CANARY}made_by_the_serv"#)),
            Echo::CutAnswer => (200, format!(r#"{{"id":"x","sent":{}"#, &text[..text.len() - 1])),
            Echo::OtherShape => (200, format!(r#"{{"id":{text},"createdAt":7}}"#)),
        };
        let response = http::Response::builder().status(status).body(Body::from(body)).unwrap();
        async { Ok(response) }.boxed()
    }
}

/// Shows all that it is shown.
struct Curious(Arc<Mutex<String>>);

impl Hook for Curious {
    fn on_request(&self, request: &RequestEvent<'_>) {
        let body = request.body.map(String::from_utf8_lossy);
        *self.0.lock().unwrap() += &format!("{request:?} {body:?} {}", request.path);
    }

    fn on_response(&self, response: &ResponseEvent<'_>) {
        let body = response.body.map(String::from_utf8_lossy);
        *self.0.lock().unwrap() += &format!("{response:?} {body:?}");
    }
}

fn secret(name: &str) -> Secret {
    Secret::from(format!("{CANARY}{name}"))
}

/// Makes every call that takes a secret, and gives everything that a person could see of it.
async fn show_all(client: &Theazo, seen: &mut Vec<String>) {
    let headers = || BTreeMap::from([("authorization".to_owned(), secret("mcp"))]);
    let server =
        McpConnectOpts { headers: Some(headers()), ..McpConnectOpts::http("files", "https://mcp.example.com") };
    macro_rules! show {
        ($($request:expr),+ $(,)?) => {
            $(
                let request = $request;
                seen.push(format!("{request:?}"));
                if let Err(error) = request.await {
                    seen.extend([error.to_string(), format!("{error:?}"), error.to_json()]);
                }
            )+
        };
    }
    show!(
        client.secrets().set(BTreeMap::from([("KEY".to_owned(), secret("account"))])),
        client.secrets().set(BTreeMap::from([("PEM".to_owned(), Secret::from(PRIVATE_KEY))])),
        client.mcp().connect(server),
        client.mcp().set_user_credentials("mcp_1", "u", headers()),
        client
            .sessions()
            .create()
            .user_id("u")
            .compute(ComputeProviderConfig::new("e2b").credential("apiKey", secret("compute")).into()),
        client
            .sessions()
            .for_user("u")
            .models(ModelProviderConfig::new("openai").credential("apiKey", secret("model"))),
        client.webhooks().create("https://example.com", ["agent.completed"]),
        client.api_keys().create("ci", "live"),
    );
    // As a session's own secrets, and what other languages send: bytes that were never typed here.
    let raw =
        Call::new(operation("SetSessionSecrets").unwrap()).path(["ses_1"]).body(format!(r#"{{"A":"{CANARY}raw"}}"#));
    seen.push(format!("{raw:?}"));
    let answer = client.transport().call(raw).await;
    seen.push(format!("{answer:?}"));
}

#[tokio::test]
async fn row_37_no_secret_is_in_an_error_a_log_a_span_a_hook_or_a_debug_text() {
    let name = "row_37_no_secret_is_in_an_error_a_log_a_span_a_hook_or_a_debug_text";
    if let Some(output) = in_child(name, &[("THEAZO_LOG", "trace"), ("THEAZO_LOG_BODIES", "true")]) {
        output.assert_success();
        assert!(output.stderr.contains("theazo "), "the log is on: {}", output.stderr);
        assert!(!output.stderr.contains(CANARY), "{}", output.stderr);
        return;
    }
    for how in [Echo::Refusal, Echo::Page, Echo::CutAnswer, Echo::OtherShape] {
        let said = Said::begin();
        let (arrived, told) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(String::new())));
        let config = Config::with_api_key(secret("key"))
            .base_url("http://memory.invalid")
            .header("x-gateway-token", format!("{CANARY}header"))
            .max_retries(0)
            .hook(Curious(told.clone()))
            .http_client(Echoing { how, arrived: arrived.clone() });
        let mut seen = vec![format!("{config:?}"), config.explain().unwrap().to_string()];
        let client = config.build().await.unwrap();

        show_all(&client, &mut seen).await;

        seen.extend([format!("{client:?}"), told.lock().unwrap().clone()]);
        seen.extend(said.lines());
        for text in &seen {
            assert!(!text.contains(CANARY), "{how:?}: {text}");
        }
        assert_eq!(*arrived.lock().unwrap(), 8, "every canary went over the wire");
        assert!(seen.len() > 20);
    }
}
