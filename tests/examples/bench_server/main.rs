//! What the control plane costs: `cargo xtask bench server` runs this and shows its lines as a table.
//!
//! Ours and the plain alternative take turns, so that what else the machine does hits both; the median of the turns counts.
//! Absolute numbers are those of this machine, on which client and server share the cores.

mod load;
mod process;
mod readers;
mod requests;
mod runs;
mod sandboxes;
mod store;

#[path = "../../../theazo/benches/client/report.rs"]
#[allow(dead_code, reason = "shared with the benchmarks of the client, which use all of it")]
mod report;

use report::{Bar, Spread};

/// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many turns each side has.
const TURNS: usize = 15;

#[tokio::main]
async fn main() {
    // With names, only those: `cargo run --release --package theazo-tests --example bench_server -- runs`.
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    if is_wanted("requests") {
        requests::read_one().await;
        requests::create().await;
    }
    if is_wanted("store") {
        store::transactions().await;
        store::ledger().await;
    }
    if is_wanted("runs") {
        runs::many().await;
    }
    if is_wanted("readers") {
        readers::delays().await;
    }
    if is_wanted("sandboxes") {
        sandboxes::programs().await;
    }
    if is_wanted("process") {
        process::embedded_ready().await;
        process::idle_memory().await;
    }
}

fn report(name: &str, values: &[f64], bar: Bar, detail: &str) {
    Spread::of(values.iter().copied()).report(&format!("server: {name}"), bar, detail);
}
