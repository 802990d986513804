"""Waiting for a call: from any loop, any thread, a forked child, and how it ends early."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from stub import AGENT, SESSION, Stub
from theazo import AsyncTheazo, CallTimeoutError, ConnectionFailedError, NotFoundError, Theazo
from theazo.types import TextEvent

NOT_FOUND = {"error": {"code": "not_found", "message": "there is no session `ses_9`"}, "requestId": "req_1"}


def test_one_client_serves_several_loops_one_after_the_other(stub: Stub) -> None:
    theazo = AsyncTheazo("th_test_1", stub.says(SESSION).url)

    async def ask() -> str:
        return (await theazo.sessions.get("ses_1")).id

    assert [asyncio.run(ask()) for _ in range(3)] == ["ses_1"] * 3


def test_one_client_serves_loops_of_many_threads_at_once(stub: Stub) -> None:
    theazo = AsyncTheazo("th_test_1", stub.says(SESSION).url)

    async def ask_many() -> int:
        sessions = await asyncio.gather(*(theazo.sessions.get("ses_1") for _ in range(20)))
        return len({session.id for session in sessions})

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda _: asyncio.run(ask_many()), range(8))) == [1] * 8
    assert len(stub.requests) == 160


def test_blocking_calls_of_many_threads_run_at_once(stub: Stub) -> None:
    theazo = Theazo("th_test_1", stub.says(SESSION).url)

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(lambda _: theazo.sessions.get("ses_1").id, range(40)))

    assert ids == ["ses_1"] * 40


def test_other_threads_run_while_a_call_waits(stub: Stub) -> None:
    theazo = Theazo("th_test_1", stub.says_nothing().url, max_retries=0)

    def wait() -> None:
        with contextlib.suppress(CallTimeoutError):
            theazo.health(deadline="300ms")

    waiting = threading.Thread(target=wait)
    waiting.start()
    # Would stand still until the deadline if the call kept the GIL.
    counted = 0
    while waiting.is_alive():
        counted += 1
    waiting.join()

    assert counted > 100


def test_cancelling_the_task_ends_the_call(stub: Stub) -> None:
    theazo = AsyncTheazo("th_test_1", stub.says_nothing().url)

    async def cancel() -> None:
        task = asyncio.create_task(theazo.health())
        await asyncio.to_thread(stub.asked.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())

    assert stub.left.wait(10)


def test_a_timeout_of_asyncio_ends_the_call(stub: Stub) -> None:
    theazo = AsyncTheazo("th_test_1", stub.says_nothing().url)

    async def wait() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(theazo.health(), 0.05)

    asyncio.run(wait())

    assert stub.left.wait(10)


def test_a_loop_that_closes_with_calls_pending_harms_nobody(stub: Stub) -> None:
    theazo = AsyncTheazo("th_test_1", stub.says_nothing().says(SESSION).url)
    loop = asyncio.new_event_loop()
    task = loop.create_task(theazo.health())
    loop.run_until_complete(asyncio.to_thread(stub.asked.wait, 10))
    task.cancel()
    loop.close()
    del task, loop

    async def ask() -> str:
        return (await theazo.sessions.get("ses_1")).id

    assert asyncio.run(ask()) == "ses_1"


def test_a_loop_without_readers_is_woken_otherwise(stub: Stub) -> None:
    theazo = AsyncTheazo("th_test_1", stub.says(SESSION).url)

    class WithoutReaders(asyncio.SelectorEventLoop):
        def add_reader(self, *_: object) -> None:
            raise NotImplementedError

        def _add_reader(self, fd: int, callback: object, *args: object) -> object:
            return super()._add_reader(fd, callback, *args)  # type: ignore[misc]

    async def ask() -> int:
        return len(await asyncio.gather(*(theazo.sessions.get("ses_1") for _ in range(20))))

    loop = WithoutReaders()
    try:
        assert loop.run_until_complete(ask()) == 20
    finally:
        loop.close()
    reference = weakref.ref(loop)
    del loop
    gc.collect()
    assert reference() is None, "nothing of ours keeps a loop"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_client_goes_on_in_a_forked_child(stub: Stub) -> None:
    script = """
        import os, sys, threading
        from theazo import Theazo
        theazo = Theazo("th_test_1", sys.argv[1])
        assert theazo.sessions.get("ses_1").id == "ses_1"
        child = os.fork()
        if child == 0:
            ok = theazo.sessions.get("ses_1").id == "ses_1"
            os._exit(0 if ok else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert theazo.sessions.get("ses_1").id == "ses_1"
    """
    url = stub.says(SESSION).url
    subprocess.run([sys.executable, "-c", textwrap.dedent(script), url], check=True, timeout=30)

    assert len(stub.requests) == 3


@pytest.mark.parametrize("face", ["sync", "async"])
def test_ctrl_c_ends_a_call(stub: Stub, face: str) -> None:
    script = """
        import asyncio, sys
        from theazo import AsyncTheazo, Theazo
        try:
            if sys.argv[2] == "sync":
                Theazo("th_test_1", sys.argv[1]).health()
            else:
                asyncio.run(AsyncTheazo("th_test_1", sys.argv[1]).health())
        except KeyboardInterrupt:
            print("interrupted")
    """
    url = stub.says_nothing().url
    command = [sys.executable, "-c", textwrap.dedent(script), url, face]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert stub.asked.wait(10)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)

    assert output == "interrupted\n"
    assert process.returncode == 0


def test_a_deadline_is_a_typed_error(stub: Stub) -> None:
    theazo = Theazo("th_test_1", stub.says_nothing().url)

    with pytest.raises(CallTimeoutError) as caught:
        theazo.health(deadline="50ms")

    assert isinstance(caught.value, TimeoutError)
    assert caught.value.code == "timeout"


def test_a_server_that_is_not_there_is_a_typed_error(stub: Stub) -> None:
    url = stub.url
    stub.__exit__(None, None, None)

    with pytest.raises(ConnectionFailedError) as caught:
        Theazo("th_test_1", url, max_retries=0).health()

    assert isinstance(caught.value, ConnectionError)
    assert caught.value.kind == "not_sent"
    assert [attempt["number"] for attempt in caught.value.attempts] == [1]


def test_an_error_says_everything_and_can_be_pickled(stub: Stub) -> None:
    with pytest.raises(NotFoundError) as caught:
        Theazo("th_test_1", stub.says(NOT_FOUND, 404).url).sessions.get("ses_9")

    error = pickle.loads(pickle.dumps(caught.value))
    assert type(error) is NotFoundError
    assert (error.code, error.status, error.request_id, error.kind) == ("not_found", 404, "req_1", "answered")
    assert error.message == "there is no session `ses_9`"
    assert str(error) == str(caught.value)
    assert error.attempts == caught.value.attempts
    assert not error.retryable


def test_a_failed_call_is_tried_again_with_the_same_key(stub: Stub) -> None:
    busy = {"error": {"code": "internal_error", "message": "busy"}}
    theazo = Theazo("th_test_1", stub.says(busy, 503, retry_after="0").says(SESSION).url)

    theazo.sessions.create()

    first, second = stub.requests
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"]
    assert (first.headers["x-theazo-attempt"], second.headers["x-theazo-attempt"]) == ("1", "2")


def test_leaving_a_stream_early_closes_it_and_cancels_the_run(stub: Stub) -> None:
    stub.says(AGENT).streams({"type": "text", "text": "one"}, keep_open=True).says({})
    agent = Theazo("th_test_1", stub.url).agents.get("agt_1")

    with agent.stream("go") as events:
        for event in events:
            assert event.type == "text"
            assert events.run_id == "arun_1"
            break

    assert stub.left.wait(10)
    assert stub.requests[-1].path == "/v1/runs/arun_1/cancel"
    assert list(events) == []


def test_leaving_an_async_stream_early_closes_it_and_cancels_the_run(stub: Stub) -> None:
    stub.says(AGENT).streams({"type": "text", "text": "one"}, keep_open=True).says({})

    async def read() -> list[str]:
        agent = await AsyncTheazo("th_test_1", stub.url).agents.get("agt_1")
        async with agent.stream("go") as events:
            async for event in events:
                return [event.type]
        return []

    assert asyncio.run(read()) == ["text"]
    assert stub.left.wait(10)
    assert stub.requests[-1].path == "/v1/runs/arun_1/cancel"


def test_a_stream_that_is_let_go_of_cancels_the_run(stub: Stub) -> None:
    stub.says(AGENT).streams({"type": "text", "text": "one"}, keep_open=True).says({})
    stream = Theazo("th_test_1", stub.url).agents.get("agt_1").stream("go")
    next(stream)

    del stream

    assert stub.left.wait(10)


def test_a_detached_stream_lets_the_run_go_on(stub: Stub) -> None:
    stub.says(AGENT).streams({"type": "text", "text": "one"}, keep_open=True).says({})
    stream = Theazo("th_test_1", stub.url).agents.get("agt_1").stream("go")
    next(stream)

    stream.detach()

    assert list(stream) == []
    assert stub.left.wait(10)
    assert stub.requests[-1].path == "/v1/agents/agt_1/runs/stream"


def test_a_stream_that_is_closed_by_another_thread_ends(stub: Stub) -> None:
    stub.says(AGENT).streams({"type": "text", "text": "one"}, keep_open=True).says({})
    stream = Theazo("th_test_1", stub.url).agents.get("agt_1").stream("go")
    first = threading.Event()
    found: list[str] = []

    def read() -> None:
        for event in stream:
            found.append(event.type)
            first.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert first.wait(10)
    stream.close()
    reader.join(10)

    assert not reader.is_alive()
    assert found == ["text"]


def test_a_cancelled_reader_loses_no_event(stub: Stub) -> None:
    done = {"type": "done", "runId": "arun_1", "output": "", "cost": {"amount": 0}, "duration": "0s", "durationMs": 0}
    texts = [{"type": "text", "text": str(number)} for number in range(500)]
    stub.says(AGENT).streams(*texts, done)

    async def read() -> list[str]:
        agent = await AsyncTheazo("th_test_1", stub.url).agents.get("agt_1")
        stream = await agent.stream("go").__aenter__()
        found: list[str] = []
        while True:
            reader = asyncio.ensure_future(stream.__anext__())
            await asyncio.wait([reader], timeout=0)
            if not reader.done() and len(found) % 7 == 0:
                reader.cancel()
            try:
                event = await reader
            except asyncio.CancelledError:
                continue
            except StopAsyncIteration:
                return found
            if isinstance(event, TextEvent):
                found.append(event.text)

    assert asyncio.run(asyncio.wait_for(read(), 20)) == [str(number) for number in range(500)]


def test_a_page_goes_on_through_all_that_follow(stub: Stub) -> None:
    second = {**SESSION, "id": "ses_2"}
    pages = [{"data": [SESSION], "hasMore": True, "cursor": "c1"}, {"data": [second], "hasMore": False, "cursor": ""}]
    for page in pages + pages:
        stub.says(page)

    async def ids() -> list[str]:
        return [session.id async for session in AsyncTheazo("th_test_1", stub.url).sessions.list(limit=1)]

    assert [session.id for session in Theazo("th_test_1", stub.url).sessions.list(limit=1)] == ["ses_1", "ses_2"]
    assert asyncio.run(ids()) == ["ses_1", "ses_2"]
    assert [request.path for request in stub.requests] == ["/v1/sessions?limit=1", "/v1/sessions?limit=1&cursor=c1"] * 2
