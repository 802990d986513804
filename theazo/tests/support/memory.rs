//! A server that is no server: it answers in memory, so that tests can stop the clock.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture, stream};
use theazo::{
    Config, Transport,
    transport::{Body, HttpClient, HttpError},
};

/// What becomes of one request.
#[derive(Clone)]
pub enum Fate {
    /// It is answered.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// It provably never arrives.
    NotSent,
    /// It may have arrived, and no answer comes.
    Lost,
    /// Neither an answer nor an error ever comes.
    Silence,
    /// The head of an answer comes, and its body piece by piece.
    Pieces(u16, Vec<(&'static str, String)>, Vec<Piece>),
    /// It is answered after this time.
    Late(Duration, Box<Fate>),
}

/// What comes next of a body; after the last piece it has ended.
#[derive(Clone)]
pub enum Piece {
    /// These bytes.
    Bytes(Bytes),
    /// These bytes, again and again without an end, and each time at once.
    Endless(Bytes),
    /// Nothing for this time.
    Pause(Duration),
    /// An error: the connection is lost.
    Break,
    /// Nothing any more, and no end either.
    Hang,
}

impl From<&str> for Piece {
    fn from(text: &str) -> Self {
        Self::Bytes(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl Fate {
    /// An event stream of the run `arun_1`.
    pub fn events(pieces: impl IntoIterator<Item = Piece>) -> Self {
        let headers = [("content-type", "text/event-stream"), ("x-theazo-run-id", "arun_1")];
        let headers = headers.map(|(name, value)| (name, value.to_owned())).to_vec();
        Self::Pieces(200, headers, pieces.into_iter().collect())
    }

    /// The head of an answer comes, and its body never does.
    pub fn endless_body() -> Self {
        Self::Pieces(200, Vec::new(), vec![Piece::Hang])
    }

    /// The work goes on, and the same request is to be sent again.
    pub fn goes_on(body: &str) -> Self {
        Self::Answer(202, vec![("x-theazo-continue", "true".to_owned())], body.to_owned())
    }

    pub fn json(status: u16, body: &str) -> Self {
        Self::Answer(status, vec![("content-type", "application/json".to_owned())], body.to_owned())
    }

    pub fn fails(status: u16, headers: &[(&'static str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self::Answer(status, headers, String::new())
    }
}

/// What decides about each request.
type Decide = Box<dyn FnMut(&http::Request<Bytes>) -> Fate + Send>;

/// Answers in memory.
#[derive(Clone)]
pub struct Memory {
    decide: Arc<Mutex<Decide>>,
    requests: Arc<Mutex<Vec<http::Request<Bytes>>>>,
    /// Requests and bodies that are not over.
    open: Arc<AtomicUsize>,
}

/// Counts something that is not over until it is dropped.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn of(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Ordering::SeqCst);
        Self(counter.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Memory {
    /// These fates in order; the last one stays.
    pub fn new(fates: impl IntoIterator<Item = Fate>) -> Self {
        let mut fates: VecDeque<Fate> = fates.into_iter().collect();
        Self::deciding(move |_| if fates.len() > 1 { fates.pop_front().unwrap() } else { fates[0].clone() })
    }

    /// Whatever this says of each request.
    pub fn deciding(decide: impl FnMut(&http::Request<Bytes>) -> Fate + Send + 'static) -> Self {
        Self { decide: Arc::new(Mutex::new(Box::new(decide))), requests: Arc::default(), open: Arc::default() }
    }

    /// Meets all further requests so.
    pub fn answer_with(&self, fate: Fate) {
        *self.decide.lock().unwrap() = Box::new(move |_| fate.clone());
    }

    pub fn config(&self) -> Config {
        Config::with_api_key("th_live_secret").base_url("http://memory.invalid").http_client(self.clone())
    }

    pub fn transport(&self) -> Transport {
        Transport::new(self.config()).unwrap()
    }

    pub fn requests(&self) -> Vec<http::Request<Bytes>> {
        self.requests.lock().unwrap().clone()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.requests.lock().unwrap().clear();
    }

    /// How many requests and bodies are not over.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

impl HttpClient for Memory {
    fn send(&self, request: http::Request<Bytes>) -> BoxFuture<'static, Result<http::Response<Body>, HttpError>> {
        let fate = (self.decide.lock().unwrap())(&request);
        self.requests.lock().unwrap().push(request);
        let open = Open::of(&self.open);
        meet(fate, open).boxed()
    }
}

async fn meet(mut fate: Fate, open: Open) -> Result<http::Response<Body>, HttpError> {
    while let Fate::Late(pause, then) = fate {
        tokio::time::sleep(pause).await;
        fate = *then;
    }
    match fate {
        Fate::Answer(status, headers, body) => {
            // In two pieces, so that there is something to wait for between them.
            let (first, second) = body.split_at(body.len() / 2);
            let pieces = [Piece::Pause(Duration::ZERO), first.into(), Piece::Pause(Duration::ZERO), second.into()];
            Ok(answer(status, headers, pieces.to_vec(), open))
        }
        Fate::Pieces(status, headers, pieces) => Ok(answer(status, headers, pieces, open)),
        Fate::NotSent => Err(HttpError::not_sent("refused")),
        Fate::Lost => Err(HttpError::maybe_received("reset")),
        Fate::Silence => std::future::pending().await,
        Fate::Late(..) => unreachable!("the loop above meets every late fate"),
    }
}

fn answer(status: u16, headers: Vec<(&'static str, String)>, pieces: Vec<Piece>, open: Open) -> http::Response<Body> {
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let pieces = VecDeque::from(pieces);
    let body = stream::unfold((pieces, open), |(mut pieces, open)| async move {
        loop {
            let come = match pieces.pop_front()? {
                Piece::Bytes(bytes) => Ok(bytes),
                Piece::Endless(bytes) => {
                    pieces.push_front(Piece::Endless(bytes.clone()));
                    Ok(bytes)
                }
                Piece::Break => Err(HttpError::maybe_received("reset")),
                Piece::Hang => std::future::pending().await,
                Piece::Pause(Duration::ZERO) => {
                    tokio::task::yield_now().await;
                    continue;
                }
                Piece::Pause(pause) => {
                    tokio::time::sleep(pause).await;
                    continue;
                }
            };
            return Some((come, (pieces, open)));
        }
    });
    response.body(Body::from_stream(body)).unwrap()
}
