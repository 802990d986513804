//! OpenAI's chat completions protocol, which most gateways speak.

mod request;
mod stream;
#[cfg(test)]
mod tests;

use futures_util::{StreamExt, stream::BoxStream};
use theazo_api::Secret;

use super::{
    Model, ModelChunk, ModelError, ModelErrorKind, ModelRequest, TokenCount,
    tokens::most_request_tokens,
    wire::{Complaint, Endpoint, Way},
};

/// Asks a model over the chat completions protocol.
pub struct OpenAiModel {
    endpoint: Endpoint,
    provider: String,
    /// Gateways may not know the newer names of fields.
    is_gateway: bool,
}

impl OpenAiModel {
    /// The address of OpenAI itself.
    pub const BASE_URL: &'static str = "https://api.openai.com/v1";

    /// A model of the provider or gateway at `base_url`.
    pub fn new(way: Way, provider: &str, base_url: &str, key: Option<Secret>) -> Self {
        let headers = key.as_ref().map(|key| ("authorization", format!("Bearer {}", key.expose())));
        let endpoint = Endpoint::new(way, base_url, "/chat/completions", headers, key);
        Self { endpoint, provider: provider.to_owned(), is_gateway: base_url != Self::BASE_URL }
    }
}

impl Model for OpenAiModel {
    fn provider(&self) -> &str {
        &self.provider
    }

    fn complete(&self, request: ModelRequest) -> BoxStream<'static, Result<ModelChunk, ModelError>> {
        let (endpoint, is_gateway) = (self.endpoint.clone(), self.is_gateway);
        async_stream::stream! {
            let body = request::body(&request, is_gateway);
            let events = match endpoint.open(&request.call_id, &body, classify).await {
                Ok(events) => events,
                Err(error) => return yield Err(error),
            };
            let mut chunks = std::pin::pin!(stream::chunks(events, endpoint, &request));
            while let Some(chunk) = chunks.next().await {
                yield chunk;
            }
        }
        .boxed()
    }

    fn bound(&self, request: &ModelRequest) -> TokenCount {
        TokenCount::plain(most_request_tokens(request), request.max_output_tokens)
    }

    fn charges_for_lost_calls(&self) -> bool {
        true
    }
}

fn classify(complaint: &Complaint) -> ModelErrorKind {
    match complaint.code.as_str() {
        "context_length_exceeded" => ModelErrorKind::ContextTooLong,
        "insufficient_quota" => ModelErrorKind::OutOfCredit,
        "invalid_api_key" => ModelErrorKind::InvalidKey,
        "model_not_found" => ModelErrorKind::UnknownModel,
        "content_filter" | "content_policy_violation" => ModelErrorKind::ContentRefused,
        "rate_limit_exceeded" => ModelErrorKind::RateLimited,
        "server_error" => ModelErrorKind::Unavailable,
        _ => {
            let usual = complaint.usual_kind();
            // Gateways say in words what has no code with them.
            let is_too_long = complaint.message.contains("maximum context length");
            if usual == ModelErrorKind::Rejected && is_too_long { ModelErrorKind::ContextTooLong } else { usual }
        }
    }
}
