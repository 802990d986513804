"""Webhooks: only what is signed is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

import pytest

from theazo import ConfigurationError, TheazoError
from theazo.errors import UnreadableAnswerError, WebhookUnverifiedError
from theazo.types import AgentCompletedWebhookEvent, OtherWebhookEvent
from theazo.webhooks import Verifier, sign_for_test, sign_trigger

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
BODY = json.dumps(
    {
        "type": "agent.completed",
        "timestamp": "2026-11-24T09:00:00.000Z",
        "data": {"agentId": "agt_1", "sessionId": "ses_1", "output": "42"},
    }
).encode()


def test_a_signed_delivery_is_a_typed_event() -> None:
    delivery = Verifier(SECRET).verify(BODY, sign_for_test(SECRET, "msg_1", BODY))

    assert delivery.id == "msg_1"
    match delivery.event:
        case AgentCompletedWebhookEvent(data=data):
            assert (data.agent_id, data.output) == ("agt_1", "42")
        case other:
            pytest.fail(f"{other.type} is another event")


def test_the_vector_of_standard_webhooks() -> None:
    at = datetime.fromtimestamp(1614265330, timezone.utc)
    body = b'{"test": 2432232314}'

    headers = sign_for_test(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", body, at=at)

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_an_event_of_a_newer_server_is_kept() -> None:
    body = b'{"type":"moon.risen","timestamp":"2026-11-24T09:00:00.000Z","data":{}}'

    event = Verifier(SECRET).verify(body, sign_for_test(SECRET, "msg_1", body)).event

    assert isinstance(event, OtherWebhookEvent)
    assert event.type == "moon.risen"


@pytest.mark.parametrize("shape", ["mixed case", "pairs", "bytes", "object"])
def test_headers_are_taken_as_web_frameworks_have_them(shape: str) -> None:
    signed = sign_for_test(SECRET, "msg_1", BODY)

    class Headers:
        def items(self) -> list[tuple[str, str]]:
            return list(signed.items())

    headers: Mapping[str, str] | list[tuple[bytes, bytes]] | list[tuple[str, str]] = {
        name.title(): value for name, value in signed.items()
    }
    if shape == "pairs":
        headers = [*signed.items(), ("host", "example.com")]
    elif shape == "bytes":
        headers = [(name.encode(), value.encode()) for name, value in signed.items()]
    elif shape == "object":
        headers = Headers()  # type: ignore[assignment]

    assert Verifier(SECRET).verify(bytearray(BODY), headers).id == "msg_1"


def test_what_is_changed_late_or_signed_by_another_is_refused() -> None:
    verifier = Verifier(SECRET, tolerance="60s")
    signed = sign_for_test(SECRET, "msg_1", BODY)
    late = datetime.now(timezone.utc) + timedelta(seconds=90)

    for body, headers, now, words in [
        (BODY + b" ", signed, None, "no signature"),
        (BODY, sign_for_test(OTHER, "msg_1", BODY), None, "no signature"),
        (BODY, signed, late, "signed 90 s ago"),
        (BODY, {**signed, "webhook-timestamp": ""}, None, "webhook-timestamp` is missing"),
        (BODY, {}, None, "webhook-id` is missing"),
    ]:
        with pytest.raises(WebhookUnverifiedError, match=words) as caught:
            verifier.verify(body, headers, now=now)
        assert (caught.value.code, caught.value.kind) == ("webhook_unverified", "unverified")


def test_a_secret_that_changes_is_accepted_beside_the_new_one() -> None:
    signed = sign_for_test(OTHER, "msg_1", BODY)

    assert Verifier(SECRET, OTHER).verify(BODY, signed).id == "msg_1"
    assert "whsec" not in repr(Verifier(SECRET, OTHER))


def test_a_signed_body_that_is_no_event_is_another_error() -> None:
    with pytest.raises(UnreadableAnswerError):
        Verifier(SECRET).verify(b"[]", sign_for_test(SECRET, "msg_1", b"[]"))


def test_a_secret_of_another_form_is_refused_when_it_is_given() -> None:
    with pytest.raises(ConfigurationError, match="whsec_"):
        Verifier("secret")
    with pytest.raises(TheazoError):
        sign_for_test("secret", "msg_1", BODY)


def test_a_call_of_a_trigger_is_signed() -> None:
    assert sign_trigger("trigger-secret", b'{"order":17}') == sign_trigger("trigger-secret", '{"order":17}')
    assert len(sign_trigger("trigger-secret", b"")) == 64
