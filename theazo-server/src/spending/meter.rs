//! The meter of a running sandbox: it reserves one tick ahead, and charges what of the tick was used.

use std::time::Duration;

use theazo_api::{ReservationId, Timestamp, testing::ChargeKind, usage::TokenUsage};

use super::{
    NewCharge, RESERVATION_LIFE, RateCard, compute_scope, is_charged,
    rates::for_minutes,
    record_charge,
    scopes::{Spender, money_budgets},
};
use crate::{
    error::AppError,
    event::ReservedAmount,
    random,
    records::{AgentRecord, Meter, RunRecord, SessionRecord},
    store::{Amounts, Budget, Limit, Shortfall, StoreError, Tenant, Tx, Unit},
};

/// How far ahead a running sandbox reserves.
pub const TICK: Duration = Duration::from_secs(15);

const MILLIS_PER_MINUTE: f64 = 60_000.0;

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Starts the meter of an agent's sandbox: reserves the first tick. One that was paused or ended meanwhile costs nothing.
///
/// Orchestration is charged while a run is under way: a sandbox in which a caller runs programs of its own costs compute
/// alone.
pub fn start_meter(
    tx: &Tx<'_>,
    tenant: &Tenant,
    agent: &mut AgentRecord,
    rates: &RateCard,
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
    let compute_per_minute = rates.compute_per_minute;
    let orchestration_per_minute = if run.is_some() { rates.orchestration_per_minute } else { 0 };
    let amounts = Amounts {
        money: for_minutes(compute_per_minute, TICK) + for_minutes(orchestration_per_minute, TICK),
        milliseconds: millis(TICK),
    };
    let mut budgets = money_budgets(tx, tenant, Spender::in_session(&session, run.as_ref()), now)?;
    let minutes = session.data.limits.max_compute_minutes;
    let limits = minutes
        .map(|minutes| Limit { name: "maxComputeMinutes".into(), value: (minutes * MILLIS_PER_MINUTE) as i64 })
        .into_iter()
        .collect();
    let scope = compute_scope(tenant, session.data.id.as_str());
    budgets.push(Budget { scope, unit: Unit::Milliseconds, limits });
    let reservation = ReservationId::from_suffix(random::id_suffix(now));
    Ok(tx.reserve(&reservation, amounts, budgets, now.plus(RESERVATION_LIFE))?.map(|()| {
        agent.meter = Some(Meter { reservation, since: now, compute_per_minute, orchestration_per_minute });
    }))
}

/// Stops the meter of an agent's sandbox and charges the time since it started.
pub fn stop_meter(tx: &Tx<'_>, tenant: &Tenant, agent: &mut AgentRecord, now: Timestamp) -> Result<(), StoreError> {
    let Some(meter) = agent.meter.take() else { return Ok(()) };
    let elapsed = now.since(meter.since).min(TICK);
    let compute = for_minutes(meter.compute_per_minute, elapsed);
    let orchestration = for_minutes(meter.orchestration_per_minute, elapsed);
    let used = Amounts { money: compute + orchestration, milliseconds: millis(elapsed) };
    let Some(settled) = tx.settle(&meter.reservation, used)? else { return Ok(()) };
    if settled.spent == Amounts::default() {
        return Ok(());
    }
    let mut scope = agent.scope();
    scope.run_id = agent.current_run.as_ref().map(ToString::to_string).unwrap_or_default();
    let compute = compute.min(settled.spent.money);
    let orchestration = settled.spent.money - compute;
    let reservation = ReservedAmount { id: meter.reservation.clone(), micro_cents: settled.reserved.money };
    let charge = |suffix: &str, kind, micro_cents, milliseconds| NewCharge {
        id: format!("{}-{suffix}", meter.reservation),
        kind,
        micro_cents,
        scope: &scope,
        provider: &agent.data.provider,
        model: "",
        tokens: TokenUsage::default(),
        milliseconds,
        byte_hours: 0,
        reservation: Some(reservation.clone()),
    };
    let time = settled.spent.milliseconds;
    record_charge(tx, tenant, now, charge("compute", ChargeKind::Compute, compute, time))?;
    if orchestration > 0 {
        record_charge(tx, tenant, now, charge("orchestration", ChargeKind::Orchestration, orchestration, 0))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use theazo_api::AgentStatus;

    use super::*;
    use crate::store::{Store, World};

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
                assert_eq!(start_meter(tx, &tenant, &mut agent, &RateCard::default(), now)?, Ok(()));
                metered.push(agent.meter.is_some());
            }
            Ok::<_, AppError>(metered)
        });

        assert_eq!(metered.await.expect("the store works"), [false, false, false, true]);
    }
}
