"""The server that every client of the benchmark asks: it answers with the same bytes, so that clients are measured and
not a control plane."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import uvloop

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENTS = 20_000
"""How many events a stream has."""

SESSION: dict[str, Any] = {
    "id": "ses_a1b2c3",
    "userId": "user_123",
    "status": "active",
    "environment": "production",
    "metadata": {"plan": "pro", "region": "eu"},
    "limits": {"maxCost": {"amount": 500, "currency": "usd", "period": "day"}, "maxAgents": 3},
    "createdAt": "2026-11-24T09:00:00.000Z",
    "pausedAt": None,
    "terminatedAt": None,
}

AGENT: dict[str, Any] = {
    "id": "agt_a1b2c3",
    "sessionId": "ses_a1b2c3",
    "status": "ready",
    "provider": "simulated",
    "compute": "python",
    "model": "scripted",
    "createdAt": "2026-11-24T09:00:00.000Z",
}

DONE = {"type": "done", "runId": "arun_1", "output": "", "cost": {"amount": 1}, "duration": "1s", "durationMs": 1000}


def _answer(kind: str, body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n%b" % (kind.encode(), len(body), body)


def _stream() -> bytes:
    text = "some words of an answer that a model writes"
    events = [{"type": "text", "text": f"{text}, {number}"} for number in range(EVENTS - 1)] + [DONE]
    return b"".join(
        b"id: %d\ndata: %b\n\n" % (number, json.dumps(event).encode()) for number, event in enumerate(events, 1)
    )


class SameAnswers(asyncio.Protocol):
    """Answers a request by the kind of what is asked for."""

    SESSION = _answer("application/json", json.dumps(SESSION).encode())
    AGENT = _answer("application/json", json.dumps(AGENT).encode())
    STREAM = _answer("text/event-stream", _stream())

    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not an instance of the class with uvloop, but the same to use.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._rest += data
        while (end := self._rest.find(b"\r\n\r\n")) >= 0:
            head, length = self._rest[:end], 0
            if head.startswith(b"POST"):
                low = head.lower()
                start = low.find(b"content-length:")
                length = int(low[start + 15 : low.find(b"\r\n", start) if b"\r\n" in low[start:] else None])
            if len(self._rest) < end + 4 + length:
                return
            self._rest = self._rest[end + 4 + length :]
            if head.startswith(b"POST"):
                self._transport.write(self.STREAM)
            else:
                self._transport.write(self.AGENT if b"/agents/" in head else self.SESSION)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(SameAnswers, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


@contextmanager
def server() -> Iterator[str]:
    """The address of a server in a process of its own."""
    with subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


if __name__ == "__main__":
    uvloop.run(_serve())
