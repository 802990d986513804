//! The benchmarks in Rust that need the SDK and the control plane. `cargo xtask bench` runs this and shows its lines as a
//! table.
//!
//! Ours and the plain alternative take turns, so that what else the machine does hits both; the median of the pairs counts.

use std::time::Instant;

use report::{Bar, Spread};
use theazo::Theazo;

#[path = "../../theazo/benches/client/report.rs"]
#[allow(dead_code, reason = "shared with the benchmarks of the client, which use all of it")]
mod report;

/// How many pairs are measured.
const PAIRS: usize = 15;

#[tokio::main]
async fn main() {
    embedded_ready().await;
    sandbox().await;
}

/// Milliseconds from the call of `embedded()` to a plane that answers.
async fn embedded_ready() {
    let mut times = Vec::new();
    for _ in 0..PAIRS {
        let begun = Instant::now();
        let theazo = Theazo::embedded().await.expect("it starts");
        theazo.health().await.expect("it answers");
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    report("embedded() to its first answer, ms", &times, 100.0);
}

/// What a sandbox costs over a bare fork and exec of the same interpreter with the same program.
async fn sandbox() {
    let theazo = Theazo::embedded().await.expect("it starts");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let bare = || {
        let begun = Instant::now();
        let ran = std::process::Command::new("/usr/bin/python3").args(["-c", "print(1)"]).output().expect("it runs");
        assert_eq!(ran.stdout, b"1\n");
        begun.elapsed()
    };
    let warm = session.agents().create().await.expect("it is made");
    let (mut beyond, mut ratios) = (Vec::new(), Vec::new());
    for _ in 0..=PAIRS {
        let bare_time = bare();
        let begun = Instant::now();
        let agent = session.agents().create().await.expect("it is made");
        agent.exec("python", "print(1)").await.expect("it runs");
        agent.terminate().await.expect("it ends");
        beyond.push(begun.elapsed().saturating_sub(bare_time).as_secs_f64() * 1000.0);

        let bare_time = bare();
        let begun = Instant::now();
        assert_eq!(warm.exec("python", "print(1)").await.expect("it runs").stdout, "1\n");
        ratios.push(begun.elapsed().as_secs_f64() / bare_time.as_secs_f64());
    }
    // The first of each warms up.
    report("create + exec + destroy beyond bare Python, ms", &beyond[1..], 50.0);
    report("exec in a warm sandbox over bare Python", &ratios[1..], 1.5);
}

fn report(name: &str, values: &[f64], bar: f64) {
    Spread::of(values.iter().copied()).report(name, Bar::AtMost(bar), "");
}
