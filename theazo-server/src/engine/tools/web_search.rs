//! `web_search`: the search service that the plane is set up with.

use futures_util::future::BoxFuture;
use reqwest::{
    Method, Url,
    header::{ACCEPT, HeaderMap, HeaderValue},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Call, Failure, Outcome, Tool, cut, schema};
use crate::{
    engine::places::without_place,
    model::ToolSpec,
    outbound::{DomainRules, Limits, OutboundClient, Outgoing},
    service_config::SearchConfig,
};

/// How many results a model may ask for.
const MAX_RESULTS: usize = 20;

/// How many it gets where it does not say.
const DEFAULT_RESULTS: usize = 5;

/// The header in which Brave Search takes its key.
const BRAVE_KEY: &str = "x-subscription-token";

pub struct WebSearch {
    /// The service is set up by the plane's owner, so it may be on this machine.
    pub trusted: OutboundClient,
    pub config: SearchConfig,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    query: String,
    limit: Option<usize>,
}

/// A result, by the names that Brave Search and SearXNG have for its parts.
#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    title: String,
    url: String,
    #[serde(default, alias = "content")]
    description: Option<String>,
}

impl Tool for WebSearch {
    fn specification(&self) -> ToolSpec {
        ToolSpec {
            name: "web_search",
            description: "Searches the web and returns titles, addresses and descriptions of what it finds.",
            input_schema: schema(
                json!({
                    "query": { "type": "string" },
                    "limit": { "type": "integer", "minimum": 1, "maximum": MAX_RESULTS, "description": "5 by default." },
                }),
                &["query"],
            ),
        }
    }

    fn call<'a>(&'a self, call: &'a Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            let Input { query, limit } = call.input()?;
            if query.trim().is_empty() {
                return Err(Failure::told("the input `query` is empty"));
            }
            let limit = limit.unwrap_or(DEFAULT_RESULTS).clamp(1, MAX_RESULTS);
            let request = self.request(query.trim(), limit).map_err(Failure::Told)?;
            let anywhere = DomainRules::default();
            let sent = self.trusted.send(request, &anywhere, Limits::default());
            let answer = without_place(sent).await;
            let answer = answer.map_err(|error| Failure::told(format!("the search service failed: {error}")))?;
            if answer.status != 200 {
                return Err(Failure::told(format!("the search service answered with the status {}", answer.status)));
            }
            let found =
                read(&answer.body).ok_or_else(|| Failure::told("the search service gave no results to read"))?;
            Ok(cut(describe(&found, limit), "ask for fewer results"))
        })
    }

    fn is_repeatable(&self, _: &Map<String, Value>) -> bool {
        true
    }
}

impl WebSearch {
    fn request(&self, query: &str, limit: usize) -> Result<Outgoing, String> {
        let wrong = |_| "the search service is not set up right".to_owned();
        let mut url = Url::parse(&self.config.url).map_err(|error| wrong(error.to_string()))?;
        let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        url.query_pairs_mut().append_pair("q", query);
        match &self.config.key {
            Some(key) => {
                url.query_pairs_mut().append_pair("count", &limit.to_string());
                let mut value = HeaderValue::from_str(key.expose()).map_err(|error| wrong(error.to_string()))?;
                value.set_sensitive(true);
                headers.insert(BRAVE_KEY, value);
            }
            None => {
                url.query_pairs_mut().append_pair("format", "json");
            }
        }
        Ok(Outgoing { method: Method::GET, url: url.into(), headers, body: Vec::new() })
    }
}

fn read(body: &[u8]) -> Option<Vec<Found>> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let results = answer.pointer("/web/results").or_else(|| answer.get("results"));
    match results {
        Some(results) => serde_json::from_value(results.clone()).ok(),
        // Brave Search leaves the part out where it found nothing.
        None => answer.get("type").map(|_| Vec::new()),
    }
}

fn describe(found: &[Found], limit: usize) -> String {
    if found.is_empty() {
        return "nothing was found".to_owned();
    }
    let lines = found.iter().take(limit).enumerate().map(|(index, found)| {
        format!("{}. {}\n{}\n{}", index + 1, found.title, found.url, found.description.as_deref().unwrap_or_default())
    });
    lines.collect::<Vec<_>>().join("\n\n")
}
