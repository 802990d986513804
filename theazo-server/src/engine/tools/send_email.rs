//! `send_email`: a message through the mail server that the plane is set up with.

use std::time::Duration;

use futures_util::future::BoxFuture;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Attachment, Mailbox, MultiPart, SinglePart, header::ContentType},
};
use serde::Deserialize;
use serde_json::json;

use super::{Call, Failure, Outcome, Tool, schema};
use crate::{engine::places::without_place, model::ToolSpec, service_config::MailConfig};

/// How many people one message may go to.
const MAX_RECIPIENTS: usize = 50;

/// How large the attachments of one message may be together.
const MAX_ATTACHED_BYTES: usize = 10 << 20;

/// How long a mail server may take.
const TIMEOUT: Duration = Duration::from_secs(30);

pub struct SendEmail {
    pub config: MailConfig,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    to: People,
    subject: String,
    body: String,
    #[serde(default)]
    cc: People,
    #[serde(default)]
    bcc: People,
    #[serde(default)]
    attachments: Vec<String>,
}

/// One address, or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum People {
    One(String),
    Many(Vec<String>),
}

impl Default for People {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Tool for SendEmail {
    fn specification(&self) -> ToolSpec {
        let people = json!({ "type": "array", "items": { "type": "string" }, "maxItems": MAX_RECIPIENTS });
        ToolSpec {
            name: "send_email",
            description: "Sends an e-mail, with files of the sandbox as attachments.",
            input_schema: schema(
                json!({
                    "to": people,
                    "subject": { "type": "string" },
                    "body": { "type": "string", "description": "Plain text." },
                    "cc": people,
                    "bcc": people,
                    "attachments": {
                        "type": "array", "items": { "type": "string" }, "description": "Paths in the sandbox.",
                    },
                }),
                &["to", "subject", "body"],
            ),
        }
    }

    fn call<'a>(&'a self, call: &'a Call<'a>) -> BoxFuture<'a, Outcome> {
        Box::pin(async {
            let input: Input = call.input()?;
            let mut attached = Vec::new();
            let mut bytes = 0;
            for path in &input.attachments {
                let content = call.read_file(path).await?;
                bytes += content.len();
                if bytes > MAX_ATTACHED_BYTES {
                    return Err(Failure::told(format!("the attachments have more than {MAX_ATTACHED_BYTES} bytes")));
                }
                attached.push((path.rsplit('/').next().unwrap_or(path).to_owned(), content));
            }
            let message = message(&self.config.from, input, attached).map_err(Failure::Told)?;
            let people = message.envelope().to().len();
            let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(self.config.url.expose())
                .map_err(|_| Failure::told("the mail server is not set up right"))?
                .timeout(Some(TIMEOUT))
                .build();
            let sent = without_place(transport.send(message)).await;
            sent.map_err(|error| Failure::told(format!("the mail server did not take the message: {error}")))?;
            Ok(format!("sent to {people} recipients"))
        })
    }
}

fn message(from: &str, input: Input, attached: Vec<(String, Vec<u8>)>) -> Result<Message, String> {
    let [to, cc, bcc] = [input.to, input.cc, input.bcc].map(mailboxes);
    let (to, cc, bcc) = (to?, cc?, bcc?);
    let count = to.len() + cc.len() + bcc.len();
    if to.is_empty() || count > MAX_RECIPIENTS {
        return Err(format!("a message goes to 1 to {MAX_RECIPIENTS} recipients, not to {count}"));
    }
    let from = mailbox(from).map_err(|_| "the sender of this plane is not set up right".to_owned())?;
    let mut builder = Message::builder().from(from).subject(input.subject);
    builder = to.into_iter().fold(builder, |builder, person| builder.to(person));
    builder = cc.into_iter().fold(builder, |builder, person| builder.cc(person));
    builder = bcc.into_iter().fold(builder, |builder, person| builder.bcc(person));
    let built = if attached.is_empty() {
        builder.header(ContentType::TEXT_PLAIN).body(input.body)
    } else {
        let kind = ContentType::parse("application/octet-stream").map_err(|error| error.to_string())?;
        let mut parts = MultiPart::mixed().singlepart(SinglePart::plain(input.body));
        for (name, content) in attached {
            parts = parts.singlepart(Attachment::new(name).body(content, kind.clone()));
        }
        builder.multipart(parts)
    };
    built.map_err(|error| format!("the message cannot be sent: {error}"))
}

fn mailboxes(people: People) -> Result<Vec<Mailbox>, String> {
    let addresses = match people {
        People::One(address) => vec![address],
        People::Many(addresses) => addresses,
    };
    addresses.iter().map(|address| mailbox(address)).collect()
}

fn mailbox(address: &str) -> Result<Mailbox, String> {
    address.parse().map_err(|_| format!("`{address}` is not an e-mail address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(input: serde_json::Value, attached: Vec<(String, Vec<u8>)>) -> Result<Message, String> {
        message("Agent <agent@example.com>", serde_json::from_value(input).expect("it can be read"), attached)
    }

    #[test]
    fn a_message_goes_to_all_and_shows_no_blind_copies() {
        let input = json!({
            "to": "Ada <ada@example.com>", "cc": ["bob@example.com"], "bcc": ["eve@example.com"],
            "subject": "Prices\r\nBcc: mallory@example.com", "body": "See the file.",
        });
        let message = made(input, vec![("a.csv".to_owned(), b"1,2".to_vec())]).expect("it is right");

        let envelope: Vec<String> = message.envelope().to().iter().map(ToString::to_string).collect();
        assert_eq!(envelope, ["ada@example.com", "bob@example.com", "eve@example.com"]);
        let text = String::from_utf8(message.formatted()).expect("it is text");
        assert!(!text.contains("eve@") && !text.contains("\r\nBcc:"), "{text}");
        assert!(text.contains("filename=\"a.csv\"") && text.contains("\r\n\r\n1,2\r\n"), "{text}");
    }

    #[test]
    fn what_cannot_be_sent_is_told() {
        let to = |people: serde_json::Value| made(json!({ "to": people, "subject": "", "body": "" }), Vec::new());
        assert_eq!(to(json!("nobody")).unwrap_err(), "`nobody` is not an e-mail address");
        assert_eq!(to(json!([])).unwrap_err(), "a message goes to 1 to 50 recipients, not to 0");
        let many: Vec<String> = (0..51).map(|index| format!("a{index}@example.com")).collect();
        assert_eq!(to(json!(many)).unwrap_err(), "a message goes to 1 to 50 recipients, not to 51");
    }
}
