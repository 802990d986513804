//! Usage: what reports say is what the entries of the ledger come to.

use theazo::testing::{ScriptedTurn, TestPlane};
use theazo_tests::{Worlds, minutes};

#[tokio::test]
async fn every_report_is_the_sum_of_its_entries() {
    let plane = TestPlane::start().await.expect("it starts");
    let theazo = plane.client();
    let turn = ScriptedTurn { input_tokens: Some(1_000), output_tokens: Some(77), ..ScriptedTurn::text("done") };
    plane.script("writer", vec![turn.clone(), turn.clone(), turn]).await.expect("it is scripted");
    let ada = theazo.sessions().for_user("ada").await.expect("it is made");
    let eve = theazo.sessions().for_user("eve").await.expect("it is made");
    let run = ada.run("writer", "one").await.expect("it runs");
    ada.agents().create().await.expect("it is made");
    plane.advance(minutes(7)).await.expect("time passes");
    eve.run("writer", "two").await.expect("it runs");
    plane.advance(minutes(24 * 60)).await.expect("it is tomorrow");
    eve.run("writer", "three").await.expect("it runs");

    let mut entries = Vec::new();
    let mut pages = 0;
    let mut cursor = String::new();
    loop {
        let page = theazo.usage().ledger().limit(7).cursor(cursor).await.expect("they are listed");
        assert!(page.data.len() <= 7);
        pages += 1;
        entries.extend(page.data);
        cursor = page.cursor;
        if !page.has_more {
            break;
        }
    }
    assert!(pages > 3, "{pages}");
    let sum = |wanted: &dyn Fn(&theazo::types::LedgerEntry) -> bool| -> i64 {
        entries.iter().filter(|entry| wanted(entry)).map(|entry| entry.cost.to_micro_cents()).sum()
    };

    let summary = theazo.usage().summary().await.expect("it is told");
    assert_eq!(summary.total_cost.to_micro_cents(), sum(&|_| true));
    let today = theazo.usage().summary().period("today").await.expect("it is told");
    assert_eq!(today.total_cost.to_micro_cents(), sum(&|entry| entry.at.day() == "2026-01-16"));
    assert_eq!(summary.top_user.expect("ada kept a sandbox").user_id, "ada");
    for (user, session) in [("ada", &ada), ("eve", &eve)] {
        let usage = theazo.usage().for_user(user).await.expect("it is told");
        assert_eq!(usage.total.to_micro_cents(), sum(&|entry| entry.user_id == user));
        assert_eq!(
            usage.compute.cost.to_micro_cents(),
            sum(&|entry| entry.user_id == user && entry.kind.as_str() == "compute")
        );
        let by_day: i64 = usage.breakdown.iter().map(|day| day.total.to_micro_cents()).sum();
        assert_eq!(by_day, usage.total.to_micro_cents());
        assert_eq!(session.usage().await.expect("it is told").cost, usage.total);
    }
    let of_run = theazo.usage().ledger().run_id(run.run_id.clone()).await.expect("they are listed").data;
    assert_eq!(of_run.iter().map(|entry| entry.cost.to_micro_cents()).sum::<i64>(), run.cost.to_micro_cents());
    let by_provider = theazo.usage().by_provider().await.expect("it is told");
    let providers: i64 = by_provider.values().map(theazo::types::Cost::to_micro_cents).sum();
    assert_eq!(providers, summary.total_cost.to_micro_cents());
    let days = theazo.usage().daily().await.expect("it is told");
    assert_eq!(days.len(), 7);
    let daily: i64 = days.iter().map(|day| day.cost.to_micro_cents()).sum();
    assert_eq!(daily, summary.total_cost.to_micro_cents());
    assert_eq!(days[6].date, "2026-01-16");

    // Each entry says what was held back for it, and nothing cost more than that.
    let model = entries.iter().find(|entry| entry.kind.as_str() == "model").expect("a model was called");
    assert_eq!((model.model.as_str(), model.tokens.expect("they are counted").output), ("offline", 77));
    for entry in &entries {
        assert!(entry.reserved.as_ref().expect("all was reserved").to_micro_cents() >= entry.cost.to_micro_cents());
        assert!(entry.reservation_id.is_some());
    }
    let until = entries[3].at;
    let before = theazo.usage().ledger().until(until).limit(100).await.expect("they are listed").data;
    assert!(before.iter().all(|entry| entry.at < until));
}

#[tokio::test]
async fn an_export_says_the_same_each_time_and_entries_are_their_accounts_own() {
    let Worlds { ours, theirs, plane: _plane, .. } = Worlds::start().await;
    let session = ours.sessions().for_user("=ada,\"x\"").await.expect("it is made");
    session.run("writer", "anything").await.expect("it runs");

    for format in ["json", "csv", "stripe"] {
        let first = ours.usage().export(format).await.expect("it is exported");
        let again = ours.usage().export(format).await.expect("it is exported");
        assert_eq!(first, again, "{format}");
        assert!(first.total.to_micro_cents() > 0);
        let foreign = theirs.usage().export(format).await.expect("it is exported");
        assert!(foreign.records.is_empty() && foreign.total.to_micro_cents() == 0);
    }
    let stripe = ours.usage().export("stripe").await.expect("it is exported");
    let ledger = ours.usage().ledger().await.expect("they are listed").data;
    let identifiers: Vec<&str> = stripe.records.iter().filter_map(|record| record["identifier"].as_str()).collect();
    assert_eq!(identifiers, ledger.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>());
    let csv = ours.usage().export("csv").await.expect("it is exported").csv.expect("it is text");
    assert!(csv.contains(",\"'=ada,\"\"x\"\"\","), "{csv}");
    assert!(theirs.usage().ledger().await.expect("they are listed").data.is_empty());
    let error = ours.usage().ledger().cursor("nonsense").await.expect_err("it is no cursor");
    assert_eq!((error.status(), &error.details()["fields"][0]["field"]), (422, &"cursor".into()));
}

#[tokio::test]
async fn programs_without_a_run_cost_compute_alone() {
    let plane = TestPlane::start().await.expect("it starts");
    let session = plane.client().sessions().for_user("ada").await.expect("it is made");
    let agent = session.agents().create().await.expect("it is made");

    agent.exec("python", "print(1)").await.expect("it runs");
    plane.advance(minutes(4)).await.expect("time passes");
    agent.terminate().await.expect("it ends");

    let usage = plane.client().usage().for_user("ada").await.expect("it is told");
    assert_eq!((usage.compute.minutes, usage.compute.cost.to_micro_cents()), (4.0, 2_000_000));
    assert_eq!((usage.models.calls, usage.orchestration.cost.to_micro_cents()), (0, 0));
    assert_eq!(usage.total.to_micro_cents(), 2_000_000);
}
