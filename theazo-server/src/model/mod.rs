//! Models: one interface to streaming completion with tools.
//!
//! `request` is what is asked and `chunk` what is answered; `registry` says which models there are, who plays them and
//! what they cost (`table`). The adapters are `offline` and `scripted`, which need no network, and `anthropic` and `openai`, which speak the
//! two protocols of the field (`wire` is what they share).

mod anthropic;
mod chunk;
#[cfg(test)]
mod conformance;
mod error;
#[cfg(test)]
mod fake_provider;
mod offline;
mod openai;
mod price;
mod providers;
mod registry;
mod request;
mod retry_advice;
mod scripted;
mod table;
mod tokens;
mod wire;

use futures_util::stream::BoxStream;

pub use anthropic::AnthropicModel;
pub use chunk::{ModelChunk, StopReason, ToolRequest};
pub use error::{ModelError, ModelErrorKind};
pub use offline::OfflineModel;
pub use openai::OpenAiModel;
pub use price::{Price, margin_on};
pub use providers::{ModelKeys, ProviderAccess};
pub use registry::{ChosenModel, ModelChoiceError, Models};
pub use request::{InputSchema, Message, ModelRequest, ToolSpec};
pub use scripted::{ModelFunction, ScriptedModel};
pub use table::{ModelEntry, Table, TableError};
pub use tokens::{TokenCount, estimate_request_tokens, estimate_tokens};

/// A model that can be asked.
pub trait Model: Send + Sync {
    /// The name of its provider.
    fn provider(&self) -> &str;

    /// Asks it. Dropping the stream ends the call. An answer that is whole ends with [`ModelChunk::Finished`].
    fn complete(&self, request: ModelRequest) -> BoxStream<'static, Result<ModelChunk, ModelError>>;

    /// The most tokens that a request can be charged for: never fewer than the provider will count.
    fn bound(&self, request: &ModelRequest) -> TokenCount;

    /// Whether the provider charges for a call whose answer was lost because this process died.
    fn charges_for_lost_calls(&self) -> bool;
}
