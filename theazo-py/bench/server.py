"""The server that every client of the benchmark asks: that of the benchmarks in Rust, which answers with the same bytes
and costs little, so that clients are measured, and neither a control plane nor a server in Python."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = ["cargo", "bench", "--quiet", "--package", "theazo", "--bench", "client", "--", "serve"]


@contextmanager
def server() -> Iterator[str]:
    """The address of the server, which is built first and ends when its input does."""
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(COMMAND, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert url, "the server does not start"
            yield url
        finally:
            process.stdin.close()
