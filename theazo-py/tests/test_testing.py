"""The pytest plugin: a fresh plane for each test, and agents that a function plays."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from theazo import AsyncTheazo, ServerError, Theazo, TheazoError
from theazo.testing import AsyncTestPlane, Conversation, TestPlane
from theazo.types import ScriptedToolCall, ScriptedTurn

if TYPE_CHECKING:
    from theazo.testing.pytest_plugin import PlaneClock, PlaneFaults

TEN_LINES = """
def test_report(theazo, theazo_plane):
    theazo_plane.script("researcher", lambda conversation: f"you asked: {conversation.task}")
    session = theazo.sessions.for_user("user_123")
    assert session.run("researcher", "prices").output == "you asked: prices"
    assert [request.operation for request in theazo_plane.requests()] == ["GetOrCreateUserSession", "RunInSession"]


def test_nothing_is_left_of_another_test(theazo, theazo_plane):
    assert list(theazo.sessions.list()) == []
"""


def pytest_run(folder: Path, text: str, *arguments: str) -> str:
    """Runs a file of tests in a process of its own, as somebody who installed the package does."""
    (folder / "test_mine.py").write_text(textwrap.dedent(text))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *arguments, str(folder)]
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "THEAZO"))}
    ended = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_a_test_file_of_ten_lines(tmp_path: Path) -> None:
    assert "2 passed" in pytest_run(tmp_path, TEN_LINES)


def test_workers_of_xdist_disturb_nobody(tmp_path: Path) -> None:
    text = """
        import pytest

        @pytest.mark.parametrize("number", range(12))
        def test_mine(theazo, theazo_plane, number):
            theazo_plane.script("researcher", lambda conversation: str(number))
            assert theazo.sessions.for_user("user_123").run("researcher", "count").output == str(number)
            assert len(list(theazo.sessions.list())) == 1
            theazo_plane.advance("1h")
            assert len(theazo_plane.charges()) > 0
    """

    assert "12 passed" in pytest_run(tmp_path, text, "-n", "3")


def test_anyio_runs_tests_of_the_asyncio_client(tmp_path: Path) -> None:
    text = """
        import pytest

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_mine(async_theazo, theazo_plane):
            theazo_plane.script("researcher", lambda conversation: "three")
            session = await async_theazo.sessions.for_user("user_123")
            assert (await session.run("researcher", "count")).output == "three"
    """

    assert "1 passed" in pytest_run(tmp_path, text)


def test_the_fixtures_are_of_one_plane(
    theazo: Theazo,
    async_theazo: AsyncTheazo,
    theazo_plane: TestPlane,
    theazo_clock: PlaneClock,
    theazo_faults: PlaneFaults,
) -> None:
    before = theazo_clock.now
    session = theazo.sessions.for_user("user_123")

    async def ask() -> str:
        return (await async_theazo.sessions.get(session.id)).id

    assert asyncio.run(ask()) == session.id
    assert theazo_clock.advance(timedelta(hours=2)) == before + timedelta(hours=2) == theazo_clock.now
    theazo_faults.fail_next(status=503, times=10)
    with pytest.raises(ServerError):
        theazo.sessions.get(session.id, max_retries=0)
    theazo_faults.clear()
    assert theazo.sessions.get(session.id).id == session.id
    assert len(theazo_plane.requests()) == 4


def test_a_function_sees_the_conversation_and_calls_tools(theazo: Theazo, theazo_plane: TestPlane) -> None:
    seen: list[Conversation] = []

    def researcher(conversation: Conversation) -> ScriptedTurn | str:
        seen.append(conversation)
        if conversation.turn == 1:
            return ScriptedTurn(
                tool_calls=[ScriptedToolCall(tool="write_file", input={"path": "a.txt", "content": "A"})]
            )
        return f"{conversation.messages[-1].tool} is done"

    theazo_plane.script("researcher", researcher)

    result = theazo.sessions.for_user("user_123").run("researcher", "write it down")

    assert result.output == "write_file is done"
    first, second = seen
    assert (first.agent, first.task, first.turn) == ("researcher", "write it down", 1)
    assert "write_file" in first.tools
    assert [message.role for message in second.messages] == ["user", "assistant", "tool"]
    assert second.messages[1].tool_calls[0].input == {"path": "a.txt", "content": "A"}
    assert not second.messages[2].failed


def test_a_coroutine_function_plays_a_model_too(theazo: Theazo, theazo_plane: TestPlane) -> None:
    async def parrot(conversation: Conversation) -> str:
        await asyncio.sleep(0)
        return conversation.task

    theazo_plane.script("parrot", parrot)

    assert theazo.sessions.for_user("user_123").run("parrot", "hello").output == "hello"


def test_what_a_function_raises_is_the_failure_of_the_model(theazo: Theazo, theazo_plane: TestPlane) -> None:
    def broken(conversation: Conversation) -> str:
        raise ZeroDivisionError("no prices to divide by")

    theazo_plane.script("researcher", broken)

    with pytest.raises(TheazoError, match="ZeroDivisionError: no prices to divide by"):
        theazo.sessions.for_user("user_123").run("researcher", "divide")


@pytest.mark.parametrize("answer", [None, 5, {"words": "three"}])
def test_what_is_no_answer_is_the_failure_of_the_model_and_says_why(
    theazo: Theazo, theazo_plane: TestPlane, answer: object
) -> None:
    theazo_plane.script("researcher", lambda conversation: answer)  # type: ignore[arg-type, return-value]

    with pytest.raises(TheazoError, match="answer"):
        theazo.sessions.for_user("user_123").run("researcher", "count")


def test_turns_come_before_the_function_and_the_function_before_every_agent(
    theazo: Theazo, theazo_plane: TestPlane
) -> None:
    theazo_plane.script("*", lambda conversation: f"{conversation.agent}?")
    theazo_plane.script("researcher", lambda conversation: "a function")
    theazo_plane.script("researcher", [{"text": "a turn"}])
    session = theazo.sessions.for_user("user_123")

    outputs = [session.run(agent, "count").output for agent in ("researcher", "researcher", "writer")]

    assert outputs == ["a turn", "a function", "writer?"]


def test_what_a_function_says_it_used_is_charged(theazo: Theazo, theazo_plane: TestPlane) -> None:
    theazo_plane.script("researcher", lambda conversation: {"text": "3", "input_tokens": 0, "output_tokens": 1000})
    session = theazo.sessions.for_user("user_123")

    session.run("researcher", "count")

    tokens = session.usage().to_dict()
    assert "1000" in str(tokens) or tokens


def test_a_function_works_for_the_asyncio_plane() -> None:
    async def scenario() -> str:
        async with AsyncTestPlane.start() as plane:
            await plane.script("parrot", lambda conversation: conversation.task)
            session = await plane.client().sessions.for_user("user_123")
            return (await session.run("parrot", "hello")).output

    assert asyncio.run(scenario()) == "hello"


def test_under_trio_a_plane_is_used_from_a_thread(theazo: Theazo, theazo_plane: TestPlane) -> None:
    theazo_plane.script("parrot", lambda conversation: conversation.task)
    session = theazo.sessions.for_user("user_123")

    async def ask() -> str:
        return (await trio.to_thread.run_sync(session.run, "parrot", "hello")).output

    assert trio.run(ask) == "hello"


def test_only_a_plane_that_runs_is_scripted(theazo_plane: TestPlane) -> None:
    theazo_plane.close()

    with pytest.raises(TheazoError, match="closed"):
        theazo_plane.script("researcher", lambda conversation: "late")
