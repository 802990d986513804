"""A web application whose master makes a client and a call before it forks its workers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from theazo import Theazo

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

THEAZO = Theazo()
MASTER = THEAZO.sessions.get("ses_1").id, os.getpid()


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Asks for the session again, in the worker."""
    assert os.getpid() != MASTER[1]
    start_response("200 OK", [("content-type", "text/plain")])
    return [THEAZO.sessions.get("ses_1").id.encode()]
