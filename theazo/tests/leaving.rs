//! Leaving a stream early: the server is told at once where its work is to end, and never where it is to go on.

mod support;

use std::time::Duration;

use support::{
    call,
    memory::{Fate, Memory, Piece},
    stream::{stream_call, streams_that_start_work, text},
};
use theazo::transport::Call;
use tokio::{
    task::yield_now,
    time::{Instant, timeout},
};

/// A server whose streams say which work they are of and go on for ever, and which ends whatever it is told to end.
fn server(id_header: &'static str, id: &'static str) -> Memory {
    Memory::deciding(move |request| {
        if request.uri().path().ends_with("/stream") {
            let headers = vec![("content-type", "text/event-stream".to_owned()), (id_header, id.to_owned())];
            Fate::Pieces(200, headers, vec![text(1, "a").as_str().into(), Piece::Hang])
        } else {
            Fate::json(200, "{}")
        }
    })
}

/// The requests after the one that opened the stream, once the tasks have come to rest.
async fn farewells(memory: &Memory) -> Vec<String> {
    for _ in 0..100 {
        yield_now().await;
    }
    let requests = memory.requests();
    requests[1..].iter().map(|request| format!("{} {}", request.method(), request.uri().path())).collect()
}

/// What ends the work of a stream, with the header that names that work.
fn farewell_of(call: &Call) -> (&'static str, &'static str, &'static str) {
    match call.operation.id {
        "StreamInSession" | "StreamAgentRun" | "StreamChatMessage" => {
            ("x-theazo-run-id", "arun_1", "POST /v1/runs/arun_1/cancel")
        }
        "StreamExec" => ("x-theazo-exec-id", "exec_1", "POST /v1/agents/agt_1/execs/exec_1/kill"),
        "RunAndStreamWorkflow" => ("x-theazo-run-id", "run_1", "POST /v1/workflow-runs/run_1/cancel"),
        other => panic!("how does {other} end?"),
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_or_closing_a_stream_ends_its_work_at_once() {
    for call in streams_that_start_work() {
        let (header, id, expected) = farewell_of(&call);
        for closes in [false, true] {
            let memory = server(header, id);
            let mut stream = memory.transport().open(call.clone()).await.unwrap();
            stream.next().await.unwrap().unwrap();
            let begun = Instant::now();

            if closes {
                stream.close().await.unwrap();
            } else {
                drop(stream);
            }

            assert_eq!(farewells(&memory).await, [expected], "{}", call.operation.id);
            assert!(begun.elapsed() < Duration::from_secs(1));
            assert_eq!(memory.open(), 0, "{}", call.operation.id);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn detaching_from_a_stream_lets_its_work_go_on() {
    for call in streams_that_start_work() {
        let (header, id, _) = farewell_of(&call);
        let memory = server(header, id);
        let mut stream = memory.transport().open(call.clone()).await.unwrap();
        stream.next().await.unwrap().unwrap();

        stream.detach();

        assert_eq!(farewells(&memory).await, Vec::<String>::new(), "{}", call.operation.id);
        assert_eq!(memory.open(), 0, "the connection is closed all the same");
    }
}

#[tokio::test(start_paused = true)]
async fn leaving_a_stream_that_only_watches_ends_nothing() {
    let watching = [("StreamRun", &["arun_1"][..]), ("WatchAgent", &["agt_1"]), ("StreamLogs", &[])];

    for (id, path) in watching {
        let memory = server("x-theazo-run-id", "arun_1");
        let mut stream = memory.transport().open(call(id, path)).await.unwrap();
        stream.next().await.unwrap().unwrap();

        drop(stream);

        assert_eq!(farewells(&memory).await, Vec::<String>::new(), "{id}");
        assert_eq!(memory.open(), 0, "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn leaving_a_stream_while_it_reconnects_ends_its_work() {
    let memory = Memory::deciding(|request| match request.uri().path() {
        "/v1/runs/arun_1/cancel" => Fate::json(200, "{}"),
        _ if request.headers().contains_key("last-event-id") => Fate::Silence,
        _ => Fate::events([text(1, "a").as_str().into(), Piece::Break]),
    });
    let mut stream = memory.transport().open(stream_call()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    assert!(timeout(Duration::from_secs(5), stream.next()).await.is_err(), "it is being resumed");

    drop(stream);

    assert_eq!(farewells(&memory).await, ["POST /v1/agents/agt_1/runs/stream", "POST /v1/runs/arun_1/cancel"]);
    assert_eq!(memory.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_hear_of_it_is_told_again_and_closing_says_if_it_never_did() {
    let deaf = |fates: Vec<Fate>| {
        let mut fates = fates.into_iter();
        Memory::deciding(move |request| match request.uri().path() {
            "/v1/runs/arun_1/cancel" => fates.next().unwrap_or(Fate::json(200, "{}")),
            _ => Fate::events([Piece::Hang]),
        })
    };

    let twice = deaf(vec![Fate::Lost, Fate::fails(503, &[])]);
    twice.transport().open(stream_call()).await.unwrap().close().await.unwrap();
    let never = deaf(vec![Fate::Silence, Fate::Silence, Fate::Silence]);
    let begun = Instant::now();
    let error = never.transport().open(stream_call()).await.unwrap().close().await.unwrap_err();

    let requests = twice.requests();
    assert_eq!(requests.len(), 4);
    assert_eq!(requests[1].headers()["idempotency-key"], requests[3].headers()["idempotency-key"]);
    assert_eq!(error.message(), "`POST /v1/runs/{runId}/cancel` took longer than 30s");
    assert!(begun.elapsed() <= Duration::from_millis(30_002), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_stream_left_before_anything_was_started_starts_nothing() {
    // The server was overloaded, and whoever called gives up in the pause before the next attempt.
    let memory = Memory::new([Fate::fails(503, &[("retry-after", "2")])]);

    let opened = timeout(Duration::from_secs(1), memory.transport().open(stream_call())).await;

    assert!(opened.is_err());
    assert_eq!(farewells(&memory).await, Vec::<String>::new());
}
