//! Tests against the real control plane, with fakes only at its edges: a scripted model, simulated sandboxes, a clock
//! that the test moves, and faults that the test injects.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), theazo::Error> {
//! use theazo::testing::{ScriptedTurn, TestPlane};
//!
//! let plane = TestPlane::start().await?;
//! plane.script("researcher", [ScriptedTurn::text("42")]).await?;
//!
//! let session = plane.client().sessions().for_user("user_1").await?;
//! let result = session.run("researcher", "what is the answer?").await?;
//!
//! assert_eq!(result.output, "42");
//! assert!(plane.charges().await?.iter().all(|charge| charge.user_id == "user_1"));
//! plane.shutdown().await;
//! # Ok(()) }
//! ```

pub use theazo_api::testing::{
    Charge, ChargeKind, ClockState, Conversation, ConversationMessage, ExecFailure, FaultKind, ModelFailureKind,
    RecordedRequest, SandboxAction, ScriptedExec, ScriptedToolCall, ScriptedTurn,
};

use crate::{
    embedded::{Plane, PlaneOptions},
    error::Error,
    surface::Theazo,
    transport::Transport,
};

/// A control plane for tests. Each test starts its own; they share nothing.
#[derive(Debug, Clone)]
pub struct TestPlane {
    pub(crate) transport: Transport,
    plane: Plane,
}

impl TestPlane {
    /// Starts a test plane, in memory.
    ///
    /// # Errors
    ///
    /// If it cannot start.
    pub async fn start() -> Result<Self, Error> {
        let plane = Plane::start(PlaneOptions { test: true, ..PlaneOptions::default() }).await?;
        Ok(Self { transport: plane.transport(), plane })
    }

    /// A client of the plane with a live key, so that a test can look at charges.
    pub fn client(&self) -> Theazo {
        Theazo::over(self.transport.clone())
    }

    /// Lets a function answer for the model of an agent, `*` for every agent, whenever no scripted turn fits. Its error is
    /// the message with which the model fails; a turn with an `error` says how.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), theazo::Error> {
    /// use theazo::testing::{ConversationMessage, ScriptedTurn, TestPlane};
    ///
    /// let plane = TestPlane::start().await?;
    /// plane.script_with("parrot", |conversation| async move {
    ///     match conversation.messages.last() {
    ///         Some(ConversationMessage::User { text }) => Ok(ScriptedTurn::text(format!("you said: {text}"))),
    ///         _ => Err("there is nothing to repeat".to_owned()),
    ///     }
    /// })?;
    ///
    /// let session = plane.client().sessions().for_user("user_1").await?;
    /// assert_eq!(session.run("parrot", "hello").await?.output, "you said: hello");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// If the plane is stopped.
    pub fn script_with<F, A>(&self, agent: impl AsRef<str>, function: F) -> Result<(), Error>
    where
        F: Fn(Conversation) -> A + Send + Sync + 'static,
        A: Future<Output = Result<ScriptedTurn, String>> + Send + 'static,
    {
        self.plane.script_with(agent, function)
    }

    /// The plane itself.
    pub fn plane(&self) -> &Plane {
        &self.plane
    }

    /// Stops the plane; dropping everything that came from it does the same without waiting.
    pub async fn shutdown(&self) {
        self.plane.shutdown().await;
    }
}
