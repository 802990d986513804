"""A control plane for tests: the real one, with fakes only at its edges.

    with TestPlane.start() as plane:
        plane.script("researcher", [{"text": "three competitors"}])
        session = plane.client().sessions.for_user("user_123")
        assert session.run("researcher", "analyze pricing").output == "three competitors"

The model answers what the test scripts, sandboxes are simulated, and the clock stands until `advance` moves it. A
function can answer instead of a list of turns:

    def researcher(conversation: Conversation) -> str:
        return f"you asked: {conversation.task}"

    plane.script("researcher", researcher)

With pytest, the fixture `theazo_plane` is a fresh plane for each test; see `theazo.testing.pytest_plugin`.

What a client and any control plane say to each other can be recorded, and played back without the control plane:

    theazo = Theazo(record=Recorder("calls.jsonl"))
    ...
    theazo = Theazo("th_test_any", replay=Replayer("calls.jsonl"))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from theazo._async import AsyncTestPlaneMethods
from theazo._async_client import AsyncTheazo
from theazo._client import Theazo
from theazo._core import finish
from theazo._native import Recorder, Replayer
from theazo._native import TestPlane as NativePlane
from theazo._sync import TestPlaneMethods
from theazo.testing._functions import Answer, Conversation, Message, ModelFunction, answering

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from theazo._core import CallOptions
    from theazo.types import ScriptedTurn, ScriptedTurnDict

__all__ = [
    "Answer",
    "AsyncTestPlane",
    "Conversation",
    "Message",
    "ModelFunction",
    "Recorder",
    "Replayer",
    "TestPlane",
]


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

    def script(
        self,
        agent: str,
        turns: Sequence[ScriptedTurn | ScriptedTurnDict] | ModelFunction,
        **options: Unpack[CallOptions],
    ) -> None:
        """Scripts what the model of an agent answers, turn by turn or by a function.

        A turn with tool calls is followed by the next turn when the tools have returned. When no turn is left that
        fits, the function answers, if there is one, and else the offline model.

        Args:
            agent: The name of the agent; `*` for every agent whose own script has nothing to say.
            turns: Its answers, in order; or a function that is given the conversation and returns text, a turn or a
                dict that is taken for one. It may be a coroutine function. What it raises is the model's failure.

        Example:
            ```python
            plane.script("researcher", lambda conversation: f"you asked: {conversation.task}")
            ```
        """
        if callable(turns):
            self._native.script_with(agent, answering(turns))
        else:
            super().script(agent, turns, **options)

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

    async def script(
        self,
        agent: str,
        turns: Sequence[ScriptedTurn | ScriptedTurnDict] | ModelFunction,
        **options: Unpack[CallOptions],
    ) -> None:
        """Scripts what the model of an agent answers, turn by turn or by a function.

        A turn with tool calls is followed by the next turn when the tools have returned. When no turn is left that
        fits, the function answers, if there is one, and else the offline model.

        Args:
            agent: The name of the agent; `*` for every agent whose own script has nothing to say.
            turns: Its answers, in order; or a function that is given the conversation and returns text, a turn or a
                dict that is taken for one. It may be a coroutine function. What it raises is the model's failure.

        Example:
            ```python
            await plane.script("researcher", lambda conversation: f"you asked: {conversation.task}")
            ```
        """
        if callable(turns):
            self._native.script_with(agent, answering(turns))
        else:
            await super().script(agent, turns, **options)

    async def aclose(self) -> None:
        """Ends the plane and waits until it has ended."""
        await finish(self._native.close_soon())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
