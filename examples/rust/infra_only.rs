//! Infra only: your own loop decides, our sandbox runs what it decided. Compute is billed, tokens are not: the model is yours.
//!
//! It starts a control plane in this process. With `THEAZO_BASE_URL` and `THEAZO_API_KEY` set it uses that server.

use theazo::Theazo;

/// A module of your own, as your backend would bring it along.
const MODULE: &str = "
import statistics

def summary(prices):
    return {'lowest': min(prices), 'median': statistics.median(prices), 'highest': max(prices)}
";

/// The program imports what was uploaded, reads what was uploaded, and leaves a file.
const PROGRAM: &str = "
import json, sys
sys.path.insert(0, '/workspace')
from pricing import summary

prices = [float(line) for line in open('/data/prices.txt')]
report = summary(prices)
json.dump(report, open('/workspace/report.json', 'w'))
print(json.dumps(report))
";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let theazo = Theazo::connect().await?;
    let session = theazo.sessions().for_user("user_123").await?;
    let agent = session.agents().create().await?;
    println!("sandbox     {} on {}", agent.id(), agent.data().provider);

    // Your loop: LangGraph, an agent framework, or a few lines like these.
    agent.files().write("pricing.py", MODULE).await?;
    agent.files().write("/data/prices.txt", "12.5\n9.9\n15.0\n").await?;
    let first = agent.exec("python", PROGRAM).await?;
    println!("python      exit code {}: {}", first.exit_code, first.stdout.trim());

    // A program that fails is an answer, not an error: the loop reads why and goes on.
    let failed = agent.exec("python", "import pricing_tools").await?;
    println!("failure     exit code {}: {}", failed.exit_code, failed.stderr.lines().last().unwrap_or_default());

    // Files stay between programs, whatever they are written in.
    let second = agent.exec("shell", "wc -c < /workspace/report.json").await?;
    println!("shell       report.json has {} bytes", second.stdout.trim());
    println!("report      {}", agent.files().read("report.json").text().await?);
    agent.terminate().await?;

    let usage = session.usage().await?;
    println!("compute     {} for {:.4} minutes", usage.compute_cost, usage.compute_minutes);
    println!("models      {}", usage.model_cost);
    session.terminate().await?;
    Ok(())
}
