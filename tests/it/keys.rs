//! API keys: told once, kept as hashes, refused at once when they are revoked, slow to guess.

use std::time::Duration;

use serde_json::{Value, json};
use theazo::{Config, Theazo, transport::Transport};
use theazo_api::{Endpoint, testing::AdvanceClock};
use theazo_server::{ControlPlane, PlaneConfig, RateLimit};
use theazo_tests::{Http, ServerProcess, Worlds, plain_client};

fn client(plane: &ControlPlane, key: &str) -> Theazo {
    Theazo::over(Transport::to_plane(plane, Config::with_api_key(key)).unwrap())
}

#[tokio::test]
async fn a_key_is_told_once_listed_without_itself_and_refused_once_it_is_revoked() {
    let Worlds { ours, theirs, test, plane } = Worlds::start().await;

    let made = ours.api_keys().create("backend", "live").idempotency_key("one").await.unwrap();
    let again = ours.api_keys().create("backend", "live").idempotency_key("one").await.unwrap();
    let key = made.key.expose().to_owned();
    assert_eq!(
        (made.key, &made.id),
        (again.key, &again.id),
        "a call that is repeated makes one key and tells the same"
    );
    assert!(key.starts_with("th_live_") && key.len() == 48 && key.starts_with(&made.prefix));
    let with_it = client(&plane, &key);
    with_it.sessions().for_user("ada").await.unwrap();
    assert_eq!(ours.sessions().list().await.unwrap().data.len(), 1, "it acts for the same account");

    let listed = ours.api_keys().list().limit(1).await.unwrap();
    assert_eq!((listed.data[0].id.as_str(), listed.has_more), (made.id.as_str(), true));
    assert!(listed.data[0].last_used_at.is_some() && listed.data[0].revoked_at.is_none());
    let rest = ours.api_keys().list().cursor(&listed.cursor).await.unwrap();
    assert_eq!((rest.data.len(), rest.has_more), (2, false));
    assert_eq!(theirs.api_keys().list().await.unwrap().data.len(), 2, "another account sees its own");
    assert_eq!(theirs.api_keys().revoke(&made.id).await.unwrap_err().code().as_str(), "not_found");
    assert_eq!(test.api_keys().revoke(&made.id).await.unwrap_err().code().as_str(), "not_found");

    let revoked = ours.api_keys().revoke(&made.id).await.unwrap();
    assert_eq!(ours.api_keys().revoke(&made.id).await.unwrap().revoked_at, revoked.revoked_at);
    assert_eq!(with_it.sessions().list().await.unwrap_err().code().as_str(), "unauthorized");
}

#[tokio::test]
async fn a_test_key_makes_test_keys_alone_and_a_key_ends_when_it_should() {
    let Worlds { ours, test, plane, .. } = Worlds::start().await;
    assert_eq!(test.api_keys().create("x", "live").await.unwrap_err().code().as_str(), "forbidden");
    let of_test = test.api_keys().create("x", "test").await.unwrap();
    assert!(of_test.key.expose().starts_with("th_test_"));
    assert_eq!(test.api_keys().list().await.unwrap().data.len(), 2, "live keys are not shown to a test key");
    let past = ours
        .api_keys()
        .create("x", "live")
        .expires_at("2020-01-01T00:00:00Z".parse::<theazo_api::Timestamp>().unwrap());
    assert!(past.await.unwrap_err().to_string().contains("expiresAt"));

    // The clock of a test plane begins on 2026-01-15.
    let until = "2026-01-15T11:00:00Z".parse::<theazo_api::Timestamp>().unwrap();
    let short = ours.api_keys().create("x", "live").expires_at(until).await.unwrap();
    let with_it = client(&plane, short.key.expose());
    with_it.sessions().list().await.unwrap();
    let by = json!({ "by": "2h" });
    let call = theazo::transport::Call {
        operation: AdvanceClock::OPERATION,
        path: Vec::new(),
        query: Vec::new(),
        body: Some(by.to_string().into()),
        options: Default::default(),
    };
    ours.transport().call(call).await.unwrap();
    assert_eq!(with_it.sessions().list().await.unwrap_err().code().as_str(), "unauthorized");
}

#[tokio::test]
async fn row_39_only_a_hash_of_a_key_is_stored() {
    let directory = tempfile::tempdir().unwrap();
    let plane = ControlPlane::start(PlaneConfig::default().data_dir(directory.path())).await.unwrap();
    let first = [plane.live_key().unwrap().to_owned(), plane.test_key().unwrap().to_owned()];
    let ours = client(&plane, &first[0]);
    let made = ours.api_keys().create("backend", "live").idempotency_key("one").await.unwrap();
    plane.shutdown().await;

    let keys = [first[0].clone(), first[1].clone(), made.key.expose().to_owned()];
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = if path.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        for key in &keys {
            let random = &key.as_bytes()["th_live_".len() + 4..];
            let found = bytes.windows(random.len()).any(|window| window == random);
            assert!(!found, "a key is in {}", path.display());
        }
    }
}

#[tokio::test]
async fn row_39_who_guesses_keys_has_to_wait_and_neighbours_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &["--wrong-keys-per-minute", "5"]).await;
    let (live, test) = server.keys.clone().unwrap();
    let statuses = async |key: &str, times: usize| {
        let http = Http::new(&server.url, key);
        let mut statuses = Vec::new();
        for _ in 0..times {
            statuses.push(http.send("GET", "/v1/sessions", Value::Null).await.0);
        }
        statuses
    };

    assert_eq!(statuses(&live, 1).await, [200]);
    assert_eq!(statuses("th_live_guess", 8).await, [401, 401, 401, 401, 401, 429, 429, 429]);
    assert_eq!(statuses(&live, 2).await, [200, 200], "a key that worked from here before still does");
    let response = Http::new(&server.url, &test).request("GET", "/v1/sessions").send().await.unwrap();
    assert_eq!(response.status(), 429, "any other has to wait, valid or not, or a guesser would learn which is");
    let wait: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
    assert_eq!(
        (&body["error"]["code"], &body["error"]["details"]["retryAfter"]),
        (&json!("rate_limited"), &json!(wait))
    );
    let health = plain_client().get(format!("{}/healthz", server.url)).send().await.unwrap();
    assert_eq!(health.status(), 200);
}

#[tokio::test]
async fn row_39_a_key_in_an_address_is_refused_even_if_it_is_valid_and_is_not_logged() {
    let directory = tempfile::tempdir().unwrap();
    let logs = tempfile::tempdir().unwrap();
    let log = logs.path().join("log");
    let server = ServerProcess::start_logging(directory.path(), &log).await;
    let (key, _) = server.keys.clone().unwrap();
    let http = Http::new(&server.url, &key);

    for path in [format!("/v1/sessions?api_key={key}"), format!("/v1/sessions?x=1&token=Bearer%20{key}")] {
        let (status, body) = http.send("GET", &path, Value::Null).await;
        assert_eq!((status, body["error"]["code"].as_str()), (422, Some("invalid_request")), "{body}");
        assert!(!body.to_string().contains(&key), "{body}");
    }
    http.send("GET", "/v1/sessions", Value::Null).await;
    assert_eq!(server.stop().await.code(), Some(0));
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("ListSessions"), "something was logged: {log}");
    assert!(!log.contains(&key), "{log}");
}

#[tokio::test]
async fn a_key_that_asks_too_often_is_told_how_long_to_wait_and_others_go_on() {
    let of = |number: u32| number.try_into().unwrap();
    let rate_limit = Some(RateLimit { per_second: of(1), burst: of(3) });
    let plane = ControlPlane::start(PlaneConfig { rate_limit, ..PlaneConfig::default() }).await.unwrap();
    let (one, other) = (client(&plane, plane.live_key().unwrap()), client(&plane, plane.test_key().unwrap()));

    for _ in 0..3 {
        one.sessions().list().await.unwrap();
    }
    let refused = one.sessions().list().max_retries(0).await.unwrap_err();

    assert_eq!((refused.code().as_str(), refused.status()), ("rate_limited", 429));
    assert_eq!(refused.retry_after(), Some(Duration::from_secs(1)));
    assert_eq!(refused.details()["retryAfter"], 1);
    other.sessions().list().await.unwrap();
    one.health().await.expect("health is not counted");
}
