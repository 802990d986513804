"""What the usual HTTP clients of Python do for the same work, decoded into typed objects as a careful user would."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

KEY = "th_test_bench"
HEADERS = {"authorization": f"Bearer {KEY}"}


@dataclass(slots=True, frozen=True)
class PlainSession:
    """A session."""

    id: str
    user_id: str
    status: str
    environment: str
    metadata: dict[str, str]
    limits: dict[str, Any]
    created_at: datetime
    paused_at: datetime | None
    terminated_at: datetime | None

    @classmethod
    def from_json(cls, text: bytes) -> PlainSession:
        data = json.loads(text)
        return cls(
            id=data["id"],
            user_id=data["userId"],
            status=data["status"],
            environment=data["environment"],
            metadata=data["metadata"],
            limits=data["limits"],
            created_at=_time(data["createdAt"]),
            paused_at=_time(data["pausedAt"]) if data.get("pausedAt") else None,
            terminated_at=_time(data["terminatedAt"]) if data.get("terminatedAt") else None,
        )


@dataclass(slots=True, frozen=True)
class PlainEvent:
    """An event of a stream."""

    id: str
    type: str
    text: str | None


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def stream_by_httpx(client: httpx.Client, url: str) -> int:
    """Reads a stream line by line, as programs without an SDK do; how many events it had."""
    count, event_id = 0, ""
    with client.stream("POST", f"{url}/v1/agents/agt_a1b2c3/runs/stream", json={"task": "go"}) as response:
        response.raise_for_status()
        for line in response.iter_lines():
            if line.startswith("id: "):
                event_id = line[4:]
            elif line.startswith("data: "):
                data = json.loads(line[6:])
                event = PlainEvent(event_id, data["type"], data.get("text"))
                count += event.type != ""
    return count
