//! One call of a model: reserve, ask, stream, settle.

use futures_util::StreamExt;
use theazo_api::{ErrorCode, ReservationId, testing::ChargeKind, usage::TokenUsage};

use super::{
    Engine,
    journal::{Journal, has_new_input},
    limits::Stopped,
};
use crate::{
    app::{find_agent, find_run, find_session},
    error::{AppError, AppResult},
    event::{Event, RequestedCall, ReservedAmount},
    model::{Message, ModelChunk, ModelError, ModelRequest, Price, estimate_tokens, price_of},
    records::{AgentRecord, RunRecord},
    spending::{NewCharge, RUN_LIMIT, is_charged, record_charge, reserve_step},
    store::{Amounts, Tenant, Tx},
};

/// How many tokens a model may write in one call.
const MAX_OUTPUT_TOKENS: i64 = 1024;

/// How many pieces of an answer are stored together at most, where a model is faster than the store.
const PIECES_TOGETHER: usize = 64;

/// Whether a run goes on after a step.
pub(super) enum Step {
    /// It goes on.
    Done,
    /// It was paused or ended, and that is stored.
    Stopped,
}

/// Whether a model may be asked.
enum Reserved {
    /// What it may cost at most is held.
    Held(ReservationId),
    /// Something was said to the run that the request does not hold yet.
    ReadAgain,
    /// The run was paused or ended, or belongs to another worker.
    Stopped,
}

/// What a model answered.
struct Answer {
    text: String,
    tool_calls: Vec<RequestedCall>,
    tokens: TokenUsage,
}

impl Engine {
    pub(super) async fn ask_model(
        &self,
        tenant: &Tenant,
        run: &RunRecord,
        agent: &AgentRecord,
        history: &[Message],
        journal: &Journal,
    ) -> AppResult<Step> {
        let step = journal.step;
        let price = price_of(&agent.data.model).ok_or_else(|| {
            let message = format!("the model `{}` has no price", agent.data.model);
            AppError::new(ErrorCode::ProviderError, message)
        })?;
        let request = ModelRequest {
            call_id: format!("{}-{step}", run.data.id),
            agent: agent.data.name.clone(),
            model: agent.data.model.clone(),
            instructions: agent.instructions.clone(),
            messages: history.iter().cloned().chain(journal.conversation()).collect(),
            tools: self.toolbox.specifications(agent.tools.as_deref()),
            max_output_tokens: MAX_OUTPUT_TOKENS,
        };
        let model = self.model(tenant).clone();
        tracing::debug!(call = request.call_id, model = request.model, "asking a model");
        let most = price.of(model.bound(&request));
        let reservation = match self.reserve(tenant, run, agent, journal, most).await? {
            Reserved::Held(reservation) => reservation,
            Reserved::ReadAgain => return Ok(Step::Done),
            Reserved::Stopped => return Ok(Step::Stopped),
        };
        let prompt_tokens = crate::model::estimate_request_tokens(&request);
        let answered = self.stream_answer(tenant, run, step, &journal.shown, model.complete(request)).await?;
        let (owner, now) = (tenant.clone(), self.app.clock.now());
        let provider = model.provider();
        match answered {
            Ok(answer) => {
                let written = self.write_held(tenant, run, move |tx, run| {
                    let charge = (&reservation, answer.tokens, price);
                    settle(tx, &owner, &run, step, charge, provider, now)?;
                    let Answer { text, tool_calls, tokens } = answer;
                    let event = Event::ModelResponded { step, text, tool_calls, tokens };
                    Ok(tx.append(&owner, now, &run.scope(), &event)?)
                });
                Ok(if written.await?.is_some() { Step::Done } else { Step::Stopped })
            }
            Err((error, shown)) => {
                let message = error.message.clone();
                // What was written before the failure was paid for by whoever runs the model.
                let tokens = if shown.is_empty() {
                    TokenUsage::default()
                } else {
                    TokenUsage { input: prompt_tokens, output: estimate_tokens(&shown) }
                };
                let written = self.write_held(tenant, run, move |tx, run| {
                    settle(tx, &owner, &run, step, (&reservation, tokens, price), provider, now)?;
                    Ok(tx.append(&owner, now, &run.scope(), &Event::ModelFailed { step, message })?)
                });
                written.await?;
                Err(AppError::new(ErrorCode::ProviderError, format!("the model failed: {}", error.message)))
            }
        }
    }

    /// Reserves what a call may cost at most. Where a limit forbids it, the run stands still.
    async fn reserve(
        &self,
        tenant: &Tenant,
        run: &RunRecord,
        agent: &AgentRecord,
        journal: &Journal,
        most: i64,
    ) -> AppResult<Reserved> {
        let (clock, owner) = (self.app.clock.clone(), tenant.clone());
        let (agent_id, model) = (agent.data.id.clone(), agent.data.model.clone());
        let (step, read_up_to) = (journal.step, journal.read_up_to());
        let reserved = self
            .write_held(tenant, run, move |tx, run| {
                let now = clock.now();
                if run.data.status != theazo_api::RunStatus::Running {
                    return Ok(Ok(Reserved::Stopped));
                }
                if has_new_input(tx, &owner, &run.data.id, read_up_to)? {
                    return Ok(Ok(Reserved::ReadAgain));
                }
                let session = find_session(tx, &owner, &run.data.session_id)?;
                match reserve_step(tx, &owner, &session, &run, most, now)? {
                    Ok(reservation) => {
                        let event = Event::ModelRequested { step, model, reservation: reservation.clone() };
                        tx.append(&owner, now, &run.scope(), &event)?;
                        Ok(Ok(Reserved::Held(reservation)))
                    }
                    // The run's own cap ends it, and it is the worker that has it that says so.
                    Err(shortfall) if shortfall.limit == RUN_LIMIT => Err(AppError::limit_exceeded(&shortfall)),
                    Err(shortfall) => {
                        let agent = find_agent(tx, &owner, &agent_id)?;
                        Ok(Err(Stopped::at(tx, &owner, &agent, &shortfall, now)?))
                    }
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

    /// Stores an answer piece by piece as it comes. `shown` is what a stream has shown of it before a restart: where
    /// the repeated answer begins the same, that part is not shown again.
    async fn stream_answer(
        &self,
        tenant: &Tenant,
        run: &RunRecord,
        step: u32,
        shown: &str,
        answer: futures_util::stream::BoxStream<'static, Result<ModelChunk, ModelError>>,
    ) -> AppResult<Result<Answer, (ModelError, String)>> {
        let mut text = String::new();
        let mut skip = shown;
        let mut tool_calls = Vec::new();
        let mut tokens = TokenUsage::default();
        let mut batches = answer.ready_chunks(PIECES_TOGETHER);
        while let Some(batch) = batches.next().await {
            let mut fresh = Vec::new();
            for chunk in batch {
                match chunk {
                    Ok(ModelChunk::Text(piece)) => {
                        text.push_str(&piece);
                        match skip.strip_prefix(piece.as_str()) {
                            Some(rest) => skip = rest,
                            None => {
                                skip = "";
                                fresh.push(piece);
                            }
                        }
                    }
                    Ok(ModelChunk::ToolCall { tool, input }) => tool_calls.push(RequestedCall { tool, input }),
                    Ok(ModelChunk::Finished(counted)) => tokens = counted,
                    Err(error) => return Ok(Err((error, text))),
                }
            }
            if !fresh.is_empty() {
                let (owner, now) = (tenant.clone(), self.app.clock.now());
                let written = self.write_held(tenant, run, move |tx, run| {
                    for text in fresh {
                        tx.append(&owner, now, &run.scope(), &Event::ModelText { step, text })?;
                    }
                    Ok(())
                });
                written.await?;
            }
        }
        Ok(Ok(Answer { text, tool_calls, tokens }))
    }

    /// Settles a model call whose answer will never come, because the process that made it died or its run was ended.
    pub(super) async fn settle_lost_call(
        &self,
        tenant: &Tenant,
        run: &RunRecord,
        agent: &AgentRecord,
    ) -> AppResult<()> {
        let journal = self.app.store.read(|view| Ok::<_, AppError>(Journal::of(view, tenant, &run.data.id)?))?;
        let Some(reservation) = journal.in_flight else { return Ok(()) };
        let model = self.model(tenant);
        let price = price_of(&agent.data.model);
        let written = TokenUsage { input: 0, output: estimate_tokens(&journal.shown) };
        let charged = if model.charges_for_lost_calls() { written } else { TokenUsage::default() };
        let (tenant, run_id, now, provider, step) =
            (tenant.clone(), run.data.id.clone(), self.app.clock.now(), model.provider(), journal.step);
        self.app
            .store
            .write(move |tx| {
                let run = find_run(tx, &tenant, &run_id)?;
                match price {
                    Some(price) => settle(tx, &tenant, &run, step, (&reservation, charged, price), provider, now),
                    None => Ok(tx.settle(&reservation, Amounts::default()).map(drop)?),
                }
            })
            .await
    }
}

/// Settles a reservation and records the charge, once.
fn settle(
    tx: &Tx<'_>,
    tenant: &Tenant,
    run: &RunRecord,
    step: u32,
    (reservation, tokens, price): (&ReservationId, TokenUsage, Price),
    provider: &str,
    now: theazo_api::Timestamp,
) -> AppResult<()> {
    if !is_charged(tenant) {
        return Ok(());
    }
    let Some(settled) = tx.settle(reservation, Amounts::money(price.of(tokens)))? else { return Ok(()) };
    if settled.spent.money == 0 && tokens == TokenUsage::default() {
        return Ok(());
    }
    let agent = find_agent(tx, tenant, &run.data.agent_id)?;
    let scope = run.scope();
    let charge = NewCharge {
        id: format!("{reservation}-step{step}"),
        kind: ChargeKind::Model,
        micro_cents: settled.spent.money,
        scope: &scope,
        provider,
        model: &agent.data.model,
        tokens,
        milliseconds: 0,
        byte_hours: 0,
        reservation: Some(ReservedAmount { id: reservation.clone(), micro_cents: settled.reserved.money }),
    };
    Ok(record_charge(tx, tenant, now, charge)?)
}
