"""What a program in a sandbox tells the control plane of itself.

No native part and no dependencies, so that this one file can be put into a sandbox beside the program::

    from theazo.sandbox import complete, log, model, progress, span

    log.info("begun")
    with span("fetch", {"url": url}):
        page = fetch(url)
    model.track("anthropic/claude-sonnet", input_tokens=1840, output_tokens=212)
    progress(50, "fetched")
    complete("3 pages", artifacts=["/workspace/report.md"])

Reports are sent in their order by a thread of their own, again if one fails for a passing reason. What cannot be sent
is counted and never stops the program. Outside of a sandbox reports go nowhere, and the program is told so once.
"""

from __future__ import annotations

import atexit
import json
import math
import os
import queue
import secrets
import sys
import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["complete", "flush", "log", "lost", "model", "progress", "span"]

_QUEUE = 10_000
"""How many reports wait to be sent at most; more are counted as lost, so that a program cannot fill its memory."""

_ATTEMPT_TIMEOUT = 5.0
"""How long one attempt to send a report may take, in seconds."""

_ATTEMPTS = 3
"""How often a report is sent at most."""

_FAREWELL = 5.0
"""How long the end of the program waits for what is not sent yet, in seconds."""

_present: ContextVar[str | None] = ContextVar("theazo_span", default=None)
_trace_id = f"tr_{secrets.token_hex(16)}"


class _Log:
    """The log of the agent. Logging never fails and never waits."""

    def debug(self, message: str, metadata: Mapping[str, object] | None = None) -> None:
        """Writes a log entry of level `debug`."""
        self._write("debug", message, metadata)

    def info(self, message: str, metadata: Mapping[str, object] | None = None) -> None:
        """Writes a log entry of level `info`."""
        self._write("info", message, metadata)

    def warn(self, message: str, metadata: Mapping[str, object] | None = None) -> None:
        """Writes a log entry of level `warn`."""
        self._write("warn", message, metadata)

    def error(self, message: str, metadata: Mapping[str, object] | None = None) -> None:
        """Writes a log entry of level `error`."""
        self._write("error", message, metadata)

    def _write(self, level: str, message: str, metadata: Mapping[str, object] | None) -> None:
        body = {"level": level, "message": message, "metadata": metadata, "timestamp": _now()}
        _report("log", {**body, "traceId": _trace_id, "spanId": _present.get()})


class _Model:
    """Calls of models that the program makes itself."""

    def track(
        self, model: str, *, input_tokens: int, output_tokens: int, cost: Mapping[str, object] | None = None
    ) -> None:
        """Reports a call, so that it counts in what the agent used.

        Args:
            model: The model, for example `anthropic/claude-sonnet`.
            input_tokens: Tokens that went in.
            output_tokens: Tokens that came out.
            cost: What it cost, if the program knows, as `{"amount": cents, "currency": "usd"}`; noted, and not charged.
        """
        body = {"model": model, "inputTokens": input_tokens, "outputTokens": output_tokens, "cost": cost}
        _report("model", {**body, "timestamp": _now(), "traceId": _trace_id, "parentSpanId": _present.get()})


log: _Log = _Log()
model: _Model = _Model()


@contextmanager
def span(name: str, attributes: Mapping[str, object] | None = None) -> Iterator[None]:
    """Does some work as a span of the agent's trace. Spans and log entries within it belong to it.

    It serves `with` in synchronous and in asynchronous code.

    Args:
        name: What is done.
        attributes: What belongs to it.
    """
    span_id, parent = f"span_{secrets.token_hex(16)}", _present.get()
    token = _present.set(span_id)
    # How long it takes is measured by a clock that nobody sets back.
    began, since = time.time(), time.monotonic()
    error: str | None = None
    try:
        yield
    except BaseException as caught:
        error = str(caught) or type(caught).__name__
        raise
    finally:
        _present.reset(token)
        took = time.monotonic() - since
        body = {
            "name": name,
            "startTime": _iso(began),
            "endTime": _iso(began + took),
            "durationMs": round(took * 1000),
            "status": "completed" if error is None else "failed",
            "error": error,
            "attributes": attributes,
        }
        _report("span", {**body, "traceId": _trace_id, "spanId": span_id, "parentSpanId": parent})


def progress(percentage: float, message: str) -> None:
    """Reports how far the program is, 0 to 100; what is beyond is taken for the nearer end."""
    within = 0.0 if math.isnan(percentage) else min(100.0, max(0.0, percentage))
    _report("progress", {"percentage": within, "message": message, "timestamp": _now()})


def complete(output: str, artifacts: Iterable[str] = ()) -> None:
    """Reports what the program came to, with the paths of the files that it made."""
    _report("complete", {"output": output, "artifacts": list(artifacts), "timestamp": _now()})


def flush(timeout: float | None = None) -> bool:
    """Waits until every report so far was sent or given up, and says whether none was lost since the program began.

    Args:
        timeout: How many seconds to wait at most; as long as it takes by default.
    """
    done = threading.Event()
    if not _sender.put(done):
        return lost() == 0
    return done.wait(timeout) and lost() == 0


def lost() -> int:
    """How many reports could not be sent."""
    return _sender.lost


class _Sender:
    """The thread that sends, started with the first report. A child made by `fork` starts its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reset()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset_in_child)

    def _reset(self) -> None:
        self.lost = 0
        self._waiting: queue.SimpleQueue[tuple[str, bytes] | threading.Event] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def _reset_in_child(self) -> None:
        self._lock = threading.Lock()
        self._reset()

    def add(self, url: str, body: bytes) -> None:
        with self._lock:
            if self._waiting.qsize() >= _QUEUE:
                self.lost += 1
                return
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="theazo-sandbox", daemon=True)
                self._thread.start()
                atexit.register(flush, _FAREWELL)
            self._waiting.put((url, body))

    def put(self, done: threading.Event) -> bool:
        with self._lock:
            if self._thread is None:
                return False
            self._waiting.put(done)
            return True

    def _run(self) -> None:
        while True:
            item = self._waiting.get()
            if isinstance(item, threading.Event):
                item.set()
                continue
            problem = _send(*item, attempts=1 if self.lost else _ATTEMPTS)
            if problem is not None:
                with self._lock:
                    self.lost += 1
                _warn_once(f"a report of this program could not be sent: {problem}")


_sender = _Sender()


def _report(what: str, body: dict[str, Any]) -> None:
    names = ("THEAZO_ENDPOINT", "THEAZO_AGENT_ID", "THEAZO_SESSION_ID")
    endpoint, agent_id, session_id = (os.environ.get(name, "") for name in names)
    if not (endpoint and agent_id and session_id):
        _warn_once(f"this program is in no sandbox, so it reports nothing: not all of {', '.join(names)} are set")
        return
    present = {name: value for name, value in body.items() if value is not None}
    try:
        text = json.dumps({**present, "agentId": agent_id, "sessionId": session_id}, default=str)
    except (TypeError, ValueError):
        # What contains itself, or has keys that JSON does not know.
        plain = {name: value for name, value in present.items() if name not in ("metadata", "attributes")}
        text = json.dumps({**plain, "agentId": agent_id, "sessionId": session_id})
        _warn_once(f"the metadata of a report (`{what}`) cannot be written as JSON and was left out")
    _sender.add(f"{endpoint.rstrip('/')}/v1/sandbox/{what}", text.encode())


def _send(url: str, body: bytes, attempts: int) -> str | None:
    """Sends a report, again if that may help. What went wrong, if it did not."""
    from urllib.error import HTTPError
    from urllib.request import ProxyHandler, Request, build_opener

    # The way to the control plane leads through no proxy.
    opener = build_opener(ProxyHandler({}))
    for attempt in range(1, attempts + 1):
        request = Request(url, body, {"Content-Type": "application/json"}, method="POST")
        try:
            with opener.open(request, timeout=_ATTEMPT_TIMEOUT) as response:
                response.read()
            return None
        except HTTPError as error:
            problem = f"the control plane answered {error.code}"
            if error.code != 429 and error.code < 500:
                return problem
        except OSError as error:
            problem = str(error)
        if attempt < attempts:
            time.sleep(0.1 * 2**attempt)
    return problem


def _now() -> str:
    return _iso(time.time())


def _iso(seconds: float) -> str:
    text = datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


_warned = threading.Event()


def _warn_once(message: str) -> None:
    """Says something on standard error, the first time that there is something to say."""
    if not _warned.is_set():
        _warned.set()
        print(f"theazo: {message}", file=sys.stderr)
