//! Streams that break and resume: no event is lost, and none comes twice.

mod support;

use std::time::Duration;

use http::Request;
use support::{
    call,
    memory::{Fate, Memory, Piece},
    stream::{done, stream_call, text, text_of, texts},
};
use theazo::{ErrorKind, types::ErrorCode};
use tokio::time::Instant;

/// The place that a request resumes after; empty for one that begins.
fn cursor<T>(request: &Request<T>) -> &str {
    request.headers().get("last-event-id").map_or("", |id| id.to_str().unwrap())
}

/// A server of a run of five events. It sends what is beyond the cursor of each request, cut after so many bytes; the last
/// number stays.
fn cut_after(mut cuts: Vec<usize>) -> Memory {
    cuts.reverse();
    Memory::deciding(move |request| {
        let seen: u32 = cursor(request).parse().unwrap_or(0);
        let log: String = (seen + 1..=4).map(|id| text(id, &format!("text {id}"))).chain([done(5)]).collect();
        let cut = if cuts.len() > 1 { cuts.pop().unwrap() } else { cuts[0] };
        let whole = log.len() <= cut;
        let bytes = Piece::from(&log[..cut.min(log.len())]);
        Fate::events(if whole { vec![bytes] } else { vec![bytes, Piece::Break] })
    })
}

#[tokio::test(start_paused = true)]
async fn row_25_a_stream_cut_at_any_byte_resumes_and_gives_each_event_once() {
    let whole: usize = (1..=4).map(|id| text(id, &format!("text {id}")).len()).sum::<usize>() + done(5).len();

    for first in 0..whole {
        // The second connection breaks too, somewhere else.
        let memory = cut_after(vec![first, first * 7 % whole, usize::MAX]);

        let mut stream = memory.transport().open(stream_call()).await.unwrap();

        assert_eq!(texts(&mut stream).await, ["text 1", "text 2", "text 3", "text 4", "done"], "cut at {first}");
        drop(stream);
        assert_eq!(memory.open(), 0, "cut at {first}");
    }
}

#[tokio::test(start_paused = true)]
async fn row_25_a_stream_that_breaks_again_before_the_first_id_keeps_its_place() {
    let memory = Memory::new([
        Fate::events([text(1, "a").as_str().into(), text(2, "b").as_str().into(), Piece::Break]),
        Fate::events([": heartbeat\n\n".into(), Piece::Break]),
        Fate::events([Piece::Break]),
        Fate::events(["id: 3\ndata: {\"type\":\"text\"".into(), Piece::Break]),
        Fate::events([text(3, "c").as_str().into(), done(4).as_str().into()]),
    ]);

    let mut stream = memory.transport().open(stream_call()).await.unwrap();

    assert_eq!(texts(&mut stream).await, ["a", "b", "c", "done"]);
    let requests = memory.requests();
    assert_eq!(requests.iter().map(cursor).collect::<Vec<_>>(), ["", "2", "2", "2", "2"]);
}

#[tokio::test(start_paused = true)]
async fn row_25_a_stream_that_breaks_before_its_first_event_goes_on_where_it_began() {
    let memory = Memory::new([
        Fate::events(["id: 40\n: open\n\n: heartbeat\n\n".into(), Piece::Break]),
        Fate::events([text(41, "a").as_str().into(), done(42).as_str().into()]),
    ]);

    let mut stream = memory.transport().open(call("WatchAgent", &["agt_1"])).await.unwrap();

    assert_eq!(texts(&mut stream).await, ["a", "done"]);
    assert_eq!(memory.requests().iter().map(cursor).collect::<Vec<_>>(), ["", "40"]);
}

#[tokio::test(start_paused = true)]
async fn row_25_what_a_server_no_longer_has_is_shown_as_a_gap_in_its_place() {
    let gap = "id: 90\ndata: {\"type\":\"gap\",\"missed\":88}\n\n";
    let memory = Memory::new([
        Fate::events([text(1, "a").as_str().into(), Piece::Break]),
        Fate::events([gap.into(), text(91, "b").as_str().into(), Piece::Break]),
        Fate::events([done(92).as_str().into()]),
    ]);

    let mut stream = memory.transport().open(stream_call()).await.unwrap();

    assert_eq!(texts(&mut stream).await, ["a", "gap", "b", "done"]);
    assert_eq!(memory.requests().iter().map(cursor).collect::<Vec<_>>(), ["", "1", "91"]);
}

#[tokio::test(start_paused = true)]
async fn row_25_an_event_without_an_id_is_a_new_one_after_resuming_too() {
    let plain = "data: {\"type\":\"text\",\"text\":\"b\"}\n\n";
    for (last, given) in [(done(0).replace("id: 0\n", "").as_str(), "done"), ("data: [DONE]\n\n", "")] {
        let memory = Memory::new([
            Fate::events([text(1, "a").as_str().into(), Piece::Break]),
            Fate::events([text(1, "a").as_str().into(), plain.into(), last.into()]),
        ]);

        let mut stream = memory.transport().open(stream_call()).await.unwrap();

        let expected: Vec<&str> = ["a", "b", given].into_iter().filter(|text| !text.is_empty()).collect();
        assert_eq!(texts(&mut stream).await, expected);
        assert_eq!(memory.requests().len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn row_25_a_server_that_refuses_the_place_ends_the_stream_with_its_error() {
    let refused = r#"{"error":{"code":"forbidden","message":"the cursor is of another account"},"requestId":"req_9"}"#;
    let memory = Memory::new([Fate::events([text(1, "a").as_str().into(), Piece::Break]), Fate::json(403, refused)]);
    let mut stream = memory.transport().open(call("StreamRun", &["arun_1"])).await.unwrap();
    assert_eq!(text_of(&stream.next().await.unwrap().unwrap().data), "a");

    let error = stream.next().await.unwrap().unwrap_err();

    assert_eq!((error.kind(), error.code()), (&ErrorKind::Answered, &ErrorCode::Forbidden));
    assert_eq!((error.status(), error.request_id()), (403, "req_9"));
    assert_eq!(error.message(), "the cursor is of another account");
    assert!(stream.next().await.is_none(), "nothing follows");
    assert_eq!(memory.requests().len(), 2, "it is not asked again");
}

#[tokio::test(start_paused = true)]
async fn row_25_a_place_that_no_header_can_carry_is_no_reason_to_fail() {
    let odd = "id: ünï\ndata: {\"type\":\"text\",\"text\":\"a\"}\n\n";
    let memory =
        Memory::new([Fate::events([odd.into(), Piece::Break]), Fate::events([odd.into(), done(2).as_str().into()])]);

    let mut stream = memory.transport().open(stream_call()).await.unwrap();

    assert_eq!(texts(&mut stream).await, ["a", "done"], "what was given already is not given again");
    let sent = memory.requests()[1].headers()["last-event-id"].as_bytes().to_vec();
    assert_eq!(sent, "ünï".as_bytes());
}

#[tokio::test(start_paused = true)]
async fn row_25_a_stream_whose_events_have_no_ids_breaks_with_an_error_rather_than_lose_or_repeat_one() {
    let memory = Memory::new([Fate::events(["data: {\"type\":\"text\",\"text\":\"a\"}\n\n".into(), Piece::Break])]);
    let mut stream = memory.transport().open(stream_call()).await.unwrap();
    assert_eq!(text_of(&stream.next().await.unwrap().unwrap().data), "a");

    let error = stream.next().await.unwrap().unwrap_err();

    assert_eq!(
        error.message(),
        "the stream of `POST /v1/agents/{agentId}/runs/stream` broke: reset; its events have no ids, so it cannot go on \
         where it was"
    );
    assert_eq!(error.details()["runId"], "arun_1");
    assert_eq!(memory.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn row_52_a_pause_of_ages_before_reconnecting_is_cut_to_a_minute_and_can_be_left() {
    for retry in ["1000000000", "4294967296", "18446744073709551615"] {
        let first = format!("retry: {retry}\n{}", text(1, "a"));
        let memory =
            Memory::new([Fate::events([first.as_str().into(), Piece::Break]), Fate::events([done(2).as_str().into()])]);
        let mut stream = memory.transport().open(stream_call()).await.unwrap();
        stream.next().await.unwrap().unwrap();

        let soon = tokio::time::timeout(Duration::from_secs(59), stream.next()).await;
        assert!(soon.is_err(), "the server's wish counts up to a minute: {retry}");
        let begun = Instant::now();
        assert_eq!(texts(&mut stream).await, ["done"]);
        assert!(begun.elapsed() <= Duration::from_millis(1_010), "{retry}: {:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn row_52_a_deadline_ends_a_stream_that_waits_to_reconnect() {
    let first = format!("retry: 1000000000\n{}", text(1, "a"));
    let memory = Memory::new([Fate::events([first.as_str().into(), Piece::Break])]);
    let mut call = call("StreamRun", &["arun_1"]);
    call.options.deadline = Some(Duration::from_secs(5));
    let begun = Instant::now();
    let mut stream = memory.transport().open(call).await.unwrap();
    stream.next().await.unwrap().unwrap();

    let error = stream.next().await.unwrap().unwrap_err();

    assert_eq!(error.code(), &ErrorCode::Timeout);
    assert_eq!(error.message(), "`GET /v1/runs/{runId}/stream` took longer than 5s");
    assert!(begun.elapsed() <= Duration::from_millis(5_002), "{:?}", begun.elapsed());
    assert_eq!((memory.requests().len(), memory.open()), (1, 0));
}
