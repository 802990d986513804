"""A server that answers what a test says, for what only a wire can show."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

SESSION: dict[str, Any] = {
    "id": "ses_1",
    "userId": "user_123",
    "status": "active",
    "environment": "production",
    "metadata": {"planName": "pro", "snake_name": "kept"},
    "limits": {"maxCost": {"amount": 500, "currency": "usd", "period": "day"}, "maxDuration": "90s"},
    "createdAt": "2026-11-24T09:00:00.250Z",
    "pausedAt": None,
    "terminatedAt": None,
}

AGENT: dict[str, Any] = {
    "id": "agt_1",
    "sessionId": "ses_1",
    "status": "ready",
    "provider": "simulated",
    "compute": "python",
    "model": "scripted",
    "createdAt": "2026-11-24T09:00:00.000Z",
}


@dataclass
class Request:
    """What the stub was sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    client: int
    """The port at the other end of its connection."""


@dataclass
class Stub:
    """A server on a free port. `answers` are given in turn, the last one for ever."""

    answers: list[Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)
    """Set when a client left before its answer."""
    asked: threading.Event = field(default_factory=threading.Event)
    """Set when a request has come."""
    connections: int = 0
    """How many connections are open."""

    def __post_init__(self) -> None:
        stub = self
        lock = threading.Lock()
        self._changed = threading.Condition()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                stub.count(1)
                try:
                    super().handle()
                finally:
                    stub.count(-1)

            def answer(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                text = self.rfile.read(length)
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = json.loads(text) if text else None
                with lock:
                    stub.requests.append(Request(self.command, self.path, headers, body, self.client_address[1]))
                    stub.asked.set()
                    answer = stub.answers.pop(0) if len(stub.answers) > 1 else stub.answers[0]
                with stub._changed:
                    stub._changed.notify_all()
                answer(self)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer

            def log_message(self, format: str, *arguments: object) -> None:
                """Quiet."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Clients may leave."""

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def count(self, change: int) -> None:
        """Notes that a connection was opened or closed."""
        with self._changed:
            self.connections += change
            self._changed.notify_all()

    def is_asked(self, times: int, patience: float = 10) -> bool:
        """Waits until so many requests have come; whether they have."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.requests) >= times, patience)

    def is_left(self, patience: float = 10) -> bool:
        """Waits until no connection is open; whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: self.connections == 0, patience)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def says(self, value: Any, status: int = 200, **headers: str) -> Stub:
        """Adds an answer with this JSON."""
        text = json.dumps(value).encode() if value is not None else b""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, header in {"x-request-id": "req_1", "content-type": "application/json", **headers}.items():
                handler.send_header(name.replace("_", "-"), header)
            handler.send_header("content-length", str(len(text)))
            handler.end_headers()
            handler.wfile.write(text)

        self.answers.append(answer)
        return self

    def says_which(self) -> Stub:
        """Adds an answer with the session whose id is the end of the path."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            text = json.dumps({**SESSION, "id": handler.path.rsplit("/", 1)[1]}).encode()
            handler.send_response(200)
            handler.send_header("content-type", "application/json")
            handler.send_header("content-length", str(len(text)))
            handler.end_headers()
            handler.wfile.write(text)

        self.answers.append(answer)
        return self

    def says_nothing(self) -> Stub:
        """Adds an answer that never comes; `left` is set when the client has gone."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.connection.settimeout(30)
            if handler.rfile.read(1) == b"":
                self.left.set()
            handler.close_connection = True

        self.answers.append(answer)
        return self

    def streams(self, *events: dict[str, Any], keep_open: bool = False) -> Stub:
        """Adds an event stream; one that is kept open sets `left` when the client has gone."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("content-type", "text/event-stream")
            handler.send_header("x-theazo-run-id", "arun_1")
            handler.send_header("connection", "close")
            handler.end_headers()
            for number, event in enumerate(events, 1):
                handler.wfile.write(f"id: {number}\ndata: {json.dumps(event)}\n\n".encode())
            handler.wfile.flush()
            if keep_open:
                handler.connection.settimeout(30)
                if handler.rfile.read(1) == b"":
                    self.left.set()
            handler.close_connection = True

        self.answers.append(answer)
        return self

    def __enter__(self) -> Stub:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
