"""Calls and events per second through this package and through the usual HTTP clients of Python, side by side.

All do the same: `GET /v1/sessions/{id}` of one server, or a stream of a run, decoded into typed objects. Each pair is
measured in turns, and the ratio is the median of the turns. Then what importing costs, and what a million calls leave
in memory. Prints one JSON line for each measure.
"""

from __future__ import annotations

import asyncio
import compileall
import gc
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import httpx
import pyqwest
import pyreqwest.client
from latency import bench_latency
from rivals import HEADERS, KEY, PlainSession, stream_by_httpx
from server import server

from theazo import AsyncTheazo, Theazo

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

SECONDS = float(os.environ.get("THEAZO_BENCH_SECONDS", "0.5"))
TURNS = int(os.environ.get("THEAZO_BENCH_TURNS", "7"))
CALLS = int(os.environ.get("THEAZO_BENCH_CALLS", "1000000"))
SESSION_ID = "ses_a1b2c3"


@dataclass(slots=True, frozen=True)
class Rate:
    """How much a second, and the processor time of one."""

    count: float
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


def rate_sync(call: Callable[[], object], each: int = 1) -> Rate:
    """The rate of calls that are made one after the other, where each does so much."""
    count = 0
    start, processor = time.perf_counter(), time.process_time()
    end = start + SECONDS
    while time.perf_counter() < end:
        call()
        count += each
    return Rate.since(start, processor, count)


def report(name: str, bar: float, pairs: list[tuple[Rate, Rate]]) -> None:
    """Prints the median ratio of pairs of ours and theirs."""
    ratio = statistics.median(ours.count / theirs.count for ours, theirs in pairs)
    rates = " against ".join(f"{statistics.median(pair[side].count for pair in pairs):.0f}/s" for side in (0, 1))
    processor = " against ".join(f"{statistics.median(pair[side].micros for pair in pairs):.1f}" for side in (0, 1))
    show(name, ratio, bar, "higher", f"{rates}; processor time of one {processor} us; median of {len(pairs)} pairs")


def show(name: str, ratio: float, bar: float, better: str, detail: str) -> None:
    line = {"name": f"python {name}", "ratio": round(ratio, 2), "bar": bar, "better": better, "detail": detail}
    print(json.dumps(line), flush=True)


def bench_async() -> None:
    """At 1 in flight caller and server take turns here too, so that is shown both ways; each has to hold."""
    with server() as url:
        asyncio.run(compare_async(url, (64, 1), "on all processors"))
    with one_processor() as is_alone, server() as url:
        if is_alone:
            asyncio.run(compare_async(url, (1,), "on one processor"))


async def compare_async(url: str, counts: tuple[int, ...], where: str) -> None:
    address = f"{url}/v1/sessions/{SESSION_ID}"
    async with (
        AsyncTheazo(KEY, url) as theazo,
        aiohttp.ClientSession(headers=HEADERS, connector=aiohttp.TCPConnector(limit=256)) as by_aiohttp,
        pyreqwest.client.ClientBuilder().build() as by_pyreqwest,
        pyqwest.HTTPTransport() as transport,
    ):
        by_pyqwest = pyqwest.Client(transport)

        async def ours() -> object:
            return (await theazo.sessions.get(SESSION_ID)).created_at

        async def aiohttp_call() -> object:
            async with by_aiohttp.get(address) as response:
                response.raise_for_status()
                return PlainSession.from_json(await response.read()).created_at

        async def pyreqwest_call() -> object:
            response = await by_pyreqwest.get(address).headers(HEADERS).build().send()
            return PlainSession.from_json(bytes(await response.bytes())).created_at

        async def pyqwest_call() -> object:
            response = await by_pyqwest.get(address, headers=HEADERS)
            return PlainSession.from_json(bytes(response.content)).created_at

        rivals: list[tuple[str, Callable[[], Awaitable[object]], dict[int, float]]] = [
            ("aiohttp", aiohttp_call, {64: 2.5, 1: 1.5}),
            ("pyreqwest", pyreqwest_call, {64: 1.0, 1: 1.0}),
            ("pyqwest", pyqwest_call, {64: 1.0, 1: 1.0}),
        ]
        for name, theirs, bars in rivals:
            for in_flight in counts:
                await rate_async(ours, in_flight)
                await rate_async(theirs, in_flight)
                pairs = [(await rate_async(ours, in_flight), await rate_async(theirs, in_flight)) for _ in range(TURNS)]
                report(f"async calls/s at {in_flight} in flight, over {name}, {where}", bars[in_flight], pairs)


@contextmanager
def one_processor() -> Iterator[bool]:
    """Keeps this thread, and what it starts, on one processor, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield False
        return
    usual = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(usual)})
    try:
        yield True
    finally:
        os.sched_setaffinity(0, usual)


def bench_sync() -> None:
    """Caller and server take turns. On two processors each turn wakes one that idles, which takes a virtual machine
    longer than the call: there even a bare socket has few times the calls of httpx. So the clients are told apart on
    one, and the other figure is only shown."""
    with one_processor() as is_alone, server() as url:
        compare_sync(url, 8, "on one processor" if is_alone else "wherever they run")
    with server() as url:
        compare_sync(url, 0, "on all processors, for comparison")


def compare_sync(url: str, bar: float, where: str) -> None:
    address = f"{url}/v1/sessions/{SESSION_ID}"
    with Theazo(KEY, url) as theazo, httpx.Client(headers=HEADERS) as rival:

        def ours() -> object:
            return theazo.sessions.get(SESSION_ID).created_at

        def theirs() -> object:
            response = rival.get(address)
            response.raise_for_status()
            return PlainSession.from_json(response.content).created_at

        rate_sync(ours)
        rate_sync(theirs)
        pairs = [(rate_sync(ours), rate_sync(theirs)) for _ in range(TURNS)]
        report(f"sync calls/s, over httpx, {where}", bar, pairs)


def bench_streams(url: str) -> None:
    with Theazo(KEY, url) as theazo, httpx.Client(headers=HEADERS) as rival:
        agent = theazo.agents.get("agt_a1b2c3")
        count = stream_by_httpx(rival, url)

        def ours() -> None:
            with agent.stream("go") as events:
                found = sum(1 for event in events if event.type)
            assert found == count, found

        def theirs() -> None:
            assert stream_by_httpx(rival, url) == count

        ours()
        pairs = [(rate_sync(ours, count), rate_sync(theirs, count)) for _ in range(TURNS)]
        report("events/s of a stream, over httpx line by line", 3, pairs)


def bench_import() -> None:
    """What `from theazo import Theazo` adds to the start of an interpreter, each time in a new process."""

    # As `pip install` does; an environment may forbid that imports write it.
    compileall.compile_dir(Path(__import__("theazo").__file__ or "").parent, quiet=1)

    def start(code: str) -> float:
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return (time.perf_counter() - begin) * 1e3

    for what, code in (("import theazo", "import theazo"), ("both clients", "from theazo import AsyncTheazo, Theazo")):
        start(code)
        times = [start(code) - start("pass") for _ in range(15)]
        size = (Path(__import__("theazo").__file__ or "").parent / "_native.abi3.so").stat().st_size
        detail = f"median of {len(times)} new processes; the native part has {size / 1e6:.1f} MB"
        show(f"ms to import, {what}", statistics.median(times), 60, "lower", detail)


async def bench_memory(url: str) -> None:
    """How many bytes of the process a thousand calls leave behind, after the first tenth of them."""
    theazo = AsyncTheazo(KEY, url)

    async def calls(count: int) -> None:
        async def worker() -> None:
            for _ in range(count // 64):
                await theazo.sessions.get(SESSION_ID)

        await asyncio.gather(*(worker() for _ in range(64)))

    await calls(CALLS // 10)
    gc.collect()
    before = resident()
    await calls(CALLS)
    gc.collect()
    grown = resident() - before
    show(
        "bytes that 1,000 calls leave",
        grown / (CALLS / 1000),
        1024,
        "lower",
        f"{grown / 1024:.0f} KiB in {CALLS} calls",
    )


def resident() -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))) * 1024


def main() -> None:
    bench_sync()
    bench_async()
    with server() as url:
        bench_streams(url)
        bench_import()
        bench_latency(show)
        if Path("/proc/self/status").exists():
            asyncio.run(bench_memory(url))


if __name__ == "__main__":
    main()
