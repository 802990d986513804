//! Runs that are cancelled at any moment of theirs: they end once, hold nothing back and leave their places to others.

use futures_util::{StreamExt, stream};
use theazo::{
    Session, Theazo,
    testing::TestPlane,
    types::{CostLimit, Period, RunStatus, SessionLimits},
};
use theazo_tests::random::Random;

/// How many runs are under way at a time.
const AT_ONCE: usize = 24;

/// Starts so many runs and cancels each after as many of its events as chance says, from none to all.
async fn cancel_at_any_moment(theazo: &Theazo, session: &Session, runs: usize) -> Vec<RunStatus> {
    let mut random = Random::new(runs as u64);
    let moments: Vec<u64> = (0..runs).map(|_| random.below(12)).collect();
    let ended = stream::iter(moments).map(|moment| async move {
        let run = session.runs().start("researcher", "go on").provider("simulated").await.expect("it starts");
        let mut events = run.stream().await.expect("it streams");
        for _ in 0..moment {
            events.next().await;
        }
        // One that has ended is left as it is.
        let _ = run.cancel().await;
        let _ = run.wait().await;
        theazo.runs().get(run.id().clone()).await.expect("it is kept").data().status.clone()
    });
    ended.buffer_unordered(AT_ONCE).collect().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_10_runs_that_are_cancelled_at_any_moment_leave_nothing_reserved() {
    let plane = TestPlane::start().await.expect("it starts");
    let max_cost = Some(CostLimit::cents(100_000, Period::Day));
    let limits = SessionLimits { max_cost, ..Default::default() };
    let session = plane.client().sessions().for_user("ada").limits(limits).await.expect("it is made");

    let ended = cancel_at_any_moment(&plane.client(), &session, 150).await;

    let count = |status: RunStatus| ended.iter().filter(|ended| **ended == status).count();
    let (cancelled, completed) = (count(RunStatus::Cancelled), count(RunStatus::Completed));
    assert_eq!(cancelled + completed, 150, "{ended:?}");
    assert!(cancelled > 0 && completed > 0, "some were early enough and some were not: {cancelled}, {completed}");
    session.terminate().await.expect("it ends");
    let spent: i64 = plane.charges().await.expect("they are listed").iter().map(|it| it.cost.to_micro_cents()).sum();
    let used = session.limits().await.expect("they are reported").max_cost.expect("it is limited");
    assert_eq!((used.used_micro_cents, used.reserved_micro_cents), (spent, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_49_when_more_runs_were_cancelled_than_a_worker_has_places_the_next_one_completes() {
    let plane = TestPlane::start().await.expect("it starts");
    let session = plane.client().sessions().for_user("ada").await.expect("it is made");

    let ended = cancel_at_any_moment(&plane.client(), &session, 600).await;

    let is_over = |status: &RunStatus| matches!(status, RunStatus::Cancelled | RunStatus::Completed);
    assert!(ended.iter().all(is_over), "{ended:?}");
    session.run("researcher", "go on").provider("simulated").await.expect("there is a place");
}
