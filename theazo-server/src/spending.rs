//! Spending: which budgets a spend touches, what sandboxes cost, and how a charge is recorded.

use std::time::Duration;

use theazo_api::{
    Cost, MICRO_CENTS_PER_CENT, Period, ReservationId, Timestamp,
    testing::{Charge, ChargeKind},
    usage::TokenUsage,
};

use crate::{
    error::AppError,
    event::Event,
    random,
    records::{AgentRecord, Meter, RunRecord, SessionRecord},
    store::{EventScope, Hold, Shortfall, StoreError, Tenant, Tx, Unit, View, World},
};

/// What a running sandbox costs in a minute: half a cent.
const COMPUTE_PER_MINUTE: i64 = MICRO_CENTS_PER_CENT / 2;

/// What the control plane's own work for a running sandbox costs in a minute: a fifth of a cent.
const ORCHESTRATION_PER_MINUTE: i64 = MICRO_CENTS_PER_CENT / 5;

/// How far ahead a running sandbox reserves.
pub const TICK: Duration = Duration::from_secs(15);

/// How long a reservation lives if nobody settles it.
const RESERVATION_LIFE: Duration = Duration::from_secs(24 * 3600);

/// The name of the limit of one run, as errors give it.
pub const RUN_LIMIT: &str = "run.maxCost";

/// Whether spending is kept: test keys leave no usage.
pub fn is_charged(tenant: &Tenant) -> bool {
    tenant.world() == World::Live
}

fn for_minutes(rate: i64, duration: Duration) -> i64 {
    let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    (millis.saturating_mul(rate) + 30_000) / 60_000
}

/// The budget of a payer for a period.
pub fn payer_scope(tenant: &Tenant, payer: &str, period: &Period, now: Timestamp) -> String {
    let (name, key) = match period {
        Period::Month => ("month", now.month()),
        _ => ("day", now.day()),
    };
    format!("{}|user|{payer}|{name}|{key}", tenant.as_str())
}

/// The budget of a session's compute time.
pub fn compute_scope(tenant: &Tenant, session_id: &str) -> String {
    format!("{}|compute|{session_id}", tenant.as_str())
}

fn money_holds(
    tenant: &Tenant,
    session: &SessionRecord,
    run: Option<&RunRecord>,
    amount: i64,
    now: Timestamp,
) -> Vec<Hold> {
    let mut holds = Vec::with_capacity(4);
    for period in [Period::Day, Period::Month] {
        let limit = session.data.limits.max_cost.as_ref().filter(|limit| limit.period == period);
        holds.push(Hold {
            scope: payer_scope(tenant, session.payer(), &period, now),
            unit: Unit::Money,
            amount,
            limit: limit.map(|limit| ("maxCost".to_owned(), limit.amount.saturating_mul(MICRO_CENTS_PER_CENT))),
        });
    }
    holds.push(Hold {
        scope: format!("{}|session|{}", tenant.as_str(), session.data.id),
        unit: Unit::Money,
        amount,
        limit: None,
    });
    if let Some(run) = run {
        holds.push(Hold {
            scope: format!("{}|run|{}", tenant.as_str(), run.data.id),
            unit: Unit::Money,
            amount,
            limit: run.max_cost.map(|max_cost| (RUN_LIMIT.to_owned(), max_cost)),
        });
    }
    holds
}

/// Reserves money for one step of a run.
pub fn reserve_step(
    tx: &Tx<'_>,
    tenant: &Tenant,
    session: &SessionRecord,
    run: &RunRecord,
    amount: i64,
    now: Timestamp,
) -> Result<Result<ReservationId, Shortfall>, StoreError> {
    let id = ReservationId::from_suffix(random::id_suffix(now));
    if !is_charged(tenant) {
        return Ok(Ok(id));
    }
    let holds = money_holds(tenant, session, Some(run), amount, now);
    Ok(tx.reserve(&id, &holds, now.plus(RESERVATION_LIFE))?.map(|()| id))
}

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
    /// The tokens of a model call.
    pub tokens: TokenUsage,
    /// How long a sandbox ran.
    pub milliseconds: i64,
}

/// Records a charge that was settled.
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
    let event = Event::Charged { charge, tokens: new.tokens, milliseconds: new.milliseconds };
    tx.append(tenant, now, new.scope, &event)?;
    Ok(())
}

/// Starts the meter of an agent's sandbox: reserves the first tick. One that was paused or ended meanwhile costs nothing.
pub fn start_meter(
    tx: &Tx<'_>,
    tenant: &Tenant,
    agent: &mut AgentRecord,
    now: Timestamp,
) -> Result<Result<(), Shortfall>, AppError> {
    let is_active = AgentRecord::ACTIVE.contains(&agent.data.status.as_str());
    if !is_charged(tenant) || agent.meter.is_some() || !is_active {
        return Ok(Ok(()));
    }
    let session: SessionRecord = tx
        .find(tenant, agent.data.session_id.as_str())?
        .ok_or_else(|| AppError::internal("an agent without its session"))?;
    let run: Option<RunRecord> = match &agent.current_run {
        Some(run_id) => tx.find(tenant, run_id.as_str())?,
        None => None,
    };
    let amount = for_minutes(COMPUTE_PER_MINUTE, TICK) + for_minutes(ORCHESTRATION_PER_MINUTE, TICK);
    let mut holds = money_holds(tenant, &session, run.as_ref(), amount, now);
    holds.push(Hold {
        scope: compute_scope(tenant, session.data.id.as_str()),
        unit: Unit::Milliseconds,
        amount: i64::try_from(TICK.as_millis()).unwrap_or(i64::MAX),
        limit: session
            .data
            .limits
            .max_compute_minutes
            .map(|minutes| ("maxComputeMinutes".to_owned(), (minutes * 60_000.0) as i64)),
    });
    let reservation = ReservationId::from_suffix(random::id_suffix(now));
    Ok(tx.reserve(&reservation, &holds, now.plus(RESERVATION_LIFE))?.map(|()| {
        agent.meter = Some(Meter { reservation, since: now });
    }))
}

/// Stops the meter of an agent's sandbox and charges the time since it started.
pub fn stop_meter(tx: &Tx<'_>, tenant: &Tenant, agent: &mut AgentRecord, now: Timestamp) -> Result<(), StoreError> {
    let Some(meter) = agent.meter.take() else { return Ok(()) };
    let elapsed = now.since(meter.since).min(TICK);
    let milliseconds = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
    let compute = for_minutes(COMPUTE_PER_MINUTE, elapsed);
    let orchestration = for_minutes(ORCHESTRATION_PER_MINUTE, elapsed);
    let Some(settled) = tx.settle(&meter.reservation, compute + orchestration, milliseconds)? else { return Ok(()) };
    if settled == 0 && milliseconds == 0 {
        return Ok(());
    }
    let mut scope = agent.scope();
    scope.run_id = agent.current_run.as_ref().map(ToString::to_string).unwrap_or_default();
    let compute = compute.min(settled);
    for (suffix, kind, micro_cents, milliseconds) in [
        ("compute", ChargeKind::Compute, compute, milliseconds),
        ("orchestration", ChargeKind::Orchestration, settled - compute, 0),
    ] {
        let charge = NewCharge {
            id: format!("{}-{suffix}", meter.reservation),
            kind,
            micro_cents,
            scope: &scope,
            provider: &agent.data.provider,
            tokens: TokenUsage::default(),
            milliseconds,
        };
        record_charge(tx, tenant, now, charge)?;
    }
    Ok(())
}

/// What the charges come to that a filter finds.
pub fn total_charged(
    view: &View<'_>,
    tenant: &Tenant,
    filter: crate::store::EventFilter,
) -> Result<Totals, StoreError> {
    let filter = crate::store::EventFilter { kinds: vec!["charged"], ..filter };
    let mut totals = Totals::default();
    for stored in view.events(tenant, &filter)? {
        if let Event::Charged { charge, tokens, milliseconds } = &stored.event {
            totals.add(charge, *tokens, *milliseconds);
        }
    }
    Ok(totals)
}

/// Sums of charges, in micro-cents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Sandboxes.
    pub compute: i64,
    /// Models.
    pub model: i64,
    /// Orchestration.
    pub orchestration: i64,
    /// How long sandboxes ran, in milliseconds.
    pub milliseconds: i64,
    /// Calls of models.
    pub model_calls: i64,
    /// Tokens of models.
    pub tokens: TokenUsage,
}

impl Totals {
    /// Adds a charge.
    pub fn add(&mut self, charge: &Charge, tokens: TokenUsage, milliseconds: i64) {
        let micro_cents = charge.cost.to_micro_cents();
        match charge.kind {
            ChargeKind::Model => {
                self.model += micro_cents;
                self.model_calls += 1;
            }
            ChargeKind::Compute => self.compute += micro_cents,
            _ => self.orchestration += micro_cents,
        }
        self.milliseconds += milliseconds;
        self.tokens.input += tokens.input;
        self.tokens.output += tokens.output;
    }

    /// All of it.
    pub fn total(&self) -> i64 {
        self.compute + self.model + self.orchestration
    }

    /// Compute, models and orchestration as costs whose cents add up to those of the total.
    pub fn parts(&self) -> [Cost; 3] {
        let parts = [self.compute, self.model, self.orchestration];
        let cents = theazo_api::round_parts(&parts);
        [0, 1, 2].map(|index| Cost { amount: cents[index], ..Cost::from_micro_cents(parts[index]) })
    }

    /// How long sandboxes ran, in minutes.
    pub fn minutes(&self) -> f64 {
        self.milliseconds as f64 / 60_000.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use theazo_api::AgentStatus;

    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn the_meter_of_an_agent_that_was_paused_or_ended_meanwhile_does_not_start() {
        let now = Timestamp::from_millis(0);
        let owned = json!({ "sessionId": "ses_1", "userId": "ada", "createdAt": now });
        let with = |more: serde_json::Value| {
            let mut document = owned.as_object().cloned().unwrap_or_default();
            document.extend(more.as_object().cloned().unwrap_or_default());
            serde_json::Value::Object(document)
        };
        let session = with(json!({
            "id": "ses_1", "status": "active", "environment": "production", "metadata": {}, "limits": {},
            "pausedAt": null, "terminatedAt": null,
        }));
        let agent = with(json!({
            "id": "agt_1", "name": "agent", "status": "ready", "provider": "simulated", "compute": "python",
            "model": "offline", "browser": false, "region": "local", "isolation": null,
        }));
        let session =
            SessionRecord { data: serde_json::from_value(session).expect("it is a session"), providers: None };
        let agent: AgentRecord =
            serde_json::from_value(json!({ "data": agent, "oneShot": false, "task": "" })).expect("it is an agent");
        let tenant = Tenant::new("acct_1", World::Live);
        let store = Store::in_memory().expect("it opens");

        let metered = store.write(move |tx| {
            tx.insert(&tenant, &session)?;
            let mut metered = Vec::new();
            for status in [AgentStatus::Paused, AgentStatus::Completed, AgentStatus::Failed, AgentStatus::Running] {
                let mut agent = agent.clone();
                agent.data.status = status;
                assert_eq!(start_meter(tx, &tenant, &mut agent, now)?, Ok(()));
                metered.push(agent.meter.is_some());
            }
            Ok::<_, AppError>(metered)
        });

        assert_eq!(metered.await.expect("the store works"), [false, false, false, true]);
    }
}
