//! Many runs: how fast they are, and what memory they leave behind.

use std::time::Instant;

use theazo::{Config, Theazo, transport::Transport};
use theazo_server::{ControlPlane, PlaneConfig};

use theazo_tests::resident_bytes;

use crate::{report, report::Bar};

const RUNS: usize = 10_000;
const IN_FLIGHT: usize = 64;

/// Ten thousand runs of the offline model in simulated sandboxes, in a plane that lives in memory.
pub async fn many() {
    let plane = ControlPlane::start(PlaneConfig::default().default_provider("simulated")).await.expect("it starts");
    let config = Config::with_api_key(plane.live_key().expect("it is new"));
    let theazo = Theazo::over(Transport::to_plane(&plane, config).expect("the key is good"));
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let run = async |count: usize| {
        let workers: Vec<_> = (0..IN_FLIGHT)
            .map(|_| {
                let session = session.clone();
                tokio::spawn(async move {
                    for _ in 0..count / IN_FLIGHT {
                        session.run("researcher", "count the words of this task").await.expect("it runs");
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
    run(RUNS).await;
    let seconds = begun.elapsed().as_secs_f64();
    let kept = (resident_bytes(std::process::id()) as f64 - before as f64) / RUNS as f64;
    let detail = format!(
        "{:.0} runs/s, {:.1} KiB kept of each (events and results are in memory)",
        RUNS as f64 / seconds,
        kept / 1024.0
    );
    report("10,000 simulated runs, s", &[seconds], Bar::AtMost(5.0), &detail);
}
