//! The ledger against the ledger as one would write it down on paper, and at the edge of its limits.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::store::Store;

const LIMIT: i64 = 100;

/// How many budgets there are; the first two have the limit, the others only count along.
const SCOPES: usize = 4;

/// What can happen to money.
#[derive(Debug, Clone)]
enum Act {
    Reserve {
        amount: i64,
        scopes: Vec<usize>,
    },
    Settle {
        which: usize,
        actual: i64,
    },
    Expire,
    /// The process dies and another opens the store.
    Crash,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let scopes = prop::sample::subsequence((0..SCOPES).collect::<Vec<_>>(), 1..=SCOPES);
    let act = prop_oneof![
        6 => (0..60_i64, scopes).prop_map(|(amount, scopes)| Act::Reserve { amount, scopes }),
        // Any reservation that there ever was: open ones, and those that are settled or expired.
        6 => (any::<usize>(), -5..80_i64).prop_map(|(which, actual)| Act::Settle { which, actual }),
        1 => Just(Act::Expire),
        1 => Just(Act::Crash),
    ];
    prop::collection::vec(act, 1..60)
}

fn scope_name(scope: usize) -> String {
    format!("scope {scope}")
}

fn budgets(scopes: &[usize]) -> Vec<Budget> {
    let limits = |scope| match scope {
        0 => vec![Limit { name: "first".into(), value: LIMIT }],
        1 => vec![Limit { name: "high".into(), value: 2 * LIMIT }, Limit { name: "low".into(), value: LIMIT }],
        _ => Vec::new(),
    };
    let budget = |&scope| Budget { scope: scope_name(scope), unit: Unit::Money, limits: limits(scope) };
    scopes.iter().map(budget).collect()
}

/// The ledger as one would write it down on paper.
#[derive(Default)]
struct Model {
    open: BTreeMap<usize, (i64, Vec<usize>)>,
    spent: [i64; SCOPES],
    made: usize,
}

impl Model {
    fn reserved(&self, scope: usize) -> i64 {
        self.open.values().filter(|(_, scopes)| scopes.contains(&scope)).map(|(amount, _)| amount).sum()
    }

    fn has_room(&self, amount: i64, scopes: &[usize]) -> bool {
        scopes.iter().all(|&scope| scope > 1 || self.spent[scope] + self.reserved(scope) + amount <= LIMIT)
    }
}

/// Does what happened to the store and to the model, and compares them after each act.
async fn compare(acts: Vec<Act>, open: impl Fn() -> Store, can_crash: bool) {
    let mut store = open();
    let mut model = Model::default();
    let id_of = |index: usize| ReservationId::from_suffix(index);
    for act in acts {
        match act {
            Act::Reserve { amount, scopes } => {
                let has_room = model.has_room(amount, &scopes);
                let (id, budgets) = (id_of(model.made), budgets(&scopes));
                let reserved =
                    store.write(move |tx| tx.reserve(&id, Amounts::money(amount), budgets, Timestamp::from_millis(10)));
                let reserved = reserved.await.expect("the store works");
                assert_eq!(reserved.is_ok(), has_room, "{reserved:?}");
                if has_room {
                    model.open.insert(model.made, (amount, scopes));
                }
                model.made += 1;
            }
            Act::Settle { which, actual } => {
                // One more than there ever were: a settlement that comes before its reservation.
                let which = which % (model.made + 1);
                let id = id_of(which);
                let settled = store.write(move |tx| tx.settle(&id, Amounts::money(actual)));
                let settled = settled.await.expect("the store works").map(|settled| settled.spent.money);
                let expected = model.open.remove(&which).map(|(amount, scopes)| {
                    let spent = actual.clamp(0, amount);
                    scopes.iter().for_each(|&scope| model.spent[scope] += spent);
                    spent
                });
                assert_eq!(settled, expected);
            }
            Act::Expire => {
                let released = store.write(|tx| tx.release_expired(Timestamp::from_millis(10)));
                assert_eq!(released.await.expect("the store works"), model.open.len());
                model.open.clear();
            }
            Act::Crash if can_crash => {
                store.close();
                store = open();
            }
            Act::Crash => {}
        }
        for scope in 0..SCOPES {
            let (spent, reserved) = store.read(|view| view.budget(&scope_name(scope))).expect("the store works");
            assert_eq!((spent, reserved), (model.spent[scope], model.reserved(scope)), "scope {scope}");
            assert!(scope > 1 || spent + reserved <= LIMIT);
        }
    }
}

fn block_on(work: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().expect("it starts").block_on(work);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Whatever is reserved and settled in whatever order, twice, late or never: no limit is passed, nothing is counted
    /// twice, and what is spent is exactly what was settled.
    #[test]
    fn row_11_any_order_of_settlements_leaves_the_ledger_exact(acts in acts()) {
        block_on(compare(acts, || Store::in_memory().expect("it opens"), false));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn row_50_ledger_on_disk_is_the_model_whenever_its_process_dies(acts in acts()) {
        let directory = tempfile::tempdir().expect("a folder is made");
        block_on(compare(acts, || Store::open(directory.path()).expect("it opens"), true));
    }
}

/// Five hundred tasks want one more than there is, from a budget of the account and one of each user.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn row_09_many_reservations_at_the_edge_of_a_budget_never_pass_it() {
    const USERS: usize = 10;
    let directory = tempfile::tempdir().expect("a folder is made");
    for store in [Store::in_memory(), Store::open(directory.path())] {
        let store = store.expect("it opens");
        let tasks = (0..500).map(|index: usize| {
            let store = store.clone();
            tokio::spawn(async move {
                let id = ReservationId::from_suffix(index);
                let user = format!("user {}", index % USERS);
                let budgets = vec![
                    Budget {
                        scope: user.clone(),
                        unit: Unit::Money,
                        limits: vec![Limit { name: "user".into(), value: 60 }],
                    },
                    Budget {
                        scope: "account".to_owned(),
                        unit: Unit::Money,
                        limits: vec![Limit { name: "account".into(), value: 401 }],
                    },
                ];
                let reserve = {
                    let id = id.clone();
                    store.write(move |tx| tx.reserve(&id, Amounts::money(4), budgets, Timestamp::from_millis(10)))
                };
                let reserved = reserve.await.expect("the store works").is_ok();
                for (scope, limit) in [(user.as_str(), 60), ("account", 401)] {
                    let (spent, held) = store.read(|view| view.budget(scope)).expect("the store works");
                    assert!(spent + held <= limit, "{scope}: {spent} + {held}");
                }
                if !reserved {
                    return 0;
                }
                let settled = store.write(move |tx| tx.settle(&id, Amounts::money(3)));
                settled.await.expect("the store works").expect("it was reserved").spent.money
            })
        });
        let mut spent = 0;
        for task in tasks.collect::<Vec<_>>() {
            spent += task.await.expect("it ends");
        }

        assert_eq!(store.read(|view| view.budget("account")).expect("the store works"), (spent, 0));
        assert!((300..=401).contains(&spent), "{spent}");
    }
}

#[tokio::test]
async fn row_10_what_a_caller_reserved_who_is_gone_comes_back_at_the_end_of_the_lease() {
    let directory = tempfile::tempdir().expect("a folder is made");
    let store = Store::open(directory.path()).expect("it opens");
    let reserve = |name: &'static str, until| {
        store.write(move |tx| {
            let id = ReservationId::from_suffix(name);
            tx.reserve(&id, Amounts::money(40), budgets(&[0, 2]), Timestamp::from_millis(until))
        })
    };
    reserve("killed", 10).await.expect("the store works").expect("there is room");
    // Dropped before it was ever polled, and after: the first takes nothing, the second may have taken.
    drop(reserve("dropped", 10));
    let mut cancelled = Box::pin(reserve("cancelled", 20));
    assert!(futures_util::poll!(cancelled.as_mut()).is_pending());
    drop(cancelled);
    reserve("last", 30).await.expect("the store works").expect_err("eighty are held");
    store.close();
    let store = Store::open(directory.path()).expect("it opens again");
    let held = || store.read(|view| view.budget("scope 0")).expect("the store works");

    assert_eq!(held(), (0, 80));
    for (now, expected) in [(9, (0, 80)), (10, (0, 40)), (20, (0, 0))] {
        store.write(move |tx| tx.release_expired(Timestamp::from_millis(now))).await.expect("the store works");
        assert_eq!(held(), expected, "at {now}");
    }
    let late = store.write(|tx| tx.settle(&ReservationId::from_suffix("killed"), Amounts::money(40)));
    assert_eq!(late.await.expect("the store works"), None, "a settlement after the lease counts nothing");
    assert_eq!(held(), (0, 0));
}

#[tokio::test]
async fn budgets_of_days_long_gone_are_forgotten_unless_something_is_held() {
    let store = Store::in_memory().expect("it opens");
    let budget = |scope: &str| Budget { scope: scope.to_owned(), unit: Unit::Money, limits: Vec::new() };
    let scopes =
        ["a|user|x|day|2026-01-01", "a|user|held|day|2026-01-01", "a|user|x|day|2026-03-01", "a|user|x|month|2026-01"];
    let left = store.write(move |tx| {
        for (index, scope) in scopes.iter().enumerate() {
            let id = ReservationId::from_suffix(index);
            let reserved = tx.reserve(&id, Amounts::money(3), vec![budget(scope)], Timestamp::from_millis(10))?;
            assert_eq!(reserved, Ok(()));
            if !scope.contains("held") {
                tx.settle(&id, Amounts::money(3))?;
            }
        }
        let forgotten = tx.forget_budgets_before("2026-02-01")?;
        let left: Vec<(i64, i64)> = scopes.iter().map(|scope| tx.budget(scope)).collect::<Result<_, _>>()?;
        Ok::<_, StoreError>((forgotten, left))
    });

    assert_eq!(left.await.expect("the store works"), (1, vec![(0, 0), (0, 3), (3, 0), (3, 0)]));
}
