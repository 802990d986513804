//! A typed call, beside bare `reqwest`.
//!
//! The bar is for `reqwest` doing the same: the same connection settings, the same request with every header, a key and a
//! trace that are new each time, a timeout, and the answer decoded into the same type. How far that is from a request that
//! carries an API key and nothing else is shown too.

use std::time::Duration;

use futures_util::future::join_all;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT, CONTENT_TYPE, USER_AGENT},
};
use rand::{TryRngCore, rngs::OsRng};
use reqwest::RequestBuilder;
use theazo::{
    Config, Theazo,
    types::{SessionCreateOpts, SessionData},
};
use tokio::runtime::Runtime;

use crate::{allocations, measure::Pairs, report::Bar};

const KEY: &str = "th_live_9f27c4e1b0a3";

/// The session of the fixture.
const SESSION: &str = "ses_9f27c4e1b0a3";

/// How many calls a turn has.
const CALLS: usize = 960;

/// How much a call may cost over `reqwest` sending the same request.
const SAME: Bar = Bar::AtMost(1.1);

/// How much it may cost over a request that carries an API key and nothing else.
const LESS: Bar = Bar::AtMost(1.3);

/// Measures a call that carries a body and one that does not, with one and with 64 of them in flight.
pub fn measure(url: &str) {
    let runtime = runtime();
    let theazo = runtime.block_on(Config::with_api_key(KEY).base_url(url).build()).expect("it is built");
    let bare = bare_client();
    let (create_url, fetch_url) = (format!("{url}/v1/sessions"), format!("{url}/v1/sessions/{SESSION}"));
    let create = async || create(&theazo).await;
    let fetch = async || fetch(&theazo).await;
    for in_flight in [1, 64] {
        let compare = Comparison { runtime: &runtime, in_flight };
        let same = async || decode(same_headers(bare_create(&bare, &create_url)).headers(new_key())).await;
        compare.report("sessions.create over reqwest sending the same", SAME, create, same);
        let same = async || decode(same_headers(bare.get(&fetch_url))).await;
        compare.report("sessions.get over reqwest sending the same", SAME, fetch, same);
        let less = async || decode(bare_create(&bare, &create_url)).await;
        compare.report("sessions.create over reqwest sending less", LESS, create, less);
        let less = async || decode(bare.get(&fetch_url)).await;
        compare.report("sessions.get over reqwest sending less", LESS, fetch, less);
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

struct Comparison<'a> {
    runtime: &'a Runtime,
    in_flight: usize,
}

impl Comparison<'_> {
    fn report(&self, what: &str, bar: Bar, ours: impl AsyncFn(), theirs: impl AsyncFn()) {
        let in_flight = self.in_flight;
        let ours = || self.runtime.block_on(turn(in_flight, &ours));
        let theirs = || self.runtime.block_on(turn(in_flight, &theirs));
        let pairs = Pairs::measure(ours, theirs);
        let (our_micros, their_micros) = pairs.micros_each(CALLS);
        let (our_allocations, their_allocations) = (allocations(ours), allocations(theirs));
        let detail = format!(
            "{our_micros:.1} µs / {their_micros:.1} µs, {our_allocations} / {their_allocations} allocations a call"
        );
        pairs.ratios().report(&format!("{what}, {in_flight} in flight: CPU"), bar, &detail);
    }
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

async fn fetch(theazo: &Theazo) {
    let session = theazo.sessions().get(SESSION).await.expect("it answers");
    assert_eq!(session.id().as_str(), SESSION);
}

fn bare_create(client: &reqwest::Client, url: &str) -> RequestBuilder {
    let options = SessionCreateOpts {
        user_id: Some("user_4812".to_owned()),
        metadata: Some([("plan", "pro"), ("Team-ID", "7")].map(|(name, value)| (name.into(), value.into())).into()),
        ..SessionCreateOpts::default()
    };
    let body = serde_json::to_vec(&options).expect("it is JSON");
    client.post(url).header(CONTENT_TYPE, "application/json").body(body)
}

async fn decode(request: RequestBuilder) {
    let answer = request.bearer_auth(KEY).send().await.and_then(reqwest::Response::error_for_status);
    let body = answer.expect("it answers").bytes().await.expect("it arrives");
    let session: SessionData = serde_json::from_slice(&body).expect("it is a session");
    assert_eq!(session.id.as_str(), SESSION);
}

/// What each of our requests carries and keeps to.
fn same_headers(request: RequestBuilder) -> RequestBuilder {
    let mut headers = HeaderMap::with_capacity(16);
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static("theazo-rust/0.1.0 (core 0.1.0; linux x86_64)"));
    headers.insert("x-sdk-version", HeaderValue::from_static("0.1.0"));
    headers.insert("x-theazo-attempt", HeaderValue::from(1));
    let trace = format!("00-{:032x}-{:016x}-00", rand::random::<u128>(), rand::random::<u64>());
    headers.insert("traceparent", HeaderValue::try_from(trace).expect("it is ASCII"));
    request.headers(headers).timeout(Duration::from_secs(30))
}

/// An idempotency key, from the operating system as ours is.
fn new_key() -> HeaderMap {
    let mut bytes = [0; 16];
    OsRng.try_fill_bytes(&mut bytes).expect("there is randomness");
    let key = format!("theazo-{:032x}", u128::from_be_bytes(bytes));
    let key = HeaderValue::try_from(key).expect("it is ASCII");
    HeaderMap::from_iter([(HeaderName::from_static("idempotency-key"), key)])
}
