//! The quickstart: a user's session with limits, a run, a program in a sandbox, files, a stream, logs and the bill.
//!
//! It starts a control plane in this process. With `THEAZO_BASE_URL` and `THEAZO_API_KEY` set it uses that server.

use theazo::{
    Theazo,
    types::{CostLimit, Period, SessionLimits, StreamEvent},
};

/// A program that a sandbox runs.
const PROGRAM: &str = "
import json, math, platform
print(json.dumps({'pi': round(math.pi, 5), 'machine': platform.machine(), 'python': platform.python_version()}))
";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let theazo = Theazo::connect().await?;

    // Meant to be called on every request of the user: the session is found again, or made.
    let limits =
        SessionLimits { max_cost: Some(CostLimit::cents(500, Period::Day)), max_agents: Some(3), ..Default::default() };
    let session = theazo.sessions().for_user("user_123").limits(limits).await?;
    println!("session     {}", session.id());

    let result = session.run("researcher", "analyze competitor pricing").await?;
    println!("output      {}", result.output);
    println!("cost        {}", result.cost);
    println!("duration    {}", result.duration);
    for call in &result.tool_calls {
        println!("tool call   {} -> {}", call.tool, call.output.trim());
    }

    let agent = session.agents().create().browser(false).await?;
    let exec = agent.exec("python", PROGRAM).await?;
    println!("program     exit code {}: {}", exec.exit_code, exec.stdout.trim());

    agent.files().write("notes.txt", "prices went up").await?;
    println!("file        {}", agent.files().read("notes.txt").text().await?);
    for entry in agent.files().list().dir("/workspace").await? {
        println!("listed      {} ({} bytes)", entry.name, entry.size);
    }

    print!("stream      ");
    let mut events = agent.stream("summarize notes.txt").await?;
    while let Some(event) = events.next().await {
        match event? {
            StreamEvent::Text { text } => print!("{text}"),
            StreamEvent::ToolCall { tool, .. } => print!("\n            [{tool} ...] "),
            StreamEvent::ToolResult { output, .. } => print!("[{}]\n            ", output.trim()),
            StreamEvent::Done { cost, .. } => println!("\n            done for {cost}"),
            _ => {}
        }
    }
    agent.terminate().await?;

    for entry in theazo.logs().query().session_id(session.id()).await?.data {
        println!("log         {} {:5} {}", entry.timestamp, entry.level, entry.message);
    }

    let usage = session.usage().await?;
    println!("compute     {}", usage.compute_cost);
    println!("models      {}", usage.model_cost);
    println!("platform    {}", usage.orchestration_cost);
    println!("in all      {}", usage.cost);
    if let Some(limit) = session.limits().await?.max_cost {
        println!("limit       {} of {} cents used, {} left", limit.used, limit.limit, limit.remaining);
    }
    session.terminate().await?;
    Ok(())
}
