//! Messages of conversations: written, answered, streamed, found, and gathered in threads.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::{
    chat::{ChatPath, check_title},
    check::{Check, Problems},
    compatible::{accept, compatible, serve},
    endpoint::{Repeat, Reply, TimeClass, endpoints},
    error::ErrorDetail,
    id::{ConversationId, FileId, MessageId, SessionId, ThreadId},
    money::Cost,
    open_enum::open_enum,
    page::Page,
    sessions::{check_page_limit, check_user_id},
    tagged_union::tagged_union,
    time::Timestamp,
};

endpoints! {
    /// Writes a message to the agent and waits for its answer, which is returned.
    SendChatMessage: Post "/v1/chat/{conversationId}/messages" => "session.chat.send",
        path: ChatPath, body: ChatSendOpts, response: ChatMessage,
        with { positional: &["content"], time: TimeClass::Run, planned: true };

    /// Writes a message to the agent and streams its answer.
    ///
    /// A stream that breaks resumes after the last event that arrived; the message is not written again. Leaving the
    /// stream early ends the answer.
    StreamChatMessage: Post "/v1/chat/{conversationId}/messages/stream" => "session.chat.stream",
        path: ChatPath, body: ChatSendOpts, response: ChatStreamEvent,
        with {
            positional: &["content"], time: TimeClass::Stream, reply: Reply::Events, ends_with_caller: true,
            farewell: "CancelRun", planned: true,
        };

    /// Lists the messages of a conversation, without those of its threads.
    ListChatMessages: Get "/v1/chat/{conversationId}/messages" => "session.chat.messages",
        path: ChatPath, query: ChatMessageListOpts, response: Page<ChatMessage>,
        with { planned: true };

    /// Begins a thread below a message.
    CreateChatThread: Post "/v1/chat/{conversationId}/threads" => "session.chat.createThread",
        path: ChatPath, body: ChatThreadCreateOpts, response: ChatThread,
        with { positional: &["parentMessageId"], status: 201, planned: true };

    /// Lists the threads of a conversation, the newest first.
    ListChatThreads: Get "/v1/chat/{conversationId}/threads" => "session.chat.threads",
        path: ChatPath, query: ChatThreadListOpts, response: Page<ChatThread>,
        with { planned: true };

    /// Lists the messages of a thread.
    ListThreadMessages: Get "/v1/chat/{conversationId}/threads/{threadId}/messages" => "session.chat.threadMessages",
        path: ChatThreadPath, query: ChatMessageListOpts, response: Page<ChatMessage>,
        with { ours: true, planned: true };

    /// Writes a message to the agent in a thread and waits for its answer, which is returned.
    ///
    /// The agent has the thread in view, and of the conversation what was written up to the thread's parent.
    SendInThread: Post "/v1/chat/{conversationId}/threads/{threadId}/messages" => "session.chat.sendInThread",
        path: ChatThreadPath, body: ChatSendOpts, response: ChatMessage,
        with { positional: &["content"], time: TimeClass::Run, ours: true, planned: true };

    /// Finds messages that fit the words or their meaning, the best first.
    ///
    /// It looks in all conversations of the session's user; in an anonymous session, in those of the session alone.
    SearchChat: Post "/v1/chat/search" => "session.chat.search",
        body: ChatSearchOpts, response: Page<ChatSearchResult>,
        with {
            positional: &["query"], fills: &["userId", "sessionId"], repeat: Repeat::Idempotent, planned: true,
        };
}

/// The path of a thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatThreadPath {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The thread.
    pub thread_id: ThreadId,
}

/// A message to the agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatSendOpts {
    /// What to say, 1 MiB at most.
    pub content: String,
    /// The files to look at, which were uploaded before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachments: Option<Vec<FileId>>,
}

impl Check for ChatSendOpts {
    fn check(&self, problems: &mut Problems) {
        check_content(&self.content, problems);
        for file in self.attachments.iter().flatten() {
            problems.require(file.is_well_formed(), "attachments", "has text that is not the id of a file");
        }
    }
}

/// Checks what is said.
pub(crate) fn check_content(content: &str, problems: &mut Problems) {
    problems.require(!content.trim().is_empty(), "content", "must say something");
    problems.require(content.len() <= 1 << 20, "content", "is larger than 1 MiB");
}

open_enum! {
    /// Who says a message.
    ChatMessageRole {
        /// The end user.
        User = "user",
        /// The agent, or a person who took over from it.
        Assistant = "assistant",
        /// Nobody: the model is told something.
        System = "system",
        /// A tool.
        Tool = "tool",
    }
}

/// A call of a tool behind a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ChatToolCall {
    /// The id of the call; absent where the model gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// The name of the tool.
    pub tool: String,
    /// What it was given.
    pub input: Map<String, Value>,
    /// What it returned; absent if it did not return.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

compatible!(ChatToolCall, accepts { "name" as "tool" }, serves { "tool" as "name" });

/// A message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatMessage {
    /// The id.
    pub id: MessageId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The thread; absent if it is in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thread_id: Option<ThreadId>,
    /// Who says it.
    pub role: ChatMessageRole,
    /// What is said; null where a message is only calls of tools.
    #[serde(default)]
    pub content: Option<String>,
    /// The tools that the model called for it, in order.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub tool_calls: Vec<ChatToolCall>,
    /// The files that came with it.
    #[serde(default)]
    pub attachments: Vec<FileId>,
    /// What it cost; nothing for a message of the user.
    pub cost: Cost,
    /// How many tokens it has; null where nobody counted.
    #[serde(default)]
    pub token_count: Option<i64>,
    /// When it was written.
    pub created_at: Timestamp,
}

fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ChatToolCall>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

tagged_union! {
    /// Something that happens while the agent answers.
    ///
    /// `done` ends the stream of an answer that is complete; `error` ends that of one which is not.
    ChatStreamEvent by "type", serves other_names, accepts own_names {
        /// The model wrote a piece of the answer.
        Text = "text" {
            /// The piece.
            text: String,
        },
        /// The model called a tool.
        ToolCall = "tool_call" {
            /// The id of the call; null where the model gave none.
            #[serde(default)]
            tool_call_id: Option<String>,
            /// The name of the tool.
            tool: String,
            /// What it is given.
            input: Map<String, Value>,
        },
        /// A tool returned.
        ToolResult = "tool_result" {
            /// The id of the call; null where the model gave none.
            #[serde(default)]
            tool_call_id: Option<String>,
            /// The name of the tool.
            tool: String,
            /// What it returned.
            output: String,
        },
        /// The answer is complete.
        Done = "done" {
            /// The message that it became.
            message_id: MessageId,
            /// What it cost.
            cost: Cost,
            /// How many tokens it has.
            token_count: i64,
        },
        /// There is no complete answer.
        Error = "error" {
            /// Why.
            error: ErrorDetail,
        },
    }
}

/// The published client reads the tool's `name`, the documentation's first revision a `delta`.
fn other_names(members: &mut Map<String, Value>) {
    match members.get("type").and_then(Value::as_str) {
        Some("text") => serve(members, "text", "delta"),
        Some("tool_call" | "tool_result") => serve(members, "tool", "name"),
        _ => {}
    }
}

fn own_names(members: &mut Map<String, Value>) {
    match members.get("type").and_then(Value::as_str) {
        Some("text") => accept(members, "delta", "text"),
        Some("tool_call" | "tool_result") => accept(members, "name", "tool"),
        _ => {}
    }
}

impl ChatStreamEvent {
    /// Whether nothing follows.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Error { .. })
    }
}

open_enum! {
    /// In which order messages are listed.
    ChatMessageOrder {
        /// The oldest first.
        Asc = "asc",
        /// The newest first.
        Desc = "desc",
    }
}

/// Checks the order of a list of messages.
pub(crate) fn check_order(order: Option<&ChatMessageOrder>, problems: &mut Problems) {
    if let Some(ChatMessageOrder::Other(_)) = order {
        problems.add("order", "must be `asc` or `desc`");
    }
}

/// Which messages to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatMessageListOpts {
    /// In which order; `asc`, the oldest first, by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<ChatMessageOrder>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for ChatMessageListOpts {
    fn check(&self, problems: &mut Problems) {
        check_order(self.order.as_ref(), problems);
        check_page_limit(self.limit, problems);
    }
}

/// What a new thread is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatThreadCreateOpts {
    /// The message below which it begins.
    pub parent_message_id: MessageId,
    /// The title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

impl Check for ChatThreadCreateOpts {
    fn check(&self, problems: &mut Problems) {
        problems.require(
            self.parent_message_id.is_well_formed(),
            "parentMessageId",
            "must be the id of a message, `msg_...`",
        );
        if let Some(title) = &self.title {
            check_title(title, problems);
        }
    }
}

/// A thread below a message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatThread {
    /// The id.
    pub id: ThreadId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The message below which it begins.
    pub parent_message_id: MessageId,
    /// The title.
    #[serde(default)]
    pub title: Option<String>,
    /// How many messages it has.
    pub message_count: i64,
    /// When it began.
    pub created_at: Timestamp,
}

/// Which threads to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatThreadListOpts {
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for ChatThreadListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// Which messages to find, and in which conversations.
///
/// Without `userId` and `sessionId`, as the published client asks, all conversations of the account are searched.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatSearchOpts {
    /// What to look for.
    pub query: String,
    /// The end user in whose conversations to look; empty in an anonymous session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The session that asks; its conversations alone are searched where `userId` is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Only messages of this conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<ConversationId>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for ChatSearchOpts {
    fn check(&self, problems: &mut Problems) {
        problems.require(
            !self.query.trim().is_empty() && self.query.len() <= 8192,
            "query",
            "must be 1 to 8192 bytes of text",
        );
        match self.user_id.as_deref() {
            // Empty must not mean everybody.
            Some("") => problems.require(
                self.session_id.is_some(),
                "userId",
                "must not be empty; an anonymous session has `sessionId` instead",
            ),
            Some(user_id) => check_user_id(user_id, problems),
            None => {}
        }
        check_page_limit(self.limit, problems);
    }
}

/// A message that fits a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatSearchResult {
    /// The conversation.
    pub conversation_id: ConversationId,
    /// The message.
    pub message_id: MessageId,
    /// What it says.
    pub content: String,
    /// How well it fits, 0 to 1.
    pub score: f64,
    /// When it was written.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::compatible::for_published_clients;

    fn problems(of: &impl Check) -> Vec<String> {
        Problems::of(of).into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn a_tool_has_the_names_of_every_version() {
        let published = json!({ "name": "web_search", "input": { "q": "tides" } });

        let call: ChatToolCall = serde_json::from_value(published).unwrap();
        let served = for_published_clients(|| serde_json::to_value(&call).unwrap());

        assert_eq!(call.tool, "web_search");
        assert_eq!(served, json!({ "tool": "web_search", "name": "web_search", "input": { "q": "tides" } }));
    }

    #[test]
    fn events_have_the_names_of_every_version() {
        let read = |json: Value| serde_json::from_value::<ChatStreamEvent>(json).unwrap();
        let served = |event: &ChatStreamEvent| for_published_clients(|| serde_json::to_value(event).unwrap());

        let text = read(json!({ "type": "text", "delta": "Hel" }));
        let call = read(json!({ "type": "tool_call", "name": "web_search", "input": {} }));
        let result = read(json!({ "type": "tool_result", "name": "web_search", "output": "3" }));

        assert_eq!(text, read(json!({ "type": "text", "text": "Hel" })));
        assert_eq!(served(&text), json!({ "type": "text", "text": "Hel", "delta": "Hel" }));
        assert_eq!(call, read(json!({ "type": "tool_call", "toolCallId": null, "tool": "web_search", "input": {} })));
        assert_eq!((&served(&call)["name"], &served(&call)["tool"]), (&json!("web_search"), &json!("web_search")));
        assert_eq!(served(&result)["name"], "web_search");
        assert_eq!(serde_json::to_value(&result).unwrap().get("name"), None);
    }

    #[test]
    fn null_calls_of_a_published_message_are_none() {
        let message: ChatMessage = serde_json::from_value(json!({
            "id": "msg_1", "conversationId": "conv_1", "role": "user", "content": "Hello", "toolCalls": null,
            "attachments": [], "cost": { "amount": 0, "currency": "usd" }, "tokenCount": null,
            "createdAt": "2026-11-24T09:00:00.000Z",
        }))
        .unwrap();

        assert_eq!(message.tool_calls, []);
    }

    #[test]
    fn an_empty_user_is_not_everybody() {
        let search = |user: Option<&str>, session: Option<&str>| {
            problems(&ChatSearchOpts {
                query: "tides".to_owned(),
                user_id: user.map(str::to_owned),
                session_id: session.map(Into::into),
                ..ChatSearchOpts::default()
            })
        };

        assert_eq!(search(Some("ada"), Some("ses_1")), Vec::<String>::new());
        assert_eq!(search(Some(""), Some("ses_1")), Vec::<String>::new());
        assert_eq!(search(None, None), Vec::<String>::new());
        assert_eq!(search(Some(""), None), ["userId"]);
    }

    #[test]
    fn a_message_says_something_and_its_files_are_named_by_id() {
        let send = |content: &str, file: &str| {
            problems(&ChatSendOpts { content: content.to_owned(), attachments: Some(vec![file.into()]) })
        };

        assert_eq!(send("Hello", "file_abc"), Vec::<String>::new());
        assert_eq!(send(" ", "../secret"), ["content", "attachments"]);
    }
}
