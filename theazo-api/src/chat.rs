//! Chat: conversations with an agent that remembers them, what it has in view, and their handoff to people.

use serde::{Deserialize, Serialize};

use crate::{
    chat_messages::check_content,
    check::{Check, Problems},
    compatible::compatible,
    endpoint::{Repeat, Reply, endpoints},
    id::{AgentId, ConversationId, HandoffId, SessionId},
    money::Cost,
    open_enum::open_enum,
    page::Page,
    patch::Patch,
    sessions::{SessionPath, check_agent_name, check_page_limit},
    time::Timestamp,
};

endpoints! {
    /// Begins a conversation.
    CreateChat: Post "/v1/sessions/{sessionId}/chat" => "session.chat.create",
        path: SessionPath, body: ChatCreateOpts, response: ChatConversation,
        with { status: 201, planned: true };

    /// Lists the conversations of the session, the one with the newest message first.
    ListChats: Get "/v1/sessions/{sessionId}/chat" => "session.chat.list",
        path: SessionPath, query: ChatListOpts, response: Page<ChatConversation>,
        with { planned: true };

    /// Fetches a conversation.
    GetChat: Get "/v1/chat/{conversationId}" => "session.chat.get",
        path: ChatPath, response: ChatConversation,
        with { planned: true };

    /// Changes what is given and keeps the rest.
    UpdateChat: Put "/v1/chat/{conversationId}" => "session.chat.update",
        path: ChatPath, body: ChatUpdateOpts, response: ChatConversation,
        with { planned: true };

    /// Removes a conversation with its messages and threads.
    DeleteChat: Delete "/v1/chat/{conversationId}" => "session.chat.delete",
        path: ChatPath,
        with { status: 204, reply: Reply::Empty, planned: true };

    /// Archives a conversation: it stays readable, and takes no messages until it is unarchived.
    ArchiveChat: Post "/v1/chat/{conversationId}/archive" => "session.chat.archive",
        path: ChatPath, response: ChatConversation,
        with { repeat: Repeat::Idempotent, planned: true };

    /// Makes an archived conversation active again.
    UnarchiveChat: Post "/v1/chat/{conversationId}/unarchive" => "session.chat.unarchive",
        path: ChatPath, response: ChatConversation,
        with { repeat: Repeat::Idempotent, planned: true };

    /// Reports what of the conversation the model has in view.
    GetChatContext: Get "/v1/chat/{conversationId}/context" => "session.chat.context",
        path: ChatPath, response: ChatContextState,
        with { planned: true };

    /// Puts something into the model's view that is no message of anybody, and reports what it has in view then.
    InjectChatContext: Post "/v1/chat/{conversationId}/context" => "session.chat.injectContext",
        path: ChatPath, body: ChatContextInjection, response: ChatContextState,
        with { planned: true };

    /// Hands the conversation over, to a person or to another agent. Until it is resolved its own agent is silent.
    HandOffChat: Post "/v1/chat/{conversationId}/handoff" => "session.chat.handoff",
        path: ChatPath, body: ChatHandoffOpts, response: ChatHandoff,
        with { positional: &["reason", "to"], status: 201, planned: true };

    /// Ends the handoff that is open, and the conversation's own agent answers again.
    ResolveChatHandoff: Post "/v1/chat/{conversationId}/handoff/resolve" => "session.chat.resolveHandoff",
        path: ChatPath, response: ChatHandoff,
        with { planned: true };
}

/// The path of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatPath {
    /// The conversation.
    pub conversation_id: ConversationId,
}

open_enum! {
    /// What of a conversation the model has in view.
    ChatContextStrategy {
        /// All of it, as long as the model takes it.
        Full = "full",
        /// The newest messages that fit into `maxTokens`.
        SlidingWindow = "sliding_window",
        /// The newest messages, and a summary of those before.
        Summarize = "summarize",
    }
}

/// What of a conversation the model has in view.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatContextConfig {
    /// How it is chosen; `full` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<ChatContextStrategy>,
    /// How many tokens it has at most; 8192 by default, where the strategy is not `full`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// After how many messages older ones are summarised; 20 by default, where the strategy is `summarize`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summarize_after: Option<i64>,
}

impl Check for ChatContextConfig {
    fn check(&self, problems: &mut Problems) {
        if let Some(ChatContextStrategy::Other(_)) = &self.strategy {
            problems.add("strategy", "must be `full`, `sliding_window` or `summarize`");
        }
        for (field, value) in [("maxTokens", self.max_tokens), ("summarizeAfter", self.summarize_after)] {
            problems.require(value.is_none_or(|value| value >= 1), field, "must be a whole number from 1");
        }
    }
}

/// What a new conversation is made of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatCreateOpts {
    /// The name of the agent that answers, or the id of a definition; a general agent by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What the agent is told before the first message, in place of its definition's prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// The collection of knowledge in which the agent looks things up; none by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knowledge: Option<String>,
    /// Your own notes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
    /// What of the conversation the model has in view; all of it by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<ChatContextConfig>,
}

impl Check for ChatCreateOpts {
    fn check(&self, problems: &mut Problems) {
        if let Some(agent) = &self.agent {
            check_agent_name(agent, problems);
        }
        if let Some(title) = &self.title {
            check_title(title, problems);
        }
        if let Some(system_prompt) = &self.system_prompt {
            problems.require(system_prompt.len() <= 1 << 20, "systemPrompt", "is larger than 1 MiB");
        }
        if let Some(knowledge) = &self.knowledge {
            problems.require(!knowledge.trim().is_empty(), "knowledge", "must name a collection");
        }
        if let Some(context) = &self.context {
            problems.within("context", context);
        }
    }
}

/// Checks the title of a conversation or thread.
pub(crate) fn check_title(title: &str, problems: &mut Problems) {
    problems.require(!title.trim().is_empty() && title.len() <= 256, "title", "must be 1 to 256 bytes of text");
}

open_enum! {
    /// The state of a conversation.
    ChatStatus {
        /// It takes messages.
        Active = "active",
        /// It takes no messages.
        Archived = "archived",
        /// It was handed over, and its own agent is silent.
        HandedOff = "handed_off",
    }
}

/// A conversation with an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatConversation {
    /// The id.
    pub id: ConversationId,
    /// The session.
    pub session_id: SessionId,
    /// The end user; empty in an anonymous session.
    #[serde(default)]
    pub user_id: String,
    /// The name of the agent that answers, or the id of its definition; empty for a general agent.
    #[serde(default)]
    pub agent: String,
    /// The agent that answers; null until there is one.
    #[serde(default)]
    pub agent_id: Option<AgentId>,
    /// The title.
    #[serde(default)]
    pub title: Option<String>,
    /// The state.
    pub status: ChatStatus,
    /// What the agent was told before the first message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// The collection of knowledge in which the agent looks things up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knowledge: Option<String>,
    /// What of the conversation the model has in view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<ChatContextConfig>,
    /// Your own notes.
    #[serde(default)]
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// How many messages it has, those of threads included.
    pub message_count: i64,
    /// What all answers cost.
    pub total_cost: Cost,
    /// When the newest message was written.
    #[serde(default)]
    pub last_message_at: Option<Timestamp>,
    /// When it began.
    pub created_at: Timestamp,
}

open_enum! {
    /// Which conversations to list.
    ChatListStatus {
        /// Those that take messages.
        Active = "active",
        /// Those that are archived.
        Archived = "archived",
        /// Those that were handed over.
        HandedOff = "handed_off",
        /// Every one.
        All = "all",
    }
}

/// Which conversations to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatListOpts {
    /// Only conversations in this state; all but archived ones by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<ChatListStatus>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for ChatListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// What to change in a conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatUpdateOpts {
    /// The title; null takes it away.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    pub title: Patch<String>,
    /// Your own notes, in place of those that were there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Check for ChatUpdateOpts {
    fn check(&self, problems: &mut Problems) {
        if let Some(title) = self.title.value() {
            check_title(title, problems);
        }
    }
}

/// What of a conversation the model has in view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatContextState {
    /// How many messages the conversation has.
    pub total_messages: i64,
    /// How many of them the model has in view, what was injected included.
    pub context_messages: i64,
    /// How many tokens that is.
    pub context_tokens: i64,
    /// The summary of the messages before; null if there is none.
    #[serde(default)]
    pub summary: Option<String>,
    /// How it is chosen.
    pub strategy: ChatContextStrategy,
}

open_enum! {
    /// As whose words the model sees what is put into its view.
    ChatContextRole {
        /// As what it is told beside the messages.
        System = "system",
    }
}

/// Something that is put into the model's view.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatContextInjection {
    /// What the model is told, 1 MiB at most.
    pub content: String,
    /// As whose words; `system` by default, and nothing else yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<ChatContextRole>,
    /// Whether it stays in view when older messages leave it; false by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<bool>,
    /// Where it stands among what was injected, the lowest number first; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<i64>,
}

impl Check for ChatContextInjection {
    fn check(&self, problems: &mut Problems) {
        check_content(&self.content, problems);
        if let Some(ChatContextRole::Other(_)) = &self.role {
            problems.add("role", "must be `system`");
        }
    }
}

/// To whom a conversation is handed over, and why.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChatHandoffOpts {
    /// Why, for the one who takes it over.
    pub reason: String,
    /// To whom: `human`, or `agent:` and the id of a definition.
    pub to: String,
    /// What else the one who takes it over should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

impl Check for ChatHandoffOpts {
    fn check(&self, problems: &mut Problems) {
        problems.require(
            !self.reason.trim().is_empty() && self.reason.len() <= 8192,
            "reason",
            "must be 1 to 8192 bytes of text",
        );
        let agent = self.to.strip_prefix("agent:").unwrap_or_default();
        problems.require(
            self.to == "human" || (!agent.trim().is_empty() && agent.len() <= 128),
            "to",
            "must be `human`, or `agent:` and the id of a definition",
        );
    }
}

open_enum! {
    /// The state of a handoff.
    ChatHandoffStatus {
        /// Nobody has taken the conversation over yet.
        Pending = "pending",
        /// Somebody has taken it over.
        Accepted = "accepted",
        /// It is over, and the conversation's own agent answers again.
        Resolved = "resolved",
        /// It was taken back before anybody took the conversation over.
        Cancelled = "cancelled",
    }
}

/// A handoff of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct ChatHandoff {
    /// The id.
    pub id: HandoffId,
    /// The conversation.
    pub conversation_id: ConversationId,
    /// Why.
    pub reason: String,
    /// To whom: `human`, or `agent:` and the id of a definition.
    pub to: String,
    /// What else the one who takes it over should know.
    #[serde(default)]
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// The state.
    pub status: ChatHandoffStatus,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it was over.
    #[serde(default)]
    pub resolved_at: Option<Timestamp>,
}

compatible!(ChatHandoff, accepts { "toTarget" as "to" }, serves { "to" as "toTarget" });

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::compatible::for_published_clients;

    fn problems(of: &impl Check) -> Vec<String> {
        Problems::of(of).into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn a_handoff_is_served_with_the_published_name_of_its_target() {
        let published = json!({
            "id": "ho_1", "conversationId": "conv_1", "reason": "asks for a refund", "toTarget": "human",
            "status": "pending", "requestedAt": "2026-11-24T09:00:00.000Z", "resolvedAt": null,
        });

        let handoff: ChatHandoff = serde_json::from_value(published.clone()).unwrap();
        let served = for_published_clients(|| serde_json::to_value(&handoff).unwrap());

        assert_eq!(handoff.to, "human");
        assert_eq!(served["toTarget"], published["toTarget"]);
        assert_eq!(serde_json::to_value(&handoff).unwrap().get("toTarget"), None);
    }

    #[test]
    fn a_handoff_goes_to_a_person_or_an_agent() {
        let to = |to: &str| {
            problems(&ChatHandoffOpts { reason: "asks".to_owned(), to: to.to_owned(), ..ChatHandoffOpts::default() })
        };

        assert_eq!(to("human"), Vec::<String>::new());
        assert_eq!(to("agent:adef_1"), Vec::<String>::new());
        assert_eq!(to("agent:"), ["to"]);
        assert_eq!(to("somebody"), ["to"]);
    }

    #[test]
    fn a_title_is_changed_or_taken_away() {
        let update = |json| serde_json::from_value::<ChatUpdateOpts>(json).unwrap();

        assert_eq!(update(json!({ "title": null })).title, Patch::Clear);
        assert_eq!(problems(&update(json!({ "title": null }))), Vec::<String>::new());
        assert_eq!(problems(&update(json!({ "title": " " }))), ["title"]);
    }

    #[test]
    fn what_a_conversation_is_made_of_is_checked_in_depth() {
        let opts: ChatCreateOpts = serde_json::from_value(json!({
            "agent": "", "knowledge": "", "context": { "strategy": "forget", "maxTokens": 0, "summarizeAfter": 20 },
        }))
        .unwrap();

        assert_eq!(problems(&opts), ["agent", "knowledge", "context.strategy", "context.maxTokens"]);
        assert_eq!(problems(&ChatCreateOpts::default()), Vec::<String>::new());
    }
}
