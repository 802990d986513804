"""Webhooks: verifying what arrives, and signing what a test sends.

    from theazo.types import AgentCompletedWebhookEvent
    from theazo.webhooks import Verifier

    verifier = Verifier("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    def receive(body: bytes, headers: Mapping[str, str]) -> None:
        delivery = verifier.verify(body, headers)
        match delivery.event:
            case AgentCompletedWebhookEvent(data=data):
                print(data.agent_id, data.output)

Deliveries are signed as [Standard Webhooks](https://www.standardwebhooks.com) are. Verify the bytes as they came,
before anything parses them. What cannot be verified is a `WebhookUnverifiedError`.
"""

from theazo._native import Delivery, Verifier, sign_for_test, sign_trigger

__all__ = ["Delivery", "Verifier", "sign_for_test", "sign_trigger"]
