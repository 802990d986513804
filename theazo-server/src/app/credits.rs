//! Credits: what an account paid in advance and what is left of it.

use theazo_api::{
    AccountId, CURRENCY, Cost, CreditBalance, MAX_CENTS, MICRO_CENTS_PER_CENT, Timestamp, round_to_cents,
};

use super::{Context, budgets::resume_at_raised_limits};
use crate::{
    error::{AppError, AppResult},
    event::Event,
    spending::{CreditsRecord, credits_scope, granted_credits},
    store::{EventScope, Tenant, Tx, UsageOf, World},
};

impl Context {
    /// How many credits are left.
    pub fn credit_balance(&self) -> AppResult<CreditBalance> {
        let today = self.app.clock.now().day();
        self.app.store.read(|view| {
            let granted = granted_credits(view, &self.tenant)?;
            let (spent, _) = view.budget(&credits_scope(&self.tenant))?;
            let left = granted.map_or(MAX_CENTS * MICRO_CENTS_PER_CENT, |granted| granted - spent);
            let consumed = view.usage_by_day(&self.tenant, UsageOf::Account, &[today])?;
            let consumed = consumed.first().map_or(0, |(_, totals)| totals.total());
            Ok(CreditBalance {
                credits: round_to_cents(left),
                currency: CURRENCY.to_owned(),
                cost: Cost::from_micro_cents(left),
                consumed_today: Cost::from_micro_cents(consumed),
                unlimited: granted.is_none(),
            })
        })
    }
}

/// Gives an account credits, in cents, the first one if none is named, and lets go on what stands still for want of them.
/// Returns all that it was ever given, in micro-cents.
pub fn grant_credits(tx: &Tx<'_>, account_id: Option<String>, cents: i64, now: Timestamp) -> AppResult<i64> {
    let account_id = match account_id {
        Some(account_id) if tx.has_account(&account_id)? => account_id,
        Some(account_id) => return Err(AppError::not_found("account", &account_id, AccountId::PREFIX)),
        None => tx.first_account()?.ok_or_else(|| AppError::conflict("there is no account yet"))?,
    };
    let tenant = &Tenant::new(&account_id, World::Live);
    let before = granted_credits(tx, tenant)?;
    let granted = before.unwrap_or(0).saturating_add(cents.saturating_mul(MICRO_CENTS_PER_CENT));
    if !(1..=MAX_CENTS).contains(&cents) || granted > MAX_CENTS * MICRO_CENTS_PER_CENT {
        let message = format!("must be from 1 to {MAX_CENTS}, all that the account was ever given included");
        return Err(AppError::invalid_field("credits", message));
    }
    put_granted(tx, tenant, granted, now)?;
    let cost = Cost::cents(cents);
    tx.append(tenant, now, &EventScope::default(), &Event::CreditsGranted { cost, granted })?;
    resume_at_raised_limits(tx, tenant, None, now)?;
    Ok(granted)
}

/// Says what every account begins with that was not given credits of its own; nothing lifts the limit.
pub fn begin_with_credits(tx: &Tx<'_>, cents: Option<i64>, now: Timestamp) -> AppResult<()> {
    let of_all = CreditsRecord::of_new_accounts();
    match cents {
        Some(cents) => put_granted(tx, &of_all, cents.saturating_mul(MICRO_CENTS_PER_CENT), now),
        None => Ok(tx.remove::<CreditsRecord>(&of_all, &CreditsRecord::id_of(&of_all)).map(drop)?),
    }
}

fn put_granted(tx: &Tx<'_>, tenant: &Tenant, granted: i64, now: Timestamp) -> AppResult<()> {
    let id = CreditsRecord::id_of(tenant);
    match tx.find::<CreditsRecord>(tenant, &id)? {
        Some(record) => tx.update(tenant, &CreditsRecord { granted, ..record })?,
        None => tx.insert(tenant, &CreditsRecord { id, granted, created_at: now })?,
    }
    Ok(())
}
