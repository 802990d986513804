//! Faults on the way: what was asked for happens once.

use futures_util::future::join_all;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};
use theazo::{
    ErrorKind,
    testing::{ScriptedTurn, TestPlane},
    transport::{Answer, Call, CallOptions, operation},
};
use theazo_tests::{Http, ServerProcess, minutes};

#[tokio::test]
async fn row_01_an_answer_that_is_lost_after_the_effect_gives_one_session() {
    let plane = TestPlane::start().await.expect("it starts");
    plane.fail_next().kind("reset_after").operation("CreateSession").await.expect("it is set up");

    let session = plane.client().sessions().create().user_id("ada").await.expect("the retry finds it");

    let listed = plane.client().sessions().list().await.expect("they are listed");
    assert_eq!(listed.data.len(), 1);
    assert_eq!(listed.data[0].id(), session.id());
    let requests = plane.requests().await.expect("they are listed");
    let creates: Vec<_> = requests.iter().filter(|request| request.operation == "CreateSession").collect();
    assert_eq!(creates.iter().map(|request| (request.status, request.attempt)).collect::<Vec<_>>(), [(0, 1), (201, 2)]);
    assert_eq!(creates[0].idempotency_key, creates[1].idempotency_key);
    assert!(!creates[0].idempotency_key.is_empty());
}

#[tokio::test]
async fn row_01_a_run_whose_answer_is_lost_runs_once_and_is_billed_once() {
    let plane = TestPlane::start().await.expect("it starts");
    let session = plane.client().sessions().for_user("ada").await.expect("it is made");
    plane.fail_next().kind("reset_after").operation("RunInSession").await.expect("it is set up");

    let result = session.run("researcher", "anything").await.expect("the retry re-attaches");

    assert_eq!(session.runs().list().await.expect("they are listed").data.len(), 1);
    assert_eq!(session.usage().await.expect("it is reported").cost, result.cost);
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let plane = TestPlane::start().await.expect("it starts");
    plane.fail_next().status(503).retry_after(0).times(2).await.expect("it is set up");

    plane.client().sessions().list().await.expect("the third attempt works");

    let statuses: Vec<i32> =
        plane.requests().await.expect("they are listed").iter().map(|request| request.status).collect();
    assert_eq!(statuses, [503, 503, 200]);
}

#[tokio::test]
async fn row_03_the_same_key_at_once_takes_effect_once_and_with_another_body_not_at_all() {
    let plane = TestPlane::start().await.expect("it starts");
    let theazo = plane.client();
    let create = |user: &str| theazo.sessions().create().user_id(user).idempotency_key("once").into_future();

    let created = join_all((0..64).map(|_| create("ada"))).await;
    let ids: std::collections::BTreeSet<_> =
        created.into_iter().map(|session| session.expect("it is made").id().to_string()).collect();
    let reused = create("bob").await.expect_err("the key stands for another request");

    assert_eq!(ids.len(), 1);
    assert_eq!((reused.code().as_str(), reused.status()), ("idempotency_key_reused", 422));
    assert_eq!(theazo.sessions().list().await.expect("they are listed").data.len(), 1);
}

/// What can happen to one request on its way.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Answered,
    Busy,
    LostBefore,
    LostAfter,
}

/// What becomes of each attempt of one call. The client makes three.
fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![Just(Fate::Answered), Just(Fate::Busy), Just(Fate::LostBefore), Just(Fate::LostAfter)];
    proptest::collection::vec(fate, 3)
}

/// Makes a session whose attempts have these fates; whether the call succeeded and whether there must be a session.
async fn create(plane: &TestPlane, user: &str, fates: &[Fate]) -> (bool, bool) {
    for fate in fates {
        let fault = plane.fail_next().operation("CreateSession");
        match fate {
            Fate::Answered => break,
            Fate::Busy => fault.status(503).retry_after(0).await.expect("it is set up"),
            Fate::LostBefore => fault.kind("reset_before").await.expect("it is set up"),
            Fate::LostAfter => fault.kind("reset_after").await.expect("it is set up"),
        }
    }
    let is_made =
        fates.iter().take_while(|fate| !matches!(fate, Fate::Answered)).any(|fate| matches!(fate, Fate::LostAfter))
            || fates.iter().any(|fate| matches!(fate, Fate::Answered));
    match plane.client().sessions().create().user_id(user).await {
        Ok(_) => (true, is_made),
        Err(error) => {
            // Nobody may be told that nothing happened when something may have.
            let was_lost = fates.last().is_some_and(|fate| !matches!(fate, Fate::Busy));
            assert_eq!(error.kind() == &ErrorKind::MaybeReceived, was_lost, "{error:?}");
            (false, is_made)
        }
    }
}

/// Metadata of a session, with what is hard to write in JSON.
fn metadata() -> impl Strategy<Value = Value> {
    proptest::collection::btree_map("[a-z]{1,2}", "[a-c\u{e9}\u{1f600}\"\\\\\n]{0,3}", 0..4)
        .prop_map(|members| members.into_iter().map(|(name, value)| (name, Value::from(value))).collect())
        .prop_map(Value::Object)
}

/// The same JSON with its members in the opposite order and blanks wherever they may stand.
fn respelt(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().rev().map(|(name, value)| format!(" {}:\n{}", json!(name), respelt(value))).collect();
            format!("{{{} }}", members.join(","))
        }
        Value::Array(items) => format!("[\t{}]", items.iter().map(respelt).collect::<Vec<_>>().join(" ,")),
        plain => plain.to_string(),
    }
}

async fn create_with(plane: &TestPlane, body: String) -> Result<Answer, theazo::Error> {
    let call = Call::new(operation("CreateSession").expect("it is in the table")).body(body);
    plane.client().transport().call(call.options(CallOptions::new().idempotency_key("once"))).await
}

#[tokio::test]
async fn row_01_whatever_is_lost_each_call_takes_effect_once_or_not_at_all() {
    let mut runner = TestRunner::deterministic();
    let strategy = proptest::collection::vec(fates(), 1..4);
    let cases: Vec<_> = (0..100).map(|_| strategy.new_tree(&mut runner).expect("it is generated").current()).collect();

    // Side by side, since nearly all of the time goes into pauses.
    join_all(cases.into_iter().map(async |calls| {
        let plane = TestPlane::start().await.expect("it starts");
        let mut made = 0;
        for (number, fates) in calls.iter().enumerate() {
            let (succeeded, is_made) = create(&plane, &format!("user_{number}"), fates).await;
            assert!(is_made || !succeeded, "{fates:?}");
            made += usize::from(is_made);
        }
        let listed = plane.client().sessions().list().await.expect("they are listed").data;
        assert_eq!(listed.len(), made, "{calls:?}");
    }))
    .await;
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn row_02_a_key_stands_for_one_body_however_it_is_spelt(given in metadata(), other in metadata()) {
        runtime().block_on(async {
            let plane = TestPlane::start().await.expect("it starts");
            let body = |metadata: &Value| {
json!({ "userId": "ada", "environment": "staging", "metadata": metadata })
            };

            let first = create_with(&plane, body(&given).to_string()).await.expect("it is made");
            let again = create_with(&plane, respelt(&body(&given))).await.expect("it is the same");
            let different = create_with(&plane, body(&other).to_string()).await;

            assert_eq!((first.meta.replayed, again.meta.replayed), (false, true));
            assert_eq!(first.body, again.body);
            if given == other {
                assert!(different.expect("it is the same").meta.replayed);
            } else {
                let error = different.expect_err("it is another request");
                assert_eq!((error.status(), error.code().as_str()), (422, "idempotency_key_reused"));
            }
            let listed = plane.client().sessions().list().await.expect("they are listed").data;
            assert_eq!(listed.len(), 1);
        });
    }
}

#[tokio::test]
async fn an_error_can_be_the_answer_of_a_call_that_took_effect() {
    let plane = TestPlane::start().await.expect("it starts");
    plane.fail_next().kind("status_after").operation("CreateSession").await.expect("it is set up");

    let session = plane.client().sessions().create().user_id("ada").await.expect("the retry finds it");

    let statuses: Vec<_> =
        plane.requests().await.expect("they are listed").iter().map(|request| request.status).collect();
    assert_eq!(statuses, [503, 201]);
    assert_eq!(plane.client().sessions().list().await.expect("they are listed").data[0].id(), session.id());
}

#[tokio::test]
async fn a_call_can_take_longer_by_the_time_of_the_plane() {
    let plane = TestPlane::start().await.expect("it starts");
    plane.fail_next().kind("latency").latency(minutes(5)).await.expect("it is set up");
    let theazo = plane.client();
    let slow = tokio::spawn(async move { theazo.sessions().list().await.map(drop) });
    while plane.requests().await.expect("they are listed").is_empty() {
        tokio::task::yield_now().await;
    }

    plane.advance(minutes(4)).await.expect("time passes");
    assert_eq!(plane.requests().await.expect("they are listed")[0].status, 0, "it is not answered yet");
    plane.advance(minutes(2)).await.expect("time passes");

    slow.await.expect("it ends").expect("it is answered");
}

#[tokio::test]
async fn an_answer_that_is_cut_is_asked_for_again_and_a_stream_goes_on_where_it_was() {
    let plane = TestPlane::start().await.expect("it starts");
    let theazo = plane.client();
    let user = async |name: &str| theazo.sessions().for_user(name).await.expect("it is made");
    for after in [30, 200, 400] {
        plane.fail_next().kind("truncate").after_bytes(after).operation("StreamLogs").await.expect("it is set up");
    }
    let mut stream = theazo.logs().stream().await.expect("it opens");
    plane.fail_next().kind("truncate").after_bytes(5).operation("GetOrCreateUserSession").await.expect("it is set up");
    for name in ["ada", "bob", "eve", "zoe"] {
        user(name).await;
    }

    for name in ["ada", "bob", "eve", "zoe"] {
        let next = tokio::time::timeout(std::time::Duration::from_secs(60), stream.next()).await;
        let entry = next.expect("it comes").expect("it goes on").expect("it resumes");
        assert_eq!((entry.user_id.as_str(), entry.message.as_str()), (name, "session created"));
    }
    assert_eq!(theazo.sessions().list().await.expect("they are listed").data.len(), 4);
}

#[tokio::test]
async fn the_same_seed_fails_the_same_calls_until_faults_are_cleared() {
    let outcomes = async |seed: i64| {
        let plane = TestPlane::start().await.expect("it starts");
        let once = plane.client().with(CallOptions::new().max_retries(0));
        plane.fail_next().probability(0.5).seed(seed).times(1000).await.expect("it is set up");
        let mut outcomes = Vec::new();
        for _ in 0..40 {
            outcomes.push(once.sessions().list().await.is_ok());
        }
        plane.clear_faults().await.expect("they are cleared");
        once.sessions().list().await.expect("it works again");
        outcomes
    };

    let (one, again, other) = tokio::join!(outcomes(7), outcomes(7), outcomes(8));

    assert_eq!(one, again);
    assert_ne!(one, other);
    let failed = one.iter().filter(|worked| !**worked).count();
    assert!((8..=32).contains(&failed), "{failed} of 40");
}

#[tokio::test]
async fn faults_are_the_same_over_a_socket() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &["--test-plane"]).await;
    let key = &server.keys.as_ref().expect("a new server makes keys").0;
    let http = Http::new(&server.url, key);
    let fault = async |fault: Value| assert_eq!(http.send("POST", "/testing/faults", fault).await.0, 204);
    let list = || http.request("GET", "/v1/sessions").send();

    fault(json!({ "kind": "status", "status": 418 })).await;
    assert_eq!(list().await.expect("it is answered").status(), 418);
    fault(json!({ "kind": "reset_before" })).await;
    assert!(async { list().await?.text().await }.await.is_err(), "the connection ends");
    fault(json!({ "kind": "truncate", "afterBytes": 3 })).await;
    let cut = list().await.expect("the head comes");
    assert_eq!(cut.status(), 200);
    assert!(cut.text().await.is_err(), "the body breaks off");
    fault(json!({ "kind": "stall", "afterBytes": 3 })).await;
    let mut stalled = list().await.expect("the head comes");
    assert_eq!(stalled.chunk().await.expect("it comes").expect("it is there").len(), 3);
    let more = tokio::time::timeout(std::time::Duration::from_millis(200), stalled.chunk()).await;
    assert!(more.is_err(), "nothing more comes, and the connection is open");
    fault(json!({ "kind": "latency", "latency": "50ms", "realTime": true })).await;
    let begun = std::time::Instant::now();
    assert_eq!(list().await.expect("it is answered").status(), 200);
    assert!(begun.elapsed() >= std::time::Duration::from_millis(50));
    for (bad, field) in [
        (json!({ "kind": "explode" }), "kind"),
        (json!({ "kind": "latency" }), "latency"),
        (json!({ "kind": "stall", "afterBytes": -1 }), "afterBytes"),
        (json!({ "probability": 0 }), "probability"),
    ] {
        let (status, body) = http.send("POST", "/testing/faults", bad).await;
        assert_eq!((status, &body["error"]["details"]["fields"][0]["field"]), (422, &json!(field)));
    }
}

#[tokio::test]
async fn a_test_sees_every_event_of_the_plane() {
    let plane = TestPlane::start().await.expect("it starts");
    let session = plane.client().sessions().for_user("ada").await.expect("it is made");
    let result = session.run("researcher", "anything").await.expect("it runs");

    let finished = plane.events().run_id(&result.run_id).kind("run.completed").await.expect("they are listed");

    assert_eq!(finished.len(), 1);
    assert_eq!((finished[0].user_id.as_str(), &finished[0].data["result"]["output"]), ("ada", &json!(result.output)));
    let all = plane.events().await.expect("they are listed");
    assert!(all.iter().any(|event| event.kind == "model.text"), "more than logs show");
    assert!(all.is_sorted_by_key(|event| event.id.parse::<i64>().expect("it is a place")));
}

#[tokio::test]
async fn a_hundred_planes_run_side_by_side() {
    let planes = join_all((0..100).map(async |number| {
        let plane = TestPlane::start().await.expect("it starts");
        plane.script("researcher", [ScriptedTurn::text(format!("answer {number}"))]).await.expect("it is scripted");
        plane.advance(minutes(number)).await.expect("time passes");
        let session = plane.client().sessions().for_user("ada").await.expect("it is made");
        (session.run("researcher", "x").await.expect("it runs").output, plane)
    }))
    .await;

    for (number, (output, plane)) in planes.iter().enumerate() {
        assert_eq!(output, &format!("answer {number}"));
        assert_eq!(plane.client().sessions().list().await.expect("they are listed").data.len(), 1);
    }
}
