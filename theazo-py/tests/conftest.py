"""What all tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stub import Stub

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of whoever runs the tests do not reach them."""
    for name in ("THEAZO_API_KEY", "THEAZO_BASE_URL", "THEAZO_TIMEOUT", "THEAZO_MAX_RETRIES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def stub() -> Iterator[Stub]:
    """A server that answers what the test says."""
    with Stub() as server:
        yield server
