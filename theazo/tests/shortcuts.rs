//! Calls with a name of their own for what a general operation does: each sends what the operation asks for.

mod support;

use serde_json::{Value, json};
use support::{Act, Server};
use theazo::{
    ErrorKind, Theazo,
    types::{ChannelTheme, ChannelType},
};

const CHANNEL: &str = r#"{"id":"ch_1","agent":"helper","type":"slack","config":{},"enabled":true,"createdAt":"2026-11-24T09:00:00.000Z","updatedAt":"2026-11-24T09:00:00.000Z"}"#;

fn answers(status: u16, body: &str, count: usize) -> Vec<Act> {
    (0..count).map(|_| support::json(status, &[], body)).collect()
}

async fn sent(server: &mut Server) -> (String, Value) {
    let request = server.request().await;
    (request.line, serde_json::from_str(&request.body).unwrap())
}

#[tokio::test]
async fn a_channel_of_each_type_is_created_by_its_own_call() {
    let mut server = Server::start(answers(201, CHANNEL, 4)).await;
    let channels = Theazo::over(server.transport()).channels();
    let theme = ChannelTheme { primary_color: "#4f46e5".to_owned(), title: "Ask us".to_owned(), ..Default::default() };

    channels.chat_embed("support_agent", theme).await.unwrap();
    let slack = channels.slack("slack_assistant", "example-ltd", "helper", ["#support", "#sales"]).await.unwrap();
    channels.email("email_responder", "support@example.com").await.unwrap();
    channels.phone("phone_agent", "+15550100").voice("alloy").await.unwrap();

    assert_eq!(slack.r#type, ChannelType::Slack);
    let expected = [
        json!({
            "type": "chat_embed", "agent": "support_agent", "theme": { "primaryColor": "#4f46e5", "title": "Ask us" },
        }),
        json!({
            "type": "slack", "agent": "slack_assistant", "workspace": "example-ltd", "botName": "helper",
            "channels": ["#support", "#sales"],
        }),
        json!({ "type": "email", "agent": "email_responder", "address": "support@example.com" }),
        json!({ "type": "phone", "agent": "phone_agent", "phoneNumber": "+15550100", "voice": "alloy" }),
    ];
    for body in expected {
        assert_eq!(sent(&mut server).await, ("POST /v1/channels".to_owned(), body));
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_channel_is_named_and_nothing_is_sent() {
    let mut server = Server::start([]).await;
    let channels = Theazo::over(server.transport()).channels();

    let nowhere = channels.slack("helper", "example-ltd", "helper", [""; 0]).await.unwrap_err();
    let number = channels.phone("helper", "0800 CALL").await.unwrap_err();

    assert_eq!(nowhere.kind(), &ErrorKind::InvalidInput { parameter: "channels".to_owned() });
    assert_eq!(number.kind(), &ErrorKind::InvalidInput { parameter: "phoneNumber".to_owned() });
    assert_eq!(server.unread(), 0);
}

#[tokio::test]
async fn a_channel_is_switched_on_and_off_and_nothing_else_of_it_changes() {
    let mut server = Server::start(answers(200, CHANNEL, 2)).await;
    let channels = Theazo::over(server.transport()).channels();

    channels.enable("ch_1").await.unwrap();
    channels.disable("ch_1").await.unwrap();

    assert_eq!(sent(&mut server).await, ("PUT /v1/channels/ch_1".to_owned(), json!({ "enabled": true })));
    assert_eq!(sent(&mut server).await, ("PUT /v1/channels/ch_1".to_owned(), json!({ "enabled": false })));
}

#[tokio::test]
async fn a_trigger_on_an_event_has_the_name_of_the_event() {
    const TRIGGER: &str = r#"{"id":"trg_1","name":"order.paid","type":"event","agent":"a","userId":"ada","event":"order.paid","enabled":true}"#;
    let mut server = Server::start(answers(201, TRIGGER, 1)).await;

    let trigger =
        Theazo::over(server.transport()).triggers().on("order.paid", "ada").agent("classifier").await.unwrap();

    assert_eq!(trigger.event.as_deref(), Some("order.paid"));
    assert_eq!(
        sent(&mut server).await,
        (
            "POST /v1/triggers".to_owned(),
            json!({ "name": "order.paid", "userId": "ada", "agent": "classifier", "event": "order.paid" })
        )
    );
}
