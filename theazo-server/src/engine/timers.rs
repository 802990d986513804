//! Timers: the ticks of meters, the end of sessions, and the timeouts of runs. Each is a job with a due time.

use std::time::Duration;

use serde_json::{Value, json};
use theazo_api::{AgentId, AgentStatus, ErrorCode, JobId, RunId, SessionId, SessionStatus, Timestamp};

use super::{Engine, limits::Stopped};
use crate::{
    app::{
        AgentCommand, RunEnd, end_run, expiry_job, find_agent, find_run, find_session, look_at_tasks,
        remove_snapshots_job, start_tasks,
    },
    error::{AppError, AppResult},
    event::Event,
    records::{AgentRecord, RunRecord},
    spending::{STORAGE_TIMER, TICK, charge_storage, start_meter, stop_meter},
    store::{Filter, NewJob, Tenant},
};

/// The kinds of jobs that are timers. A test that moves the clock waits for them.
pub const TIMERS: [&str; 9] = [
    "agent.meter",
    "agent.idle",
    "agent.checkpoint",
    "agent.expire",
    "session.expire",
    "session.renew",
    "run.retry",
    "run.timeout",
    STORAGE_TIMER,
];

/// How often the store is tidied up.
const MAINTAIN_EVERY: Duration = Duration::from_secs(3600);

/// How long is remembered what the budgets of a day were used for. Reports have sums of their own.
const REMEMBER_DAYS_FOR: Duration = Duration::from_secs(40 * 24 * 3600);

/// How long an idempotency key is remembered, and with it the outcome of its job.
const REMEMBER_KEYS_FOR: Duration = Duration::from_secs(48 * 3600);

/// The next time that the store is tidied up.
pub(super) fn maintenance_job(due_at: Timestamp) -> NewJob {
    NewJob {
        id: JobId::from("job_maintain"),
        kind: "plane.maintain",
        subject: String::new(),
        payload: json!({}),
        due_at,
    }
}

/// The next tick of an agent's meter.
pub(super) fn meter_job(agent: &AgentRecord, now: Timestamp) -> NewJob {
    NewJob::about("meter", "agent.meter", &agent.data.id, now.plus(TICK))
}

/// The timeout of a run.
pub(super) fn timeout_job(run: &RunRecord, started_at: Timestamp) -> Option<NewJob> {
    let timeout_ms = run.timeout_ms?;
    let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
    Some(NewJob {
        id: JobId::from_suffix(format!("timeout-{}", run.data.id)),
        kind: "run.timeout",
        subject: run.data.id.to_string(),
        payload: json!({ "timeoutMs": timeout_ms }),
        due_at: started_at.plus(timeout),
    })
}

impl Engine {
    /// Tidies the store up.
    pub(super) async fn maintain_and_prune(&self, tenant: &Tenant) -> AppResult<()> {
        self.maintain(tenant).await?;
        self.prune_events().await
    }

    /// Returns what dead holders reserved, and forgets what nobody will ask for again.
    async fn maintain(&self, tenant: &Tenant) -> AppResult<()> {
        let (tenant, now) = (tenant.clone(), self.app.clock.now());
        let maintained = self.app.store.write(move |tx| {
            let released = tx.release_expired(now)?;
            tx.forget_budgets_before(&now.minus(REMEMBER_DAYS_FOR).day())?;
            let oldest = now.minus(REMEMBER_KEYS_FOR);
            let claims = tx.forget_claims(oldest)?;
            let jobs = tx.forget_done(oldest)?;
            tx.enqueue(&tenant, &maintenance_job(now.plus(MAINTAIN_EVERY)))?;
            Ok::<_, AppError>((released, claims, jobs))
        });
        let (released, claims, jobs) = maintained.await?;
        tracing::debug!(released, claims, jobs, "the store was tidied up");
        Ok(())
    }

    pub(super) async fn tick_meter(&self, tenant: &Tenant, agent_id: &str) -> AppResult<()> {
        let (owner, agent_id) = (tenant.clone(), AgentId::from(agent_id));
        let (clock, rates) = (self.app.clock.clone(), self.app.rates);
        let ticked = self.app.store.write(move |tx| {
            let now = clock.now();
            let mut agent = find_agent(tx, &owner, &agent_id)?;
            // The meter was stopped, or stopped and started again since: then that tick has its own job.
            let Some(meter) = &agent.meter else { return Ok(None) };
            if now.since(meter.since) < TICK {
                let since = meter.since;
                tx.enqueue(&owner, &meter_job(&agent, since))?;
                return Ok(None);
            }
            stop_meter(tx, &owner, &mut agent, now)?;
            match start_meter(tx, &owner, &mut agent, &rates, now)? {
                Ok(()) => {
                    tx.update(&owner, &agent)?;
                    tx.enqueue(&owner, &meter_job(&agent, now))?;
                    Ok::<_, AppError>(None)
                }
                Err(shortfall) => {
                    tx.update(&owner, &agent)?;
                    Ok(Some(Stopped::at(tx, &owner, &agent, &shortfall, now)?))
                }
            }
        });
        if let Some(stopped) = ticked.await? {
            self.freeze(tenant, stopped).await;
        }
        Ok(())
    }

    /// Charges what a tenant keeps in snapshots and files.
    pub(super) async fn charge_storage(&self, tenant: &Tenant) -> AppResult<()> {
        let (now, rates) = (self.app.clock.now(), self.app.rates);
        let mut before = None;
        loop {
            let tenant = tenant.clone();
            let charged = self.app.store.write(move |tx| charge_storage(tx, &tenant, &rates, before, now));
            match charged.await? {
                None => return Ok(()),
                place => before = place,
            }
        }
    }

    pub(super) async fn expire_session(&self, tenant: &Tenant, session_id: &str) -> AppResult<()> {
        let (owner, session_id) = (tenant.clone(), SessionId::from(session_id));
        let clock = self.app.clock.clone();
        let expired = self.app.store.write(move |tx| {
            let now = clock.now();
            let mut session = find_session(tx, &owner, &session_id)?;
            if session.data.status == SessionStatus::Terminated {
                return Ok(());
            }
            // Its time may have been changed after this timer was taken from the queue.
            match expiry_job(&session) {
                Some(job) if job.due_at <= now => {}
                Some(job) => return Ok(tx.enqueue(&owner, &job)?),
                None => return Ok(()),
            }
            session.data.status = SessionStatus::Terminated;
            session.data.terminated_at = Some(now);
            tx.update(&owner, &session)?;
            let reason = "`maxDuration` is over".to_owned();
            tx.append(&owner, now, &session.scope(), &Event::SessionTerminated { reason })?;
            tx.enqueue(&owner, &remove_snapshots_job(&session_id, now))?;
            let filter = Filter { session_id: Some(session_id.to_string()), ..Filter::default() };
            for (_, agent) in tx.list::<AgentRecord>(&owner, &filter)? {
                if !matches!(agent.data.status, AgentStatus::Completed | AgentStatus::Failed) {
                    AgentCommand::Terminate.enqueue(tx, &owner, &agent, now)?;
                }
            }
            look_at_tasks(tx, &owner, &session_id, now)?;
            Ok(())
        });
        expired.await
    }

    pub(super) async fn start_tasks(&self, tenant: &Tenant, session_id: &str) -> AppResult<()> {
        let (owner, session_id, clock) = (tenant.clone(), SessionId::from(session_id), self.app.clock.clone());
        self.app.store.write(move |tx| start_tasks(tx, &owner, &session_id, clock.now())).await
    }

    pub(super) async fn time_out_run(&self, tenant: &Tenant, run_id: &str, payload: &Value) -> AppResult<()> {
        let (owner, run_id) = (tenant.clone(), RunId::from(run_id));
        let clock = self.app.clock.clone();
        let timeout = Duration::from_millis(payload["timeoutMs"].as_u64().unwrap_or(0));
        let timed_out = self.app.store.write(move |tx| {
            let mut run = find_run(tx, &owner, &run_id)?;
            let message = format!("the run did not end within {}", theazo_api::time::human_duration(timeout));
            let error = AppError::new(ErrorCode::Timeout, message).into_detail();
            end_run(tx, &owner, &mut run, RunEnd::Failed(error), clock.now())
        });
        timed_out.await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use theazo_api::{DurationInput, SessionCreateOpts, SessionLimits};

    use super::*;
    use crate::{
        app::Context,
        config::PlaneConfig,
        plane::ControlPlane,
        store::{EventFilter, World},
    };

    #[tokio::test]
    async fn row_16_a_clock_that_jumps_fires_each_timer_once_and_charges_what_was_reserved() {
        let plane = ControlPlane::start(PlaneConfig::test()).await.expect("it starts");
        let tenant = Tenant::new("acct_timers", World::Live);
        let app = plane.app().clone();
        let context = Context::of(&app, &tenant);
        let max_duration = Some(DurationInput(Duration::from_secs(1800)));
        let limits = Some(SessionLimits { max_duration, ..SessionLimits::default() });
        let opts = SessionCreateOpts { limits, ..SessionCreateOpts::default() };
        let session = context.create_session(opts).await.expect("it is made");
        context.create_agent(session.id.clone(), Default::default()).await.expect("it is made");

        // An hour at once: not from timer to timer.
        let mut commits = app.store.commits();
        let start = app.clock.now();
        app.clock.move_to(start.plus(Duration::from_secs(3600)));
        // Backwards it does not go, and nothing happens again.
        app.clock.move_to(start);
        let is_done = |view: &crate::store::View<'_>| {
            let busy = view.any_due_or_leased(&TIMERS, app.clock.now())?;
            let open = view.count::<AgentRecord>(&tenant, &Filter::default())?;
            let ended = Filter { statuses: vec!["completed".to_owned()], ..Filter::default() };
            Ok::<_, AppError>(!busy && view.count::<AgentRecord>(&tenant, &ended)? == open)
        };
        while !app.store.read(is_done).expect("it is told") {
            commits.changed().await.expect("the store is open");
        }

        let count = |kind| {
            let filter = EventFilter { kinds: vec![kind], ..EventFilter::default() };
            app.store.read(|view| view.events(&tenant, &filter)).expect("they are read").len()
        };
        assert_eq!((count("session.terminated"), count("agent.terminated")), (1, 1));
        let usage = context.session_usage(&session.id).expect("it is reported");
        assert!(usage.compute_minutes <= 0.5, "two ticks at most were reserved: {}", usage.compute_minutes);
        plane.shutdown().await;
    }

    #[tokio::test]
    async fn a_session_whose_time_was_extended_after_its_timer_was_taken_goes_on() {
        let plane = ControlPlane::start(PlaneConfig::test()).await.expect("it starts");
        let tenant = Tenant::new("acct_timers", World::Live);
        let context = Context::of(plane.app(), &tenant);
        let max_duration = Some(DurationInput(Duration::from_secs(3600)));
        let opts = SessionCreateOpts {
            limits: Some(SessionLimits { max_duration, ..SessionLimits::default() }),
            ..SessionCreateOpts::default()
        };
        let session = context.create_session(opts).await.expect("it is made");

        // As if the timer had been due when the session had less time.
        let early = NewJob {
            id: JobId::from("job_early"),
            kind: "session.expire",
            subject: session.id.to_string(),
            payload: json!({}),
            due_at: session.created_at,
        };
        let owner = tenant.clone();
        let mut commits = context.app.store.commits();
        context.app.store.write(move |tx| tx.enqueue(&owner, &early)).await.expect("it is asked for");
        let is_done = |view: &crate::store::View<'_>| view.any_due_or_leased(&TIMERS, session.created_at);
        while context.app.store.read(is_done).expect("it is told") {
            commits.changed().await.expect("the store is open");
        }

        assert_eq!(context.get_session(&session.id).expect("it is kept").status, SessionStatus::Active);
        let ended = EventFilter { kinds: vec!["session.terminated"], ..EventFilter::default() };
        assert!(context.app.store.read(|view| view.events(&tenant, &ended)).expect("they are read").is_empty());
        plane.shutdown().await;
    }
}
