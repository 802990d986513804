//! The benchmarks in Rust. `cargo xtask bench` runs this and shows its lines as a table.
//!
//! Ours and the plain alternative take turns, so that what else the machine does hits both; the median of the pairs counts.

use std::time::{Duration, Instant};

use serde_json::json;
use theazo::{Theazo, types::SessionData};
use theazo_tests::ServerProcess;

/// How many pairs are measured.
const PAIRS: usize = 15;

/// How many calls a pair has on each side.
const CALLS: usize = 1_500;

#[tokio::main]
async fn main() {
    call_over_reqwest().await;
    embedded_ready().await;
    sandbox().await;
}

fn report(name: &str, values: &mut [f64], bar: f64) {
    values.sort_by(f64::total_cmp);
    let (median, least, most) = (values[values.len() / 2], values[0], values[values.len() - 1]);
    let detail = format!("median of {} pairs, {least:.2} to {most:.2}", values.len());
    println!("{}", json!({ "name": name, "ratio": median, "bar": bar, "better": "lower", "detail": detail }));
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The CPU time of a call of the SDK over that of `reqwest` doing the same call and decoding it into the same type.
async fn call_over_reqwest() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let key = server.keys.clone().expect("it is new").0;
    let theazo = Theazo::builder().base_url(&server.url).api_key(&key).build().await.expect("it is built");
    let session = theazo.sessions().for_user("ada").await.expect("it is made");
    let bare = theazo_tests::plain_client();
    let url = format!("{}/v1/sessions/{}", server.url, session.id());

    let mut ratios = Vec::new();
    for pair in 0..=PAIRS {
        let begun = cpu_time();
        for _ in 0..CALLS {
            let answer = bare.get(&url).bearer_auth(&key).send().await.expect("it answers");
            let text = answer.bytes().await.expect("it arrives");
            let data: SessionData = serde_json::from_slice(&text).expect("it is a session");
            assert_eq!(data.id, *session.id());
        }
        let bare_time = cpu_time() - begun;
        let begun = cpu_time();
        for _ in 0..CALLS {
            let found = theazo.sessions().get(session.id().clone()).await.expect("it answers");
            assert_eq!(found.id(), session.id());
        }
        let our_time = cpu_time() - begun;
        // The first pair warms both sides up.
        if pair > 0 {
            ratios.push(our_time.as_secs_f64() / bare_time.as_secs_f64());
        }
    }
    report("Rust call, CPU over bare reqwest", &mut ratios, 1.2);
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
    report("embedded() to its first answer, ms", &mut times, 100.0);
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
    report("create + exec + destroy beyond bare Python, ms", &mut beyond[1..], 50.0);
    report("exec in a warm sandbox over bare Python", &mut ratios[1..], 1.5);
}
