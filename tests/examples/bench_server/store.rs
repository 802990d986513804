//! What the store does in a second, in memory and with every acknowledgement on disk.

use theazo_server::measure::{LedgerLoad, ledger_pairs_per_second, transactions_per_second};

use crate::{report, report::Bar};

/// How often each is measured.
const ROUNDS: usize = 5;

const WRITERS: usize = 64;

/// Durable transactions of a resource, an event and a job, by many writers on one file.
pub async fn transactions() {
    let mut rates = Vec::new();
    for _ in 0..ROUNDS {
        let directory = tempfile::tempdir().expect("a folder is made");
        rates.push(transactions_per_second(WRITERS, 500, directory.path()).await.expect("the store works"));
    }
    report("durable transactions/s, 64 writers", &rates, Bar::AtLeast(10_000.0), "resource, event and job");
}

/// Pairs of a reservation and its settlement, by many writers on one budget that they just do not pass.
pub async fn ledger() {
    let load = |pairs| LedgerLoad { writers: WRITERS, pairs, budgets: 1 };
    let (mut in_memory, mut durable) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        in_memory.push(ledger_pairs_per_second(load(2_000), None).await.expect("the store works"));
        let directory = tempfile::tempdir().expect("a folder is made");
        durable.push(ledger_pairs_per_second(load(500), Some(directory.path())).await.expect("the store works"));
    }
    report("reserve + settle/s in memory, 64 writers", &in_memory, Bar::AtLeast(50_000.0), "");
    report("reserve + settle/s durable, 64 writers", &durable, Bar::AtLeast(10_000.0), "");
}
