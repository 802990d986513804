//! Row 28: deliveries of webhooks, genuine, forged and damaged.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use theazo::{
    ErrorKind,
    types::WebhookEvent,
    webhooks::{Verifier, sign_for_test, sign_for_test_at, sign_trigger},
};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_b3RoZXItc2VjcmV0LW90aGVyLXNlY3JldA==";
const BODY: &[u8] = r#"{"type":"agent.completed","timestamp":"2026-11-24T09:00:00.000Z","data":{"agentId":"agt_1","sessionId":"ses_1","output":"42 \u00e9\ud83d\ude00 é"}}"#.as_bytes();

/// The vector of the Standard Webhooks specification: a message, its time and its signature.
const VECTOR_ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const VECTOR_TIME: u64 = 1_614_265_330;
const VECTOR_BODY: &[u8] = br#"{"test": 2432232314}"#;
const VECTOR_SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

type Headers = Vec<(String, String)>;

fn signed() -> Headers {
    headers_of(&sign_for_test(SECRET, "msg_1", BODY).unwrap())
}

fn headers_of(headers: &http::HeaderMap) -> Headers {
    headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

fn changed(name: &str, change: impl Fn(&str) -> String) -> Headers {
    let mut headers = signed();
    let header = headers.iter_mut().find(|(other, _)| other == name).unwrap();
    header.1 = change(&header.1);
    headers
}

fn verify(body: &[u8], headers: &Headers) -> Result<String, String> {
    let delivery = Verifier::new(SECRET).unwrap().verify(body, headers.iter().map(|(name, value)| (name, value)));
    delivery.map(|delivery| delivery.id).map_err(|error| {
        assert_eq!((error.kind(), error.code().as_str()), (&ErrorKind::Unverified, "webhook_unverified"));
        error.to_string()
    })
}

#[test]
fn row_28_a_genuine_delivery_is_a_typed_event() {
    let delivery = Verifier::new(SECRET).unwrap().verify(BODY, signed()).unwrap();

    assert_eq!(delivery.id, "msg_1");
    let age = SystemTime::now().duration_since(delivery.signed_at).unwrap();
    assert!(age <= Duration::from_secs(5), "{age:?}");
    let WebhookEvent::AgentCompleted { data, .. } = delivery.event else { panic!("{:?}", delivery.event) };
    assert_eq!((data.agent_id.as_str(), data.output.as_deref()), ("agt_1", Some("42 é😀 é")));
}

#[test]
fn row_28_the_vector_of_the_specification_is_genuine() {
    let time = UNIX_EPOCH + Duration::from_secs(VECTOR_TIME);

    let signed = headers_of(&sign_for_test_at(time, SECRET, VECTOR_ID, VECTOR_BODY).unwrap());
    let delivery = Verifier::new(SECRET).unwrap().verify_at(time, VECTOR_BODY, signed.clone()).unwrap();

    assert_eq!(signed[2], ("webhook-signature".to_owned(), VECTOR_SIGNATURE.to_owned()));
    assert_eq!((delivery.id.as_str(), delivery.signed_at), (VECTOR_ID, time));
}

#[test]
fn row_28_what_is_not_signed_like_that_is_refused() {
    let wrong =
        Err("no signature of the delivery is right; verify the body as it came, byte by byte, with the secret of \
                     this webhook"
            .to_owned());
    let signature = || signed()[2].1.clone();
    let other = headers_of(&sign_for_test(OTHER, "msg_1", BODY).unwrap())[2].1.clone();

    assert_eq!(verify(&BODY[..BODY.len() - 1], &signed()), wrong, "a body that is cut");
    assert_eq!(verify(b"", &signed()), wrong, "no body");
    assert_eq!(verify(&[BODY, b" "].concat(), &signed()), wrong, "a body with a blank more");
    assert_eq!(verify(BODY, &changed("webhook-id", |_| "msg_2".to_owned())), wrong, "the id of another");
    for forged in [
        other.clone(),
        "v1,".to_owned(),
        "v1".to_owned(),
        "v1,!!!".to_owned(),
        signature().replace("v1,", "v1a,"),
        signature().replace("v1,", "v2,"),
        signature().replace("v1,", ""),
        signature()[..signature().len() - 5].to_owned(),
        format!("{other},{}", signature()),
    ] {
        assert_eq!(verify(BODY, &changed("webhook-signature", |_| forged.clone())), wrong, "{forged}");
    }
    // Genuine among others, as while a secret is being changed; and where nobody looks any more.
    let among = changed("webhook-signature", |own| format!("{other} v1a,bm90IG91cnM= {own}"));
    assert_eq!(verify(BODY, &among), Ok("msg_1".to_owned()));
    let beyond = changed("webhook-signature", |own| format!("{} {own}", vec![other.as_str(); 16].join(" ")));
    assert_eq!(verify(BODY, &beyond), wrong);
}

#[test]
fn row_28_headers_are_found_in_any_case_and_once_each() {
    let upper: Headers = signed().into_iter().map(|(name, value)| (name.to_uppercase(), value)).collect();
    assert_eq!(verify(BODY, &upper), Ok("msg_1".to_owned()));

    for (index, name) in ["webhook-id", "webhook-timestamp", "webhook-signature"].into_iter().enumerate() {
        let (mut missing, mut twice) = (signed(), signed());
        missing.remove(index);
        twice.push((name.to_uppercase(), signed()[index].1.clone()));
        assert_eq!(verify(BODY, &missing), Err(format!("the header `{name}` is missing")));
        assert_eq!(verify(BODY, &changed(name, |_| " ".to_owned())), Err(format!("the header `{name}` is missing")));
        assert_eq!(verify(BODY, &twice), Err(format!("the header `{name}` stands twice")));
    }
    for nonsense in ["soon", "-5", "1.5", "0x10", "99999999999999999999999"] {
        let refused = verify(BODY, &changed("webhook-timestamp", |_| nonsense.to_owned()));
        assert_eq!(refused, Err("the header `webhook-timestamp` is not a number of seconds".to_owned()), "{nonsense}");
    }
    let bytes = [("webhook-id", &b"\xff"[..]), ("webhook-timestamp", b"1"), ("webhook-signature", b"v1,x")];
    let error = Verifier::new(SECRET).unwrap().verify(BODY, bytes).unwrap_err();
    assert_eq!(error.to_string(), "the header `webhook-id` is not text");
}

#[test]
fn row_28_a_delivery_of_another_time_is_refused_on_both_sides() {
    let time = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let headers = headers_of(&sign_for_test_at(time, SECRET, "msg_1", BODY).unwrap());
    let verifier = Verifier::new(SECRET).unwrap();
    let at = |verifier: &Verifier, now: SystemTime| {
        verifier.verify_at(now, BODY, headers.clone()).map(drop).map_err(|error| error.message().to_owned())
    };
    let minute = Duration::from_secs(60);

    for distance in [Duration::ZERO, 5 * minute] {
        assert_eq!(at(&verifier, time + distance), Ok(()));
        assert_eq!(at(&verifier, time - distance), Ok(()));
    }
    let second = Duration::from_secs(1);
    let old = Err("the delivery was signed 301 s ago, more than 300s".to_owned());
    let future = Err("the delivery was signed 301 s from now, more than 300s".to_owned());
    assert_eq!(at(&verifier, time + 5 * minute + second), old);
    assert_eq!(at(&verifier, time - 5 * minute - second), future);
    let patient = verifier.tolerance(10 * minute);
    assert_eq!(at(&patient, time + 10 * minute), Ok(()));
    assert!(at(&patient.tolerance(Duration::ZERO), time + second).is_err());
}

#[test]
fn row_28_a_secret_can_be_changed_without_a_gap() {
    let both = Verifier::new(OTHER).unwrap().or_secret(SECRET).unwrap();

    both.verify(BODY, signed()).unwrap();
    both.verify(BODY, sign_for_test(OTHER, "msg_1", BODY).unwrap().iter()).unwrap();

    assert!(Verifier::new(OTHER).unwrap().verify(BODY, signed()).is_err());
}

#[test]
fn row_28_a_signed_body_that_is_no_event_says_so() {
    for body in [&b"not json"[..], b"[]", br#"{"type":"agent.completed","data":7}"#, b"\xff"] {
        let headers = sign_for_test(SECRET, "msg_1", body).unwrap();

        let error = Verifier::new(SECRET).unwrap().verify(body, headers.iter()).unwrap_err();

        assert_eq!(error.kind(), &ErrorKind::Unreadable, "{error}");
        assert!(error.to_string().starts_with("the delivery `msg_1` is signed, but its body is no event: "), "{error}");
    }
}

#[test]
fn row_28_an_event_that_this_version_does_not_know_is_still_an_event() {
    let body = br#"{"type":"moon.landed","timestamp":"2026-11-24T09:00:00.000Z","data":{"crew":3}}"#;

    let delivery =
        Verifier::new(SECRET).unwrap().verify(body, sign_for_test(SECRET, "msg_1", body).unwrap().iter()).unwrap();

    assert_eq!(delivery.event.tag(), "moon.landed");
}

#[test]
fn a_secret_that_is_none_is_refused_and_none_is_ever_shown() {
    for nonsense in ["", "whsec_", "whsec_!!!", "whsec_c2hvcnQ="] {
        let error = Verifier::new(nonsense).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Configuration, "{nonsense}");
    }
    assert!(!format!("{:?}", Verifier::new(SECRET).unwrap()).contains("MfKQ9r8G"));
}

#[test]
fn a_call_of_a_trigger_is_signed_as_the_control_plane_checks_it() {
    // RFC 4231, test case 2.
    let signature = sign_trigger("Jefe", b"what do ya want for nothing?");

    assert_eq!(signature, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

proptest! {
    #[test]
    fn row_28_no_change_of_a_single_byte_is_taken(index in 0..BODY.len(), flip in 1_u8..=255) {
        let mut body = BODY.to_vec();
        body[index] ^= flip;
        prop_assert!(verify(&body, &signed()).is_err());
    }

    #[test]
    fn row_28_whatever_headers_hold_is_an_error_and_never_a_panic(
        id in ".*", time in ".*", signature in ".*", body in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        let headers = vec![
            ("webhook-id".to_owned(), id),
            ("webhook-timestamp".to_owned(), time),
            ("webhook-signature".to_owned(), signature),
        ];
        prop_assert!(verify(&body, &headers).is_err());
    }
}
