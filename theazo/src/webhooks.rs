//! Webhooks: verifying what arrives, and signing what a test sends.
//!
//! Deliveries are signed as [Standard Webhooks](https://www.standardwebhooks.com) are. Verify the bytes as they came, before
//! anything parses them:
//!
//! ```
//! use theazo::webhooks::{Verifier, sign_for_test};
//! use theazo::types::WebhookEvent;
//!
//! # fn main() -> Result<(), theazo::Error> {
//! let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
//! let body = br#"{"type":"agent.completed","timestamp":"2026-11-24T09:00:00.000Z",
//!     "data":{"agentId":"agt_1","sessionId":"ses_1","output":"42"}}"#;
//! let headers = sign_for_test(secret, "msg_1", body)?;
//!
//! let delivery = Verifier::new(secret)?.verify(body, &headers)?;
//!
//! match delivery.event {
//!     WebhookEvent::AgentCompleted { data, .. } => assert_eq!(data.output.as_deref(), Some("42")),
//!     other => println!("{} is of no interest", other.tag()),
//! }
//! # Ok(()) }
//! ```

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use hmac::{Hmac, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use theazo_api::{ErrorCode, Secret, WebhookEvent};

use crate::error::{Error, ErrorKind};

/// How far a delivery's time may be from now, before or after.
pub const DEFAULT_TOLERANCE: Duration = Duration::from_secs(300);

/// The headers of a delivery.
const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";

/// How many signatures of one delivery are looked at: an old secret and a new one need two.
const MOST_SIGNATURES: usize = 16;

/// Verifies deliveries with one secret, or with several while a secret is being changed.
///
/// ```
/// # fn main() -> Result<(), theazo::Error> {
/// use std::time::{Duration, SystemTime};
/// use theazo::webhooks::{Delivery, Verifier, sign_for_test_at};
///
/// let (old, new) = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
/// let verifier = Verifier::new(new)?.or_secret(old)?.tolerance(Duration::from_secs(60));
///
/// let body = br#"{"type":"agent.completed","timestamp":"2026-11-24T09:00:00.000Z",
///     "data":{"agentId":"agt_1","sessionId":"ses_1","output":"42"}}"#;
/// let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
/// let headers = sign_for_test_at(long_ago, old, "msg_1", body)?;
///
/// assert!(verifier.verify(body, &headers).is_err(), "somebody may have recorded it");
/// let Delivery { id, .. } = verifier.verify_at(long_ago, body, &headers)?;
/// assert_eq!(id, "msg_1");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Verifier {
    keys: Vec<Secret>,
    tolerance: Duration,
}

/// A delivery that was verified.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Delivery {
    /// The id of the event. It stays the same when the event is delivered again, so remember it to act only once.
    pub id: String,
    /// When this delivery was signed.
    pub signed_at: SystemTime,
    /// What happened.
    pub event: WebhookEvent,
}

impl Verifier {
    /// A verifier with the secret that `webhooks.create` gave.
    ///
    /// # Errors
    ///
    /// If the secret is not of the form `whsec_` and base64.
    pub fn new(secret: impl Into<Secret>) -> Result<Self, Error> {
        Ok(Self { keys: vec![secret.into()], tolerance: DEFAULT_TOLERANCE }).and_then(Self::checked)
    }

    /// Accepts deliveries that are signed with this secret too.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn or_secret(mut self, secret: impl Into<Secret>) -> Result<Self, Error> {
        self.keys.push(secret.into());
        self.checked()
    }

    /// How far a delivery's time may be from now, before or after; five minutes by default.
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }

    fn checked(self) -> Result<Self, Error> {
        for key in &self.keys {
            key_bytes(key)?;
        }
        Ok(self)
    }

    /// Verifies a delivery and reads its event. `headers` are names and values, a `&HeaderMap` for example; the case of names
    /// does not count.
    ///
    /// # Errors
    ///
    /// If a header is missing or stands twice, if the time is too far from now, if no signature is right, or if the body
    /// is no event. The message says which; the code is `webhook_unverified` in every case but the last.
    pub fn verify<N, V>(&self, body: &[u8], headers: impl IntoIterator<Item = (N, V)>) -> Result<Delivery, Error>
    where
        N: AsRef<str>,
        V: AsRef<[u8]>,
    {
        self.verify_at(SystemTime::now(), body, headers)
    }

    /// As [`verify`](Self::verify), at another time than now.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub fn verify_at<N, V>(
        &self,
        now: SystemTime,
        body: &[u8],
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Delivery, Error>
    where
        N: AsRef<str>,
        V: AsRef<[u8]>,
    {
        let mut found = Headers::default();
        for (name, value) in headers {
            found.take(name.as_ref(), value.as_ref())?;
        }
        let (id, timestamp, signatures) = found.all()?;
        let seconds: u64 =
            timestamp.parse().map_err(|_| unverified("the header `webhook-timestamp` is not a number of seconds"))?;
        let signed_at = UNIX_EPOCH + Duration::from_secs(seconds.min(u64::from(u32::MAX)));
        self.check_time(now, signed_at)?;
        self.check_signatures(&id, &timestamp, body, &signatures)?;
        let event = serde_json::from_slice(body).map_err(|problem| {
            Error::unreadable(format!("the delivery `{id}` is signed, but its body is no event: {problem}"))
        })?;
        Ok(Delivery { id, signed_at, event })
    }

    fn check_time(&self, now: SystemTime, signed_at: SystemTime) -> Result<(), Error> {
        let (distance, side) = match now.duration_since(signed_at) {
            Ok(age) => (age, "ago"),
            Err(ahead) => (ahead.duration(), "from now"),
        };
        if distance <= self.tolerance {
            return Ok(());
        }
        let message =
            format!("the delivery was signed {} s {side}, more than {:?}", distance.as_secs(), self.tolerance);
        Err(unverified(message).with_hint("compare the clocks; an old delivery may be one that somebody recorded"))
    }

    fn check_signatures(&self, id: &str, timestamp: &str, body: &[u8], given: &str) -> Result<(), Error> {
        let given: Vec<Vec<u8>> = given
            .split(' ')
            .filter_map(|signature| signature.strip_prefix("v1,"))
            .take(MOST_SIGNATURES)
            .filter_map(|text| STANDARD.decode(text.trim()).ok())
            .collect();
        let mut is_right = Choice::from(0);
        // Every signature is compared with every key, whatever the outcome, so that the time tells nothing.
        for key in &self.keys {
            let expected = signature(key, id, timestamp, body)?;
            for signature in &given {
                is_right |= signature.as_slice().ct_eq(&expected);
            }
        }
        if bool::from(is_right) {
            Ok(())
        } else {
            Err(unverified("no signature of the delivery is right")
                .with_hint("verify the body as it came, byte by byte, with the secret of this webhook"))
        }
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("keys", &self.keys).field("tolerance", &self.tolerance).finish()
    }
}

/// The headers of a delivery as they are found.
#[derive(Default)]
struct Headers {
    id: Option<String>,
    timestamp: Option<String>,
    signatures: Option<String>,
}

impl Headers {
    fn take(&mut self, name: &str, value: &[u8]) -> Result<(), Error> {
        let (place, name) = match () {
            () if name.eq_ignore_ascii_case(ID) => (&mut self.id, ID),
            () if name.eq_ignore_ascii_case(TIMESTAMP) => (&mut self.timestamp, TIMESTAMP),
            () if name.eq_ignore_ascii_case(SIGNATURE) => (&mut self.signatures, SIGNATURE),
            () => return Ok(()),
        };
        let value = std::str::from_utf8(value).map_err(|_| unverified(format!("the header `{name}` is not text")))?;
        match place {
            // Which of two would count depends on who reads them, so neither does.
            Some(_) => Err(unverified(format!("the header `{name}` stands twice"))),
            None => {
                *place = Some(value.trim().to_owned());
                Ok(())
            }
        }
    }

    fn all(self) -> Result<(String, String, String), Error> {
        let there = |value: Option<String>, name: &str| {
            value.filter(|value| !value.is_empty()).ok_or_else(|| unverified(format!("the header `{name}` is missing")))
        };
        Ok((there(self.id, ID)?, there(self.timestamp, TIMESTAMP)?, there(self.signatures, SIGNATURE)?))
    }
}

/// The headers of a delivery that is signed now, for a test of your own endpoint.
///
/// # Errors
///
/// If the secret is not of the form `whsec_` and base64.
pub fn sign_for_test(secret: impl Into<Secret>, id: &str, body: &[u8]) -> Result<HeaderMap, Error> {
    sign_for_test_at(SystemTime::now(), secret, id, body)
}

/// As [`sign_for_test`], signed at another time than now.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use theazo::webhooks::sign_for_test_at;
///
/// let yesterday = SystemTime::now() - Duration::from_secs(24 * 3600);
/// let headers = sign_for_test_at(yesterday, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_1", b"{}")?;
/// # Ok::<(), theazo::Error>(())
/// ```
///
/// # Errors
///
/// As [`sign_for_test`].
pub fn sign_for_test_at(at: SystemTime, secret: impl Into<Secret>, id: &str, body: &[u8]) -> Result<HeaderMap, Error> {
    let timestamp = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string();
    let signature = signature(&secret.into(), id, &timestamp, body)?;
    let values =
        [(ID, id.to_owned()), (TIMESTAMP, timestamp), (SIGNATURE, format!("v1,{}", STANDARD.encode(signature)))];
    let header = |(name, value): (&'static str, String)| {
        let value = HeaderValue::try_from(value);
        let value = value.map_err(|_| Error::invalid_input("id", "has characters that a header cannot carry"))?;
        Ok((HeaderName::from_static(name), value))
    };
    values.into_iter().map(header).collect()
}

/// The value of the header `X-Trigger-Signature` for a call of a trigger's address: the HMAC-SHA256 of the body with the
/// trigger's secret, in hexadecimal digits.
///
/// ```
/// let signature = theazo::webhooks::sign_trigger("trigger-secret", br#"{"order":17}"#);
/// assert_eq!(signature.len(), 64);
/// ```
pub fn sign_trigger(secret: impl Into<Secret>, body: &[u8]) -> String {
    let secret = secret.into();
    let digest = hmac(secret.expose().as_bytes(), &[body]);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn signature(secret: &Secret, id: &str, timestamp: &str, body: &[u8]) -> Result<[u8; 32], Error> {
    Ok(hmac(&key_bytes(secret)?, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", body]))
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn key_bytes(secret: &Secret) -> Result<Vec<u8>, Error> {
    let text = secret.expose().trim();
    let encoded = text.strip_prefix("whsec_").unwrap_or(text).trim_end_matches('=');
    let key = STANDARD_NO_PAD.decode(encoded).ok().filter(|key| (16..=128).contains(&key.len()));
    key.ok_or_else(|| Error::configuration("the webhook secret is not `whsec_` and the base64 of 24 to 64 bytes"))
}

fn unverified(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unverified, ErrorCode::WebhookUnverified, message)
}
