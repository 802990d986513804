//! Anthropic's Messages protocol.

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

/// Asks a model over the Messages protocol.
pub struct AnthropicModel {
    endpoint: Endpoint,
    provider: String,
}

impl AnthropicModel {
    /// A model of the provider at `base_url`.
    pub fn new(way: Way, provider: &str, base_url: &str, key: Option<Secret>) -> Self {
        let mut headers = vec![("anthropic-version", "2023-06-01".to_owned())];
        headers.extend(key.as_ref().map(|key| ("x-api-key", key.expose().to_owned())));
        let endpoint = Endpoint::new(way, base_url, "/v1/messages", headers, key);
        Self { endpoint, provider: provider.to_owned() }
    }
}

impl Model for AnthropicModel {
    fn provider(&self) -> &str {
        &self.provider
    }

    fn complete(&self, request: ModelRequest) -> BoxStream<'static, Result<ModelChunk, ModelError>> {
        let endpoint = self.endpoint.clone();
        async_stream::stream! {
            let body = request::body(&request);
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

    /// All that goes in may be put into the cache, which costs more than reading it afresh.
    fn bound(&self, request: &ModelRequest) -> TokenCount {
        let input = most_request_tokens(request);
        TokenCount { cache_write: input, ..TokenCount::plain(input, request.max_output_tokens) }
    }

    fn charges_for_lost_calls(&self) -> bool {
        true
    }
}

fn classify(complaint: &Complaint) -> ModelErrorKind {
    let usual = complaint.usual_kind();
    let is_too_long = complaint.message.contains("prompt is too long") || complaint.message.contains("context window");
    if usual == ModelErrorKind::Rejected && is_too_long {
        return ModelErrorKind::ContextTooLong;
    }
    if usual == ModelErrorKind::Rejected && complaint.message.contains("credit balance") {
        return ModelErrorKind::OutOfCredit;
    }
    usual
}
