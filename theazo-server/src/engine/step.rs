//! One call of a model: reserve, ask, stream, settle.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use theazo_api::{ErrorCode, ReservationId, RunStatus, Timestamp, testing::ChargeKind};

use super::{
    Engine,
    answer::{Answer, append_pieces},
    guardrails::allows_calls,
    journal::{CallInFlight, Journal, has_new_input},
    limits::Stopped,
    places::without_place,
    redaction::redacted,
    retry::next_attempt,
};
use crate::{
    app::{find_agent, find_run, find_session},
    error::{AppError, AppResult},
    event::{Event, ReservedAmount},
    model::{
        ChosenModel, Message, ModelError, ModelRequest, Price, TokenCount, estimate_request_tokens, estimate_tokens,
    },
    records::{AgentRecord, RunRecord},
    spending::{NewCharge, RUN_LIMIT, is_charged, record_charge, reserve_step},
    store::{Amounts, Tenant, Tx},
};

/// An answer for which a budget has less room than for this many tokens is not asked for.
const SHORTEST_ANSWER: i64 = 1024;

/// Whether a run goes on after a step.
pub(super) enum Step {
    /// It goes on.
    Done,
    /// It was paused or ended, and that is stored.
    Stopped,
}

/// Whether a model may be asked.
enum Reserved {
    /// What it may cost at most is held, and this is how long its answer may be for that.
    Held { reservation: ReservationId, output: i64 },
    /// Something was said to the run that the request does not hold yet.
    ReadAgain,
    /// The run was paused or ended, or belongs to another worker.
    Stopped,
}

impl Engine {
    /// Asks the model once. If it failed in a way that passes, the next step asks it again.
    pub(super) async fn ask_model(
        &self,
        tenant: &Tenant,
        run: &RunRecord,
        agent: &AgentRecord,
        history: &[Message],
        journal: &Journal,
    ) -> AppResult<Step> {
        if let Some(time) = journal.ask_again_at {
            without_place(self.app.clock.reached(time)).await;
        }
        let step = journal.step;
        let chosen = self.app.model_of(tenant, agent)?;
        let guardrails = self.guardrails(tenant, agent)?;
        // A model that may call no more tools is not offered any, so that it answers with what it has.
        let may_call = allows_calls(&guardrails, journal.tool_calls.len());
        let tools = if may_call { self.toolbox.specifications(agent.tools.as_deref()) } else { Vec::new() };
        let most_output = guardrails.max_output_tokens.map_or(chosen.max_output, |most| most.min(chosen.max_output));
        let mut request = ModelRequest {
            call_id: format!("{}-{step}", run.data.id),
            agent: agent.data.name.clone(),
            model: chosen.upstream.clone(),
            instructions: agent.instructions.clone(),
            messages: history.iter().cloned().chain(journal.conversation()).collect(),
            tools,
            max_output_tokens: agent.max_output_tokens.unwrap_or(chosen.answer).min(most_output),
            temperature: agent.temperature,
        };
        let reservation = match self.reserve(tenant, run, agent, journal, &chosen, &request).await? {
            Reserved::Held { reservation, output } => {
                request.max_output_tokens = request.max_output_tokens.min(output);
                reservation
            }
            Reserved::ReadAgain => return Ok(Step::Done),
            Reserved::Stopped => return Ok(Step::Stopped),
        };
        tracing::debug!(call = request.call_id, model = request.model, "asking a model");
        let found = Arc::new(AtomicUsize::new(0));
        let mut answer = chosen.model.complete(request);
        if guardrails.block_pii == Some(true) {
            answer = redacted(answer, found.clone());
        }
        let answered = without_place(self.stream_answer(tenant, run, step, &journal.shown, answer)).await?;
        self.report_redactions(tenant, run, found.load(Ordering::Relaxed)).await?;
        let call = Call { run, agent, journal, reservation, chosen: &chosen };
        match answered {
            Ok(answer) => self.keep_answer(tenant, call, answer).await,
            Err(error) => self.keep_failure(tenant, call, error).await,
        }
    }

    async fn keep_answer(&self, tenant: &Tenant, call: Call<'_>, answer: Answer) -> AppResult<Step> {
        let (owner, now, step) = (tenant.clone(), self.app.clock.now(), call.journal.step);
        let Call { run, agent, reservation, chosen, .. } = call;
        let called = Called::of(agent, chosen);
        let answer = Arc::new(answer);
        let written = self.write_held_at_last(tenant, run, move |tx, run| {
            let Answer { text, tool_calls, reasoning, tokens, stop, last_pieces } = &*answer;
            append_pieces(tx, &owner, &run, step, last_pieces, now)?;
            settle(tx, &owner, &run, step, (&reservation, *tokens), &called, now)?;
            let event = Event::ModelResponded {
                step,
                text: text.clone(),
                tool_calls: tool_calls.clone(),
                tokens: tokens.usage(),
                cached_tokens: tokens.cache_read,
                reasoning_tokens: tokens.reasoning,
                reasoning: reasoning.clone(),
                stop: *stop,
            };
            Ok(tx.append(&owner, now, &run.scope(), &event)?)
        });
        Ok(if written.await?.is_some() { Step::Done } else { Step::Stopped })
    }

    /// Stores that a model failed, and when it is asked again. Fails if it is not.
    async fn keep_failure(&self, tenant: &Tenant, call: Call<'_>, error: ModelError) -> AppResult<Step> {
        let (owner, now) = (tenant.clone(), self.app.clock.now());
        let Call { run, agent, journal, reservation, chosen } = call;
        let (step, failures) = (journal.step, journal.failures + 1);
        let retry_at = next_attempt(&error, failures, now);
        let called = Called::of(agent, chosen);
        let failed = failure(&error, failures, &called);
        let written = self.write_held_at_last(tenant, run, move |tx, run| {
            settle(tx, &owner, &run, step, (&reservation, error.tokens), &called, now)?;
            let ModelError { kind, message, .. } = error.clone();
            let event = Event::ModelFailed { step, message, reason: kind, retry_at };
            Ok(tx.append(&owner, now, &run.scope(), &event)?)
        });
        match (written.await?, retry_at) {
            (Some(_), Some(_)) => Ok(Step::Done),
            (Some(_), None) => Err(failed),
            (None, _) => Ok(Step::Stopped),
        }
    }

    /// Reserves what a call may cost at most; where a budget has room for a shorter answer alone, for that. Where a limit
    /// forbids it, the run stands still.
    async fn reserve(
        &self,
        tenant: &Tenant,
        run: &RunRecord,
        agent: &AgentRecord,
        journal: &Journal,
        chosen: &ChosenModel,
        request: &ModelRequest,
    ) -> AppResult<Reserved> {
        let (clock, owner) = (self.app.clock.clone(), tenant.clone());
        let (agent_id, model) = (agent.data.id.clone(), agent.data.model.clone());
        let (step, attempt, read_up_to) = (journal.step, journal.failures, journal.read_up_to());
        let (price, prompt_tokens) = (chosen.price, estimate_request_tokens(request));
        let mut bound = chosen.model.bound(request);
        let can_be_shorter = bound.output == request.max_output_tokens;
        let reserved = self
            .write_held(tenant, run, move |tx, run| {
                let now = clock.now();
                if run.data.status != RunStatus::Running {
                    return Ok(Ok(Reserved::Stopped));
                }
                if has_new_input(tx, &owner, &run.data.id, read_up_to)? {
                    return Ok(Ok(Reserved::ReadAgain));
                }
                let session = find_session(tx, &owner, &run.data.session_id)?;
                loop {
                    let shortfall = match reserve_step(tx, &owner, &session, &run, price.of(bound), now)? {
                        Ok(id) => {
                            let reservation = id.clone();
                            let event = Event::ModelRequested { step, model, reservation, attempt, prompt_tokens };
                            tx.append(&owner, now, &run.scope(), &event)?;
                            return Ok(Ok(Reserved::Held { reservation: id, output: bound.output }));
                        }
                        Err(shortfall) => shortfall,
                    };
                    let room = shortfall.value.saturating_sub(shortfall.spent).saturating_sub(shortfall.reserved);
                    let shorter = price.output_within(bound, room);
                    if can_be_shorter && (SHORTEST_ANSWER..bound.output).contains(&shorter) {
                        bound.output = shorter;
                        continue;
                    }
                    // The run's own cap ends it, and it is the worker that has it that says so.
                    if shortfall.limit == RUN_LIMIT {
                        return Err(AppError::limit_exceeded(&shortfall));
                    }
                    let agent = find_agent(tx, &owner, &agent_id)?;
                    return Ok(Err(Stopped::at(tx, &owner, &agent, &shortfall, now)?));
                }
            })
            .await?;
        match reserved {
            Some(Ok(reserved)) => Ok(reserved),
            None => Ok(Reserved::Stopped),
            Some(Err(stopped)) => {
                self.freeze(tenant, stopped).await;
                Ok(Reserved::Stopped)
            }
        }
    }

    /// Settles a model call whose answer will never come, because the process that made it died or its run was ended.
    pub(super) async fn settle_lost_call(
        &self,
        tenant: &Tenant,
        run: &RunRecord,
        agent: &AgentRecord,
    ) -> AppResult<()> {
        let journal = self.app.store.read(|view| Ok::<_, AppError>(Journal::of(view, tenant, &run.data.id)?))?;
        let Some(CallInFlight { reservation, prompt_tokens }) = journal.in_flight else { return Ok(()) };
        // A model that cannot be asked any more has no price that could be taken.
        let chosen = self.app.model_of(tenant, agent).ok().filter(|chosen| chosen.model.charges_for_lost_calls());
        let called = chosen.map(|chosen| Called::of(agent, &chosen));
        let written = TokenCount::plain(prompt_tokens, estimate_tokens(&journal.shown));
        let (tenant, run_id, now, step) = (tenant.clone(), run.data.id.clone(), self.app.clock.now(), journal.step);
        let settled = self.app.store.write(move |tx| {
            let run = find_run(tx, &tenant, &run_id)?;
            match called {
                Some(called) => settle(tx, &tenant, &run, step, (&reservation, written), &called, now),
                None => Ok(tx.settle(&reservation, Amounts::default()).map(drop)?),
            }
        });
        settled.await
    }
}

/// A call of a model that has come to its end.
struct Call<'a> {
    run: &'a RunRecord,
    agent: &'a AgentRecord,
    journal: &'a Journal,
    reservation: ReservationId,
    chosen: &'a ChosenModel,
}

/// What was called, as its charge names it, and what it costs.
#[derive(Clone)]
struct Called {
    provider: String,
    model: String,
    price: Price,
}

impl Called {
    fn of(agent: &AgentRecord, chosen: &ChosenModel) -> Self {
        let (provider, model) = (chosen.model.provider().to_owned(), agent.data.model.clone());
        Self { provider, model, price: chosen.price }
    }
}

/// The error of a run whose model failed for good.
fn failure(error: &ModelError, attempts: u32, called: &Called) -> AppError {
    let failed = AppError::new(ErrorCode::ProviderError, format!("the model failed: {}", error.message))
        .with("reason", error.kind.as_str())
        .with("provider", called.provider.as_str())
        .with("model", called.model.as_str())
        .with("attempts", attempts);
    match error.retry_after {
        Some(pause) => failed.with("retryAfter", pause.as_secs_f64().ceil()),
        None => failed,
    }
}

/// Settles a reservation and records the charge, once.
fn settle(
    tx: &Tx<'_>,
    tenant: &Tenant,
    run: &RunRecord,
    step: u32,
    (reservation, tokens): (&ReservationId, TokenCount),
    called: &Called,
    now: Timestamp,
) -> AppResult<()> {
    if !is_charged(tenant) {
        return Ok(());
    }
    let Some(settled) = tx.settle(reservation, Amounts::money(called.price.of(tokens)))? else { return Ok(()) };
    if settled.spent.money == 0 && tokens == TokenCount::default() {
        return Ok(());
    }
    let scope = run.scope();
    let charge = NewCharge {
        id: format!("{reservation}-step{step}"),
        kind: ChargeKind::Model,
        micro_cents: settled.spent.money,
        scope: &scope,
        provider: &called.provider,
        model: &called.model,
        tokens: tokens.usage(),
        milliseconds: 0,
        byte_hours: 0,
        reservation: Some(ReservedAmount { id: reservation.clone(), micro_cents: settled.reserved.money }),
    };
    Ok(record_charge(tx, tenant, now, charge)?)
}
