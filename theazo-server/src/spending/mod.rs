//! Spending: which budgets a spend touches, what sandboxes and storage cost, and how a charge is recorded.

mod alerts;
mod budgets;
mod charges;
mod credits;
mod meter;
mod rates;
mod scopes;
mod storage;

use std::time::Duration;

pub use alerts::{PauseForBudget, millionths};
pub use budgets::{BudgetOf, BudgetRecord, StandingBudget, budget_of_user, limit_of};
pub use charges::{NewCharge, cost_parts, record_charge};
pub use credits::{CreditsRecord, granted_credits};
pub use meter::{TICK, start_meter, stop_meter};
pub use rates::RateCard;
pub use scopes::{Payer, compute_scope, credits_scope, payer_scope, renewed_at, reserve_step};
pub use storage::{STORAGE_TIMER, charge_storage, note_stored};

use crate::store::{Tenant, World};

/// How long a reservation lives if nobody settles it.
const RESERVATION_LIFE: Duration = Duration::from_secs(24 * 3600);

/// The name of the limit of one run, as errors give it.
pub const RUN_LIMIT: &str = "run.maxCost";

/// Whether spending is kept: test keys leave no usage.
pub fn is_charged(tenant: &Tenant) -> bool {
    tenant.world() == World::Live
}
