//! Calls that are dropped at every point where they wait: nothing is left open, and no work goes on that nobody wants.

mod support;

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use support::{
    PATIENCE, RESULT, SESSION, call, events,
    keep_alive::{self, Asked},
    memory::{Fate, Memory, Piece},
    stream::{RUN, done, stream_call, text},
    transport,
    websocket::{PING, close, entry, frame, head},
};
use theazo::{Error, EventStream, Transport};
use tokio::{
    runtime::Handle,
    time::{advance, timeout},
};

/// Some use of a client.
type Usage = fn(Transport) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// Polls a future at most this often and drops it; whether it was complete by then.
async fn poll_times<T>(future: impl Future<Output = T>, times: usize) -> Option<T> {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Waits, by the stopped clock, until no task is left.
async fn settle(what: &str) {
    for _ in 0..100 {
        if Handle::current().metrics().num_alive_tasks() == 0 {
            return;
        }
        advance(Duration::from_secs(1)).await;
    }
    panic!("a task is left: {what}");
}

async fn read(mut stream: EventStream) -> Result<(), Error> {
    while let Some(event) = stream.next().await {
        event?;
    }
    Ok(())
}

/// Drops the usage after every number of polls until it completes, and gives how many there were.
async fn drop_everywhere(what: &str, memory: impl Fn() -> Memory, usage: Usage, check: impl Fn(&Memory, &str, bool)) {
    for polls in 0..1000 {
        let what = format!("{what}, dropped after {polls} polls");
        let memory = memory();

        let outcome = poll_times(usage(memory.transport()), polls).await;

        settle(&what).await;
        assert_eq!(memory.open(), 0, "{what}: a request or a body is left open");
        check(&memory, &what, outcome.is_some());
        if let Some(outcome) = outcome {
            outcome.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(polls >= 3, "{what}: there is something to wait for");
            return;
        }
    }
    panic!("{what}: it never completes");
}

fn late(fate: Fate) -> Fate {
    Fate::Late(Duration::from_secs(1), Box::new(fate))
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_at_any_point_leaves_nothing_behind() {
    let table: [(&str, Vec<Fate>, Usage); 4] = [
        ("a plain call", vec![late(Fate::json(200, SESSION))], |transport| {
            Box::pin(async move { transport.call(call("GetSession", &["ses_1"])).await.map(drop) })
        }),
        (
            "a call that is tried again",
            vec![
                late(Fate::fails(503, &[("retry-after", "1")])),
                late(Fate::Lost),
                Fate::NotSent,
                late(Fate::json(201, SESSION)),
            ],
            |transport| {
                let mut create = call("CreateSession", &[]).body("{}");
                create.options.max_retries = Some(3);
                Box::pin(async move { transport.call(create).await.map(drop) })
            },
        ),
        (
            "a run that is waited for",
            vec![late(Fate::goes_on("")), late(Fate::Lost), Fate::goes_on(""), late(Fate::json(200, RESULT))],
            |transport| {
                let run = call("RunInSession", &["ses_1"]).body(r#"{"agent":"a","task":"t"}"#);
                Box::pin(async move { transport.call(run).await.map(drop) })
            },
        ),
        ("a wait", vec![late(Fate::goes_on("{}")), Fate::goes_on("{}"), late(Fate::json(200, "{}"))], |transport| {
            let mut wait = call("WaitForTask", &["task_1"]);
            wait.query = vec![("timeout".to_owned(), "5m".to_owned())];
            Box::pin(async move { transport.call(wait).await.map(drop) })
        }),
    ];

    for (what, fates, usage) in table {
        drop_everywhere(what, || Memory::new(fates.clone()), usage, |_, _, _| {}).await;
    }
}

/// A server of one run, and whether that was started and cancelled.
#[derive(Clone, Default)]
struct Run(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    was_started: bool,
    /// The keys of the requests to cancel that arrived.
    cancels: Vec<String>,
    /// How many requests to cancel were lost on the way; the first one always is.
    lost: usize,
}

impl Run {
    /// Answers the requests that start or attach to the run with these, and those that cancel it with the run.
    fn memory(&self, fates: Vec<Fate>) -> Memory {
        let run = self.clone();
        let mut fates = fates.into_iter();
        Memory::deciding(move |request| {
            let mut state = run.0.lock().unwrap();
            if request.uri().path() == "/v1/runs/arun_1/cancel" {
                if state.lost == 0 {
                    state.lost = 1;
                    return late(Fate::NotSent);
                }
                state.cancels.push(request.headers()["idempotency-key"].to_str().unwrap().to_owned());
                return late(Fate::json(200, RUN));
            }
            let fate = fates.next().unwrap_or_else(|| Fate::events([text(1, "a").as_str().into(), Piece::Hang]));
            state.was_started |= !matches!(fate, Fate::Answer(503, ..) | Fate::NotSent);
            fate
        })
    }

    fn was_started(&self) -> bool {
        self.0.lock().unwrap().was_started
    }

    /// How many calls cancelled it; attempts with one key are one.
    fn cancels(&self) -> usize {
        let mut keys = self.0.lock().unwrap().cancels.clone();
        keys.dedup();
        keys.len()
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_dropped_at_any_point_ends_the_run_if_it_was_started_and_only_then() {
    let fates = [
        Fate::fails(503, &[("retry-after", "2")]),
        late(Fate::events([
            Piece::Pause(Duration::from_secs(1)),
            text(1, "a").as_str().into(),
            Piece::Pause(Duration::from_secs(1)),
            Piece::Break,
        ])),
        late(Fate::Lost),
        late(Fate::events([
            text(2, "b").as_str().into(),
            Piece::Pause(Duration::from_secs(1)),
            done(3).as_str().into(),
        ])),
    ];
    let read_all: Usage = |transport| Box::pin(async move { read(transport.open(stream_call()).await?).await });
    let run = Mutex::new(Run::default());

    let memory = || {
        *run.lock().unwrap() = Run::default();
        run.lock().unwrap().memory(fates.to_vec())
    };
    drop_everywhere("a streamed run", memory, read_all, |memory, what, is_complete| {
        let run = run.lock().unwrap();
        let expected = usize::from(run.was_started() && !is_complete);
        assert_eq!(run.cancels(), expected, "{what}: {:?}", memory.requests());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn closing_a_stream_and_dropping_that_at_any_point_ends_the_run_once() {
    let closing: Usage = |transport| Box::pin(async move { transport.open(stream_call()).await?.close().await });
    let run = Mutex::new(Run::default());

    let memory = || {
        *run.lock().unwrap() = Run::default();
        run.lock().unwrap().memory(vec![late(Fate::events([Piece::Hang]))])
    };
    drop_everywhere("a closed stream", memory, closing, |_, what, _| {
        let run = run.lock().unwrap();
        assert_eq!(run.cancels(), usize::from(run.was_started()), "{what}");
    })
    .await;
}

#[test]
fn over_real_connections_too_no_task_and_no_connection_is_left() {
    let server_runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    type Answer = fn(&Asked<'_>) -> Vec<u8>;
    let table: [(&str, Usage, Answer); 3] = [
        (
            "a plain call",
            |transport| Box::pin(async move { transport.call(call("GetSession", &["ses_1"])).await.map(drop) }),
            |_| keep_alive::json(200, SESSION),
        ),
        (
            "a stream",
            |transport| Box::pin(async move { read(transport.open(call("StreamRun", &["arun_1"])).await?).await }),
            |_| events(&[], &(text(1, "a") + &done(2))).into_bytes(),
        ),
        (
            "a WebSocket",
            |transport| Box::pin(async move { read(transport.open(call("OpenLogSocket", &[])).await?).await }),
            |asked| {
                [head(asked.socket_key()), entry("log_1"), frame(PING, b"x"), entry("log_2"), close(1000, "")].concat()
            },
        ),
    ];

    for (what, usage, answer) in table {
        let mut server = server_runtime.block_on(keep_alive::Server::start(move |asked| Some(answer(&asked))));
        for polls in 0..1000 {
            let what = format!("{what}, dropped after {polls} polls");
            let client_runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

            let outcome = client_runtime.block_on(async {
                let outcome = poll_times(usage(transport(&server.url)), polls).await;
                let tasks = async {
                    while Handle::current().metrics().num_alive_tasks() > 0 {
                        tokio::task::yield_now().await;
                    }
                };
                timeout(PATIENCE, tasks).await.unwrap_or_else(|_| panic!("{what}: a task is left"));
                let closed = timeout(PATIENCE, server.all_closed()).await;
                closed.unwrap_or_else(|_| panic!("{what}: a connection is left"));
                outcome
            });

            if let Some(outcome) = outcome {
                outcome.unwrap_or_else(|error| panic!("{what}: {error}"));
                assert!(polls >= 3, "{what}: there is something to wait for");
                break;
            }
        }
    }
}
