//! Budgets of the account and of users, alerts on the way, and credits: no level can be overshot.

use futures_util::future::join_all;
use theazo::{
    Session, Theazo,
    testing::{ScriptedTurn, TestPlane},
    types::{
        BillingBudgetConfig, BudgetAlert, BudgetAlertAction, Cost, CostLimit, MICRO_CENTS_PER_CENT, Period,
        SessionLimits,
    },
};
use theazo_api::Endpoint;
use theazo_server::{ControlPlane, PlaneConfig};
use theazo_tests::{client_of, minutes};

/// What one run of [`spend`] costs: 10,000 tokens in at 300 cents a million, and ten percent.
const ONE_RUN: i64 = 3_300_000;

fn monthly(cents: i64) -> BillingBudgetConfig {
    BillingBudgetConfig { monthly: Some(Cost::cents(cents)), ..Default::default() }
}

fn daily(cents: i64) -> BillingBudgetConfig {
    BillingBudgetConfig { daily: Some(Cost::cents(cents)), ..Default::default() }
}

fn alert(threshold: f64, action: Option<BudgetAlertAction>) -> BudgetAlert {
    BudgetAlert { threshold, channel: None, action }
}

async fn script(theazo: &Theazo, runs: usize) {
    let turn = |index: usize| ScriptedTurn {
        text: Some(index.to_string()),
        input_tokens: Some(10_000),
        output_tokens: Some(0),
        ..Default::default()
    };
    let turns: Vec<ScriptedTurn> = (0..runs).map(turn).collect();
    let body = serde_json::json!({ "agent": "writer", "turns": turns });
    let call = theazo::transport::Call {
        operation: theazo_api::testing::ScriptAgent::OPERATION,
        path: Vec::new(),
        query: Vec::new(),
        body: Some(body.to_string().into()),
        options: Default::default(),
    };
    theazo.transport().call(call).await.expect("it is scripted");
}

async fn spend(session: &Session, key: &str) -> Result<theazo::types::RunResult, theazo::Error> {
    session.run("writer", "spend").idempotency_key(key).await
}

async fn session_of(theazo: &Theazo, user: &str) -> Session {
    theazo.sessions().for_user(user).await.expect("it is made")
}

/// How often an alert was given, as the log tells.
async fn alerts_given(theazo: &Theazo) -> usize {
    let logs = theazo.logs().query().limit(1000).await.expect("they are found");
    let is_alert = |entry: &&theazo::types::LogEntry| {
        entry.metadata.as_ref().is_some_and(|metadata| metadata["event"] == "budget.alert")
    };
    logs.data.iter().filter(is_alert).count()
}

#[tokio::test]
async fn each_level_stops_a_run_that_goes_on_when_that_level_is_raised() {
    let plane = TestPlane::start().await.expect("it starts");
    let theazo = plane.client();
    script(&theazo, 20).await;
    let ada = session_of(&theazo, "ada").await;
    spend(&ada, "first").await.expect("nothing limits it");
    let billing = theazo.billing();

    // Four cents were spent of: 3.3 by the run before, so that another does not fit.
    for level in ["platform.maxCost", "user.maxCost", "default"] {
        let low = if level == "platform.maxCost" { monthly(4) } else { daily(4) };
        match level {
            "platform.maxCost" => drop(billing.set_budget(low).await.expect("it is set")),
            "user.maxCost" => drop(billing.set_budget_of_user("ada", low).await.expect("it is set")),
            _ => drop(billing.set_user_budget(low).await.expect("it is set")),
        }
        let error = spend(&ada, level).await.expect_err(level);
        assert_eq!((error.code().as_str(), error.status()), ("session_limit_exceeded", 402), "{level}");
        let name = if level == "default" { "user.maxCost" } else { level };
        assert_eq!((&error.details()["limit"], &error.details()["value"]), (&name.into(), &4.into()));
        let run_id = error.details()["runId"].as_str().expect("it says which run").to_owned();
        let run = theazo.runs().get(run_id.clone()).await.expect("it is kept");
        assert_eq!(run.data().status.as_str(), "paused", "{level}");

        match level {
            "platform.maxCost" => drop(billing.set_budget(monthly(1000)).await.expect("it is raised")),
            // Without one of its own the user has the default, and there is none yet.
            "user.maxCost" => billing.delete_budget_of_user("ada").await.expect("it is removed"),
            _ => drop(billing.set_user_budget(daily(1000)).await.expect("it is raised")),
        }
        let result = run.wait().await.expect("the same run goes on");
        assert_eq!(result.run_id.as_str(), run_id, "{level}");
        // The next level begins with what one run costs.
        plane.advance(minutes(24 * 60)).await.expect("it is tomorrow");
        spend(&ada, &format!("{level} again")).await.expect("the day is new");
    }
}

#[tokio::test]
async fn row_09_many_sessions_at_once_never_spend_more_than_the_budget_of_the_account() {
    let plane = TestPlane::start().await.expect("it starts");
    let theazo = plane.client();
    script(&theazo, 60).await;
    theazo.billing().set_budget(daily(30)).await.expect("it is set");
    theazo.billing().set_user_budget(daily(12)).await.expect("it is set");
    let sessions = join_all((0..6).map(async |user| session_of(&theazo, &format!("user {user}")).await)).await;

    let outcomes = join_all((0..60).map(|index| sessions[index % 6].run("writer", "spend").into_future())).await;

    let status = theazo.billing().get_budget().await.expect("it is told");
    let spent: i64 = plane.charges().await.expect("they are listed").iter().map(|it| it.cost.to_micro_cents()).sum();
    assert!((ONE_RUN..=30 * MICRO_CENTS_PER_CENT).contains(&spent), "{spent}");
    assert_eq!(status.spent.to_micro_cents(), spent);
    assert_eq!(status.reserved_micro_cents, 0, "nothing stays reserved when all stands still");
    assert!(outcomes.iter().any(Result::is_ok));
    for user in 0..6 {
        let budget = theazo.billing().get_budget_of_user(format!("user {user}")).await.expect("it is told");
        assert!(budget.is_default);
        assert!(budget.spent.to_micro_cents() <= 12 * MICRO_CENTS_PER_CENT, "{budget:?}");
        assert_eq!(budget.reserved_micro_cents, 0);
    }
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(error.code().as_str(), "session_limit_exceeded", "{error}");
    }
}

#[tokio::test]
async fn a_budget_is_told_replaced_and_removed_in_both_forms() {
    let plane = TestPlane::start().await.expect("it starts");
    let theazo = plane.client();
    script(&theazo, 1).await;
    let billing = theazo.billing();
    assert_eq!(billing.get_budget().await.expect_err("none is set").status(), 404);
    assert_eq!(billing.delete_budget().await.expect_err("none is set").status(), 404);
    spend(&session_of(&theazo, "ada").await, "one").await.expect("nothing limits it");

    // What was spent before a budget is set counts.
    let both = BillingBudgetConfig { monthly: Some(Cost::cents(66)), ..daily(33) };
    let status = billing.set_budget(both).await.expect("it is set");
    assert_eq!((status.period, status.budget.amount, status.spent.to_micro_cents()), (Period::Month, 66, ONE_RUN));
    assert_eq!((status.remaining.to_micro_cents(), status.percentage), (62_700_000, 5.0));
    assert_eq!(status.resets_at.expect("it ends").to_string(), "2026-02-01T00:00:00.000Z");
    let day = status.daily.expect("the day has one, too");
    assert_eq!((day.budget.amount, day.percentage), (33, 10.0));
    assert_eq!(day.resets_at.to_string(), "2026-01-16T00:00:00.000Z");

    // The form of the documentation, and a word that is misspelt.
    let documented = serde_json::json!({ "maxCost": { "amount": 50, "currency": "usd" }, "period": "day" });
    let config: BillingBudgetConfig = serde_json::from_value(documented).expect("it is read");
    billing.set_budget_of_user("ada", config).await.expect("it is set");
    let of_ada = billing.get_budget_of_user("ada").await.expect("it is told");
    assert_eq!((of_ada.period, of_ada.budget.amount, of_ada.is_default), (Period::Day, 50, false));
    assert_eq!(billing.get_budget_of_user("eve").await.expect_err("she has none").status(), 404);
    billing.set_user_budget(daily(7)).await.expect("it is set");
    assert_eq!(billing.get_user_budget().await.expect("it is told"), daily(7));
    assert!(billing.get_budget_of_user("eve").await.expect("she has the default").is_default);
    billing.delete_user_budget().await.expect("it is removed");
    billing.delete_budget_of_user("ada").await.expect("it is removed");
    billing.delete_budget().await.expect("it is removed");
    assert_eq!(billing.get_budget_of_user("ada").await.expect_err("it was removed").status(), 404);
    assert_eq!(billing.get_budget().await.expect_err("it was removed").status(), 404);
}

#[tokio::test]
async fn an_alert_is_given_once_in_a_period_and_pauses_whom_it_should() {
    let plane = TestPlane::start().await.expect("it starts");
    let theazo = plane.client();
    script(&theazo, 20).await;
    let (ada, eve) = (session_of(&theazo, "ada").await, session_of(&theazo, "eve").await);
    let alerts = vec![alert(0.3, None), alert(0.6, Some(BudgetAlertAction::PauseUser))];
    theazo.billing().set_budget(BillingBudgetConfig { alerts, ..daily(11) }).await.expect("it is set");

    spend(&ada, "1").await.expect("30 percent");
    assert_eq!(alerts_given(&theazo).await, 1);
    spend(&ada, "2").await.expect("60 percent");
    assert_eq!(alerts_given(&theazo).await, 2);
    let fired: Vec<bool> =
        theazo.billing().get_budget().await.expect("it is told").alerts.iter().map(|alert| alert.fired).collect();
    assert_eq!(fired, [true, true]);
    until_paused(&theazo, &ada).await;
    spend(&eve, "3").await.expect("she may go on");
    assert_eq!(alerts_given(&theazo).await, 2, "each is given once");

    plane.advance(minutes(24 * 60)).await.expect("it is tomorrow");
    let fired = theazo.billing().get_budget().await.expect("it is told").alerts;
    assert!(fired.iter().all(|alert| !alert.fired), "the day is new");
    spend(&eve, "4").await.expect("30 percent");
    assert_eq!(alerts_given(&theazo).await, 3);
    ada.resume().await.expect("it goes on");
    let all = vec![alert(0.5, Some(BudgetAlertAction::PauseAll))];
    theazo.billing().set_budget(BillingBudgetConfig { alerts: all, ..daily(11) }).await.expect("it is set");
    spend(&ada, "5").await.expect("60 percent");
    until_paused(&theazo, &ada).await;
    until_paused(&theazo, &eve).await;
}

/// An alert pauses by a job of its own: its event says when.
async fn until_paused(theazo: &Theazo, session: &Session) {
    let mut logs = theazo.logs().stream().session_id(session.id().clone()).await.expect("it streams");
    loop {
        let now = theazo.sessions().get(session.id().clone()).await.expect("it is there");
        if now.data().status.as_str() == "paused" {
            return;
        }
        logs.next().await.expect("it goes on").expect("it streams");
    }
}

#[tokio::test]
async fn credits_are_never_below_zero_and_more_of_them_let_work_go_on() {
    let config = PlaneConfig::test().credits(4);
    let plane = ControlPlane::start(config).await.expect("it starts");
    let theazo = client_of(&plane, plane.live_key().expect("it is new"));
    let other = client_of(&plane, &plane.create_account("another").await.expect("it is made"));
    script(&theazo, 10).await;
    let ada = session_of(&theazo, "ada").await;
    spend(&ada, "1").await.expect("there is enough");

    let error = spend(&ada, "2").await.expect_err("there is not enough");
    assert_eq!((error.status(), &error.details()["limit"]), (402, &"credits".into()));
    let balance = theazo.billing().get_credit_balance().await.expect("it is told");
    assert_eq!((balance.credits, balance.cost.to_micro_cents(), balance.unlimited), (1, 700_000, false));
    assert_eq!(balance.consumed_today.to_micro_cents(), ONE_RUN);
    assert_eq!(other.billing().get_credit_balance().await.expect("it is told").credits, 4, "each account has its own");

    assert_eq!(plane.grant_credits(None, 5).await.expect("they are granted"), 9);
    spend(&ada, "2").await.expect("the run goes on");
    let balance = theazo.billing().get_credit_balance().await.expect("it is told");
    assert_eq!(balance.cost.to_micro_cents(), 9 * MICRO_CENTS_PER_CENT - 2 * ONE_RUN);
    for (account, credits) in [(None, 0), (None, -3), (None, i64::MAX), (Some("acct_nobody"), 5)] {
        plane.grant_credits(account, credits).await.expect_err("it is refused");
    }
    assert_eq!(theazo.billing().get_credit_balance().await.expect("it is told"), balance);
    plane.shutdown().await;
}

#[tokio::test]
async fn without_credits_and_payments_an_account_has_the_free_plan_and_no_limit() {
    let plane = TestPlane::start().await.expect("it starts");
    let billing = plane.client().billing();

    let balance = billing.get_credit_balance().await.expect("it is told");
    let plan = billing.get_subscription().await.expect("it is told");
    let checkout = billing.create_checkout("pro", "https://a.example/ok", "https://a.example/no").await;
    let portal = billing.get_portal_url().await;

    assert!(balance.unlimited && balance.credits > 0);
    assert_eq!((plan.plan.as_str(), plan.status.as_str()), ("free", "active"));
    assert_eq!(plan.current_period_end.to_string(), "2026-02-01T00:00:00.000Z");
    for error in [checkout.expect_err("there is nothing to pay"), portal.expect_err("there is no page")] {
        assert_eq!((error.status(), &error.details()["reason"]), (409, &"payments_not_configured".into()));
    }
}

#[tokio::test]
async fn a_budget_of_the_account_holds_against_the_limit_of_a_session() {
    let plane = TestPlane::start().await.expect("it starts");
    let theazo = plane.client();
    script(&theazo, 3).await;
    theazo.billing().set_budget(monthly(4)).await.expect("it is set");
    let limits = SessionLimits { max_cost: Some(CostLimit::cents(1_000, Period::Day)), ..Default::default() };
    let ada = theazo.sessions().for_user("ada").limits(limits).await.expect("it is made");
    let anonymous = theazo.sessions().create().await.expect("it is made");
    spend(&ada, "1").await.expect("there is enough");

    for (session, key) in [(&ada, "2"), (&anonymous, "3")] {
        let error = spend(session, key).await.expect_err("there is not");
        assert_eq!(error.details()["limit"], "platform.maxCost");
    }
}
