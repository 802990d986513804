//! What benchmarks measure inside the control plane, where its public surface does not reach.

use std::{path::Path, time::Instant};

use serde_json::json;
use theazo_api::{AgentId, GuardrailConfig, JobId, ReservationId, Timestamp};

use crate::{
    event::Event,
    guardrail_records::GuardrailRecord,
    store::{Amounts, Budget, EventScope, Limit, NewJob, Store, StoreError, Tenant, Tx, Unit, World},
};

/// Transactions that add a document, an event and a job, in a second, each on disk in the directory when it is acknowledged.
///
/// # Errors
///
/// When the store fails.
pub async fn transactions_per_second(writers: usize, each: usize, directory: &Path) -> Result<f64, StoreError> {
    let store = Store::open(directory)?;
    let begun = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in 0..each {
                    let id = format!("{writer}-{number}");
                    store.write(move |tx| add_one_of_each(tx, &id)).await?;
                }
                Ok::<_, StoreError>(())
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("it does not panic")?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    store.close();
    Ok((writers * each) as f64 / seconds)
}

fn add_one_of_each(tx: &Tx<'_>, id: &str) -> Result<(), StoreError> {
    let (tenant, now) = (Tenant::new("acct_measured", World::Live), Timestamp::EPOCH);
    tx.insert(&tenant, &GuardrailRecord { id: id.to_owned(), config: GuardrailConfig::default() })?;
    let scope = EventScope { agent_id: AgentId::from_suffix(id).to_string(), ..EventScope::default() };
    tx.append(&tenant, now, &scope, &Event::AgentResumed {})?;
    let id = JobId::from_suffix(id);
    tx.enqueue(&tenant, &NewJob { id, kind: "measured", subject: String::new(), payload: json!({}), due_at: now })
}

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
