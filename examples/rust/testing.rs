//! Testing your own code: the control plane is the real one, with fakes at its edges only. Scripts say what models answer,
//! the clock moves when the test moves it, faults happen where the test injects them.
//!
//! In a test of your own each line that prints would be an assertion.

use std::time::Duration;

use serde_json::json;
use theazo::{
    Theazo,
    testing::{ScriptedTurn, TestPlane},
    types::{CostLimit, Period, SessionLimits},
};

/// Some code of yours: it gives a user a session and asks for a report.
async fn report(theazo: &Theazo, user: &str) -> Result<String, theazo::Error> {
    let limits = SessionLimits { max_cost: Some(CostLimit::cents(100, Period::Day)), ..Default::default() };
    let session = theazo.sessions().for_user(user).limits(limits).await?;
    Ok(session.run("researcher", "competitor pricing").await?.output)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let plane = TestPlane::start().await?;
    let theazo = plane.client();

    // The agent calls a tool and then answers. The tool is real, its sandbox is simulated.
    let write = json!({ "path": "prices.csv", "content": "a,12\nb,15\n" });
    plane
        .script("researcher", [ScriptedTurn::tool_call("write_file", write), ScriptedTurn::text("prices went up")])
        .await?;
    let output = report(&theazo, "ada").await?;
    assert_eq!(output, "prices went up");
    println!("scripted    {output}");

    // The response is lost after the server has acted: the SDK asks again with the same key, and nothing happens twice.
    plane.script("researcher", [ScriptedTurn::text("once")]).await?;
    plane.fail_next().operation("RunInSession").kind("reset_after").await?;
    let output = report(&theazo, "ada").await?;
    assert_eq!(output, "once");
    let runs = plane.requests().await?.iter().filter(|request| request.operation == "RunInSession").count();
    println!("fault       the run was asked for {} times and ran once", runs - 1);

    // It is tomorrow: timers fire on the way, and daily budgets are new.
    let now = plane.advance(Duration::from_secs(24 * 3600)).await?.now;
    println!("clock       {now}");

    let charges = plane.charges().await?;
    let total: i64 = charges.iter().map(|charge| charge.cost.to_micro_cents()).sum();
    println!("charges     {} of them, {total} micro-cents in all", charges.len());
    plane.shutdown().await;
    Ok(())
}
