//! Nothing that a stranger sends is taken for a delivery, and nothing that stands beside a right signature makes it wrong.

#![cfg_attr(fuzzing, no_main)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use theazo::{
    ErrorKind,
    webhooks::{Verifier, sign_for_test_at},
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const BODY: &[u8] = br#"{"type":"agent.completed","timestamp":"2026-11-24T09:00:00.000Z",
    "data":{"agentId":"agt_1","sessionId":"ses_1"}}"#;

theazo_fuzz::target!(check);

/// The input is lines of headers; what stands in them is as a stranger sends it.
fn check(data: &[u8]) {
    let now = UNIX_EPOCH + Duration::from_secs(1_764_000_000);
    let verifier = Verifier::new(SECRET).expect("the secret is good");
    let headers: Vec<(String, &[u8])> = data
        .split(|byte| *byte == b'\n')
        .map(|line| {
            let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
            (String::from_utf8_lossy(&line[..colon]).into_owned(), line.get(colon + 1..).unwrap_or_default())
        })
        .collect();
    let error = verifier.verify_at(now, BODY, headers.iter().map(|(name, value)| (name, value)));
    assert_eq!(error.expect_err("nobody signed it").kind(), &ErrorKind::Unverified);
    signatures_beside_a_right_one_do_no_harm(&verifier, now, data);
}

fn signatures_beside_a_right_one_do_no_harm(verifier: &Verifier, now: SystemTime, data: &[u8]) {
    let Ok(others) = std::str::from_utf8(data) else { return };
    // As many as are looked at, the right one included.
    if others.split(' ').count() >= 16 {
        return;
    }
    let mut headers = sign_for_test_at(now, SECRET, "msg_1", BODY).expect("the secret is good");
    let right = headers.remove("webhook-signature").expect("it is signed");
    let signatures = [others.as_bytes(), b" ", right.as_bytes()].concat();
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let headers = headers.chain([("Webhook-Signature", signatures.as_slice())]);
    let delivery = verifier.verify_at(now, BODY, headers).expect("one signature is right");
    assert_eq!(delivery.id, "msg_1");
}
