//! What benchmarks measure inside the control plane, where its public surface does not reach.

use std::{path::Path, time::Instant};

use theazo_api::{ReservationId, Timestamp};

use crate::store::{Amounts, Budget, Limit, Store, StoreError, Unit};

/// What the ledger is measured with.
#[derive(Debug, Clone, Copy)]
pub struct LedgerLoad {
    /// How many tasks reserve and settle at once, all on the same budgets.
    pub writers: usize,
    /// How many pairs each of them does.
    pub pairs: usize,
    /// How many budgets each reservation takes from. The first has a limit.
    pub budgets: usize,
}

/// Pairs of a reservation and its settlement in a second: in memory, or durable in a directory.
///
/// # Errors
///
/// When the store fails.
///
/// # Panics
///
/// When a limit was passed or money was lost.
pub async fn ledger_pairs_per_second(load: LedgerLoad, directory: Option<&Path>) -> Result<f64, StoreError> {
    const AMOUNT: i64 = 10;
    let store = match directory {
        Some(directory) => Store::open(directory)?,
        None => Store::in_memory()?,
    };
    let total = i64::try_from(load.writers * load.pairs).unwrap_or(i64::MAX) * AMOUNT;
    let budgets: Vec<Budget> = (0..load.budgets)
        .map(|index| Budget {
            scope: format!("acct_measured/live|user|someone|day|{index}"),
            unit: Unit::Money,
            limits: (index == 0).then(|| Limit { name: "maxCost".into(), value: total }).into_iter().collect(),
        })
        .collect();
    let begun = Instant::now();
    let tasks: Vec<_> = (0..load.writers)
        .map(|writer| {
            let (store, budgets) = (store.clone(), budgets.clone());
            tokio::spawn(async move {
                for pair in 0..load.pairs {
                    let id = ReservationId::from_suffix(format!("{writer}-{pair}"));
                    let (reserved, budgets) = (id.clone(), budgets.clone());
                    let room = store.write(move |tx| {
                        tx.reserve(&reserved, Amounts::money(AMOUNT), budgets, Timestamp::from_millis(i64::MAX))
                    });
                    assert_eq!(room.await?, Ok(()), "there is room for all");
                    store.write(move |tx| tx.settle(&id, Amounts::money(AMOUNT))).await?;
                }
                Ok::<_, StoreError>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("it does not panic")?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    for budget in &budgets {
        assert_eq!(store.read(|view| view.budget(&budget.scope))?, (total, 0), "all is spent and nothing is held");
    }
    let one_more = store.write(move |tx| {
        tx.reserve(&ReservationId::from_suffix("more"), Amounts::money(1), budgets, Timestamp::from_millis(i64::MAX))
    });
    assert!(one_more.await?.is_err(), "the limit is reached");
    store.close();
    Ok((load.writers * load.pairs) as f64 / seconds)
}
