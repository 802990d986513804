//! Faults on the way: what was asked for happens once.

use futures_util::future::join_all;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};
use theazo::{
    ErrorKind,
    testing::TestPlane,
    transport::{Answer, Call, CallOptions, operation},
};

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
