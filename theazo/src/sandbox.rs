//! The bridge: what a program in a sandbox tells the control plane of itself.
//!
//! A program that runs through `agent.exec` finds the bridge in its environment. Outside of a sandbox the same program
//! runs on and the bridge does nothing.
//!
//! ```no_run
//! # async fn fetch() -> Result<u32, std::io::Error> { Ok(7) }
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use theazo::sandbox::Sandbox;
//!
//! let sandbox = Sandbox::from_env();
//! sandbox.info("begun");
//! let pages = sandbox.span("fetch", fetch()).await?;
//! sandbox.progress(50.0, "fetched");
//! sandbox.complete(format!("{pages} pages"), ["/workspace/report.md"]);
//! sandbox.flush().await?;
//! # Ok(()) }
//! ```
//!
//! Reports are sent in their order by a thread of their own, each again if it fails for a passing reason. What cannot be
//! sent is counted and never stops the program.

use std::{
    fmt,
    future::Future,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use serde_json::{Map, Value};
use theazo_api::{
    AddSpanFromSandbox, AgentId, BridgeCompletion, BridgeLog, BridgeModelCall, BridgeProgress, BridgeSpan,
    BridgeSpanStatus, CompleteFromSandbox, Endpoint, LogFromSandbox, LogLevel, ReportProgressFromSandbox, SessionId,
    SpanId, Timestamp, TraceId, TrackModelFromSandbox,
};
use tokio::sync::{mpsc, oneshot};

use crate::{
    config::Config,
    error::Error,
    transport::{Call, Transport},
};

/// How many reports wait to be sent at most; more are counted as lost, so that a program cannot fill its memory.
const QUEUE: usize = 10_000;

/// How long the last handle waits for what is not sent yet when it is dropped.
const FAREWELL: Duration = Duration::from_secs(5);

tokio::task_local! {
    /// The span that the present task is in.
    static PRESENT: SpanId;
}

/// The bridge to the control plane. Clones are the same bridge; when the last one is dropped, it waits up to five seconds
/// until everything is sent.
///
/// ```no_run
/// # async fn example() -> Result<(), theazo::Error> {
/// use theazo::{sandbox::{ModelCall, Sandbox}, types::LogLevel};
///
/// // What `from_env` does with the three variables of a sandbox.
/// let sandbox = Sandbox::connect("http://127.0.0.1:7701/bridge", "agt_51d0e7a9c2f4", "ses_9f27c4e1b0a3")?;
/// sandbox.debug("the page has 3 links");
/// sandbox.warn("the page has no title");
/// let page = serde_json::Map::from_iter([("page".to_owned(), 7.into())]);
/// sandbox.log(LogLevel::Info, "fetched", page);
/// sandbox.track_model(ModelCall {
///     model: "anthropic/claude-sonnet".to_owned(),
///     input_tokens: 1840,
///     output_tokens: 212,
///     cost: None,
/// });
/// sandbox.flush().await?;
/// if sandbox.is_connected() && sandbox.lost() > 0 {
///     eprintln!("{} reports did not arrive", sandbox.lost());
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Sandbox {
    /// `None` outside of a sandbox.
    bridge: Option<Arc<Bridge>>,
}

/// A call of a model that the program made itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelCall {
    /// The model, for example `anthropic/claude-sonnet`.
    pub model: String,
    /// Tokens that went in.
    pub input_tokens: i64,
    /// Tokens that came out.
    pub output_tokens: i64,
    /// What it cost, if the program knows; priced by the control plane otherwise.
    pub cost: Option<theazo_api::Cost>,
}

impl Sandbox {
    /// The bridge of the sandbox that this program runs in: `THEAZO_ENDPOINT`, `THEAZO_AGENT_ID` and `THEAZO_SESSION_ID`.
    ///
    /// Where one of them is missing the bridge does nothing, and says so once on standard error.
    pub fn from_env() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let names = ["THEAZO_ENDPOINT", "THEAZO_AGENT_ID", "THEAZO_SESSION_ID"];
        let connected = match names.map(variable) {
            [Some(endpoint), Some(agent_id), Some(session_id)] => {
                Self::connect(endpoint, agent_id, session_id).map_err(|error| error.to_string())
            }
            _ => Err(format!("not all of {} are set", names.join(", "))),
        };
        connected.unwrap_or_else(|problem| {
            warn_once(&format!("this program is in no sandbox, so it reports nothing: {problem}"));
            Self { bridge: None }
        })
    }

    /// The bridge at an address, for an agent and its session.
    ///
    /// # Errors
    ///
    /// If the address is none, or the thread that sends cannot be started.
    pub fn connect(
        endpoint: impl Into<String>,
        agent_id: impl Into<AgentId>,
        session_id: impl Into<SessionId>,
    ) -> Result<Self, Error> {
        let transport = Transport::keyless(Config::new().base_url(endpoint))?;
        let bridge = Bridge::start(transport, agent_id.into(), session_id.into())?;
        Ok(Self { bridge: Some(Arc::new(bridge)) })
    }

    /// Whether there is a control plane at the other end.
    pub fn is_connected(&self) -> bool {
        self.bridge.is_some()
    }

    /// How many reports could not be sent.
    pub fn lost(&self) -> u64 {
        self.bridge.as_ref().map_or(0, |bridge| bridge.lost.load(Ordering::Relaxed))
    }

    /// Writes a log entry of level `debug`.
    pub fn debug(&self, message: impl Into<String>) {
        self.log(LogLevel::Debug, message, Map::new());
    }

    /// Writes a log entry of level `info`.
    pub fn info(&self, message: impl Into<String>) {
        self.log(LogLevel::Info, message, Map::new());
    }

    /// Writes a log entry of level `warn`.
    pub fn warn(&self, message: impl Into<String>) {
        self.log(LogLevel::Warn, message, Map::new());
    }

    /// Writes a log entry of level `error`.
    pub fn error(&self, message: impl Into<String>) {
        self.log(LogLevel::Error, message, Map::new());
    }

    /// Writes a log entry with what belongs to it.
    pub fn log(&self, level: LogLevel, message: impl Into<String>, metadata: Map<String, Value>) {
        let Some(bridge) = &self.bridge else { return };
        let (agent_id, session_id) = bridge.ids();
        bridge.report::<LogFromSandbox>(&BridgeLog {
            agent_id,
            session_id,
            level,
            message: message.into(),
            metadata: (!metadata.is_empty()).then_some(metadata),
            timestamp: Some(now()),
            trace_id: Some(bridge.trace_id.clone()),
            span_id: present_span(),
        });
    }

    /// Reports a call of a model that the program made itself, so that it counts in what the agent used.
    pub fn track_model(&self, call: ModelCall) {
        let Some(bridge) = &self.bridge else { return };
        let (agent_id, session_id) = bridge.ids();
        bridge.report::<TrackModelFromSandbox>(&BridgeModelCall {
            agent_id,
            session_id,
            model: call.model,
            input_tokens: call.input_tokens,
            output_tokens: call.output_tokens,
            cost: call.cost,
            timestamp: Some(now()),
            trace_id: Some(bridge.trace_id.clone()),
            span_id: None,
            parent_span_id: present_span(),
        });
    }

    /// Does some work as a span of the agent's trace, and gives what the work gives. Spans and log entries within it belong
    /// to it. A span whose work is dropped before its end is reported as failed.
    pub async fn span<T, E: fmt::Display>(
        &self,
        name: impl Into<String>,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let Some(bridge) = &self.bridge else { return work.await };
        let mut span = OpenSpan::begin(bridge, name.into());
        let outcome = PRESENT.scope(span.id.clone(), work).await;
        span.end(outcome.as_ref().err().map(ToString::to_string));
        outcome
    }

    /// Reports how far the program is, 0 to 100; what is beyond is taken for the nearer end.
    pub fn progress(&self, percentage: f64, message: impl Into<String>) {
        let Some(bridge) = &self.bridge else { return };
        let (agent_id, session_id) = bridge.ids();
        let percentage = if percentage.is_nan() { 0.0 } else { percentage.clamp(0.0, 100.0) };
        bridge.report::<ReportProgressFromSandbox>(&BridgeProgress {
            agent_id,
            session_id,
            percentage,
            message: message.into(),
            timestamp: Some(now()),
        });
    }

    /// Reports what the program came to, with the paths of the files that it made.
    pub fn complete(&self, output: impl Into<String>, artifacts: impl IntoIterator<Item = impl Into<String>>) {
        let Some(bridge) = &self.bridge else { return };
        let (agent_id, session_id) = bridge.ids();
        bridge.report::<CompleteFromSandbox>(&BridgeCompletion {
            agent_id,
            session_id,
            output: output.into(),
            artifacts: artifacts.into_iter().map(Into::into).collect(),
            timestamp: Some(now()),
        });
    }

    /// Waits until every report so far was sent.
    ///
    /// # Errors
    ///
    /// If any could not be sent since the last flush; the error is that of the last one.
    pub async fn flush(&self) -> Result<(), Error> {
        let Some(bridge) = &self.bridge else { return Ok(()) };
        let (sender, receiver) = oneshot::channel();
        let asked = bridge.sender.as_ref().is_some_and(|queue| queue.send(Item::Flush(sender)).is_ok());
        let stopped = || Error::configuration("the thread that sends the reports has stopped");
        if !asked {
            return Err(stopped());
        }
        receiver.await.map_err(|_| stopped())?
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("is_connected", &self.is_connected()).field("lost", &self.lost()).finish()
    }
}

/// What the sending thread takes, in order.
enum Item {
    Report(Call),
    Flush(oneshot::Sender<Result<(), Error>>),
}

/// The way to the control plane, with the thread that sends.
struct Bridge {
    agent_id: AgentId,
    session_id: SessionId,
    trace_id: TraceId,
    /// `None` once the bridge is being closed.
    sender: Option<mpsc::UnboundedSender<Item>>,
    waiting: Arc<AtomicU64>,
    lost: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Bridge {
    fn start(transport: Transport, agent_id: AgentId, session_id: SessionId) -> Result<Self, Error> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (waiting, lost) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        // A runtime of its own: the program may have none, or may block the one that it has.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let counts = (waiting.clone(), lost.clone());
        let thread = runtime.and_then(|runtime| {
            let send = move || runtime.block_on(send_all(&transport, receiver, &counts.0, &counts.1));
            std::thread::Builder::new().name("theazo-sandbox".to_owned()).spawn(send)
        });
        let thread =
            thread.map_err(|error| Error::configuration(format!("the thread that sends cannot start: {error}")))?;
        let trace_id = TraceId::from_suffix(random_digits());
        Ok(Self { agent_id, session_id, trace_id, sender: Some(sender), waiting, lost, thread: Some(thread) })
    }

    fn ids(&self) -> (AgentId, SessionId) {
        (self.agent_id.clone(), self.session_id.clone())
    }

    fn report<E: Endpoint>(&self, body: &E::Body) {
        let json = serde_json::to_vec(body);
        let is_room = self.waiting.load(Ordering::Relaxed) < QUEUE as u64;
        let queued = match (json, &self.sender) {
            (Ok(json), Some(sender)) if is_room => {
                self.waiting.fetch_add(1, Ordering::Relaxed);
                sender.send(Item::Report(Call::new(E::OPERATION).body(Bytes::from(json)))).is_ok()
            }
            _ => false,
        };
        if !queued {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // The thread ends when it has sent what is there and nobody can add to it.
        self.sender = None;
        let Some(thread) = self.thread.take() else { return };
        let until = Instant::now() + FAREWELL;
        while !thread.is_finished() && Instant::now() < until {
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}

async fn send_all(
    transport: &Transport,
    mut items: mpsc::UnboundedReceiver<Item>,
    waiting: &AtomicU64,
    lost: &AtomicU64,
) {
    let mut last_error = None;
    while let Some(item) = items.recv().await {
        match item {
            Item::Report(call) => {
                if let Err(error) = transport.call(call).await {
                    lost.fetch_add(1, Ordering::Relaxed);
                    warn_once(&format!("a report of this program could not be sent: {error}"));
                    last_error = Some(error);
                }
                waiting.fetch_sub(1, Ordering::Relaxed);
            }
            Item::Flush(done) => {
                // Whoever asked may have stopped waiting.
                let _ = done.send(last_error.take().map_or(Ok(()), Err));
            }
        }
    }
}

/// A span whose work is under way.
struct OpenSpan<'a> {
    bridge: &'a Bridge,
    id: SpanId,
    parent: Option<SpanId>,
    name: String,
    started_at: Timestamp,
    /// How long it takes is measured by the monotonic clock, which nobody sets back.
    started: Instant,
    is_open: bool,
}

impl<'a> OpenSpan<'a> {
    fn begin(bridge: &'a Bridge, name: String) -> Self {
        let id = SpanId::from_suffix(random_digits());
        let parent = present_span();
        Self { bridge, id, parent, name, started_at: now(), started: Instant::now(), is_open: true }
    }

    fn end(&mut self, error: Option<String>) {
        self.is_open = false;
        let took = self.started.elapsed();
        let (agent_id, session_id) = self.bridge.ids();
        self.bridge.report::<AddSpanFromSandbox>(&BridgeSpan {
            agent_id,
            session_id,
            name: std::mem::take(&mut self.name),
            start_time: self.started_at,
            end_time: self.started_at.plus(took),
            duration_ms: i64::try_from(took.as_millis()).unwrap_or(i64::MAX),
            status: if error.is_none() { BridgeSpanStatus::Completed } else { BridgeSpanStatus::Failed },
            error,
            attributes: None,
            trace_id: Some(self.bridge.trace_id.clone()),
            span_id: Some(self.id.clone()),
            parent_span_id: self.parent.clone(),
        });
    }
}

impl Drop for OpenSpan<'_> {
    fn drop(&mut self) {
        if self.is_open {
            self.end(Some("the work was dropped before its end".to_owned()));
        }
    }
}

fn present_span() -> Option<SpanId> {
    PRESENT.try_with(Clone::clone).ok()
}

fn now() -> Timestamp {
    Timestamp::EPOCH.plus(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn random_digits() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// Says something on standard error, the first time that there is something to say.
fn warn_once(message: &str) {
    static SAID: OnceLock<()> = OnceLock::new();
    tracing::warn!("{message}");
    SAID.get_or_init(|| eprintln!("theazo: {message}"));
}
