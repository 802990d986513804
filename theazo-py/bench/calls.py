"""Calls per second through this package and through the usual HTTP clients of Python, side by side.

All do the same: `GET /v1/sessions/{id}` of one server, decoded into a typed object. The server is another process that
answers every request with the same bytes, so that clients are measured and not a control plane; with `THEAZO_BASE_URL`
and `THEAZO_API_KEY` it is that one. Each pair is measured in turns, and the ratio is the median of the turns. Prints
one JSON line for each measure.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp

from theazo import AsyncTheazo, Theazo

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

SECONDS = float(os.environ.get("THEAZO_BENCH_SECONDS", "0.5"))
TURNS = int(os.environ.get("THEAZO_BENCH_TURNS", "7"))


@dataclass(slots=True, frozen=True)
class PlainSession:
    """What a careful user of an HTTP client would decode a session into."""

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


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


@dataclass(slots=True, frozen=True)
class Rate:
    """Calls per second, and the processor time of one."""

    calls: float
    micros: float

    @classmethod
    def since(cls, start: float, processor: float, count: int) -> Rate:
        used = time.process_time() - processor
        return cls(count / (time.perf_counter() - start), used / count * 1e6)


async def rate_async(call: Callable[[], Awaitable[object]], in_flight: int) -> Rate:
    """The rate with so many in flight."""
    count = 0
    end = time.perf_counter() + SECONDS

    async def worker() -> None:
        nonlocal count
        while time.perf_counter() < end:
            await call()
            count += 1

    start, processor = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    return Rate.since(start, processor, count)


def rate_sync(call: Callable[[], object]) -> Rate:
    """The rate of calls that are made one after the other."""
    count = 0
    start, processor = time.perf_counter(), time.process_time()
    end = start + SECONDS
    while time.perf_counter() < end:
        call()
        count += 1
    return Rate.since(start, processor, count)


def report(name: str, bar: float, pairs: list[tuple[Rate, Rate]]) -> None:
    """Prints the median ratio of pairs of ours and theirs."""
    ratio = statistics.median(ours.calls / theirs.calls for ours, theirs in pairs)
    rates = " against ".join(f"{statistics.median(pair[side].calls for pair in pairs):.0f}/s" for side in (0, 1))
    processor = " against ".join(f"{statistics.median(pair[side].micros for pair in pairs):.0f}" for side in (0, 1))
    detail = f"{rates}; processor time of a call {processor} us; median of {len(pairs)} pairs"
    print(
        json.dumps({"name": name, "ratio": round(ratio, 2), "bar": bar, "better": "higher", "detail": detail}),
        flush=True,
    )


async def bench_async(url: str, key: str, session_id: str) -> None:
    async with (
        AsyncTheazo(key, url) as theazo,
        aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {key}"}, connector=aiohttp.TCPConnector(limit=256)
        ) as rival,
    ):
        address = f"{url.rstrip('/')}/v1/sessions/{session_id}"

        async def ours() -> object:
            return (await theazo.sessions.get(session_id)).created_at

        async def theirs() -> object:
            async with rival.get(address) as response:
                response.raise_for_status()
                return PlainSession.from_json(await response.read()).created_at

        # With one in flight, the time to wake another thread rules, and it differs between machines.
        for in_flight, bar in ((64, 1.5), (1, 0.8)):
            await rate_async(ours, in_flight)
            await rate_async(theirs, in_flight)
            pairs = [(await rate_async(ours, in_flight), await rate_async(theirs, in_flight)) for _ in range(TURNS)]
            name = f"python async calls/s at {in_flight} in flight, over aiohttp"
            report(name, bar, pairs)


def bench_sync(url: str, key: str, session_id: str) -> None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80)
    headers = {"Authorization": f"Bearer {key}"}
    path = f"/v1/sessions/{session_id}"

    with Theazo(key, url) as theazo:

        def ours() -> object:
            return theazo.sessions.get(session_id).created_at

        def theirs() -> object:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            text = response.read()
            if response.status != 200:
                raise RuntimeError(f"HTTP {response.status}")
            return PlainSession.from_json(text).created_at

        rate_sync(ours)
        rate_sync(theirs)
        pairs = [(rate_sync(ours), rate_sync(theirs)) for _ in range(TURNS)]
        # A lower bar: a blocking socket needs no second thread, and what waking one costs differs between machines.
        report("python sync calls/s, over http.client", 0.7, pairs)


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


class SameAnswer(asyncio.Protocol):
    """Answers every request without a body with the same session."""

    BODY = json.dumps(SESSION).encode()
    ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)

    def __init__(self) -> None:
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self._rest = (self._rest + data).split(b"\r\n\r\n")
        self._transport.write(self.ANSWER * len(requests))


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(SameAnswer, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


@contextmanager
def server() -> Iterator[tuple[str, str, str]]:
    """The address of a server, a key and the id of a session."""
    url, key = os.environ.get("THEAZO_BASE_URL"), os.environ.get("THEAZO_API_KEY")
    if url and key:
        yield url, key, Theazo(key, url).sessions.for_user("bench").id
        return
    with subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip(), "th_test_bench", SESSION["id"]
        finally:
            process.terminate()


def main() -> None:
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
        return
    with server() as (url, key, session_id):
        asyncio.run(bench_async(url, key, session_id))
        bench_sync(url, key, session_id)


if __name__ == "__main__":
    main()
