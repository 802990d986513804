"""Calls per second through this package and through the usual HTTP clients of Python, side by side.

All do the same: `GET /v1/sessions/{id}` of one server, decoded into a typed object. The server is the one of
`THEAZO_BASE_URL` and `THEAZO_API_KEY`, or else one that is started from the build folder. Each pair is measured in
turns, and the ratio is the median of the turns. Prints one JSON line for each measure.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
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

        for in_flight, bar in ((64, 1.5), (1, 1.0)):
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
        # A lower bar: a blocking socket needs no second thread at all, and this machine's wake-ups vary a lot.
        report("python sync calls/s, over http.client", 0.7, pairs)


def server_binary() -> Path:
    """The newest build of the server."""
    if given := os.environ.get("THEAZO_SERVER"):
        return Path(given)
    target = Path(__file__).resolve().parents[2] / "target"
    builds = [target / profile / "theazo" for profile in ("release", "dist", "debug")]
    found = next((build for build in builds if build.exists()), None)
    if found is None:
        sys.exit("there is no server to measure against; run `cargo build --release -p theazo-server` first")
    return found


@contextmanager
def server() -> Iterator[tuple[str, str]]:
    """The address and a key of a server."""
    url, key = os.environ.get("THEAZO_BASE_URL"), os.environ.get("THEAZO_API_KEY")
    if url and key:
        yield url, key
        return
    command = [str(server_binary()), "serve", "--listen", "127.0.0.1:0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            # Whatever else it prints must not fill the pipe.
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield ready["url"], ready["liveKey"]
        finally:
            process.terminate()


def main() -> None:
    with server() as (url, key):
        session_id = os.environ.get("THEAZO_BENCH_SESSION") or Theazo(key, url).sessions.for_user("bench").id
        asyncio.run(bench_async(url, key, session_id))
        bench_sync(url, key, session_id)


if __name__ == "__main__":
    main()
