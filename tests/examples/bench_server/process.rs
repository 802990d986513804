//! What a plane takes that does nothing: time until it is ready, and memory.

use std::time::Instant;

use theazo::Theazo;
use theazo_tests::ServerProcess;

use crate::{TURNS, report, report::Bar};

/// Milliseconds from the call of `embedded()` to a plane that answers.
pub async fn embedded_ready() {
    let mut times = Vec::new();
    for _ in 0..TURNS {
        let begun = Instant::now();
        let theazo = Theazo::embedded().await.expect("it starts");
        theazo.health().await.expect("it answers");
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    report("embedded() to its first answer, ms", &times, Bar::AtMost(50.0), "");
}

/// Resident memory of a server that was just started.
pub async fn idle_memory() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let mebibytes = server.resident_bytes() as f64 / f64::from(1 << 20);
    report("resident memory of an idle plane, MiB", &[mebibytes], Bar::AtMost(40.0), "");
    server.stop().await;
}
