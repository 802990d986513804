//! Whatever a server answers with a failing status, the error tells it and nothing secret.

#![cfg_attr(fuzzing, no_main)]

use std::cell::RefCell;

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use theazo::{
    CallOptions, Config, ErrorKind, Transport,
    transport::{self, Body, Call, HttpClient, HttpError},
};
use tokio::runtime::{Builder, Runtime};

/// The key of the client, which a server may send back.
const KEY: &str = "th_live_canary";

thread_local! {
    static ANSWER: RefCell<(u16, Bytes)> = const { RefCell::new((500, Bytes::new())) };
    static CLIENT: (Runtime, Transport) = (
        Builder::new_current_thread().enable_time().build().expect("there is a runtime"),
        Transport::new(Config::with_api_key(KEY).http_client(Server)).expect("the key is good"),
    );
}

theazo_fuzz::target!(check);

/// The first byte chooses the status, the rest is the body.
fn check(data: &[u8]) {
    let [first, body @ ..] = data else { return };
    let status = 400 + u16::from(*first);
    ANSWER.set((status, Bytes::copy_from_slice(body)));
    let operation = transport::operation("GetSession").expect("the table has it");
    let call = Call::new(operation).path(["ses_1"]).options(CallOptions::new().max_retries(0));

    let outcome = CLIENT.with(|(runtime, transport)| runtime.block_on(transport.call(call)));

    let error = outcome.expect_err("the status is a failure");
    assert_eq!((error.status(), error.kind()), (status, &ErrorKind::Answered));
    for shown in [error.to_string(), format!("{error:?}"), error.to_json()] {
        assert!(!shown.contains(KEY), "the key is shown: {shown}");
        assert!(shown.len() <= 4096 + 8 * body.len(), "{} bytes are told of {}", shown.len(), body.len());
    }
}

/// Answers as the input says.
struct Server;

impl HttpClient for Server {
    fn send(&self, _: http::Request<Bytes>) -> BoxFuture<'static, Result<http::Response<Body>, HttpError>> {
        let (status, body) = ANSWER.with_borrow(Clone::clone);
        let mut response = http::Response::new(Body::from(body));
        *response.status_mut() = http::StatusCode::from_u16(status).expect("it has three digits");
        async { Ok(response) }.boxed()
    }
}
