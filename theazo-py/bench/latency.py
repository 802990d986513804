"""How soon what a caller stops has stopped: a cancelled task at the server, Ctrl-C in the program."""

from __future__ import annotations

import asyncio
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

from theazo import AsyncTheazo

if TYPE_CHECKING:
    from collections.abc import Callable

TIMES = 15

PROGRAM = """
import sys
from theazo import Theazo
theazo = Theazo("th_test_bench", sys.argv[1])
try:
    theazo.health()
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


class SilentServer:
    """Takes connections, never answers, and notes when a request came and when its connection ended."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.asked = threading.Event()
        self.left = threading.Event()
        self.left_at = 0.0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            threading.Thread(target=self._listen, args=(connection,), daemon=True).start()

    def _listen(self, connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            self.asked.set()
            try:
                while connection.recv(65536):
                    pass
            except OSError:
                pass
            self.left_at = time.perf_counter()
            self.left.set()

    def begin(self) -> None:
        self.asked.clear()
        self.left.clear()


async def _cancel(server: SilentServer) -> float:
    theazo = AsyncTheazo("th_test_bench", server.url)
    server.begin()
    task = asyncio.create_task(theazo.health())
    await asyncio.to_thread(server.asked.wait, 10)
    begin = time.perf_counter()
    task.cancel()
    await asyncio.wait([task])
    assert await asyncio.to_thread(server.left.wait, 10)
    return server.left_at - begin


def _interrupt(server: SilentServer) -> float:
    server.begin()
    with subprocess.Popen([sys.executable, "-c", PROGRAM, server.url], stdout=subprocess.PIPE) as process:
        assert server.asked.wait(10)
        begin = time.perf_counter()
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.readline() == b"stopped\n"
        return time.perf_counter() - begin


def bench_latency(show: Callable[[str, float, float, str, str], None]) -> None:
    """Reports the medians in milliseconds."""
    server = SilentServer()
    cancelled = [asyncio.run(_cancel(server)) * 1e3 for _ in range(TIMES)]
    interrupted = [_interrupt(server) * 1e3 for _ in range(TIMES)]
    for name, times, bar in (
        ("ms until a cancelled call has left the server", cancelled, 100),
        ("ms until Ctrl-C has ended a blocking call", interrupted, 150),
    ):
        show(name, statistics.median(times), bar, "lower", f"at most {max(times):.0f} ms in {TIMES} times")
