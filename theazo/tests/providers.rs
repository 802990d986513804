//! Bring your own: providers are sealed into the session that is created, never sent again, never printed.

mod support;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};
use support::{
    SESSION,
    memory::{Fate, Memory},
};
use theazo::{
    Config, ErrorKind, Theazo,
    transport::{Body, HttpClient, HttpError},
    types::{ComputeProviderConfig, ModelProviderConfig},
};

const CANARY: &str = "tz_canary_e2b_0123456789";

/// A control plane of which only the session of one user is there, with the providers that were sealed into it.
#[derive(Clone, Default)]
struct Sealing {
    sealed: Arc<Mutex<Option<Value>>>,
    requests: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Sealing {
    async fn client(&self, key: &str) -> Theazo {
        let config = Config::with_api_key("th_live_secret").base_url("http://sealing.invalid");
        let compute = ComputeProviderConfig::new("e2b").credential("apiKey", key);
        let models = ModelProviderConfig::new("anthropic").credential("apiKey", CANARY);
        config.compute(compute).models(models).http_client(self.clone()).build().await.unwrap()
    }

    fn paths(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|(path, _)| path.clone()).collect()
    }

    fn body(&self, index: usize) -> Value {
        self.requests.lock().unwrap()[index].1.clone()
    }
}

impl HttpClient for Sealing {
    fn send(&self, request: http::Request<Bytes>) -> BoxFuture<'static, Result<http::Response<Body>, HttpError>> {
        let path = request.uri().path().to_owned();
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        self.requests.lock().unwrap().push((path.clone(), body.clone()));
        let mut session: Value = serde_json::from_str(SESSION).unwrap();
        let mut sealed = self.sealed.lock().unwrap();
        let creates = request.method() == "POST" && path.starts_with("/v1/sessions") && !path.ends_with("/run");
        let (status, answer) = if !creates {
            (200, session)
        } else if let Some(digest) = sealed.clone().filter(|digest| *digest == body["providersDigest"]) {
            session["providersDigest"] = digest;
            (200, session)
        } else if body.get("compute").is_some() {
            *sealed = Some(body["providersDigest"].clone());
            session["providersDigest"] = body["providersDigest"].clone();
            (201, session)
        } else {
            (409, json!({ "error": { "code": "providers_required", "message": "say which providers" } }))
        };
        let response = http::Response::builder().status(status).body(Body::from(answer.to_string())).unwrap();
        async { Ok(response) }.boxed()
    }
}

#[tokio::test]
async fn providers_are_sent_once_when_the_session_is_made_and_never_again() {
    let server = Sealing::default();
    let client = server.client("tz_canary_first_key").await;

    for _ in 0..3 {
        client.sessions().for_user("u").await.unwrap();
    }
    client.sessions().get("ses_1").await.unwrap();
    client.sessions().list().await.unwrap_err();

    let paths = server.paths();
    let user = "/v1/sessions/by-user/u";
    assert_eq!(paths, [user, user, user, user, "/v1/sessions/ses_1", "/v1/sessions"]);
    let digest = server.body(0)["providersDigest"].clone();
    assert_eq!(digest.as_str().unwrap().len(), 64);
    assert_eq!(server.body(0), json!({ "providersDigest": digest }), "first only what they are is asked about");
    assert_eq!(
        server.body(1),
        json!({
            "providersDigest": digest,
            "compute": { "providers": [{ "provider": "e2b", "credentials": { "apiKey": "tz_canary_first_key" } }] },
            "models": { "provider": "anthropic", "credentials": { "apiKey": CANARY } },
        })
    );
    assert_eq!((server.body(2), server.body(3)), (server.body(0), server.body(0)));
}

#[tokio::test]
async fn other_providers_are_sent_when_the_session_has_those_from_before() {
    let server = Sealing::default();
    server.client("tz_canary_first_key").await.sessions().for_user("u").await.unwrap();
    let changed = server.client("tz_canary_second_key").await;

    changed.sessions().for_user("u").await.unwrap();
    changed.sessions().for_user("u").await.unwrap();

    assert_eq!(server.paths().len(), 5);
    assert_ne!(server.body(2)["providersDigest"], server.body(0)["providersDigest"]);
    assert_eq!(server.body(3)["compute"]["providers"][0]["credentials"]["apiKey"], "tz_canary_second_key");
    assert_eq!(server.body(4).get("compute"), None);
}

#[tokio::test]
async fn a_new_session_is_made_with_its_providers_in_one_call() {
    let server = Sealing::default();

    server.client("tz_canary_first_key").await.sessions().create().user_id("u").await.unwrap();

    assert_eq!(server.paths(), ["/v1/sessions"]);
    assert!(server.body(0).get("compute").is_some() && server.body(0).get("providersDigest").is_some());
}

#[tokio::test]
async fn a_server_that_does_not_know_providers_is_an_error_and_not_a_session_on_its_own_account() {
    let memory = Memory::new([Fate::json(200, SESSION)]);
    let client = memory.config().compute(ComputeProviderConfig::new("e2b").credential("apiKey", CANARY));
    let client = client.build().await.unwrap();

    let error = client.sessions().for_user("u").await.unwrap_err();

    assert_eq!((error.kind(), error.status()), (&ErrorKind::Unreadable, 200));
    assert!(error.to_string().starts_with("the server did not take the providers that this client brings"), "{error}");
}

#[tokio::test]
async fn providers_that_cannot_be_are_named_before_anything_is_sent() {
    let memory = Memory::new([Fate::json(200, SESSION)]);
    for (compute, parameter) in [
        (ComputeProviderConfig::new("").credential("apiKey", CANARY), "compute.providers[0].provider"),
        (
            ComputeProviderConfig {
                credential_ref: Some("key".to_owned()),
                ..ComputeProviderConfig::new("e2b").credential("apiKey", CANARY)
            },
            "compute.providers[0].credentialRef",
        ),
    ] {
        let error = memory.config().compute(compute).build().await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidInput { parameter: parameter.to_owned() }, "{error}");
        assert!(!format!("{error:?} {error}").contains(CANARY));
    }
    assert_eq!(memory.requests().len(), 0);
}

#[tokio::test]
async fn a_key_that_a_server_sends_back_is_shown_nowhere() {
    let echo =
        format!(r#"{{"error":{{"code":"invalid_request","message":"got {CANARY}","details":{{"at":"{CANARY}"}}}}}}"#);
    let memory = Memory::new([Fate::json(400, &echo)]);
    let config = memory.config().compute(ComputeProviderConfig::new("e2b").credential("apiKey", CANARY));
    let shown = format!("{config:?} {}", config.explain().unwrap());
    let client = config.build().await.unwrap();

    let error = client.sessions().for_user("u").await.unwrap_err();

    for text in [shown, format!("{client:?} {}", client.explain()), format!("{error:?} {error} {}", error.to_json())] {
        assert!(!text.contains(CANARY), "{text}");
    }
}
