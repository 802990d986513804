"""A good citizen of the process that it is in: loops, threads, signals, the end of the interpreter, memory."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
import trio
import uvloop

from stub import AGENT, SESSION, Stub
from theazo import AsyncTheazo, CallTimeoutError, ConfigurationError, Theazo

if TYPE_CHECKING:
    from collections.abc import Callable


def run(stub: Stub, script: str, *, warnings: str = "error") -> subprocess.CompletedProcess[str]:
    """Runs a program in which every warning is an error; what cannot be raised is printed, and looked for."""
    variables = {**os.environ, "THEAZO_API_KEY": "th_test_1", "THEAZO_BASE_URL": stub.url, "PYTHONASYNCIODEBUG": "1"}
    command = [sys.executable, "-X", "dev", "-W", warnings, "-c", textwrap.dedent(script)]
    return subprocess.run(command, timeout=60, env=variables, capture_output=True, text=True)


def test_a_loop_that_ends_with_calls_and_streams_under_way_says_nothing(stub: Stub) -> None:
    stub.says(AGENT).streams({"type": "text", "text": "one"}, keep_open=True).says_nothing()
    script = """
        import asyncio
        from theazo import AsyncTheazo
        theazo = AsyncTheazo()
        async def leave():
            agent = await theazo.agents.get("agt_1")
            stream = agent.stream("go")
            async for event in stream:
                break
            calls = [asyncio.create_task(theazo.health()) for _ in range(20)]
            await asyncio.sleep(0)
            for call in calls[::2]:
                call.cancel()
        for _ in range(1):
            asyncio.run(leave())
        print("left")
    """

    ended = run(stub, script)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "left\n", "")


def test_the_interpreter_ends_while_streams_are_open(stub: Stub) -> None:
    stub.says(AGENT).streams({"type": "text", "text": "one"}, keep_open=True).says({})
    script = """
        import threading
        from theazo import Theazo
        agent = Theazo().agents.get("agt_1")
        stream = agent.stream("go")
        print(next(stream).text)
        threading.Thread(target=lambda: next(stream), daemon=True).start()
    """

    ended = run(stub, script)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "one\n", "")


def test_the_interpreter_ends_while_a_thread_waits_for_a_call(stub: Stub) -> None:
    stub.says(SESSION).says_nothing()
    script = """
        import sys, threading
        from theazo import Theazo
        theazo = Theazo()
        print(theazo.sessions.get("ses_1").id)
        threading.Thread(target=theazo.health, daemon=True).start()
        sys.stdin.readline()
    """
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(script)]
    variables = {**os.environ, "THEAZO_API_KEY": "th_test_1", "THEAZO_BASE_URL": stub.url}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=variables, text=True, **pipes) as process:
        while len(stub.requests) < 2:
            assert stub.asked.wait(20)
            stub.asked.clear()
        output, errors = process.communicate("\n", timeout=20)

    assert (process.returncode, output, errors) == (0, "ses_1\n", "")
    assert stub.left.wait(10)


def test_a_blocking_call_that_ran_out_of_time_closes_its_connection(stub: Stub) -> None:
    theazo = Theazo("th_test_1", stub.says_nothing().url, max_retries=0)

    with pytest.raises(CallTimeoutError):
        theazo.sessions.get("ses_1", timeout="100ms")

    assert stub.left.wait(10)


def test_the_interpreter_ends_with_an_embedded_plane_that_nobody_closed(stub: Stub) -> None:
    script = """
        from theazo import Theazo
        from theazo.testing import TestPlane
        plane = TestPlane.start()
        plane.script("parrot", lambda conversation: conversation.task)
        print(plane.client().sessions.for_user("u").run("parrot", "hello").output)
        theazo = Theazo.embedded()
        print(theazo.health().status)
    """

    ended = run(stub, script)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "hello\nok\n", "")


@pytest.mark.parametrize("stops", ["the call", "the stream"])
def test_ctrl_c_ends_what_waits(stub: Stub, stops: str) -> None:
    script = """
        import sys
        from theazo import Theazo
        theazo = Theazo("th_test_1", sys.argv[1])
        try:
            if sys.argv[2] == "the call":
                theazo.health()
            else:
                list(theazo.agents.get("agt_1").stream("go"))
        except KeyboardInterrupt:
            print("interrupted")
    """
    if stops == "the call":
        stub.says_nothing()
    else:
        stub.says(AGENT).streams({"type": "text", "text": "one"}, keep_open=True).says({})
    command = [sys.executable, "-c", textwrap.dedent(script), stub.url, stops]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert stub.asked.wait(20)
        while stops == "the stream" and len(stub.requests) < 2:
            stub.asked.clear()
            stub.asked.wait(1)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)

    assert output == "interrupted\n"
    assert stub.left.wait(10)


def test_uvloop_serves_as_asyncio_does(stub: Stub) -> None:
    theazo = AsyncTheazo("th_test_1", stub.says(SESSION).url)

    async def ask() -> int:
        sessions = await asyncio.gather(*(theazo.sessions.get("ses_1") for _ in range(50)))
        return len(sessions)

    async def cancelled() -> None:
        task = asyncio.create_task(theazo.sessions.get("ses_1"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    for scenario in (ask, cancelled, ask):
        loop = uvloop.new_event_loop()
        try:
            loop.run_until_complete(scenario())
        finally:
            loop.close()


def test_a_task_group_that_fails_ends_its_calls(stub: Stub) -> None:
    theazo = AsyncTheazo("th_test_1", stub.says_nothing().url)

    async def fail() -> None:
        await asyncio.to_thread(stub.asked.wait, 10)
        raise KeyError("plan")

    async def scenario() -> None:
        calls = [asyncio.ensure_future(theazo.health()) for _ in range(3)]
        failing = asyncio.ensure_future(fail())
        with pytest.raises(KeyError):
            await asyncio.gather(failing, *calls)
        for call in calls:
            call.cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(result) for result in results] == [asyncio.CancelledError] * 3

    asyncio.run(scenario())

    assert stub.left.wait(10)


def test_under_trio_the_blocking_client_works_in_a_thread(stub: Stub) -> None:
    theazo = Theazo("th_test_1", stub.says(SESSION).url)

    async def ask() -> str:
        return (await trio.to_thread.run_sync(theazo.sessions.get, "ses_1")).id

    assert trio.run(ask) == "ses_1"


def test_under_trio_the_asyncio_client_says_what_to_do(stub: Stub) -> None:
    theazo = AsyncTheazo("th_test_1", stub.says(SESSION).url)

    async def ask() -> str:
        return (await theazo.sessions.get("ses_1")).id

    with pytest.raises(RuntimeError, match="trio\\.to_thread"):
        trio.run(ask)


def test_other_threads_run_while_an_asyncio_call_waits(stub: Stub) -> None:
    theazo = AsyncTheazo("th_test_1", stub.says_nothing().url)

    async def scenario() -> int:
        task = asyncio.ensure_future(theazo.health())
        ticks = 0
        while not stub.asked.is_set():
            await asyncio.sleep(0)
            ticks += 1
        task.cancel()
        return ticks

    assert asyncio.run(scenario()) > 0


@pytest.mark.parametrize("kind", ["calls", "failures", "cancelled calls", "streams"])
def test_memory_is_flat(stub: Stub, kind: str) -> None:
    def growth(act: Callable[[], None], count: int) -> float:
        """How many bytes of Python's memory each repetition leaves."""
        for _ in range(50):
            act()
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(count):
            act()
        gc.collect()
        after = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return (after - before) / count

    theazo = Theazo("th_test_1", stub.url, max_retries=0)
    waiting = AsyncTheazo("th_test_1", stub.url, max_retries=0)
    loop = asyncio.new_event_loop()

    async def cancelled() -> None:
        task = asyncio.ensure_future(waiting.sessions.get("ses_1"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def fail() -> None:
        with pytest.raises(Exception, match="no"):
            theazo.sessions.get("ses_1")

    acts: dict[str, Callable[[], None]] = {
        "calls": lambda: str(theazo.sessions.get("ses_1")) and None,  # type: ignore[dict-item]
        "failures": fail,
        "cancelled calls": lambda: loop.run_until_complete(cancelled()),
        "streams": lambda: [*theazo.agents.get("agt_1").stream("go")].clear(),
    }
    if kind == "streams":
        done: dict[str, Any] = {"runId": "arun_1", "output": "", "cost": {"amount": 0}, "duration": "0s"}
        for _ in range(260):
            stub.says(AGENT).streams({"type": "text", "text": "one"}, {"type": "done", **done, "durationMs": 0})
    elif kind == "failures":
        stub.says({"error": {"code": "not_found", "message": "no"}}, 404)
    else:
        stub.says(SESSION)

    # The stub lives in this process too, and keeps each request.
    kept, stub.requests = stub.requests, _Forgetful()
    try:
        assert growth(acts[kind], 200) < 200
    finally:
        stub.requests = kept
        loop.close()


class _Forgetful(list[Any]):
    def append(self, item: object) -> None:
        """Keeps nothing."""


def test_a_free_threaded_build_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    import sysconfig

    from theazo._platform import reason

    assert "pip install --force-reinstall theazo" in reason()
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: 1 if name == "Py_GIL_DISABLED" else None)
    assert "free-threaded builds" in reason()


def test_a_native_part_that_is_not_there_is_said_so() -> None:
    script = """
        import sys
        class Nothing:
            def find_spec(self, name, path=None, target=None):
                if name == "theazo._native":
                    raise ModuleNotFoundError("No module named 'theazo._native'", name=name)
        sys.meta_path.insert(0, Nothing())
        import theazo
        try:
            theazo.Theazo
        except ImportError as error:
            assert "native part of theazo" in str(error), error
            print("said")
        from theazo.sandbox import log
    """

    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60, check=True
    )

    assert ended.stdout == "said\n"


def test_a_closed_client_of_many_threads_is_a_typed_error() -> None:
    theazo = Theazo.embedded()
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(1000):
                theazo.health()
        except ConfigurationError as error:
            errors.append(error)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    theazo.close()
    for thread in threads:
        thread.join(30)

    assert not any(thread.is_alive() for thread in threads)
    assert errors
