//! Work that outlasts a connection: the client comes back to it and never starts it again.

mod support;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use support::{
    RESULT, call,
    memory::{Fate, Memory, Piece},
    stream::{done, streams_that_start_work, text},
};
use theazo::{Theazo, types::TaskStatus};
use tokio::time::Instant;

const TASK: &str = r#"{"id":"task_1","sessionId":"ses_1","agent":"a","status":"running","priority":"normal","input":{},"queuedAt":"2026-11-24T09:00:00.000Z"}"#;

/// A server that starts work once for each idempotency key, as ours does, and counts what it started.
#[derive(Clone, Default)]
struct Starts(Arc<Mutex<HashMap<String, u32>>>);

impl Starts {
    /// How often the work of this request has been asked for, this time included.
    fn ask(&self, request: &Request<Bytes>) -> u32 {
        let key = request.headers().get("idempotency-key").expect("whatever starts work has a key");
        let mut started = self.0.lock().unwrap();
        let asked = started.entry(key.to_str().unwrap().to_owned()).or_default();
        *asked += 1;
        *asked
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_in_the_middle_comes_back_to_the_same_work() {
    for call in streams_that_start_work() {
        let operation = call.operation;
        let starts = Starts::default();
        let counted = starts.clone();
        let last = format!("id: 9\ndata: {{\"type\":\"{0}\",\"event\":\"{0}\"}}\n\n", operation.last_events[0]);
        let memory = Memory::deciding(move |request| match counted.ask(request) {
            // Lost before the head, in the head's wake, and in an event.
            1 => Fate::Lost,
            2 => Fate::events([Piece::Break]),
            3 => Fate::events([text(1, "a").as_str().into(), "id: 2\ndata: {".into(), Piece::Break]),
            4 => Fate::fails(503, &[("retry-after-ms", "10")]),
            _ => Fate::events([last.as_str().into()]),
        });

        let mut stream = memory.transport().open(call).await.unwrap();
        let mut count = 0;
        while let Some(event) = stream.next().await {
            event.unwrap_or_else(|error| panic!("{}: {error}", operation.id));
            count += 1;
        }

        assert_eq!((count, starts.count(), memory.requests().len()), (2, 1, 5), "{}", operation.id);
        assert_eq!(memory.open(), 0, "{}", operation.id);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_outlasts_its_connections_is_started_once() {
    for (id, path, body) in [
        ("RunInSession", &["ses_1"][..], r#"{"agent":"a","task":"t"}"#),
        ("RunAgent", &["agt_1"], r#"{"task":"t"}"#),
        ("ExecInAgent", &["agt_1"], r#"{"language":"python","code":"1"}"#),
    ] {
        let starts = Starts::default();
        let counted = starts.clone();
        let memory = Memory::deciding(move |request| match counted.ask(request) {
            1 => Fate::Lost,
            2 => Fate::Late(Duration::from_secs(25), Box::new(Fate::goes_on(""))),
            3 => Fate::Late(Duration::from_secs(3), Box::new(Fate::Lost)),
            4 => Fate::Silence,
            5 => Fate::Late(Duration::from_secs(25), Box::new(Fate::goes_on(""))),
            _ => Fate::Late(Duration::from_secs(7), Box::new(Fate::json(200, RESULT))),
        });
        let begun = Instant::now();

        let answer = memory.transport().call(call(id, path).body(body)).await.unwrap();

        assert_eq!(answer.body, RESULT);
        assert_eq!((starts.count(), memory.requests().len()), (1, 6), "{id}");
        // 25 + 3 + 35 (a request that is held too long) + 25 + 7 seconds, and three pauses of a second at most.
        let took = begun.elapsed().as_secs();
        assert!((95..=98).contains(&took), "{id}: {took} s");
        assert_eq!(memory.open(), 0);
    }
}

/// A server that holds each request of a wait as long as it is asked to, up to the end of the wait.
fn holding(wait: Duration, done_after: Duration) -> (Memory, Instant) {
    let begun = Instant::now();
    let memory = Memory::deciding(move |request| {
        let prefer = request.headers()["prefer"].to_str().unwrap();
        let hold: u64 = prefer.strip_prefix("wait=").unwrap().parse().unwrap();
        let hold = Duration::from_secs(hold).min(wait.saturating_sub(begun.elapsed()));
        let until_done = done_after.saturating_sub(begun.elapsed());
        if until_done <= hold {
            let done = TASK.replace("running", "completed");
            Fate::Late(until_done, Box::new(Fate::json(200, &done)))
        } else {
            Fate::Late(hold, Box::new(Fate::goes_on(TASK)))
        }
    });
    (memory, begun)
}

#[tokio::test(start_paused = true)]
async fn a_wait_asks_again_until_what_it_waits_for_has_come() {
    let (memory, begun) = holding(Duration::from_secs(300), Duration::from_secs(130));

    let task = Theazo::over(memory.transport()).tasks().wait("task_1").timeout(Duration::from_secs(300)).await.unwrap();

    assert_eq!(task.status, TaskStatus::Completed);
    assert_eq!(begun.elapsed().as_secs(), 130);
    let held: Vec<_> = memory.requests().iter().map(|request| request.headers()["prefer"].clone()).collect();
    assert_eq!(held, ["wait=25"; 6]);
    for request in memory.requests() {
        assert_eq!(request.method(), "GET");
        assert!(request.uri().to_string().ends_with("/v1/tasks/task_1/wait?timeout=300000ms"), "{}", request.uri());
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_over_gives_the_present_state_and_no_error() {
    for seconds in [0.2, 1.0, 25.0, 60.0, 61.0] {
        let wait = Duration::from_secs_f64(seconds);
        let (memory, begun) = holding(wait, Duration::from_secs(999));

        let task = Theazo::over(memory.transport()).tasks().wait("task_1").timeout(wait).await.unwrap();

        assert_eq!(task.status, TaskStatus::Running);
        let late = begun.elapsed().saturating_sub(wait);
        assert!(begun.elapsed() >= wait && late <= Duration::from_millis(110), "{wait:?}: {:?}", begun.elapsed());
        let asked = memory.requests().len();
        assert!((1..=4).contains(&asked), "{asked} requests for {wait:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_survives_more_broken_connections_than_a_call_has_retries() {
    let mut number = 0;
    let memory = Memory::deciding(move |_| {
        number += 1;
        match number {
            20 => Fate::json(200, &TASK.replace("running", "completed")),
            even if even % 2 == 0 => Fate::Late(Duration::from_secs(5), Box::new(Fate::goes_on(TASK))),
            _ => Fate::Late(Duration::from_secs(1), Box::new(Fate::Lost)),
        }
    });

    let task = Theazo::over(memory.transport()).tasks().wait("task_1").timeout(Duration::from_secs(600)).await.unwrap();

    assert_eq!((task.status, memory.requests().len()), (TaskStatus::Completed, 20));
    assert_eq!(memory.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_a_run_that_another_call_started_begins_at_its_beginning() {
    let memory = Memory::new([Fate::events([text(1, "a").as_str().into(), done(2).as_str().into()])]);

    let mut stream = memory.transport().open(call("StreamRun", &["arun_1"])).await.unwrap();

    assert_eq!(support::stream::texts(&mut stream).await, ["a", "done"]);
    let request = &memory.requests()[0];
    assert_eq!((request.method().as_str(), request.uri().path()), ("GET", "/v1/runs/arun_1/stream"));
    assert!(request.headers().get("idempotency-key").is_none() && request.headers().get("last-event-id").is_none());
}
