//! The meter of storage: what snapshots and files take, by the hour, charged to whom they belong.
//!
//! There is one account of bytes for each owner. Whoever keeps or removes something says so in the same transaction; a
//! timer charges what has come together since the last time. All of it is counted in whole numbers, and what is left
//! over of an hour or of a micro-cent is carried to the next time, so nothing is lost however often it is charged.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use theazo_api::{JobId, ReservationId, Timestamp, testing::ChargeKind, usage::TokenUsage};

use super::{
    NewCharge, RESERVATION_LIFE, RateCard, is_charged, record_charge,
    scopes::{Payer, Spender, money_budgets},
};
use crate::{
    event::ReservedAmount,
    random,
    store::{Amounts, Document, EventScope, Filter, NewJob, Owner, StoreError, Tenant, Tx},
};

/// The kind of the job that charges the storage of a tenant.
pub const STORAGE_TIMER: &str = "storage.meter";

/// How often storage is charged.
const EVERY: Duration = Duration::from_secs(3600);

/// How many owners are charged in one transaction, so that others wait only shortly.
const TOGETHER: i64 = 200;

const HOUR_MILLIS: i128 = 3_600_000;

/// What one owner keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StorageAccount {
    /// Made of its owner's.
    id: String,
    /// The end user; empty if there is none.
    user_id: String,
    /// The session; empty if it belongs to none.
    session_id: String,
    /// What is kept now.
    bytes: i64,
    /// Up to when it is counted.
    since: Timestamp,
    /// What is counted and not charged yet, in whole byte-hours.
    byte_hours: i64,
    /// What is left over of a byte-hour, in byte-milliseconds.
    byte_millis: i64,
    /// What is left over of a micro-cent, as [`RateCard::storage`] counts it.
    left_over: i64,
    /// When something was first kept.
    created_at: Timestamp,
}

impl StorageAccount {
    /// The status of an account that has something to charge, or will have.
    const OPEN: &'static str = "open";

    /// Counts what was kept until `now`. A clock that was set back counts nothing.
    fn count_until(&mut self, now: Timestamp) {
        let millis = i128::try_from(now.since(self.since).as_millis()).unwrap_or(i128::MAX);
        let counted = i128::from(self.bytes).saturating_mul(millis).saturating_add(i128::from(self.byte_millis));
        let hours = i64::try_from(counted / HOUR_MILLIS).unwrap_or(i64::MAX);
        self.byte_hours = self.byte_hours.saturating_add(hours);
        self.byte_millis = i64::try_from(counted % HOUR_MILLIS).unwrap_or(0);
        self.since = self.since.max(now);
    }
}

impl Document for StorageAccount {
    const KIND: &'static str = "storage";

    fn id(&self) -> &str {
        &self.id
    }

    fn owner(&self) -> Owner<'_> {
        Owner { user_id: &self.user_id, session_id: &self.session_id, agent_id: "" }
    }

    fn status(&self) -> &str {
        if self.bytes > 0 || self.byte_hours > 0 { Self::OPEN } else { "empty" }
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }
}

/// Notes that so many bytes more are kept for an owner, or fewer if `bytes` is negative.
pub fn note_stored(
    tx: &Tx<'_>,
    tenant: &Tenant,
    owner: Owner<'_>,
    bytes: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    if !is_charged(tenant) || bytes == 0 {
        return Ok(());
    }
    let id = format!("stor|{}|{}|{}", tenant.as_str(), owner.session_id, owner.user_id);
    let found: Option<StorageAccount> = tx.find(tenant, &id)?;
    let is_new = found.is_none();
    let mut account = found.unwrap_or_else(|| StorageAccount {
        id,
        user_id: owner.user_id.to_owned(),
        session_id: owner.session_id.to_owned(),
        bytes: 0,
        since: now,
        byte_hours: 0,
        byte_millis: 0,
        left_over: 0,
        created_at: now,
    });
    account.count_until(now);
    account.bytes = account.bytes.saturating_add(bytes).max(0);
    if is_new {
        tx.insert(tenant, &account)?;
    } else {
        tx.update(tenant, &account)?;
    }
    tx.enqueue(tenant, &next_charge(tenant, now))
}

/// The job that charges at the next full hour: asked for again within the hour it stays where it is.
fn next_charge(tenant: &Tenant, now: Timestamp) -> NewJob {
    let hour = i64::try_from(EVERY.as_millis()).unwrap_or(i64::MAX);
    NewJob {
        id: JobId::from_suffix(format!("storage-{}", tenant.as_str())),
        kind: STORAGE_TIMER,
        subject: String::new(),
        payload: json!({}),
        due_at: Timestamp::from_millis((now.as_millis().div_euclid(hour) + 1) * hour),
    }
}

/// Charges what some owners kept until `now`: those before a place in the list of a tenant's, or the first ones. Returns
/// the place where the next go on, if there are more. The next time is asked for if anything is kept.
///
/// Where a budget has no room for it the amount stays owed, and is charged as soon as there is room: a limit is never
/// passed, and nothing is given away.
pub fn charge_storage(
    tx: &Tx<'_>,
    tenant: &Tenant,
    rates: &RateCard,
    before: Option<i64>,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    let statuses = vec![StorageAccount::OPEN.to_owned()];
    let some = Filter { statuses, before, limit: Some(TOGETHER), ..Filter::default() };
    let mut last = None;
    for (place, mut account) in tx.list::<StorageAccount>(tenant, &some)? {
        account.count_until(now);
        charge_account(tx, tenant, &mut account, rates, now)?;
        tx.update(tenant, &account)?;
        last = Some(place);
    }
    if last.is_some() {
        tx.enqueue(tenant, &next_charge(tenant, now))?;
    }
    Ok(last)
}

fn charge_account(
    tx: &Tx<'_>,
    tenant: &Tenant,
    account: &mut StorageAccount,
    rates: &RateCard,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (micro_cents, left_over) = rates.storage(account.byte_hours, account.left_over);
    let payer = Payer::of(&account.user_id, &account.session_id);
    let id = ReservationId::from_suffix(random::id_suffix(now));
    let budgets = money_budgets(tx, tenant, Spender { payer, session_limit: None, run: None }, now)?;
    let amounts = Amounts::money(micro_cents);
    if account.byte_hours == 0 || tx.reserve(&id, amounts, budgets, now.plus(RESERVATION_LIFE))?.is_err() {
        return Ok(());
    }
    tx.settle(&id, amounts)?;
    let byte_hours = std::mem::take(&mut account.byte_hours);
    account.left_over = left_over;
    let scope = EventScope {
        user_id: account.user_id.clone(),
        session_id: account.session_id.clone(),
        ..EventScope::default()
    };
    let charge = NewCharge {
        id: format!("{id}-storage"),
        kind: ChargeKind::Storage,
        micro_cents,
        scope: &scope,
        provider: "",
        model: "",
        tokens: TokenUsage::default(),
        milliseconds: 0,
        byte_hours,
        reservation: Some(ReservedAmount { id, micro_cents }),
    };
    record_charge(tx, tenant, now, charge)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        error::AppError,
        store::{Store, UsageOf, World},
    };

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        /// However often and at whatever times it is charged, the sum is what one charge at the end would have been.
        #[test]
        fn charging_often_costs_what_charging_once_does(
            changes in prop::collection::vec((-3_000_000_000..3_000_000_000_i64, 1..20_000_000_i64, any::<bool>()), 1..30)
        ) {
            let tenant = Tenant::new("acct_1", World::Live);
            let store = Store::in_memory().expect("it opens");
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it starts");
            let owner = Owner { user_id: "ada", ..Owner::default() };
            let (mut now, mut kept, mut byte_millis) = (0, 0, 0_i128);
            let written = store.write(move |tx| {
                let rates = RateCard::default();
                for (bytes, pause, is_charged) in changes {
                    let bytes = bytes.max(-kept);
                    note_stored(tx, &tenant, owner, bytes, Timestamp::from_millis(now))?;
                    kept += bytes;
                    now += pause;
                    byte_millis += i128::from(kept) * i128::from(pause);
                    if is_charged {
                        charge_storage(tx, &tenant, &rates, None, Timestamp::from_millis(now))?;
                    }
                }
                note_stored(tx, &tenant, owner, -kept, Timestamp::from_millis(now))?;
                charge_storage(tx, &tenant, &rates, None, Timestamp::from_millis(now))?;
                let days: Vec<String> = (0..30).map(|day| Timestamp::from_millis(day * 86_400_000).day()).collect();
                let by_day = tx.usage_by_day(&tenant, UsageOf::User("ada"), &days)?;
                let sums = by_day.iter().fold((0, 0), |(money, hours), (_, of_day)| {
                    (money + i128::from(of_day.storage), hours + i128::from(of_day.byte_hours))
                });
                Ok::<_, AppError>((sums, byte_millis))
            });
            let ((money, hours), byte_millis) = runtime.block_on(written).expect("the store works");

            prop_assert_eq!(hours, byte_millis / 3_600_000);
            prop_assert_eq!(money, hours * 10_000_000 / (730 * 1_000_000_000));
        }
    }

    #[tokio::test]
    async fn what_no_budget_has_room_for_stays_owed_and_is_charged_when_there_is() {
        use crate::spending::{BudgetOf, BudgetRecord};
        let tenant = Tenant::new("acct_1", World::Live);
        let store = Store::in_memory().expect("it opens");
        let owner = Owner { user_id: "ada", ..Owner::default() };
        let hours = |count: i64| Timestamp::from_millis(count * 3_600_000);
        let spent = store.write(move |tx| {
            let rates = RateCard::default();
            let budget = |cents| BudgetRecord {
                id: BudgetOf::Account.record_id(&tenant),
                user_id: String::new(),
                config: serde_json::from_value(json!({ "monthly": { "amount": cents } })).expect("it is a budget"),
                created_at: hours(0),
            };
            tx.insert(&tenant, &budget(5))?;
            // 73 gigabytes for an hour, at ten cents for 730 hours of one.
            note_stored(tx, &tenant, owner, 73_000_000_000, hours(0))?;
            let mut spent = Vec::new();
            for (hour, cents) in [(4, 5), (6, 5), (7, 100)] {
                tx.update(&tenant, &budget(cents))?;
                charge_storage(tx, &tenant, &rates, None, hours(hour))?;
                let by_day = tx.usage_by_day(&tenant, UsageOf::Account, &[hours(hour).day()])?;
                spent.push(by_day.first().map_or(0, |(_, of_day)| of_day.storage));
            }
            Ok::<_, AppError>(spent)
        });

        // A cent an hour: four fit into five, six do not, and seven fit into a hundred.
        assert_eq!(spent.await.expect("the store works"), [4_000_000, 4_000_000, 7_000_000]);
    }
}
