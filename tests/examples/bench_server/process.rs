//! What a server takes that does nothing.

use theazo_tests::ServerProcess;

use crate::report::{Bar, Spread};

/// Resident memory of a server that was just started.
pub async fn idle_memory() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let server = ServerProcess::start(directory.path(), "127.0.0.1:0", &[]).await;
    let mebibytes = resident_bytes(server.pid()) as f64 / (1024.0 * 1024.0);
    Spread::of([mebibytes]).report("server: resident memory of an idle plane, MiB", Bar::AtMost(40.0), "");
    server.stop().await;
}

/// The resident memory of a process.
pub fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("it has memory");
    let kibibytes: u64 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).expect("a number");
    kibibytes * 1024
}
