"""What both clients connect to."""

from __future__ import annotations

import os

from theazo._native import Client


def connected() -> Client:
    """A client of what the environment names, or of a new control plane inside this process."""
    if os.environ.get("THEAZO_BASE_URL", "").strip() or os.environ.get("THEAZO_API_KEY", "").strip():
        return Client()
    return Client.embedded()
