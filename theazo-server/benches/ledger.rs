//! How many pairs of a reservation and its settlement the ledger does in a second. Each line is a name, what was measured
//! and the least that it must be. An argument is the directory for the durable ledger; a temporary one by default.

use theazo_server::measure::{LedgerLoad, ledger_pairs_per_second};

/// How often each is measured; the best counts, as whatever else the machine does only slows it down.
const ROUNDS: usize = 3;

#[tokio::main]
async fn main() {
    let in_memory = |budgets| LedgerLoad { writers: 64, pairs: 2_000, budgets };
    let durable = |budgets| LedgerLoad { writers: 64, pairs: 500, budgets };
    measure("ledger_pairs_per_second_in_memory", in_memory(1), false, 50_000).await;
    measure("ledger_pairs_per_second_in_memory_with_five_budgets", in_memory(5), false, 0).await;
    measure("ledger_pairs_per_second_durable", durable(1), true, 10_000).await;
    measure("ledger_pairs_per_second_durable_with_five_budgets", durable(5), true, 0).await;
}

async fn measure(name: &str, load: LedgerLoad, is_durable: bool, bar: u32) {
    let parent = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    let mut best = 0.0_f64;
    for _ in 0..ROUNDS {
        let directory = match &parent {
            Some(parent) => tempfile::tempdir_in(parent),
            None => tempfile::tempdir(),
        };
        let directory = directory.expect("a folder is made");
        let measured = ledger_pairs_per_second(load, is_durable.then(|| directory.path())).await;
        best = best.max(measured.expect("the store works"));
    }
    println!("{name} {best:.0} {bar}");
}
