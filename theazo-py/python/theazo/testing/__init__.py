"""A control plane for tests: the real one, with fakes only at its edges.

    with TestPlane.start() as plane:
        plane.script("researcher", [{"text": "three competitors"}])
        session = plane.client().sessions.for_user("user_123")
        assert session.run("researcher", "analyze pricing").output == "three competitors"

The model answers what the test scripts, sandboxes are simulated, and the clock stands until `advance` moves it. With
pytest, the fixture `theazo_plane` is a fresh plane for each test.

What a client and any control plane say to each other can be recorded, and played back without the control plane:

    theazo = Theazo(record=Recorder("calls.jsonl"))
    ...
    theazo = Theazo("th_test_any", replay=Replayer("calls.jsonl"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from theazo._async import AsyncTestPlaneMethods
from theazo._client import AsyncTheazo, Theazo
from theazo._core import finish
from theazo._native import Recorder, Replayer
from theazo._native import TestPlane as NativePlane
from theazo._sync import TestPlaneMethods

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["AsyncTestPlane", "Recorder", "Replayer", "TestPlane"]


class TestPlane(TestPlaneMethods):
    """A control plane for tests, whose methods block."""

    # Tells pytest that this is no class of tests.
    __test__ = False

    def __init__(self) -> None:
        self._native = NativePlane()
        self._client = self._native.client()

    @classmethod
    def start(cls) -> Self:
        """Starts a fresh plane in memory."""
        return cls()

    def client(self, *, record: Recorder | None = None) -> Theazo:
        """A client with a live key of the plane, whose calls may be recorded."""
        return Theazo._of(self._native.client(record))

    def async_client(self, *, record: Recorder | None = None) -> AsyncTheazo:
        """A client for asyncio with a live key of the plane, whose calls may be recorded."""
        return AsyncTheazo._of(self._native.client(record))

    def close(self) -> None:
        """Ends the plane and waits until it has ended."""
        self._native.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncTestPlane(AsyncTestPlaneMethods):
    """A control plane for tests, whose methods are awaited."""

    __test__ = False

    def __init__(self) -> None:
        self._native = NativePlane()
        self._client = self._native.client()

    @classmethod
    def start(cls) -> Self:
        """Starts a fresh plane in memory."""
        return cls()

    def client(self, *, record: Recorder | None = None) -> AsyncTheazo:
        """A client with a live key of the plane, whose calls may be recorded."""
        return AsyncTheazo._of(self._native.client(record))

    async def aclose(self) -> None:
        """Ends the plane and waits until it has ended."""
        await finish(self._native.close_soon())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
