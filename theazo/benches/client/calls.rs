//! A typed call, beside bare `reqwest` doing the same: the same connection settings, the same body, and the answer decoded
//! into the same type.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::header::CONTENT_TYPE;
use theazo::{
    Config, Theazo,
    types::{SessionCreateOpts, SessionData},
};
use tokio::runtime::Runtime;

use crate::{allocations, measure::Pairs};

const KEY: &str = "th_live_9f27c4e1b0a3";

/// The session of the fixture.
const SESSION: &str = "ses_9f27c4e1b0a3";

/// How many calls a turn has.
const CALLS: usize = 960;

/// Measures a call that carries a body and one that does not, with one and with 64 of them in flight.
pub fn measure(url: &str) {
    let runtime = runtime();
    let theazo = runtime.block_on(Config::with_api_key(KEY).base_url(url).build()).expect("it is built");
    let bare = bare_client();
    let (sessions, session) = (format!("{url}/v1/sessions"), format!("{url}/v1/sessions/{SESSION}"));
    for in_flight in [1, 64] {
        let ours = async || create(&theazo).await;
        compare(&runtime, "create a session", in_flight, ours, async || bare_create(&bare, &sessions).await);
        let ours = async || fetch(&theazo).await;
        compare(&runtime, "fetch a session", in_flight, ours, async || bare_fetch(&bare, &session).await);
    }
}

/// One thread, so that waking threads, which costs as much as a call, hides nothing.
pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("there is a runtime")
}

/// `reqwest` with the settings that our client gives its own.
pub fn bare_client() -> reqwest::Client {
    // Somebody else in this process may have installed it already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .pool_idle_timeout(Duration::from_secs(90))
        .tcp_keepalive(Duration::from_secs(60))
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .expect("it is built")
}

fn compare(runtime: &Runtime, what: &str, in_flight: usize, ours: impl AsyncFn(), theirs: impl AsyncFn()) {
    let ours = || runtime.block_on(turn(in_flight, &ours));
    let theirs = || runtime.block_on(turn(in_flight, &theirs));
    let pairs = Pairs::measure(ours, theirs);
    let (our_micros, their_micros) = pairs.micros_each(CALLS);
    let (our_allocations, their_allocations) = (allocations(ours), allocations(theirs));
    pairs.ratios().report(
        &format!("{what}, {in_flight} in flight: CPU over bare reqwest"),
        1.1,
        "lower",
        &format!(
            "{our_micros:.1} µs / {their_micros:.1} µs, {our_allocations} / {their_allocations} allocations a call"
        ),
    );
}

/// How many allocations each call of a turn makes.
fn allocations(turn: impl FnOnce()) -> u64 {
    allocations::start();
    turn();
    allocations::stop() / CALLS as u64
}

/// Makes the calls of one turn, so many at once.
async fn turn(in_flight: usize, call: &impl AsyncFn()) {
    let callers = (0..in_flight).map(|_| async {
        for _ in 0..CALLS / in_flight {
            call().await;
        }
    });
    join_all(callers).await;
}

async fn create(theazo: &Theazo) {
    let request = theazo.sessions().create().user_id("user_4812").metadata([("plan", "pro"), ("Team-ID", "7")]);
    let session = request.await.expect("it answers");
    assert_eq!(session.id().as_str(), SESSION);
}

async fn bare_create(client: &reqwest::Client, url: &str) {
    let options = SessionCreateOpts {
        user_id: Some("user_4812".to_owned()),
        metadata: Some([("plan", "pro"), ("Team-ID", "7")].map(|(name, value)| (name.into(), value.into())).into()),
        ..SessionCreateOpts::default()
    };
    let body = serde_json::to_vec(&options).expect("it is JSON");
    let request = client.post(url).bearer_auth(KEY).header(CONTENT_TYPE, "application/json").body(body);
    assert_eq!(decode(request).await.id.as_str(), SESSION);
}

async fn fetch(theazo: &Theazo) {
    let session = theazo.sessions().get(SESSION).await.expect("it answers");
    assert_eq!(session.id().as_str(), SESSION);
}

async fn bare_fetch(client: &reqwest::Client, url: &str) {
    assert_eq!(decode(client.get(url).bearer_auth(KEY)).await.id.as_str(), SESSION);
}

async fn decode(request: reqwest::RequestBuilder) -> SessionData {
    let answer = request.send().await.and_then(reqwest::Response::error_for_status).expect("it answers");
    serde_json::from_slice(&answer.bytes().await.expect("it arrives")).expect("it is a session")
}
