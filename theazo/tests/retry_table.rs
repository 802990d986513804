//! The whole retry table, with the clock stopped: status x method x key x what the server says about trying again.
//!
//! The expectations are written down here, apart from the code that decides.

mod support;

use std::time::Duration;

use support::{
    SESSION, call,
    memory::{Fate, Memory},
};
use theazo::{ErrorKind, transport::Call};
use tokio::time::{Instant, timeout};

/// One operation of each way in which a call may be repeated, and of each method.
const OPERATIONS: &[(&str, &[&str], bool)] = &[
    ("GetSession", &["ses_1"], false),
    ("UpdateSessionLimits", &["ses_1"], true),
    ("SetProvider", &["e2b"], true),
    ("DeleteWebhook", &["wh_1"], false),
    ("CreateSession", &[], true),
];

/// Every status that the table treats in its own way, and neighbours of them.
const STATUSES: &[(u16, bool)] = &[
    (400, false),
    (401, false),
    (402, false),
    (403, false),
    (404, false),
    (405, false),
    (408, true),
    (409, false),
    (410, false),
    (418, false),
    (422, false),
    (425, false),
    (429, true),
    (451, false),
    (500, true),
    (501, false),
    (502, true),
    (503, true),
    (504, true),
    (505, true),
    (529, true),
    (599, true),
];

fn calls() -> Vec<(Call, bool)> {
    let mut calls = Vec::new();
    for (id, path, has_body) in OPERATIONS {
        for key in [None, Some("mine")] {
            let mut call = call(id, path);
            if *has_body {
                call = call.body("{}");
            }
            call.options.idempotency_key = key.map(str::to_owned);
            calls.push((call, key.is_some() || *id == "CreateSession"));
        }
    }
    calls
}

#[tokio::test(start_paused = true)]
async fn row_05_every_cell_of_the_retry_table() {
    /// What the server says, whether that decides, and how long each pause then is at least and at most in milliseconds.
    type Advice = (&'static [(&'static str, &'static str)], Option<bool>, Option<(u64, u64)>);
    const ADVICE: &[Advice] = &[
        (&[], None, None),
        (&[("x-should-retry", "true")], Some(true), None),
        (&[("x-should-retry", "false")], Some(false), None),
        (&[("retry-after", "7")], None, Some((7_000, 7_700))),
        (&[("retry-after", "0")], None, Some((0, 0))),
        (&[("retry-after", "1.5")], None, Some((1_500, 1_650))),
        (&[("retry-after-ms", "250")], None, Some((250, 275))),
        (&[("retry-after", "60")], None, Some((60_000, 66_000))),
        // Longer than anybody should be kept waiting unasked, a date far away, and what overflows timers elsewhere.
        (&[("retry-after", "61")], Some(false), None),
        (&[("retry-after", "4294967296")], Some(false), None),
        (&[("retry-after", "1e300")], Some(false), None),
        (&[("retry-after", "Tue, 31 Dec 2999 23:59:59 GMT")], Some(false), None),
        // Nonsense says nothing.
        (&[("retry-after", "-3")], None, None),
        (&[("retry-after", "NaN")], None, None),
        (&[("retry-after", "soon")], None, None),
        (&[("retry-after", "Thu, 01 Jan 1970 00:00:00 GMT")], None, Some((0, 0))),
        (&[("retry-after", "7"), ("x-should-retry", "false")], Some(false), None),
        (&[("retry-after", "7"), ("x-should-retry", "true")], Some(true), Some((7_000, 7_700))),
    ];
    let mut cells = 0;

    for (status, usually) in STATUSES {
        for (headers, decides, pauses) in ADVICE {
            for (call, has_key) in calls() {
                let cell = format!("{status} {headers:?} {} {:?}", call.operation.id, call.options.idempotency_key);
                let memory = Memory::new([Fate::fails(*status, headers)]);
                let begun = Instant::now();

                let error = memory.transport().call(call).await.expect_err(&cell);

                let expected = if decides.unwrap_or(*usually) { 3 } else { 1 };
                let requests = memory.requests();
                assert_eq!(requests.len(), expected, "{cell}");
                assert_eq!((error.status(), error.kind()), (*status, &ErrorKind::Answered), "{cell}");
                assert_eq!(error.attempts().len(), expected, "{cell}");
                let keys: Vec<_> = requests.iter().map(|request| request.headers().get("idempotency-key")).collect();
                assert!(keys.iter().all(|key| key.is_some() == has_key && *key == keys[0]), "{cell}: {keys:?}");
                let (least, most) = match (expected, pauses) {
                    (1, _) => (0, 0),
                    (_, Some((least, most))) => (2 * least, 2 * most),
                    (_, None) => (0, 1_500),
                };
                let took = u64::try_from(begun.elapsed().as_millis()).unwrap();
                // The timer of the runtime counts whole milliseconds.
                assert!((least..=most + 4).contains(&took), "{cell}: {took} ms");
                cells += 1;
            }
        }
    }

    assert_eq!(cells, STATUSES.len() * ADVICE.len() * OPERATIONS.len() * 2);
}

#[tokio::test(start_paused = true)]
async fn row_08_a_request_that_got_no_answer_is_repeated_where_that_does_no_harm() {
    for (call, _) in calls() {
        for (fate, kind) in [(Fate::NotSent, ErrorKind::NotSent), (Fate::Lost, ErrorKind::MaybeReceived)] {
            let memory = Memory::new([fate]);

            let error = memory.transport().call(call.clone()).await.unwrap_err();

            // Every operation that is not repeatable by itself carries a key.
            assert_eq!((memory.requests().len(), error.kind()), (3, &kind), "{}", call.operation.id);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_success_after_failures_is_one_success() {
    let memory = Memory::new([Fate::fails(503, &[]), Fate::Lost, Fate::json(200, SESSION)]);

    let answer = memory.transport().call(call("GetSession", &["ses_1"])).await.unwrap();

    assert_eq!(answer.body, SESSION);
    let statuses: Vec<_> = answer.meta.attempts.iter().map(|attempt| attempt.status).collect();
    assert_eq!(statuses, [Some(503), None, Some(200)]);
    assert_eq!(answer.meta.timings.waited, answer.meta.attempts.iter().map(|attempt| attempt.waited).sum::<Duration>());
    assert!(answer.meta.timings.total >= answer.meta.timings.waited);
}

#[tokio::test(start_paused = true)]
async fn row_52_a_server_cannot_hold_a_caller_longer_than_the_caller_wants() {
    let table = [
        (Fate::Silence, "`GET /v1/sessions/{sessionId}` took longer than 5s"),
        (Fate::endless_body(), "`GET /v1/sessions/{sessionId}` took longer than 5s"),
        (Fate::fails(429, &[("retry-after", "30")]), "HTTP 429"),
        (Fate::Late(Duration::from_secs(4), Box::new(Fate::fails(503, &[("retry-after", "3")]))), "HTTP 503"),
    ];

    for (fate, message) in table {
        let memory = Memory::new([fate]);
        let mut call = call("GetSession", &["ses_1"]);
        call.options.deadline = Some(Duration::from_secs(5));
        let begun = Instant::now();

        let error = memory.transport().call(call).await.unwrap_err();

        assert!(error.to_string().contains(message), "{error}");
        assert!(begun.elapsed() <= Duration::from_millis(5_002), "{:?}", begun.elapsed());
        assert_eq!(memory.open(), 0, "nothing is left open");
    }
}

#[tokio::test(start_paused = true)]
async fn row_52_a_pause_of_ages_is_an_error_at_once_and_nonsense_is_no_pause() {
    // 2^31 and 2^32 seconds or milliseconds overflow timers elsewhere, which then do not wait at all.
    let ages = ["2147483648", "4233600", "2147483.648", "4294967.296", "18446744073709551616", "1e19"];
    for (name, value, retried) in ages
        .map(|age| ("retry-after", age, false))
        .into_iter()
        .chain([("retry-after-ms", "2147483648", false), ("retry-after-ms", "4294967296", false)])
        .chain(["-1", "-2147483648", "1e999", ""].map(|nonsense| ("retry-after", nonsense, true)))
    {
        let memory = Memory::new([Fate::fails(429, &[(name, value)])]);
        let begun = Instant::now();

        let error = memory.transport().call(call("GetSession", &["ses_1"])).await.unwrap_err();

        let (requests, most) = if retried { (3, Duration::from_millis(1_504)) } else { (1, Duration::ZERO) };
        assert_eq!(memory.requests().len(), requests, "{name}: {value}");
        assert!(begun.elapsed() <= most, "{name}: {value}: {:?}", begun.elapsed());
        assert_eq!(error.retry_after().is_some(), !retried, "{name}: {value}");
    }
}

#[tokio::test(start_paused = true)]
async fn row_52_a_call_that_pauses_can_be_left_and_is_over_then() {
    let memory = Memory::new([Fate::fails(503, &[("retry-after", "60")])]);

    let left = timeout(Duration::from_secs(1), memory.transport().call(call("GetSession", &["ses_1"]))).await;
    tokio::time::advance(Duration::from_secs(600)).await;

    assert!(left.is_err());
    assert_eq!((memory.requests().len(), memory.open()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn t2_each_attempt_has_its_own_timeout_and_none_is_made_after_the_last() {
    let memory = Memory::new([Fate::Silence]);
    let begun = Instant::now();

    let error = memory.transport().call(call("GetSession", &["ses_1"])).await.unwrap_err();

    assert_eq!((memory.requests().len(), error.attempts().len()), (3, 3));
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(90) && took <= Duration::from_millis(91_600), "{took:?}");
    assert_eq!(error.to_string(), "`GET /v1/sessions/{sessionId}` took longer than 30s after 3 attempts");
}

#[tokio::test(start_paused = true)]
async fn row_06_a_thousand_callers_on_a_dead_server_stay_within_the_budget() {
    let memory = Memory::new([Fate::fails(503, &[])]);
    let transport = memory.transport();

    let callers: Vec<_> = (0..1000)
        .map(|_| {
            let transport = transport.clone();
            tokio::spawn(async move { transport.call(call("GetSession", &["ses_1"])).await.unwrap_err() })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }

    let attempts = memory.requests().len();
    assert!((1000..=1100).contains(&attempts), "{attempts} attempts for 1000 calls");

    // The budget is spent: a call more is one attempt more.
    for _ in 0..100 {
        transport.call(call("GetSession", &["ses_1"])).await.unwrap_err();
    }
    assert_eq!(memory.requests().len(), attempts + 100);
}
