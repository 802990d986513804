//! `pdf_reader`: the text of a PDF file, page by page.

use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::{Method, header::HeaderMap};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Call, Failure, OUTPUT_BYTES, Outcome, Tool, cut, schema};
use crate::{
    documents::{self, PageWindow, Pages, read_pages},
    model::ToolSpec,
    outbound::{Limits, OutboundClient, Outgoing},
};

pub struct PdfReader {
    pub outbound: OutboundClient,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    source: String,
    first_page: Option<usize>,
}

impl Tool for PdfReader {
    fn specification(&self) -> ToolSpec {
        ToolSpec {
            name: "pdf_reader",
            description: "Reads the text of a PDF file, page by page. Of a long one it returns a part; read on with \
                          `first_page`. A scanned page has no text.",
            input_schema: schema(
                json!({
                    "source": { "type": "string", "description": "A path in the sandbox, or a public address." },
                    "first_page": { "type": "integer", "minimum": 1, "description": "1 by default." },
                }),
                &["source"],
            ),
        }
    }

    fn call<'a>(&'a self, call: &'a Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            let Input { source, first_page } = call.input()?;
            let content = if source.starts_with("https://") || source.starts_with("http://") {
                self.fetch(call, &source).await?
            } else {
                call.read_file(&source).await?
            };
            let window = PageWindow { first: first_page.unwrap_or(1), bytes: OUTPUT_BYTES / 2 };
            let pages = read_pages(content, window).await;
            pages.map(describe).map_err(|error| Failure::told(format!("`{source}`: {error}")))
        })
    }

    fn is_repeatable(&self, _: &Map<String, Value>) -> bool {
        true
    }
}

impl PdfReader {
    async fn fetch(&self, call: &Call<'_>, url: &str) -> Result<Vec<u8>, Failure> {
        let request =
            Outgoing { method: Method::GET, url: url.to_owned(), headers: HeaderMap::new(), body: Vec::new() };
        let limits = Limits { time: Duration::from_secs(60), body_bytes: documents::MAX_BYTES, redirects: 5 };
        let answer = call.send(&self.outbound, request, limits).await?;
        if answer.status != 200 {
            return Err(Failure::told(format!("`{url}` answered with the status {}", answer.status)));
        }
        if answer.truncated {
            return Err(Failure::told(format!("`{url}` is larger than {} bytes", documents::MAX_BYTES)));
        }
        Ok(answer.body)
    }
}

fn describe(pages: Pages) -> String {
    let Pages { count, first, texts } = pages;
    let next = first + texts.len();
    let mut shown = String::new();
    for (index, text) in texts.iter().enumerate() {
        let text = if text.is_empty() { "[no text on this page]" } else { text };
        shown.push_str(&format!("--- page {} of {count} ---\n{text}\n", first + index));
    }
    let mut shown = cut(shown, "the rest of this page is left out");
    if next <= count {
        shown.push_str(&format!("[more: read on with the first page {next}]"));
    }
    shown
}
