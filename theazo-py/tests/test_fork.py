"""Clients go on in children that are made by `fork`, whoever forks."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stub import SESSION, Stub

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

SERVERS = Path(__file__).parent / "servers"


def environment(stub: Stub, **more: str) -> Mapping[str, str]:
    return {**os.environ, "THEAZO_API_KEY": "th_test_1", "THEAZO_BASE_URL": stub.url, **more}


def run(stub: Stub, script: str) -> None:
    # Python itself warns of forks in processes with threads, from 3.12 on.
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(script)]
    subprocess.run(command, check=True, timeout=60, env=environment(stub))


def test_a_blocking_client_goes_on_in_a_child(stub: Stub) -> None:
    script = """
        import os
        from theazo import Theazo
        theazo = Theazo()
        keys = []
        assert theazo.sessions.get("ses_1").id == "ses_1"
        for _ in range(3):
            child = os.fork()
            if child == 0:
                os._exit(0 if theazo.sessions.get("ses_1").id == "ses_1" else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            assert theazo.sessions.get("ses_1").id == "ses_1"
    """

    run(stub.says(SESSION), script)

    assert len(stub.requests) == 7


def test_a_child_that_lets_go_of_the_client_leaves_the_connections_of_the_parent_alone(stub: Stub) -> None:
    script = """
        import gc, os
        from theazo import Theazo
        theazo = Theazo(max_retries=0)
        for _ in range(3):
            assert theazo.sessions.get("ses_1").id == "ses_1"
            child = os.fork()
            if child == 0:
                del theazo
                gc.collect()
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    """

    run(stub.says(SESSION), script)

    assert len({request.client for request in stub.requests}) == 1


def test_an_asyncio_client_goes_on_in_a_child(stub: Stub) -> None:
    script = """
        import asyncio, os
        from theazo import AsyncTheazo
        theazo = AsyncTheazo()
        async def ask():
            sessions = await asyncio.gather(*(theazo.sessions.get("ses_1") for _ in range(5)))
            return {session.id for session in sessions}
        assert asyncio.run(ask()) == {"ses_1"}
        child = os.fork()
        if child == 0:
            os._exit(0 if asyncio.run(ask()) == {"ses_1"} else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert asyncio.run(ask()) == {"ses_1"}
    """

    run(stub.says(SESSION), script)


def test_a_child_that_has_loops_of_its_own_leaves_the_connections_of_the_loop_of_the_parent_alone(stub: Stub) -> None:
    script = """
        import asyncio, gc, os
        from theazo import AsyncTheazo
        theazo = AsyncTheazo(max_retries=0)
        async def ask():
            return (await theazo.sessions.get("ses_1")).id
        loop = asyncio.new_event_loop()
        for _ in range(3):
            assert loop.run_until_complete(ask()) == "ses_1"
            child = os.fork()
            if child == 0:
                del loop
                gc.collect()
                assert asyncio.run(ask()) == "ses_1"
                del theazo
                gc.collect()
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert loop.run_until_complete(asyncio.wait_for(ask(), 10)) == "ses_1"
    """

    run(stub.says(SESSION), script)

    clients = [request.client for request in stub.requests]
    assert len(set(clients[::2])) == 1, clients
    assert len(set(clients)) == 4, clients


def test_parent_and_child_never_make_the_same_key(stub: Stub) -> None:
    script = """
        import os
        from theazo import Theazo
        theazo = Theazo()
        theazo.sessions.create()
        child = os.fork()
        theazo.sessions.create()
        theazo.sessions.create()
        if child == 0:
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    """

    run(stub.says(SESSION), script)

    keys = [request.headers["idempotency-key"] for request in stub.requests]
    assert len(keys) == len({*keys}) == 5


def test_a_fork_while_other_threads_call_harms_nobody(stub: Stub) -> None:
    script = """
        import os, threading
        from theazo import Theazo
        theazo = Theazo()
        ended = threading.Event()
        def call():
            while not ended.is_set():
                theazo.sessions.get("ses_1")
        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            child = os.fork()
            if child == 0:
                os._exit(0 if theazo.sessions.get("ses_1").id == "ses_1" else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        ended.set()
        for thread in threads:
            thread.join()
    """

    run(stub.says(SESSION), script)


def test_workers_of_multiprocessing_that_were_forked_call(stub: Stub) -> None:
    script = """
        import multiprocessing
        from theazo import Theazo
        theazo = Theazo()
        assert theazo.sessions.get("ses_1").id == "ses_1"
        def ask(number):
            return theazo.sessions.get("ses_1").id
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map(ask, range(6)) == ["ses_1"] * 6
    """

    run(stub.says(SESSION), script)

    assert len(stub.requests) == 7


def test_workers_of_gunicorn_that_were_forked_after_the_first_call_call(stub: Stub, tmp_path: Path) -> None:
    where = tmp_path / "gunicorn.sock"
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "--bind", f"unix:{where}"]
    command += ["--chdir", str(SERVERS), "wsgi:application"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(stub.says(SESSION))) as gunicorn:
        try:
            assert gunicorn.stderr is not None
            log = ""
            while "Booting worker" not in log:
                line = gunicorn.stderr.readline()
                assert line, log
                log += line
            for _ in range(4):
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.settimeout(20)
                    connection.connect(str(where))
                    connection.sendall(b"GET / HTTP/1.0\r\nhost: localhost\r\n\r\n")
                    answer = b"".join(iter(lambda: connection.recv(4096), b""))
                assert answer.endswith(b"\r\n\r\nses_1"), answer
        finally:
            gunicorn.send_signal(signal.SIGTERM)
            gunicorn.communicate(timeout=20)
    assert len(stub.requests) == 5


def test_workers_of_celery_that_were_forked_after_the_first_call_call(stub: Stub, tmp_path: Path) -> None:
    variables = environment(stub.says(SESSION), TASKS=str(tmp_path), PYTHONPATH=str(SERVERS))
    command = [sys.executable, "-m", "celery", "--app", "tasks", "worker", "--pool", "prefork", "--concurrency", "1"]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "warning"]
    ask = "import json, tasks; print(json.dumps(tasks.ask.delay().get(timeout=40)))"
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=variables) as worker:
        try:
            asked = subprocess.run(
                [sys.executable, "-c", ask], check=True, timeout=60, env=variables, capture_output=True
            )
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.communicate(timeout=30)

    assert json.loads(asked.stdout) == ["ses_1", True]
