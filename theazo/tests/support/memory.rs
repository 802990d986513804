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
    /// The head of an answer comes, and its body never ends.
    EndlessBody,
    /// It is answered after this time.
    Late(Duration, Box<Fate>),
}

impl Fate {
    pub fn json(status: u16, body: &str) -> Self {
        Self::Answer(status, vec![("content-type", "application/json".to_owned())], body.to_owned())
    }

    pub fn fails(status: u16, headers: &[(&'static str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self::Answer(status, headers, String::new())
    }
}

/// Answers in memory; the last fate stays.
#[derive(Clone)]
pub struct Memory {
    fates: Arc<Mutex<VecDeque<Fate>>>,
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
    pub fn new(fates: impl IntoIterator<Item = Fate>) -> Self {
        Self {
            fates: Arc::new(Mutex::new(fates.into_iter().collect())),
            requests: Arc::default(),
            open: Arc::default(),
        }
    }

    /// Meets all further requests so.
    pub fn answer_with(&self, fate: Fate) {
        *self.fates.lock().unwrap() = VecDeque::from([fate]);
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
        self.requests.lock().unwrap().push(request);
        let fate = {
            let mut fates = self.fates.lock().unwrap();
            if fates.len() > 1 { fates.pop_front().unwrap() } else { fates[0].clone() }
        };
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
            let mut response = http::Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(name, value);
            }
            // In two pieces, so that there is something to wait for between them.
            let mut second = Bytes::from(body);
            let pieces = [second.split_to(second.len() / 2), second];
            let body = stream::unfold((pieces.into_iter(), open), |(mut pieces, open)| async move {
                tokio::task::yield_now().await;
                Some((Ok::<_, HttpError>(pieces.next()?), (pieces, open)))
            });
            Ok(response.body(Body::from_stream(body)).unwrap())
        }
        Fate::NotSent => Err(HttpError::not_sent("refused")),
        Fate::Lost => Err(HttpError::maybe_received("reset")),
        Fate::Silence => std::future::pending().await,
        Fate::EndlessBody => {
            let body = stream::unfold(open, |_open| std::future::pending::<Option<(Result<Bytes, HttpError>, Open)>>());
            Ok(http::Response::new(Body::from_stream(body)))
        }
        Fate::Late(..) => unreachable!("the loop above meets every late fate"),
    }
}
