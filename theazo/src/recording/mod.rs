//! Recording what a client and a control plane say to each other, and playing it back: the same program then runs without
//! the control plane, with the same answers, streams included.
//!
//! A recording is a file with one line of JSON for each request. It holds no key and no secret that was sent: what is
//! secret is left out before it is written.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use theazo::{Config, recording::{Matching, Recorder, Replayer}};
//! # let directory = tempfile::tempdir()?;
//! # let file = directory.path().join("sessions.jsonl");
//!
//! # #[cfg(feature = "embedded")] {
//! let plane = theazo::testing::TestPlane::start().await?;
//! let recorder = Recorder::to_file(&file)?;
//! let theazo = theazo::Theazo::over(plane.plane().transport_with(Config::new().record(&recorder))?);
//! let session = theazo.sessions().for_user("ada").await?;
//!
//! let replayer = Replayer::from_file(&file, Matching::Strict)?;
//! let replayed = Config::with_api_key("th_test_any").replay(&replayer).build().await?;
//! assert_eq!(replayed.sessions().for_user("ada").await?.id(), session.id());
//! assert!(replayed.sessions().for_user("bob").await.is_err(), "that was not recorded");
//! assert_eq!(replayer.unused(), 0);
//! # }
//! # Ok(()) }
//! ```

mod line;
mod recorder;
mod replayer;

pub use recorder::Recorder;
pub use replayer::{Matching, Replayer};

use crate::transport::{Connection, Failure, Incoming, Outgoing, Redactor};

/// What stands between a transport and its connection.
#[derive(Debug, Clone)]
pub(crate) enum Tape {
    /// Notes what goes by.
    Record(Recorder),
    /// Answers in the place of the connection.
    Replay(Replayer),
}

/// What is known of a request beside its bytes.
pub(crate) struct Label {
    /// The id of the operation.
    pub operation: &'static str,
    /// What is left out of the request.
    pub sent: Redactor,
    /// Whether the answer tells secrets that nobody knew before.
    pub tells_secrets: bool,
}

impl Tape {
    /// Sends a request, or finds its answer.
    pub async fn send(&self, connection: &Connection, label: Label, outgoing: Outgoing) -> Result<Incoming, Failure> {
        match self {
            Self::Record(recorder) => recorder.send(connection, label, outgoing).await,
            Self::Replay(replayer) => replayer.answer(&label, &outgoing),
        }
    }
}
