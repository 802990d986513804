"""Exceptions. Every one is a `TheazoError` and says what failed, with what, and what to do about it."""

from __future__ import annotations

import json
from typing import Any

__all__ = [
    "AuthenticationError",
    "CallTimeoutError",
    "ConfigurationError",
    "ConflictError",
    "ConnectionFailedError",
    "InvalidRequestError",
    "LimitExceededError",
    "NotFoundError",
    "PermissionDeniedError",
    "RateLimitedError",
    "ServerError",
    "TheazoError",
]


class TheazoError(Exception):
    """Why a call failed."""

    code: str
    """What went wrong, as a text that programs branch on, for example `not_found`."""
    message: str
    """What went wrong, for people."""
    status: int | None
    """The HTTP status of the answer, if there was one."""
    details: dict[str, Any]
    """More, depending on the code, with the names of the wire."""
    request_id: str | None
    """The id of the request, to quote to support."""
    hint: str | None
    """What to do about it, where that is known."""
    kind: str
    """How far the call came: `not_sent`, `maybe_received`, `answered`, `unreadable`, `invalid_input` or
    `configuration`."""
    attempts: list[dict[str, Any]]
    """What each attempt came to."""
    retryable: bool
    """Whether the same call may succeed later."""
    retry_after: float | None
    """How many seconds the server asks to wait."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "internal_error",
        status: int | None = None,
        details: dict[str, Any] | None = None,
        request_id: str | None = None,
        hint: str | None = None,
        kind: str = "answered",
        attempts: list[dict[str, Any]] | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.details = details if details is not None else {}
        self.request_id = request_id
        self.hint = hint
        self.kind = kind
        self.attempts = attempts if attempts is not None else []
        self.retryable = retryable
        self.retry_after = retry_after

    def __str__(self) -> str:
        parts = [self.message]
        if self.status:
            parts.append(f" (HTTP {self.status}, {self.code})")
        if self.request_id:
            parts.append(f" [{self.request_id}]")
        if len(self.attempts) > 1:
            parts.append(f" after {len(self.attempts)} attempts")
        if self.hint:
            parts.append(f"; {self.hint}")
        return "".join(parts)

    def __reduce__(self) -> tuple[Any, ...]:
        # The default passes the message alone, which would lose the rest on the way through `pickle`.
        return (_restored, (type(self), self.message, dict(self.__dict__)))


class AuthenticationError(TheazoError):
    """The API key is missing or not valid."""


class PermissionDeniedError(TheazoError):
    """The key is valid, but this is not allowed with it."""


class NotFoundError(TheazoError):
    """There is no such resource, or it belongs to another account."""


class ConflictError(TheazoError):
    """The request clashes with the present state of the resource."""


class InvalidRequestError(TheazoError, ValueError):
    """An argument is wrong; `details["fields"]` says which and why."""


class LimitExceededError(TheazoError):
    """A limit was reached; `details` names it, its value and what is used."""


class RateLimitedError(TheazoError):
    """Too many requests; `retry_after` says how many seconds to wait."""


class ConnectionFailedError(TheazoError, ConnectionError):
    """The server could not be reached, or the connection ended before the answer."""


class CallTimeoutError(TheazoError, TimeoutError):
    """Something took longer than it may: a program in a sandbox, or the call itself."""


class ConfigurationError(TheazoError):
    """The client is not set up correctly; nothing was sent."""


class ServerError(TheazoError):
    """The server or one of its providers failed."""


_BY_CODE: dict[str, type[TheazoError]] = {
    "unauthorized": AuthenticationError,
    "forbidden": PermissionDeniedError,
    "approval_required": PermissionDeniedError,
    "not_found": NotFoundError,
    "conflict": ConflictError,
    "cancelled": ConflictError,
    "idempotency_key_reused": InvalidRequestError,
    "invalid_request": InvalidRequestError,
    "session_limit_exceeded": LimitExceededError,
    "rate_limited": RateLimitedError,
    "connection_error": ConnectionFailedError,
    "timeout": CallTimeoutError,
}

_BY_STATUS: dict[int, type[TheazoError]] = {
    401: AuthenticationError,
    402: LimitExceededError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: InvalidRequestError,
    429: RateLimitedError,
}


def _class_of(code: str, status: int, kind: str) -> type[TheazoError]:
    by_code = _BY_CODE.get(code)
    if by_code is not None:
        return by_code
    if kind == "configuration":
        return ConfigurationError
    by_status = _BY_STATUS.get(status)
    if by_status is not None:
        return by_status
    return ServerError if status >= 500 else TheazoError


def from_json(text: str) -> TheazoError:
    """The exception that the native part describes."""
    parts = json.loads(text)
    code, status, kind = parts.get("code", ""), parts.get("status") or 0, parts.get("kind", "")
    return _class_of(code, status, kind)(
        parts.get("message", ""),
        code=code,
        status=status or None,
        details=parts.get("details"),
        request_id=parts.get("requestId") or None,
        hint=parts.get("hint"),
        kind=kind,
        attempts=parts.get("attempts"),
        retryable=bool(parts.get("retryable")),
        retry_after=parts.get("retryAfter"),
    )


def _restored(kind: type[TheazoError], message: str, attributes: dict[str, Any]) -> TheazoError:
    error = kind(message)
    error.__dict__.update(attributes)
    return error
