//! What can be seen of calls: hooks, traces, and what an answer says besides its body.

mod support;

use std::sync::{Arc, Mutex};

use support::{
    RESULT, SESSION, call, events,
    memory::{Fate, Memory},
};
use theazo::{
    CallOptions, Theazo,
    hooks::{ArrivedEvent, Hook, RequestEvent, ResponseEvent, RetryEvent},
};

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    fn lines(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn write(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }
}

impl Hook for Diary {
    fn on_request(&self, request: &RequestEvent<'_>) {
        let body = request.body.map(String::from_utf8_lossy);
        self.write(format!(
            "request {} {} {} {} {body:?} {}",
            request.operation,
            request.method,
            request.path,
            request.attempt,
            request.idempotency_key.is_some()
        ));
    }

    fn on_response(&self, response: &ResponseEvent<'_>) {
        let bytes = response.body.map(<[u8]>::len);
        let (status, problem) = (response.status, response.problem.is_some());
        self.write(format!("response {} {} {status:?} {problem} {bytes:?}", response.operation, response.attempt));
    }

    fn on_retry(&self, retry: &RetryEvent<'_>) {
        self.write(format!("retry {} {} {:?}", retry.operation, retry.attempt, retry.pause));
    }

    fn on_stream_event(&self, event: &ArrivedEvent<'_>) {
        self.write(format!("event {} {:?} {}", event.operation, event.id, String::from_utf8_lossy(event.data)));
    }
}

struct Panics;

impl Hook for Panics {
    fn on_request(&self, _: &RequestEvent<'_>) {
        panic!("a hook of the test panics");
    }
}

#[tokio::test(start_paused = true)]
async fn hooks_are_told_of_each_attempt_its_outcome_and_each_pause() {
    let memory = Memory::new([Fate::fails(503, &[("retry-after", "0")]), Fate::json(200, RESULT)]);
    let diary = Diary::default();
    let client = memory.config().hook(Panics).hook(diary.clone()).build().await.unwrap();

    client.transport().call(call("RunInSession", &["ses_1"]).body(r#"{"agent":"a"}"#)).await.unwrap();

    let request = |attempt| {
        format!(r#"request RunInSession POST /v1/sessions/ses_1/run {attempt} Some("{{\"agent\":\"a\"}}") true"#)
    };
    assert_eq!(
        diary.lines(),
        [
            request(1),
            "response RunInSession 1 Some(503) true None".to_owned(),
            "retry RunInSession 1 0ns".to_owned(),
            request(2),
            format!("response RunInSession 2 Some(200) false Some({})", RESULT.len()),
        ]
    );
}

#[tokio::test]
async fn hooks_do_not_see_bodies_that_can_hold_secrets() {
    let memory = Memory::new([Fate::json(200, "{}")]);
    let diary = Diary::default();
    let client = memory.config().hook(diary.clone()).build().await.unwrap();

    let secret = call("SetSessionSecrets", &["ses_1"]).body(r#"{"API_KEY":"tz_canary_value"}"#);
    client.transport().call(secret).await.ok();

    let lines = diary.lines();
    assert!(lines[0].starts_with("request SetSessionSecrets POST /v1/sessions/ses_1/secrets 1 None"), "{lines:?}");
    assert!(!lines.concat().contains("tz_canary"), "{lines:?}");
}

#[tokio::test]
async fn hooks_are_told_of_each_event_of_a_stream() {
    let body = "id: 1\ndata: {\"type\":\"text\",\"text\":\"4\"}\n\nid: 2\ndata: {\"type\":\"done\"}\n\n";
    let mut server = support::Server::start([support::Act::Answer(events(&[], body))]).await;
    let diary = Diary::default();
    let config = theazo::Config::with_api_key("k").base_url(&server.url).hook(diary.clone());
    let transport = config.build().await.unwrap().transport().clone();

    let mut stream = transport.open(call("StreamRun", &["arun_1"])).await.unwrap();
    while stream.next().await.is_some() {}

    server.request().await;
    let lines = diary.lines();
    assert!(lines.contains(&r#"event StreamRun Some("1") {"type":"text","text":"4"}"#.to_owned()), "{lines:?}");
    assert!(lines.contains(&r#"event StreamRun Some("2") {"type":"done"}"#.to_owned()), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn every_attempt_of_a_call_is_a_span_of_one_trace_which_the_caller_may_name() {
    let memory = Memory::new([Fate::fails(503, &[]), Fate::json(200, SESSION)]);
    let own = memory.transport();
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let named = memory.config().trace_context(move || Some(parent.to_owned())).build().await.unwrap();

    let answer = own.call(call("GetSession", &["ses_1"])).await.unwrap();
    let session = named.sessions().get("ses_1").with_meta().await.unwrap();

    let sent: Vec<String> =
        memory.requests().iter().map(|request| request.headers()["traceparent"].to_str().unwrap().to_owned()).collect();
    let trace = |index: usize| sent[index].split('-').nth(1).unwrap().to_owned();
    assert_eq!(trace(0), trace(1), "two attempts, one trace");
    assert_ne!(sent[0], sent[1], "two attempts, two spans");
    assert_eq!(answer.meta.trace_id, trace(0));
    assert_eq!(trace(2), "0af7651916cd43dd8448eb211c80319c");
    assert!(sent[2].ends_with("-01"), "whether it is recorded stays as it was: {}", sent[2]);
    assert_eq!(session.1.trace_id, trace(2));
}

#[tokio::test(start_paused = true)]
async fn t13_an_answer_says_what_it_took_to_get_it() {
    let answered = Fate::Answer(
        200,
        vec![
            ("x-request-id", "req_9".to_owned()),
            ("x-custom", "7".to_owned()),
            ("idempotent-replayed", "true".to_owned()),
        ],
        SESSION.to_owned(),
    );
    let memory = Memory::new([Fate::fails(503, &[("retry-after", "2"), ("x-request-id", "req_8")]), answered]);
    let client = Theazo::over(memory.transport());

    let (_, meta) = client.sessions().get("ses_1").with_meta().await.unwrap();

    assert_eq!((meta.status, meta.request_id.as_str(), meta.replayed), (200, "req_9", true));
    assert_eq!(meta.headers["x-custom"], "7");
    let attempts: Vec<_> = meta.attempts.iter().map(|one| (one.number, one.status, one.request_id.clone())).collect();
    assert_eq!(attempts, [(1, Some(503), Some("req_8".to_owned())), (2, Some(200), Some("req_9".to_owned()))]);
    assert!(meta.timings.waited.as_millis() >= 2000 && meta.timings.total >= meta.timings.waited, "{meta:?}");
}

#[tokio::test(start_paused = true)]
async fn row_07_a_call_that_an_application_tries_again_goes_on_with_its_count_and_is_warned_of_once() {
    let memory = Memory::new([Fate::fails(503, &[])]);
    let transport = memory.transport();
    let said = support::said::Said::begin();

    for _ in 0..3 {
        transport.call(call("GetSession", &["ses_1"])).await.unwrap_err();
    }
    transport.call(call("GetSession", &["ses_2"])).await.unwrap_err();
    let mut once = call("GetSession", &["ses_3"]);
    once.options = CallOptions::new().max_retries(0);
    for _ in 0..2 {
        transport.call(once.clone()).await.unwrap_err();
    }

    let sent: Vec<String> = memory
        .requests()
        .iter()
        .map(|request| request.headers()["x-theazo-attempt"].to_str().unwrap().to_owned())
        .collect();
    assert_eq!(sent, ["1", "2", "3", "4", "5", "6", "7", "8", "9", "1", "2", "3", "1", "2"]);
    let nested: Vec<String> = said.lines().into_iter().filter(|text| text.contains("two layers of retries")).collect();
    assert_eq!(nested.len(), 1, "{nested:?}");
    assert!(nested[0].contains("GetSession") && nested[0].contains("attempts=3"), "{nested:?}");
}
