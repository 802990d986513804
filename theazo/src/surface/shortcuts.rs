//! Calls with a name of their own for what a general operation does: they name what must be given, so that the compiler
//! asks for it.

use theazo_api::{ChannelId, ChannelTheme, ChannelType};

use crate::{
    Channels, Triggers,
    requests::{CreateChannelRequest, CreateTriggerRequest, UpdateChannelRequest},
};

impl Channels {
    /// Creates a chat for a website. The answer's `script_tag` is the element that puts it there.
    ///
    /// ```no_run
    /// # async fn example(theazo: theazo::Theazo) -> Result<(), theazo::Error> {
    /// use theazo::types::ChannelTheme;
    ///
    /// let theme =
    ///     ChannelTheme { primary_color: "#4f46e5".to_owned(), title: "Ask us".to_owned(), ..ChannelTheme::default() };
    /// let channel = theazo.channels().chat_embed("support_agent", theme).await?;
    /// println!("{}", channel.script_tag.unwrap_or_default());
    /// # Ok(()) }
    /// ```
    pub fn chat_embed(&self, agent: impl Into<String>, theme: ChannelTheme) -> CreateChannelRequest {
        self.create(ChannelType::ChatEmbed, agent).theme(theme)
    }

    /// Lets the agent answer in channels of a workspace of Slack, by the name `bot_name`.
    ///
    /// ```no_run
    /// # async fn example(theazo: theazo::Theazo) -> Result<(), theazo::Error> {
    /// theazo.channels().slack("slack_assistant", "example-ltd", "helper", ["#support"]).await?;
    /// # Ok(()) }
    /// ```
    pub fn slack(
        &self,
        agent: impl Into<String>,
        workspace: impl Into<String>,
        bot_name: impl Into<String>,
        channels: impl IntoIterator<Item = impl Into<String>>,
    ) -> CreateChannelRequest {
        self.create(ChannelType::Slack, agent).workspace(workspace).bot_name(bot_name).channels(channels)
    }

    /// Lets the agent answer what is written to a mail address.
    ///
    /// ```no_run
    /// # async fn example(theazo: theazo::Theazo) -> Result<(), theazo::Error> {
    /// theazo.channels().email("email_responder", "support@example.com").await?;
    /// # Ok(()) }
    /// ```
    pub fn email(&self, agent: impl Into<String>, address: impl Into<String>) -> CreateChannelRequest {
        self.create(ChannelType::Email, agent).address(address)
    }

    /// Lets the agent answer a telephone number, which begins with `+` and the country code.
    ///
    /// ```no_run
    /// # async fn example(theazo: theazo::Theazo) -> Result<(), theazo::Error> {
    /// theazo.channels().phone("phone_agent", "+15550100").voice("alloy").await?;
    /// # Ok(()) }
    /// ```
    pub fn phone(&self, agent: impl Into<String>, phone_number: impl Into<String>) -> CreateChannelRequest {
        self.create(ChannelType::Phone, agent).phone_number(phone_number)
    }

    /// Switches a channel on: people reach the agent through it again.
    ///
    /// ```no_run
    /// # async fn example(theazo: theazo::Theazo) -> Result<(), theazo::Error> {
    /// theazo.channels().enable("ch_9f27c4e1b0a3").await?;
    /// # Ok(()) }
    /// ```
    pub fn enable(&self, channel_id: impl Into<ChannelId>) -> UpdateChannelRequest {
        self.update(channel_id).enabled(true)
    }

    /// Switches a channel off: nobody reaches the agent through it. Its settings and conversations stay.
    ///
    /// ```no_run
    /// # async fn example(theazo: theazo::Theazo) -> Result<(), theazo::Error> {
    /// theazo.channels().disable("ch_9f27c4e1b0a3").await?;
    /// # Ok(()) }
    /// ```
    pub fn disable(&self, channel_id: impl Into<ChannelId>) -> UpdateChannelRequest {
        self.update(channel_id).enabled(false)
    }
}

impl Triggers {
    /// Creates a trigger that runs an agent or a workflow whenever an event is emitted, and has the event's name.
    ///
    /// Say which with `agent` or `workflow_id`; `filter` narrows the events.
    ///
    /// ```no_run
    /// # async fn example(theazo: theazo::Theazo) -> Result<(), theazo::Error> {
    /// theazo.triggers().on("order.paid", "user_123").agent("payment_classifier").await?;
    /// # Ok(()) }
    /// ```
    pub fn on(&self, event: impl Into<String>, user_id: impl Into<String>) -> CreateTriggerRequest {
        let event = event.into();
        self.create(event.clone(), user_id).event(event)
    }
}
