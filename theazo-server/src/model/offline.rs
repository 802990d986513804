//! The offline model: it needs no network and says so. It looks at the task with a program in the sandbox and reports
//! what the program printed, so that everything around a model is exercised for real.

use std::time::Duration;

use futures_util::stream::BoxStream;
use serde::Deserialize;
use serde_json::{Map, json};

use super::{
    Message, Model, ModelChunk, ModelError, ModelRequest, StopReason, TokenCount, ToolRequest, estimate_request_tokens,
    estimate_tokens,
};

/// The program by which the offline model looks at a task; `TASK` is put in as a JSON string.
const PROGRAM: &str = r#"import json, platform, re
from collections import Counter

task = json.loads(TASK)
words = re.findall(r"\w+", task)
long_words = Counter(word.lower() for word in words if len(word) > 3)
print(json.dumps({
    "words": len(words),
    "longest": max(words, key=len, default=""),
    "keywords": [word for word, _ in long_words.most_common(5)],
    "python": platform.python_version(),
}))
"#;

/// What the program prints.
#[derive(Deserialize)]
struct Report {
    words: u64,
    longest: String,
    keywords: Vec<String>,
    python: String,
}

/// What every last word begins with, so that nobody takes it for one of a language model.
const INTRODUCTION: &str = "This is the offline model: no language model was asked.";

/// Answers without a network.
#[derive(Debug, Clone, Copy, Default)]
pub struct OfflineModel {
    /// How long it waits before each word, as a real model takes its time.
    pub pace: Duration,
}

impl Model for OfflineModel {
    fn provider(&self) -> &str {
        "offline"
    }

    fn complete(&self, request: ModelRequest) -> BoxStream<'static, Result<ModelChunk, ModelError>> {
        let (text, tool_call) = answer(&request);
        let written = estimate_tokens(&text) + tool_call.as_ref().map_or(0, |_| estimate_tokens(PROGRAM));
        let tokens = TokenCount::plain(estimate_request_tokens(&request), written);
        let stop = if tool_call.is_some() { StopReason::ToolUse } else { StopReason::EndTurn };
        let pace = self.pace;
        Box::pin(async_stream::stream! {
            for word in text.split_inclusive(' ') {
                if !pace.is_zero() {
                    tokio::time::sleep(pace).await;
                }
                yield Ok(ModelChunk::Text(word.to_owned()));
            }
            if let Some(call) = tool_call {
                yield Ok(ModelChunk::ToolCall(call));
            }
            yield Ok(ModelChunk::Finished { tokens, stop });
        })
    }

    fn bound(&self, request: &ModelRequest) -> TokenCount {
        TokenCount::plain(estimate_request_tokens(request), request.max_output_tokens)
    }

    fn charges_for_lost_calls(&self) -> bool {
        false
    }
}

fn answer(request: &ModelRequest) -> (String, Option<ToolRequest>) {
    let task = request.messages.iter().rev().find_map(|message| match message {
        Message::User(task) => Some(task.as_str()),
        _ => None,
    });
    let task = task.unwrap_or_default();
    match request.messages.last() {
        Some(Message::ToolResult { output, .. }) => (report(task, output), None),
        _ if request.tools.iter().any(|tool| tool.name == "run_code") => {
            let quoted = json!(json!(task).to_string()).to_string();
            let code = PROGRAM.replacen("TASK", &quoted, 1);
            let input = Map::from_iter([("language".to_owned(), json!("python")), ("code".to_owned(), json!(code))]);
            // Every call of a conversation needs a name of its own.
            let id = format!("call_{}", request.messages.len());
            let call = ToolRequest { id, tool: "run_code".to_owned(), input };
            let plan = "My plan: first a program in the sandbox looks at the task, then I report what it printed. ";
            (plan.to_owned(), Some(call))
        }
        _ => (format!("{INTRODUCTION} It has no tool to look at the task \"{task}\" with."), None),
    }
}

fn report(task: &str, output: &str) -> String {
    let output = output.trim();
    let Ok(Report { words, longest, keywords, python }) = serde_json::from_str(output) else {
        return format!("{INTRODUCTION} For the task \"{task}\" a program ran in the sandbox and printed: {output}");
    };
    let about = if keywords.is_empty() { "nothing in particular".to_owned() } else { keywords.join(", ") };
    format!(
        "{INTRODUCTION} For the task \"{task}\" a program ran in the sandbox, with Python {python}: it counted {words} \
         words, found \"{longest}\" to be the longest, and says that the task is about {about}."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_program_printed_is_told_in_a_sentence_and_anything_else_as_it_is() {
        let printed =
            r#"{"words": 3, "longest": "competitor", "keywords": ["analyze", "pricing"], "python": "3.11.2"}"#;

        assert_eq!(
            report("analyze competitor pricing", printed),
            "This is the offline model: no language model was asked. For the task \"analyze competitor pricing\" a program \
             ran in the sandbox, with Python 3.11.2: it counted 3 words, found \"competitor\" to be the longest, and says \
             that the task is about analyze, pricing."
        );
        assert!(report("x", "error: no sandbox\n").ends_with("and printed: error: no sandbox"));
    }
}
