//! Limits: a user reaches the cap and stands still, the cap is raised, and the same run goes on to its end.
//!
//! It uses a test plane, whose model answers from a script with as many tokens as the script says, so that every amount
//! here is known before it is printed.

use theazo::{
    testing::{ScriptedTurn, TestPlane},
    types::{CostLimit, ErrorCode, Period, SessionLimits},
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let plane = TestPlane::start().await?;
    // 10,000 tokens at 300 cents a million and ten percent: 3.3 cents an answer.
    let answer = |text: &str| ScriptedTurn {
        text: Some(text.to_owned()),
        input_tokens: Some(10_000),
        output_tokens: Some(0),
        ..Default::default()
    };
    plane.script("researcher", [answer("the first report"), answer("the second report")]).await?;

    let theazo = plane.client();
    let session = theazo.sessions().for_user("user_123").limits(at_most(5)).await?;
    let first = session.run("researcher", "write a report").await?;
    println!("first       {} for {}", first.output, first.cost);
    show_limit(&session).await?;

    // What the next answer may cost does not fit any more, so it is never asked for: nothing is overshot.
    let error = match session.run("researcher", "write another report").await {
        Ok(result) => anyhow::bail!("the cap did not hold: {}", result.output),
        Err(error) if *error.code() == ErrorCode::SessionLimitExceeded => error,
        Err(error) => return Err(error.into()),
    };
    println!("stopped     {error}");
    let run_id = error.details()["runId"].as_str().unwrap_or_default().to_owned();
    let run = theazo.runs().get(run_id).await?;
    println!("run         {} is {}", run.id(), run.data().status);

    session.update_limits(at_most(10)).await?;
    let second = run.wait().await?;
    println!("raised      {} for {}, the same run: {}", second.output, second.cost, second.run_id == *run.id());
    show_limit(&session).await?;

    for charge in plane.charges().await? {
        println!("charge      {} {}", charge.kind, charge.cost);
    }
    plane.shutdown().await;
    Ok(())
}

fn at_most(cents: i64) -> SessionLimits {
    SessionLimits { max_cost: Some(CostLimit::cents(cents, Period::Day)), ..Default::default() }
}

async fn show_limit(session: &theazo::Session) -> anyhow::Result<()> {
    if let Some(limit) = session.limits().await?.max_cost {
        println!(
            "limit       {} of {} cents used today, {} reserved",
            limit.used, limit.limit, limit.reserved_micro_cents
        );
    }
    Ok(())
}
