//! How a call of a model fails.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::TokenCount;

/// A model failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ModelError {
    /// In which way.
    pub kind: ModelErrorKind,
    /// What the provider said.
    pub message: String,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
    /// What the provider counted, or must have counted, before it failed.
    pub tokens: TokenCount,
}

/// The ways in which a call of a model fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelErrorKind {
    /// The provider has too much to do.
    Overloaded,
    /// The key was used too often.
    RateLimited,
    /// The provider failed inside.
    Unavailable,
    /// The connection could not be made, or ended before the answer did.
    ConnectionCut,
    /// The answer is not what the protocol allows.
    Unreadable,
    /// The conversation is longer than the model can read.
    ContextTooLong,
    /// The model had to stop in the middle of a tool call, because the answer was as long as it may be.
    AnswerTooLong,
    /// The provider does not know the key, or the key may not do this.
    InvalidKey,
    /// The account at the provider is used up.
    OutOfCredit,
    /// The provider does not have the model.
    UnknownModel,
    /// The provider or the model refuses what it was asked.
    ContentRefused,
    /// The provider takes no such request.
    #[default]
    Rejected,
}

impl ModelErrorKind {
    /// Whether the same call can succeed later.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Overloaded | Self::RateLimited | Self::Unavailable | Self::ConnectionCut | Self::Unreadable
        )
    }

    /// The name of the kind, as errors and events give it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::ConnectionCut => "connection_cut",
            Self::Unreadable => "unreadable",
            Self::ContextTooLong => "context_too_long",
            Self::AnswerTooLong => "answer_too_long",
            Self::InvalidKey => "invalid_key",
            Self::OutOfCredit => "out_of_credit",
            Self::UnknownModel => "unknown_model",
            Self::ContentRefused => "content_refused",
            Self::Rejected => "rejected",
        }
    }
}

impl ModelError {
    /// A failure before anything was counted.
    pub fn new(kind: ModelErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None, tokens: TokenCount::default() }
    }

    /// The same failure, after so many tokens.
    #[must_use]
    pub fn after(self, tokens: TokenCount) -> Self {
        Self { tokens, ..self }
    }
}
