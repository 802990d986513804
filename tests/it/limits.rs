//! Limits: they cannot be overshot, and what stands at one goes on when it is raised.

use futures_util::future::join_all;
use theazo::{
    Session,
    testing::TestPlane,
    types::{CostLimit, MICRO_CENTS_PER_CENT, Period, SessionLimits, testing::ScriptedTurn},
};
use theazo_tests::{Worlds, minutes};

fn daily(cents: i64) -> SessionLimits {
    SessionLimits { max_cost: Some(CostLimit::cents(cents, Period::Day)), ..Default::default() }
}

/// A turn that costs exactly 3.3 cents: 10,000 tokens in at 300 cents a million, and ten percent.
fn turn_of_3_3_cents(text: &str) -> ScriptedTurn {
    ScriptedTurn {
        text: Some(text.to_owned()),
        input_tokens: Some(100_000 / 10),
        output_tokens: Some(0),
        ..Default::default()
    }
}

async fn plane_with(cents: i64) -> (TestPlane, Session) {
    let plane = TestPlane::start().await.expect("it starts");
    let session = plane.client().sessions().for_user("ada").limits(daily(cents)).await.expect("it is made");
    (plane, session)
}

#[tokio::test]
async fn a_run_at_its_limit_stands_still_and_goes_on_when_the_limit_is_raised() {
    let (plane, session) = plane_with(4).await;
    let turns = vec![turn_of_3_3_cents("first"), turn_of_3_3_cents("second")];
    plane.script("writer", turns).await.expect("it is scripted");
    session.run("writer", "one").await.expect("there is enough for one");

    let error = session.run("writer", "two").idempotency_key("two").await.expect_err("there is not enough for two");
    assert_eq!((error.code().as_str(), error.status()), ("session_limit_exceeded", 402));
    assert_eq!(error.details()["limit"], "maxCost");
    assert_eq!(error.details()["value"], 4);
    let run_id = error.details()["runId"].as_str().expect("it says which run").to_owned();
    let run = plane.client().runs().get(run_id.clone()).await.expect("it is kept");
    assert_eq!(run.data().status.as_str(), "paused");
    assert_eq!(run.data().cost.to_micro_cents(), 0, "its first step was never paid");

    session.update_limits(daily(10)).await.expect("it is raised");
    let result = run.wait().await.expect("the same run goes on");
    assert_eq!((result.run_id.as_str(), result.output.as_str()), (run_id.as_str(), "second"));
    let replayed = session.run("writer", "two").idempotency_key("two").await.expect("the retry re-attaches");
    assert_eq!(replayed, result);
    assert_eq!(session.runs().list().await.expect("they are listed").data.len(), 2);
}

#[tokio::test]
async fn many_runs_at_once_never_spend_more_than_the_limit() {
    let (plane, session) = plane_with(20).await;
    let turns = (0..40).map(|index| turn_of_3_3_cents(&index.to_string())).collect::<Vec<_>>();
    plane.script("writer", turns).await.expect("it is scripted");

    let outcomes = join_all((0..40).map(|_| session.run("writer", "spend").into_future())).await;

    let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let charges = plane.charges().await.expect("they are listed");
    let spent: i64 = charges.iter().map(|charge| charge.cost.to_micro_cents()).sum();
    let limits = session.limits().await.expect("they are reported").max_cost.expect("it is limited");
    assert!(done >= 1, "something fits into twenty cents");
    assert!(spent <= 20 * MICRO_CENTS_PER_CENT, "{spent}");
    assert_eq!(limits.used_micro_cents, spent);
    assert_eq!(limits.reserved_micro_cents, 0, "nothing stays reserved when all stands still");
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(error.code().as_str(), "session_limit_exceeded", "{error}");
    }
}

#[tokio::test]
async fn a_budget_of_a_day_is_new_on_the_next_day_when_what_waited_goes_on_and_not_in_a_new_session() {
    let (plane, session) = plane_with(4).await;
    let turns = vec![turn_of_3_3_cents("first"), turn_of_3_3_cents("second"), turn_of_3_3_cents("third")];
    plane.script("writer", turns).await.expect("it is scripted");
    session.run("writer", "one").await.expect("there is enough");
    session.terminate().await.expect("it ends");
    let second = plane.client().sessions().for_user("ada").limits(daily(4)).await.expect("it is made");
    assert_ne!(second.id(), session.id());

    let same_day = second.run("writer", "two").await.expect_err("the user's day is used up");
    let waiting = second.runs().list().await.expect("they are listed").data[0].clone();
    plane.advance(minutes(1440)).await.expect("it is tomorrow");
    let next_day = waiting.wait().await.expect("the day is new");
    let full_again = second.run("writer", "three").await.expect_err("that took what there is of this day");

    assert_eq!(same_day.code().as_str(), "session_limit_exceeded");
    assert_eq!(next_day.output, "second");
    assert_eq!(full_again.code().as_str(), "session_limit_exceeded");
}

#[tokio::test]
async fn a_retry_on_the_next_day_re_attaches_to_the_run_that_waited() {
    let (plane, session) = plane_with(4).await;
    let turns = vec![turn_of_3_3_cents("first"), turn_of_3_3_cents("second")];
    plane.script("writer", turns).await.expect("it is scripted");
    session.run("writer", "one").await.expect("there is enough");
    let two = || session.run("writer", "two").idempotency_key("two").into_future();

    let today = two().await.expect_err("the day is used up");
    let again = two().await.expect_err("it still is");
    plane.advance(minutes(24 * 60)).await.expect("it is tomorrow");
    let tomorrow = two().await.expect("the day is new");

    assert_eq!(today.details()["runId"], again.details()["runId"]);
    assert_eq!(today.details()["runId"], tomorrow.run_id.as_str());
    assert_eq!(tomorrow.output, "second");
    assert_eq!(session.runs().list().await.expect("they are listed").data.len(), 2);
}

#[tokio::test]
async fn one_agent_more_than_allowed_is_refused() {
    let plane = TestPlane::start().await.expect("it starts");
    let limits = SessionLimits { max_agents: Some(2), ..Default::default() };
    let session = plane.client().sessions().for_user("ada").limits(limits).await.expect("it is made");
    let first = session.agents().create().await.expect("it is made");
    session.agents().create().await.expect("it is made");

    let error = session.agents().create().await.expect_err("it is one too many");
    let run_error = session.run("researcher", "anything").await.expect_err("it is one too many");
    first.pause().await.expect("it pauses");
    let after_pause = session.run("researcher", "anything").await;

    assert_eq!((error.code().as_str(), error.status()), ("session_limit_exceeded", 402));
    assert_eq!(error.details()["limit"], "maxAgents");
    assert_eq!((&error.details()["value"], &error.details()["used"]), (&2.into(), &2.into()));
    assert_eq!(run_error.code().as_str(), "session_limit_exceeded");
    after_pause.expect("a paused agent does not count");
}

#[tokio::test]
async fn a_runs_own_cap_ends_that_run_alone() {
    let (plane, session) = plane_with(100).await;
    plane.script("writer", vec![turn_of_3_3_cents("dear")]).await.expect("it is scripted");
    let other = session.agents().create().await.expect("it is made");

    let error = session.run("writer", "spend").max_cost(theazo::types::Cost::cents(2)).await.expect_err("it is capped");

    assert_eq!(error.code().as_str(), "session_limit_exceeded");
    assert_eq!(error.details()["limit"], "run.maxCost");
    assert_eq!(other.status().await.expect("it is told").status.as_str(), "ready");
    assert_eq!(session.usage().await.expect("it is reported").model_calls, 0);
}

#[tokio::test]
async fn compute_minutes_are_limited_to_the_tick() {
    let plane = TestPlane::start().await.expect("it starts");
    let limits = SessionLimits { max_compute_minutes: Some(2.0), ..Default::default() };
    let session = plane.client().sessions().for_user("ada").limits(limits).await.expect("it is made");
    let agent = session.agents().create().await.expect("it is made");

    plane.advance(minutes(10)).await.expect("time passes");

    let status = session.limits().await.expect("they are reported").max_compute_minutes.expect("it is limited");
    assert_eq!((status.used, status.remaining, status.percentage), (2.0, 0.0, 100.0));
    assert_eq!(agent.status().await.expect("it is told").status.as_str(), "paused");
    let usage = session.usage().await.expect("it is reported");
    assert_eq!((usage.compute_minutes, usage.cost.to_micro_cents()), (2.0, 1_000_000));
}

#[tokio::test]
async fn a_test_key_runs_in_a_world_of_its_own_and_leaves_no_usage() {
    let Worlds { ours, test: theazo, plane: _plane, .. } = Worlds::start().await;
    let session = theazo.sessions().for_user("ada").await.expect("it is made");

    let result = session.run("researcher", "anything").await.expect("it runs");

    assert_eq!(result.provider, "simulated");
    assert_eq!(session.usage().await.expect("it is reported").cost.to_micro_cents(), 0);
    let export = theazo.usage().export("json").await.expect("it is exported");
    assert!(export.records.is_empty());
    let live_session = ours.sessions().for_user("ada").await.expect("it is made");
    assert_ne!(live_session.id(), session.id(), "the worlds share nothing");
}

#[tokio::test]
async fn resuming_an_agent_does_not_pass_the_limit_of_agents() {
    let plane = TestPlane::start().await.expect("it starts");
    let limits = SessionLimits { max_agents: Some(1), ..Default::default() };
    let session = plane.client().sessions().for_user("ada").limits(limits).await.expect("it is made");
    let first = session.agents().create().await.expect("it is made");
    first.pause().await.expect("it pauses");
    let second = session.agents().create().await.expect("a paused agent does not count");

    let error = first.resume().await.expect_err("it is one too many");
    second.terminate().await.expect("it ends");
    first.resume().await.expect("there is room again");

    assert_eq!((error.code().as_str(), error.status()), ("session_limit_exceeded", 402));
    assert_eq!(error.details()["limit"], "maxAgents");
}

#[tokio::test]
async fn a_stream_of_a_run_that_went_on_after_a_limit_shows_how_it_ended() {
    let (plane, session) = plane_with(1).await;
    plane.script("writer", vec![turn_of_3_3_cents("the end")]).await.expect("it is scripted");
    let error = session.run("writer", "write").await.expect_err("there is not enough");
    let run_id = error.details()["runId"].as_str().expect("it says which run").to_owned();
    let run = plane.client().runs().get(run_id).await.expect("it is kept");
    session.update_limits(daily(10)).await.expect("it is raised");
    run.wait().await.expect("it goes on");

    let mut events = run.stream().await.expect("it streams");
    let mut last = None;
    while let Some(event) = events.next().await {
        last = Some(event.expect("it streams"));
    }

    assert!(matches!(&last, Some(theazo::types::StreamEvent::Done { output, .. }) if output == "the end"), "{last:?}");
}

#[tokio::test]
async fn a_limit_raised_while_the_session_is_paused_lets_its_run_go_on_with_the_session() {
    let (plane, session) = plane_with(1).await;
    plane.script("writer", vec![turn_of_3_3_cents("the end")]).await.expect("it is scripted");
    let error = session.run("writer", "write").await.expect_err("there is not enough");
    let run_id = error.details()["runId"].as_str().expect("it says which run").to_owned();
    let run = plane.client().runs().get(run_id).await.expect("it is kept");

    session.pause().await.expect("it pauses");
    session.update_limits(daily(10)).await.expect("it is raised");
    session.resume().await.expect("it goes on");

    assert_eq!(run.wait().await.expect("the run goes on").output, "the end");
}

#[tokio::test]
async fn tokens_that_no_model_can_count_cost_nothing_or_reach_the_limit() {
    let (plane, session) = plane_with(100).await;
    let turn =
        |tokens| ScriptedTurn { input_tokens: Some(tokens), output_tokens: Some(0), ..ScriptedTurn::text("done") };
    plane.script("writer", vec![turn(-1_000_000), turn(i64::MAX)]).await.expect("it is scripted");

    let cheap = session.run("writer", "one").await.expect("it costs nothing");
    let error = session.run("writer", "two").await.expect_err("it costs more than there is");

    assert_eq!(cheap.cost.to_micro_cents(), 0);
    assert_eq!(error.code().as_str(), "session_limit_exceeded", "{error}");
}

#[tokio::test]
async fn many_agents_asked_for_at_once_are_never_more_than_allowed() {
    let plane = TestPlane::start().await.expect("it starts");
    let limits = SessionLimits { max_agents: Some(3), ..Default::default() };
    let session = plane.client().sessions().for_user("ada").limits(limits).await.expect("it is made");

    let outcomes = join_all((0..24).map(|_| session.agents().create().into_future())).await;

    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 3);
    let status = session.limits().await.expect("they are reported").max_agents.expect("it is limited");
    assert_eq!((status.used, status.remaining), (3, 0));
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!((error.status(), &error.details()["limit"]), (402, &"maxAgents".into()));
    }
}

#[tokio::test]
async fn sandboxes_that_run_side_by_side_share_the_compute_minutes_and_go_on_when_there_are_more() {
    let plane = TestPlane::start().await.expect("it starts");
    let minutes_limit = |minutes| SessionLimits { max_compute_minutes: Some(minutes), ..Default::default() };
    let session = plane.client().sessions().for_user("ada").limits(minutes_limit(2.6)).await.expect("it is made");
    let agents = join_all((0..5).map(|_| session.agents().create().into_future())).await;

    plane.advance(minutes(10)).await.expect("time passes");
    // Two ticks of a quarter of a minute fit for each of the five, and not one more for any.
    let status = session.limits().await.expect("they are reported").max_compute_minutes.expect("they are limited");
    assert_eq!(status.used, 2.5);
    let error = session.run("writer", "anything").idempotency_key("one").await.expect_err("they are used up");
    assert_eq!((error.status(), &error.details()["limit"]), (402, &"maxComputeMinutes".into()));
    assert_eq!((&error.details()["value"], &error.details()["used"]), (&2.6.into(), &2.5.into()));
    let run_id = error.details()["runId"].as_str().expect("it says which run").to_owned();

    session.update_limits(minutes_limit(100.0)).await.expect("they are raised");
    let result = session.run("writer", "anything").idempotency_key("one").await.expect("the same run goes on");
    assert_eq!(result.run_id.as_str(), run_id);
    let mut logs = plane.client().logs().stream().session_id(session.id().clone()).await.expect("it streams");
    for agent in agents {
        let agent = agent.expect("it was made");
        while agent.status().await.expect("it is told").status.as_str() != "ready" {
            logs.next().await.expect("it goes on").expect("it streams");
        }
    }
}
