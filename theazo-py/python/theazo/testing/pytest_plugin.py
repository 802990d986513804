"""The pytest plugin. It comes with the package; its fixtures are there without an import.

    def test_report(theazo, theazo_plane):
        theazo_plane.script("researcher", lambda conversation: f"you asked: {conversation.task}")
        session = theazo.sessions.for_user("user_123")
        assert session.run("researcher", "prices").output == "you asked: prices"

Each test has a control plane of its own in the process that runs it, so tests may run in any order and on any number
of workers of pytest-xdist. The clients serve asyncio as pytest-asyncio and anyio run it; under trio use the blocking
client in a thread, `await trio.to_thread.run_sync(session.run, "researcher", "prices")`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from theazo import AsyncTheazo, Theazo
    from theazo.testing import TestPlane
    from theazo.types import Duration, FaultKindValue, SandboxActionValue


class PlaneClock:
    """The clock of a test plane. It stands until it is moved."""

    def __init__(self, plane: TestPlane) -> None:
        self._plane = plane

    @property
    def now(self) -> datetime:
        """The time of the plane."""
        return self._plane.clock().now

    def advance(self, by: Duration) -> datetime:
        """Moves the clock; everything that becomes due on the way happens. Returns the new time.

        Args:
            by: How far.
        """
        return self._plane.advance(by).now


class PlaneFaults:
    """What goes wrong on a test plane."""

    def __init__(self, plane: TestPlane) -> None:
        self._plane = plane

    def fail_next(
        self,
        operation: str | None = None,
        *,
        kind: FaultKindValue | None = None,
        status: int | None = None,
        code: str | None = None,
        retry_after: int | None = None,
        times: int | None = None,
    ) -> None:
        """Makes the next calls of the API fail; `TestPlane.fail_next` takes more.

        Args:
            operation: Only calls of this operation, for example `RunInSession`; any by default.
            kind: How; `status` by default.
            status: The HTTP status of the error answer; 503 by default.
            code: The code in the error answer; the usual one of the status by default.
            retry_after: Seconds in the header `Retry-After`; no header by default.
            times: How many calls fail; 1 by default.
        """
        self._plane.fail_next(
            operation=operation, kind=kind, status=status, code=code, retry_after=retry_after, times=times
        )

    def break_sandbox(self, action: SandboxActionValue, *, times: int | None = None, agent: str | None = None) -> None:
        """Makes the next simulated sandboxes fail.

        Args:
            action: At what.
            times: How many; 1 by default.
            agent: Only those of agents with this name; any by default.
        """
        self._plane.break_sandbox(action, times=times, agent=agent)

    def clear(self) -> None:
        """Lets calls of the API work again."""
        self._plane.clear_faults()


@pytest.fixture
def theazo_plane() -> Iterator[TestPlane]:
    """A fresh control plane for one test."""
    # Imported here, so that test runs that do not use it do not pay for it.
    from theazo.testing import TestPlane

    with TestPlane.start() as plane:
        yield plane


@pytest.fixture
def theazo(theazo_plane: TestPlane) -> Theazo:
    """A client of the plane of the test, with a live key."""
    return theazo_plane.client()


@pytest.fixture
def async_theazo(theazo_plane: TestPlane) -> AsyncTheazo:
    """A client of the plane of the test for asyncio, with a live key."""
    return theazo_plane.async_client()


@pytest.fixture
def theazo_clock(theazo_plane: TestPlane) -> PlaneClock:
    """The clock of the plane of the test."""
    return PlaneClock(theazo_plane)


@pytest.fixture
def theazo_faults(theazo_plane: TestPlane) -> PlaneFaults:
    """What goes wrong on the plane of the test."""
    return PlaneFaults(theazo_plane)
