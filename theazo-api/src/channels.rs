//! Channels: where people reach an agent: a chat on a website, Slack, mail, the telephone.
//!
//! All types are created by one route that names the type; the calls for single types, and those that switch a channel
//! on and off, are made of these operations in the language packages.

use serde::{Deserialize, Serialize};

use crate::{
    chat_messages::{ChatMessageOrder, ChatMessageRole, check_order},
    check::{Check, Problems},
    compatible::compatible,
    endpoint::{Access, Reply, TimeClass, endpoints},
    id::{AgentId, ChannelId, ConversationId, MessageId},
    open_enum::open_enum,
    page::Page,
    sessions::{check_agent_name, check_page_limit},
    tagged_union::tagged_union,
    time::Timestamp,
};

endpoints! {
    /// Creates a channel through which people reach the agent.
    CreateChannel: Post "/v1/channels" => "channels.create",
        body: ChannelCreateOpts, response: Channel,
        with { positional: &["type", "agent"], status: 201, planned: true };

    /// Lists channels, the newest first.
    ListChannels: Get "/v1/channels" => "channels.list",
        query: ChannelListOpts, response: Page<Channel>,
        with { planned: true };

    /// Fetches a channel.
    GetChannel: Get "/v1/channels/{channelId}" => "channels.get",
        path: ChannelPath, response: Channel,
        with { planned: true };

    /// Changes what is given and keeps the rest; `enabled` switches the channel on or off.
    UpdateChannel: Put "/v1/channels/{channelId}" => "channels.update",
        path: ChannelPath, body: ChannelUpdateOpts, response: Channel,
        with { planned: true };

    /// Removes a channel. Its conversations stay.
    DeleteChannel: Delete "/v1/channels/{channelId}" => "channels.delete",
        path: ChannelPath,
        with { status: 204, reply: Reply::Empty, planned: true };

    /// Lists the conversations of the channel, the one with the newest message first.
    ListChannelConversations: Get "/v1/channels/{channelId}/conversations" => "channels.conversations",
        path: ChannelPath, query: ChannelConversationListOpts, response: Page<ChannelConversation>,
        with { planned: true };

    /// Tries whether the channel works. One that does not is no error of this call.
    TestChannel: Post "/v1/channels/{channelId}/test" => "channels.test",
        path: ChannelPath, response: ChannelTestResult,
        with { planned: true };

    /// Takes a message from a visitor; the answer comes on `channels.visitorStream`.
    ///
    /// Needs no API key: whoever knows the id of the channel may write to it.
    SendVisitorMessage: Post "/v1/channels/{channelId}/messages" => "channels.sendVisitorMessage",
        path: ChannelPath, body: VisitorMessageOpts, response: VisitorMessageSent,
        with { positional: &["visitorId", "message"], status: 201, access: Access::Id, planned: true };

    /// Lists what a visitor and the agent wrote.
    ///
    /// Needs no API key: whoever knows the ids of the channel and the visitor may read it.
    ListVisitorMessages: Get "/v1/channels/{channelId}/messages" => "channels.visitorMessages",
        path: ChannelPath, query: VisitorMessageListOpts, response: Page<VisitorMessage>,
        with { positional: &["visitorId"], access: Access::Id, planned: true };

    /// Streams what is written to a visitor, from now on, until the visitor leaves.
    ///
    /// Needs no API key: whoever knows the ids of the channel and the visitor may read it.
    StreamVisitorMessages: Get "/v1/channels/{channelId}/stream" => "channels.visitorStream",
        path: ChannelPath, query: VisitorStreamOpts, response: VisitorStreamEvent,
        with {
            positional: &["visitorId"], time: TimeClass::Stream, reply: Reply::Events, access: Access::Id,
            last_events: &[], planned: true,
        };
}

/// The path of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChannelPath {
    /// The channel.
    pub channel_id: ChannelId,
}

open_enum! {
    /// How people reach an agent.
    ChannelType {
        /// A chat on a website.
        ChatEmbed = "chat_embed",
        /// Slack.
        Slack = "slack",
        /// Mail.
        Email = "email",
        /// The telephone.
        Phone = "phone",
    }
}

open_enum! {
    /// Where the chat is on the website.
    ChannelPosition {
        /// At the bottom, on the right.
        BottomRight = "bottom-right",
        /// At the bottom, on the left.
        BottomLeft = "bottom-left",
    }
}

/// How the chat on a website looks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChannelTheme {
    /// The main colour as CSS writes it, for example `#4f46e5`.
    pub primary_color: String,
    /// What stands above the chat.
    pub title: String,
    /// Where the chat is; `bottom-right` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<ChannelPosition>,
    /// What stands in the field for a message while it is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<String>,
}

impl Check for ChannelTheme {
    fn check(&self, problems: &mut Problems) {
        let is_in_colours = |byte: u8| byte.is_ascii_alphanumeric() || b"#(),.%/ -".contains(&byte);
        problems.require(
            (1..=64).contains(&self.primary_color.len()) && self.primary_color.bytes().all(is_in_colours),
            "primaryColor",
            "must be a colour as CSS writes it, for example `#4f46e5`",
        );
        problems.require(
            !self.title.trim().is_empty() && self.title.len() <= 256,
            "title",
            "must be 1 to 256 bytes of text",
        );
        if let Some(ChannelPosition::Other(_)) = &self.position {
            problems.add("position", "must be `bottom-right` or `bottom-left`");
        }
        if let Some(placeholder) = &self.placeholder {
            problems.require(placeholder.len() <= 256, "placeholder", "must be at most 256 bytes of text");
        }
    }
}

/// What a new channel is made of. Which fields must be given depends on the type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChannelCreateOpts {
    /// How people reach the agent.
    pub r#type: ChannelType,
    /// The name of the agent, or the id of a definition.
    pub agent: String,
    /// How the chat looks; must be given for `chat_embed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theme: Option<ChannelTheme>,
    /// The workspace of Slack; must be given for `slack`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// The name that the agent has in Slack; must be given for `slack`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot_name: Option<String>,
    /// The channels of Slack in which the agent answers; at least one must be given for `slack`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<Vec<String>>,
    /// The address to which people write; must be given for `email`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The number that people call, with `+` and the country code; must be given for `phone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// The voice in which the agent speaks, for example `alloy`; only for `phone`, where there is a default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice: Option<String>,
}

impl Check for ChannelCreateOpts {
    fn check(&self, problems: &mut Problems) {
        check_agent_name(&self.agent, problems);
        let text = |text: &Option<String>| text.iter().any(|text| !text.trim().is_empty() && text.len() <= 256);
        match &self.r#type {
            ChannelType::ChatEmbed => match &self.theme {
                Some(theme) => problems.within("theme", theme),
                None => problems.add("theme", "must be given for `chat_embed`"),
            },
            ChannelType::Slack => {
                problems.require(text(&self.workspace), "workspace", "must be 1 to 256 bytes of text for `slack`");
                problems.require(text(&self.bot_name), "botName", "must be 1 to 256 bytes of text for `slack`");
                let channels = self.channels.as_deref().unwrap_or_default();
                problems.require(
                    !channels.is_empty() && channels.iter().all(|channel| !channel.trim().is_empty()),
                    "channels",
                    "must name at least one channel for `slack`, and none may be empty",
                );
            }
            ChannelType::Email => problems.require(
                text(&self.address) && self.address.iter().all(|address| is_mail_address(address)),
                "address",
                "must be a mail address for `email`, for example `support@example.com`",
            ),
            ChannelType::Phone => problems.require(
                self.phone_number.iter().any(|number| is_phone_number(number)),
                "phoneNumber",
                "must be `+` and 7 to 15 digits for `phone`, for example `+15550100`",
            ),
            ChannelType::Other(_) => problems.add("type", "must be `chat_embed`, `slack`, `email` or `phone`"),
        }
    }
}

fn is_mail_address(address: &str) -> bool {
    let parts = address.split_once('@');
    parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
        && !address.contains(char::is_whitespace)
}

/// People write spaces, dashes and brackets between the digits.
fn is_phone_number(number: &str) -> bool {
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let is_written_so = |byte: u8| byte.is_ascii_digit() || matches!(byte, b' ' | b'-' | b'(' | b')');
    number.strip_prefix('+').is_some_and(|rest| rest.bytes().all(is_written_so)) && (7..=15).contains(&digits)
}

/// What to change in a channel.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChannelUpdateOpts {
    /// The settings to change, also inside of `theme`; the others stay. One that is null goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<serde_json::Map<String, serde_json::Value>>,
    /// Whether people reach the agent through it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

impl Check for ChannelUpdateOpts {}

/// A channel through which people reach an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Channel {
    /// The id. Whoever knows it may write to the channel.
    pub id: ChannelId,
    /// The id of the agent's definition, or the name of an agent that has none.
    pub agent: String,
    /// How people reach the agent.
    pub r#type: ChannelType,
    /// The settings that its type has: `theme`; `workspace`, `botName` and `channels`; `address`; or `phoneNumber` and
    /// `voice`.
    #[serde(default)]
    pub config: serde_json::Map<String, serde_json::Value>,
    /// Whether people reach the agent through it.
    pub enabled: bool,
    /// How many conversations it has had.
    #[serde(default)]
    pub conversation_count: i64,
    /// The element that puts the chat into a website; only for `chat_embed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script_tag: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

compatible!(Channel, accepts { "agentDefinitionId" as "agent" }, serves { "agent" as "agentDefinitionId" });

/// Which channels to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChannelListOpts {
    /// Only channels of this type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r#type: Option<ChannelType>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for ChannelListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// Which conversations of a channel to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChannelConversationListOpts {
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for ChannelConversationListOpts {
    fn check(&self, problems: &mut Problems) {
        check_page_limit(self.limit, problems);
    }
}

/// A conversation of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChannelConversation {
    /// The id, by which `session.chat` has the conversation too.
    pub id: ConversationId,
    /// The channel.
    pub channel_id: ChannelId,
    /// Who writes: the visitor, or the user of Slack, the mail address, the number that calls.
    pub user_id: String,
    /// The agent that answers.
    pub agent_id: AgentId,
    /// How many messages it has.
    pub message_count: i64,
    /// When it began.
    pub started_at: Timestamp,
    /// When the newest message was written.
    pub last_message_at: Timestamp,
}

/// Whether a channel works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct ChannelTestResult {
    /// Whether it works.
    pub ok: bool,
    /// What was found, for people.
    pub message: String,
}

/// Checks the id of a visitor.
fn check_visitor_id(visitor_id: &str, problems: &mut Problems) {
    problems.require(
        !visitor_id.trim().is_empty() && visitor_id.len() <= 128 && !visitor_id.chars().any(char::is_control),
        "visitorId",
        "must be 1 to 128 bytes of text without control characters",
    );
}

/// A message of a visitor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct VisitorMessageOpts {
    /// Who writes, by an id that the website makes. Make it so that nobody can guess it.
    pub visitor_id: String,
    /// The message, 32 KiB at most.
    pub message: String,
}

compatible!(VisitorMessageOpts, accepts { "text" as "message" });

impl Check for VisitorMessageOpts {
    fn check(&self, problems: &mut Problems) {
        check_visitor_id(&self.visitor_id, problems);
        problems.require(!self.message.trim().is_empty(), "message", "must say something");
        problems.require(self.message.len() <= 32 << 10, "message", "is larger than 32 KiB");
    }
}

/// A message of a visitor that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VisitorMessageSent {
    /// The message.
    pub message_id: MessageId,
}

/// Which messages of a visitor to list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VisitorMessageListOpts {
    /// The visitor, by the id that the website made.
    pub visitor_id: String,
    /// In which order; the oldest first by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<ChatMessageOrder>,
    /// How many items a page has at most: 1 to 100, 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// The `cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

impl Check for VisitorMessageListOpts {
    fn check(&self, problems: &mut Problems) {
        check_visitor_id(&self.visitor_id, problems);
        check_order(self.order.as_ref(), problems);
        check_page_limit(self.limit, problems);
    }
}

/// Whose messages to stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VisitorStreamOpts {
    /// The visitor, by the id that the website made.
    pub visitor_id: String,
}

impl Check for VisitorStreamOpts {
    fn check(&self, problems: &mut Problems) {
        check_visitor_id(&self.visitor_id, problems);
    }
}

/// A message as a visitor sees it: without its cost and without the tools behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VisitorMessage {
    /// The id.
    pub id: MessageId,
    /// Who wrote it: `user` is the visitor, `assistant` the agent.
    pub role: ChatMessageRole,
    /// What was written.
    pub content: String,
    /// When it was written.
    pub created_at: Timestamp,
}

tagged_union! {
    /// Something that a visitor sees happen.
    VisitorStreamEvent by "type" {
        /// The agent wrote a piece of its answer.
        Text = "text" {
            /// The message that it is a piece of.
            message_id: MessageId,
            /// The piece.
            text: String,
        },
        /// A message is complete: the agent's answer, or what a person wrote who took over.
        Message = "message" {
            /// The message.
            message: VisitorMessage,
        },
        /// The agent could not answer. The stream goes on.
        Failure = "failure" {
            /// What the visitor may be told.
            reason: String,
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::compatible::for_published_clients;

    fn problems(json: Value) -> Vec<String> {
        let opts: ChannelCreateOpts = serde_json::from_value(json).unwrap();
        Problems::of(&opts).into_iter().map(|problem| problem.field).collect()
    }

    #[test]
    fn each_type_has_its_fields() {
        let theme = json!({ "primaryColor": "#4f46e5", "title": "Help", "position": "bottom-left" });
        let slack = json!({
            "type": "slack", "agent": "slack_assistant", "workspace": "acme", "botName": "helper", "channels": ["#help"],
        });
        let none: [String; 0] = [];

        assert_eq!(problems(json!({ "type": "chat_embed", "agent": "support_agent", "theme": theme })), none);
        assert_eq!(problems(slack), none);
        assert_eq!(problems(json!({ "type": "email", "agent": "a", "address": "support@example.com" })), none);
        assert_eq!(problems(json!({ "type": "phone", "agent": "a", "phoneNumber": "+1 (555) 010-0199" })), none);
        assert_eq!(problems(json!({ "type": "chat_embed", "agent": "a" })), ["theme"]);
        assert_eq!(problems(json!({ "type": "slack", "agent": "a" })), ["workspace", "botName", "channels"]);
        assert_eq!(problems(json!({ "type": "email", "agent": "a", "address": "support" })), ["address"]);
        assert_eq!(problems(json!({ "type": "phone", "agent": "a", "phoneNumber": "911" })), ["phoneNumber"]);
        assert_eq!(problems(json!({ "type": "fax", "agent": "a" })), ["type"]);
    }

    #[test]
    fn a_colour_cannot_carry_markup() {
        let theme = ChannelTheme {
            primary_color: "red\"><script>".to_owned(),
            title: "Help".to_owned(),
            ..ChannelTheme::default()
        };

        assert_eq!(Problems::of(&theme)[0].field, "primaryColor");
    }

    #[test]
    fn a_channel_is_served_with_the_published_name_of_its_agent() {
        let published = json!({
            "id": "ch_1", "agentDefinitionId": "adef_1", "type": "phone", "config": {}, "enabled": true,
            "conversationCount": 0, "createdAt": "2026-11-24T09:00:00.000Z", "updatedAt": "2026-11-24T09:00:00.000Z",
        });

        let channel: Channel = serde_json::from_value(published.clone()).unwrap();
        let served = for_published_clients(|| serde_json::to_value(&channel).unwrap());

        assert_eq!(channel.agent, "adef_1");
        assert_eq!(served["agentDefinitionId"], published["agentDefinitionId"]);
        assert_eq!(serde_json::to_value(&channel).unwrap().get("agentDefinitionId"), None);
    }

    #[test]
    fn a_visitor_s_text_is_a_message() {
        let older: VisitorMessageOpts = serde_json::from_value(json!({ "visitorId": "v1", "text": "hello" })).unwrap();

        assert_eq!(older.message, "hello");
        assert_eq!(Problems::of(&older), []);
    }
}
