//! Charges: what was spent, each an entry of the log and of the sums that reports read.

use theazo_api::{
    Cost, Timestamp, round_parts,
    testing::{Charge, ChargeKind},
    usage::TokenUsage,
};

use super::{alerts::give_alerts, scopes::Payer};
use crate::{
    event::{Event, ReservedAmount},
    store::{EventScope, StoreError, Tenant, Totals, Tx},
};

/// A charge to record.
pub struct NewCharge<'a> {
    /// Its id.
    pub id: String,
    /// What for.
    pub kind: ChargeKind,
    /// How much, in micro-cents.
    pub micro_cents: i64,
    /// Whom.
    pub scope: &'a EventScope,
    /// Who provided it.
    pub provider: &'a str,
    /// The model that was called.
    pub model: &'a str,
    /// The tokens of a model call.
    pub tokens: TokenUsage,
    /// How long a sandbox ran.
    pub milliseconds: i64,
    /// How much was stored for how long.
    pub byte_hours: i64,
    /// What was held back for it.
    pub reservation: Option<ReservedAmount>,
}

/// Records a charge that was settled, and gives the alerts that it sets off.
pub fn record_charge(tx: &Tx<'_>, tenant: &Tenant, now: Timestamp, new: NewCharge<'_>) -> Result<(), StoreError> {
    let charge = Charge {
        id: new.id,
        kind: new.kind,
        cost: Cost::from_micro_cents(new.micro_cents),
        user_id: new.scope.user_id.clone(),
        session_id: new.scope.session_id.clone(),
        agent_id: new.scope.agent_id.clone(),
        run_id: new.scope.run_id.clone(),
        provider: new.provider.to_owned(),
        at: now,
    };
    let event = Event::Charged {
        charge,
        tokens: new.tokens,
        milliseconds: new.milliseconds,
        byte_hours: new.byte_hours,
        model: new.model.to_owned(),
        reservation: new.reservation,
    };
    tx.append(tenant, now, new.scope, &event)?;
    tx.add_usage(tenant, &event)?;
    give_alerts(tx, tenant, Payer::of(&new.scope.user_id, &new.scope.session_id), now)
}

/// Compute, models, orchestration and storage as costs whose cents add up to those of the total.
pub fn cost_parts(totals: &Totals) -> [Cost; 4] {
    let parts = [totals.compute, totals.model, totals.orchestration, totals.storage];
    let cents = round_parts(&parts);
    [0, 1, 2, 3].map(|index| Cost { amount: cents[index], ..Cost::from_micro_cents(parts[index]) })
}
