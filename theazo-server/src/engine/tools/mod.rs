//! The built-in tools of the model loop. Each is a file of its own: what the model is told of it, what it takes, what it
//! does. Those that need something set up are in the toolbox only where it is.

mod call;
mod files;
mod http_request;
mod pdf_reader;
mod read_spreadsheet;
mod run_code;
mod run_command;
mod screenshot;
mod send_email;
mod web_search;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value, json};

pub(super) use call::{Call, Failure};

use super::Browser;
use crate::{
    model::{InputSchema, ToolSpec},
    outbound::{AddressRules, Guard, OutboundClient},
    service_config::ToolsConfig,
};

/// How much a tool returns to the model at most.
const OUTPUT_BYTES: usize = 64 * 1024;

/// What a tool came to: a text for the model.
pub(super) type Outcome = Result<String, Failure>;

/// A tool that a model may call.
pub(super) trait Tool: Send + Sync {
    /// What the model is told of it.
    fn specification(&self) -> ToolSpec;

    /// Does what the model asked for. Dropping the future stops it.
    fn call<'a>(&'a self, call: &'a Call<'a>) -> BoxFuture<'a, Outcome>;

    /// Whether a call that was cut off may be done again: doing it twice is the same as doing it once.
    fn is_repeatable(&self, input: &Map<String, Value>) -> bool {
        let _ = input;
        false
    }
}

/// The tools of a plane.
pub struct Toolbox {
    /// Each with what models are told of it.
    tools: Vec<(Arc<ToolSpec>, Box<dyn Tool>)>,
}

impl Toolbox {
    /// The tools that can be had. What models name is called by `outbound`, or by `browser` where `guard` lets it.
    pub fn new(outbound: &OutboundClient, browser: Option<(Browser, Guard)>, config: ToolsConfig) -> Self {
        let mut tools: Vec<Box<dyn Tool>> = vec![
            Box::new(run_code::RunCode),
            Box::new(run_command::RunCommand),
            Box::new(files::WriteFile),
            Box::new(files::ReadFile),
            Box::new(files::ListFiles),
            Box::new(http_request::HttpRequest { outbound: outbound.clone() }),
            Box::new(read_spreadsheet::ReadSpreadsheet),
            Box::new(pdf_reader::PdfReader { outbound: outbound.clone() }),
        ];
        if let Some((browser, guard)) = browser {
            tools.push(Box::new(screenshot::Screenshot::new(browser, guard)));
        }
        if let Some(config) = config.search {
            let trusted = OutboundClient::new(Guard::new(AddressRules { allow_private: true }));
            tools.push(Box::new(web_search::WebSearch { trusted, config }));
        }
        if let Some(config) = config.mail {
            tools.push(Box::new(send_email::SendEmail { config }));
        }
        Self { tools: tools.into_iter().map(|tool| (Arc::new(tool.specification()), tool)).collect() }
    }

    /// What a model is told of the tools that it may call.
    pub(super) fn specifications(&self, allowed: Option<&[String]>) -> Vec<Arc<ToolSpec>> {
        let all = self.tools.iter().map(|(specification, _)| specification);
        all.filter(|tool| allowed.is_none_or(|names| names.iter().any(|name| name == tool.name))).cloned().collect()
    }

    /// Finds a tool that an agent may call.
    pub(super) fn find(&self, name: &str, allowed: Option<&[String]>) -> Option<&dyn Tool> {
        let is_allowed = allowed.is_none_or(|names| names.iter().any(|allowed| allowed == name));
        let (_, tool) = self.tools.iter().find(|(specification, _)| is_allowed && specification.name == name)?;
        Some(tool.as_ref())
    }
}

/// The JSON Schema of an input with these members.
fn schema(properties: Value, required: &[&str]) -> InputSchema {
    let schema =
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    InputSchema::new(schema)
}

/// A text up to the limit of what a model is given, saying what was left out and how to get it.
fn cut(mut text: String, more: &str) -> String {
    if text.len() > OUTPUT_BYTES {
        let (whole, end) = (text.len(), text.floor_char_boundary(OUTPUT_BYTES));
        text.truncate(end);
        text.push_str(&format!("\n[cut: the first {end} of {whole} bytes are shown; {more}]"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_says_how_much_there_was() {
        assert_eq!(cut("short".to_owned(), "read on"), "short");
        let text = cut("ä".repeat(40_000), "read on");
        assert!(text.ends_with("ä\n[cut: the first 65536 of 80000 bytes are shown; read on]"), "{}", &text[65_500..]);
        let odd = cut(format!("x{}", "ä".repeat(40_000)), "read on");
        assert!(odd.ends_with("ä\n[cut: the first 65535 of 80001 bytes are shown; read on]"), "{}", &odd[65_500..]);
    }
}
