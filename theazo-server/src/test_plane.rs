//! The test plane: what tests do to a control plane whose edges are fake.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{body::Body, extract::Request, http::StatusCode};
use theazo_api::{
    ErrorCode, Operation, Plane, Timestamp,
    testing::{Fault, FaultKind, RecordedRequest, ScriptedTurn},
};

use crate::{
    app::App,
    compute::Simulation,
    engine::TIMERS,
    error::{AppError, AppResult},
    model::ScriptedModel,
    store::StoreError,
};

/// What a test plane remembers.
pub struct TestPlaneState {
    model: Arc<ScriptedModel>,
    simulation: Arc<Simulation>,
    faults: Mutex<VecDeque<PendingFault>>,
    requests: Mutex<Vec<RecordedRequest>>,
}

struct PendingFault {
    fault: Fault,
    left: i64,
    dice: Dice,
}

/// What a fault does to a call.
pub enum FaultAction {
    /// Answers with an error.
    Answer {
        /// The error.
        error: AppError,
        /// The status, which need not be the usual one of the error.
        status: StatusCode,
        /// Whether the call takes effect.
        after_effect: bool,
    },
    /// Ends the connection.
    Reset {
        /// Whether the call takes effect.
        after_effect: bool,
    },
    /// Lets the call wait.
    Delay {
        /// How long.
        by: Duration,
        /// Whether by the time of the machine, not that of the plane.
        real_time: bool,
    },
    /// Ends the connection after so many bytes of the answer.
    Truncate {
        /// How many.
        after_bytes: usize,
    },
    /// Sends nothing more after so many bytes of the answer.
    Stall {
        /// How many.
        after_bytes: usize,
    },
}

/// Random numbers that are the same for the same seed (SplitMix64).
struct Dice(u64);

impl Dice {
    /// The next number, from 0 to below 1.
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // 53 bits are what a floating-point number holds exactly.
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl TestPlaneState {
    /// Nothing scripted, nothing broken.
    pub fn new(model: Arc<ScriptedModel>, simulation: Arc<Simulation>) -> Self {
        Self { model, simulation, faults: Mutex::default(), requests: Mutex::default() }
    }

    /// Scripts an agent.
    pub fn script(&self, agent: &str, turns: Vec<ScriptedTurn>) {
        self.model.script(agent, turns);
    }

    /// What simulated sandboxes do.
    pub fn simulation(&self) -> &Simulation {
        &self.simulation
    }

    /// Makes the next calls fail.
    pub fn inject(&self, fault: Fault) {
        let left = fault.times.unwrap_or(1);
        let dice = Dice(fault.seed.unwrap_or(0).cast_unsigned());
        lock(&self.faults).push_back(PendingFault { fault, left, dice });
    }

    /// Lets calls work again.
    pub fn clear_faults(&self) {
        lock(&self.faults).clear();
    }

    /// What happens to a call of this operation. The test plane's own operations never fail.
    pub fn next_fault(&self, operation: &Operation) -> Option<FaultAction> {
        if operation.plane == Plane::Test {
            return None;
        }
        let mut faults = lock(&self.faults);
        let index = faults.iter_mut().position(|pending| {
            let fits = pending.fault.operation.as_deref().is_none_or(|wanted| wanted == operation.id);
            fits && pending.fault.probability.is_none_or(|probability| pending.dice.roll() < probability)
        })?;
        let pending = &mut faults[index];
        let action = action(&pending.fault);
        pending.left -= 1;
        if pending.left <= 0 {
            faults.remove(index);
        }
        Some(action)
    }

    /// Notes a request and returns its place. The test plane's own are not noted.
    pub fn record(&self, operation: &Operation, request: &Request, at: Timestamp) -> Option<usize> {
        if operation.plane == Plane::Test {
            return None;
        }
        let header = |name: &str| {
            request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let mut requests = lock(&self.requests);
        requests.push(RecordedRequest {
            operation: operation.id.to_owned(),
            method: request.method().to_string(),
            path: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
            status: 0,
            idempotency_key: header("idempotency-key"),
            attempt: header("x-theazo-attempt").parse().unwrap_or(0),
            at,
        });
        Some(requests.len() - 1)
    }

    /// Notes how a request was answered.
    pub fn finish(&self, place: Option<usize>, response: &axum::http::Response<Body>) {
        let reset = response.extensions().get::<crate::http::ConnectionReset>().is_some();
        let status = if reset { 0 } else { i32::from(response.status().as_u16()) };
        if let Some(place) = place {
            lock(&self.requests)[place].status = status;
        }
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        lock(&self.requests).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn action(fault: &Fault) -> FaultAction {
    let after_bytes = usize::try_from(fault.after_bytes.unwrap_or(0)).unwrap_or(0);
    match fault.kind.as_ref().unwrap_or(&FaultKind::Status) {
        FaultKind::ResetBefore => FaultAction::Reset { after_effect: false },
        FaultKind::ResetAfter => FaultAction::Reset { after_effect: true },
        FaultKind::Latency => FaultAction::Delay {
            by: fault.latency.map(|latency| latency.0).unwrap_or_default(),
            real_time: fault.real_time.unwrap_or(false),
        },
        FaultKind::Truncate => FaultAction::Truncate { after_bytes },
        FaultKind::Stall => FaultAction::Stall { after_bytes },
        kind => {
            let after_effect = *kind == FaultKind::StatusAfter;
            let status = u16::try_from(fault.status.unwrap_or(503)).unwrap_or(503);
            let code = match &fault.code {
                Some(code) => ErrorCode::from(code.as_str()),
                None => usual_code(status),
            };
            let mut error = AppError::new(code, "a test made this call fail");
            error.retry_after = fault.retry_after.and_then(|seconds| u64::try_from(seconds).ok());
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            FaultAction::Answer { error, status, after_effect }
        }
    }
}

fn usual_code(status: u16) -> ErrorCode {
    match status {
        401 => ErrorCode::Unauthorized,
        402 => ErrorCode::SessionLimitExceeded,
        403 => ErrorCode::Forbidden,
        404 => ErrorCode::NotFound,
        409 => ErrorCode::Conflict,
        429 => ErrorCode::RateLimited,
        502 => ErrorCode::ProviderError,
        504 => ErrorCode::Timeout,
        400..=499 => ErrorCode::InvalidRequest,
        _ => ErrorCode::InternalError,
    }
}

/// Moves the clock, from one due timer to the next, and lets each be done before time goes on.
pub async fn advance(app: &App, by: Duration) -> AppResult<Timestamp> {
    let target = app.clock.now().plus(by);
    let mut commits = app.store.commits();
    loop {
        commits.mark_unchanged();
        let now = app.clock.now();
        let busy = app.store.read(|view| Ok::<_, AppError>(view.any_due_or_leased(&TIMERS, now)?))?;
        if busy {
            commits.changed().await.map_err(|_| StoreError::Closed)?;
            continue;
        }
        if now >= target {
            return Ok(now);
        }
        let next_due = app.store.read(|view| Ok::<_, AppError>(view.next_due_of(&TIMERS, now)?))?;
        app.clock.move_to(next_due.unwrap_or(target).min(target));
    }
}
