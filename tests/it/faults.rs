//! Faults on the way: what was asked for happens once.

use futures_util::future::join_all;
use theazo::testing::TestPlane;

#[tokio::test]
async fn an_answer_that_is_lost_after_the_effect_gives_one_session() {
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
async fn a_run_whose_answer_is_lost_runs_once_and_is_billed_once() {
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
async fn the_same_key_at_once_takes_effect_once_and_with_another_body_not_at_all() {
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
