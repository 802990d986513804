"""The connections that an event loop has of its own."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from stub import SESSION, Stub
from theazo import AsyncTheazo, NotFoundError, UnreadableAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


def run(script: str, **environment: str) -> None:
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script)]
    subprocess.run(command, check=True, timeout=60, env={**os.environ, **environment})


async def ask(theazo: AsyncTheazo, times: int = 1) -> list[str]:
    return [(await theazo.sessions.get("ses_1")).id for _ in range(times)]


def test_calls_one_after_the_other_share_a_connection(stub: Stub) -> None:
    theazo = AsyncTheazo("th_test_1", stub.says(SESSION).url)

    assert asyncio.run(ask(theazo, 5)) == ["ses_1"] * 5
    assert len({request.client for request in stub.requests}) == 1


def test_clients_with_other_options_share_the_connection(stub: Stub) -> None:
    async def scenario() -> None:
        theazo = AsyncTheazo("th_test_1", stub.says(SESSION).url)
        await ask(theazo)
        await ask(theazo.with_options(extra_headers={"x-team": "growth"}))

    asyncio.run(scenario())

    assert [request.headers.get("x-team") for request in stub.requests] == [None, "growth"]
    assert len({request.client for request in stub.requests}) == 1


def test_however_many_calls_are_made_at_once_each_has_its_own_answer(stub: Stub) -> None:
    theazo = AsyncTheazo("th_test_1", stub.says_which().url)

    async def scenario() -> list[str]:
        sessions = await asyncio.gather(*(theazo.sessions.get(f"ses_{number}") for number in range(100)))
        return [session.id for session in sessions]

    assert asyncio.run(scenario()) == [f"ses_{number}" for number in range(100)]


@pytest.mark.parametrize("runs", [asyncio.run, uvloop.run])
def test_connections_end_with_their_loop_even_if_the_client_stays(
    stub: Stub, runs: Callable[[Coroutine[Any, Any, list[str]]], list[str]]
) -> None:
    theazo = AsyncTheazo("th_test_1", stub.says(SESSION).url)

    assert runs(ask(theazo, 2)) == ["ses_1"] * 2

    assert stub.is_left()
    assert asyncio.run(ask(theazo)) == ["ses_1"]


def test_a_client_that_is_closed_leaves_no_connection_to_the_loop(stub: Stub) -> None:
    async def scenario() -> bool:
        async with AsyncTheazo("th_test_1", stub.says(SESSION).url) as theazo:
            await ask(theazo)
            assert stub.connections == 1
        return await asyncio.to_thread(stub.is_left)

    assert asyncio.run(scenario())


def test_a_client_that_is_let_go_of_leaves_no_connection_to_the_next_one(stub: Stub) -> None:
    stub.says(SESSION)

    async def scenario() -> int:
        for _ in range(20):
            await ask(AsyncTheazo("th_test_1", stub.url))
            gc.collect()
        return stub.connections

    assert asyncio.run(scenario()) <= 3


def test_an_answer_of_any_size_is_read(stub: Stub) -> None:
    large = {**SESSION, "metadata": {str(number): "x" * 1000 for number in range(2000)}}
    theazo = AsyncTheazo("th_test_1", stub.says(large).says(SESSION).url)

    async def scenario() -> tuple[int, str]:
        session = await theazo.sessions.get("ses_1")
        return len(session.metadata), (await theazo.sessions.get("ses_1")).id

    assert asyncio.run(scenario()) == (2000, "ses_1")


def test_a_large_answer_that_cannot_be_read_is_a_typed_error(stub: Stub) -> None:
    theazo = AsyncTheazo("th_test_1", stub.says({"id": "x" * 100_000}).url)

    with pytest.raises(UnreadableAnswerError):
        asyncio.run(ask(theazo))


def test_an_input_of_any_size_is_sent(stub: Stub) -> None:
    theazo = AsyncTheazo("th_test_1", stub.says(SESSION).url)
    metadata = {str(number): "x" * 1000 for number in range(2000)}

    asyncio.run(theazo.sessions.create(user_id="user_1", metadata=metadata))

    assert stub.requests[0].body["metadata"] == metadata


def test_an_error_leaves_the_connection_to_the_next_call(stub: Stub) -> None:
    missing = {"error": {"code": "not_found", "message": "there is no session `ses_1`"}, "requestId": "req_1"}
    theazo = AsyncTheazo("th_test_1", stub.says(missing, 404).says(SESSION).url)

    async def scenario() -> None:
        with pytest.raises(NotFoundError):
            await ask(theazo)
        await ask(theazo)

    asyncio.run(scenario())

    assert len({request.client for request in stub.requests}) == 1


def test_cancelled_calls_leave_room_for_others(stub: Stub) -> None:
    for _ in range(20):
        stub.says_nothing()
    stub.says(SESSION)
    theazo = AsyncTheazo("th_test_1", stub.url, max_retries=0)

    async def scenario() -> list[str]:
        calls = [asyncio.ensure_future(theazo.health()) for _ in range(20)]
        assert await asyncio.to_thread(stub.is_asked, len(calls))
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        assert await asyncio.to_thread(stub.is_left)
        return await ask(theazo, 3)

    assert asyncio.run(scenario()) == ["ses_1"] * 3
    assert len({request.client for request in stub.requests[20:]}) == 1


def test_a_loop_goes_on_between_calls_whose_answers_are_there_at_once() -> None:
    async def scenario() -> None:
        async with AsyncTheazo.embedded() as theazo:
            session = await theazo.sessions.for_user("user_1")
            ticks: list[int] = []
            asyncio.get_running_loop().call_soon(ticks.append, 1)
            for _ in range(1000):
                assert (await theazo.sessions.get(session.id)).id == session.id
                if ticks:
                    return
        raise AssertionError("a thousand calls and no turn of the loop")

    asyncio.run(scenario())


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are not listed here")
def test_loops_that_ended_leave_no_open_files(stub: Stub) -> None:
    script = """
        import asyncio, os, threading
        from theazo import AsyncTheazo
        theazo = AsyncTheazo("th_test_1", os.environ["STUB"])
        def run():
            async def ask():
                await asyncio.gather(*(theazo.sessions.get("ses_1") for _ in range(3)))
            asyncio.run(ask())
        run()
        before = len(os.listdir("/proc/self/fd"))
        threads = [threading.Thread(target=run) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(os.listdir("/proc/self/fd")) == before
    """

    run(script, STUB=stub.says(SESSION).url)


def test_calls_that_need_a_proxy_go_through_it(stub: Stub) -> None:
    script = """
        import asyncio
        from theazo import AsyncTheazo, Theazo
        assert Theazo("th_test_1", "http://theazo.invalid").sessions.get("ses_1").id == "ses_1"
        async def ask():
            async with AsyncTheazo("th_test_1", "http://theazo.invalid") as theazo:
                return (await theazo.sessions.get("ses_1")).id
        assert asyncio.run(ask()) == "ses_1"
    """

    run(script, http_proxy=stub.says(SESSION).url)

    assert [request.path for request in stub.requests] == ["http://theazo.invalid/v1/sessions/ses_1"] * 2
