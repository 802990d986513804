//! Many runs: how fast they are, and what memory they leave behind.

use std::time::Instant;

use theazo::{
    Session,
    testing::{ScriptedTurn, TestPlane},
};
use theazo_tests::resident_bytes;

use crate::{report, report::Bar};

const RUNS: usize = 10_000;
/// The variable with how many runs there are instead, for a profiler under which each takes long.
const RUNS_VARIABLE: &str = "THEAZO_BENCH_RUNS";
const IN_FLIGHT: usize = 64;

/// Ten thousand runs in simulated sandboxes, in a plane that lives in memory: first of one scripted answer each, then of the
/// offline model, which asks for a program and reports what it printed.
pub async fn many() {
    let plane = TestPlane::start().await.expect("it starts");
    let session = plane.client().sessions().for_user("ada").await.expect("it is made");
    let always = ScriptedTurn { times: Some(1_000_000), ..ScriptedTurn::text("There are six words in this task.") };
    plane.script("counter", [always]).await.expect("it is scripted");
    measure(&session, "counter", "10,000 simulated runs, s", Bar::AtMost(5.0)).await;
    measure(&session, "researcher", "10,000 simulated runs with a tool, s", Bar::AtMost(10.0)).await;
}

async fn measure(session: &Session, agent: &'static str, name: &str, bar: Bar) {
    let run = async |count: usize| {
        let workers: Vec<_> = (0..IN_FLIGHT)
            .map(|_| {
                let session = session.clone();
                tokio::spawn(async move {
                    for _ in 0..count / IN_FLIGHT {
                        session.run(agent, "count the words of this task").await.expect("it runs");
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.expect("it ends");
        }
    };
    run(IN_FLIGHT * 4).await;
    let before = resident_bytes(std::process::id());
    let begun = Instant::now();
    let runs = std::env::var(RUNS_VARIABLE).ok().and_then(|text| text.parse().ok()).unwrap_or(RUNS);
    run(runs).await;
    let seconds = begun.elapsed().as_secs_f64() * RUNS as f64 / runs as f64;
    let kept = (resident_bytes(std::process::id()) as f64 - before as f64) / runs as f64;
    let detail = format!(
        "{:.0} runs/s, {:.1} KiB kept of each (events and results are in memory)",
        RUNS as f64 / seconds,
        kept / 1024.0
    );
    report(name, &[seconds], bar, &detail);
}
