"""`theazo.sandbox`: what a program says arrives, in its order, whatever the network does; outside nothing happens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import theazo.sandbox
from theazo import Theazo

if TYPE_CHECKING:
    from stub import Stub

PROGRAM = """
import asyncio
from theazo.sandbox import complete, flush, log, lost, model, progress, span

odd = {"path": __import__("pathlib").Path("a"), "agentId": "agt_forged"}
log.warn("no title", odd)

async def main():
    with span("fetch", {"url": "https://example.com"}):
        log.info("within")
        await asyncio.sleep(0)
        try:
            with span("parse"):
                raise ValueError("odd")
        except ValueError:
            pass

asyncio.run(main())
model.track("somebody/model", input_tokens=1840, output_tokens=212)
progress(150, "almost")
complete("3 pages")
"""


def run(program: str, endpoint: str | None) -> subprocess.CompletedProcess[str]:
    """Runs a program as in a sandbox with this bridge, or outside of one."""
    ids = {"THEAZO_ENDPOINT": f"{endpoint}/bridge/token/", "THEAZO_AGENT_ID": "agt_1", "THEAZO_SESSION_ID": "ses_1"}
    environment = {"PATH": "/usr/bin:/bin", **(ids if endpoint else {})}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_reports_arrive_in_their_order_and_belong_to_their_span(stub: Stub) -> None:
    stub.says(None, 204)

    ran = run(PROGRAM, stub.url)

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    paths = ["log", "log", "span", "span", "model", "progress", "complete"]
    assert [sent.path for sent in stub.requests] == [f"/bridge/token/v1/sandbox/{what}" for what in paths]
    sent: list[dict[str, Any]] = [request.body for request in stub.requests]
    assert {(body["agentId"], body["sessionId"]) for body in sent} == {("agt_1", "ses_1")}
    assert sent[0]["metadata"] == {"path": "a", "agentId": "agt_forged"}
    _, within, parse, fetch, _, almost, done = sent
    assert (parse["name"], parse["status"], parse["error"]) == ("parse", "failed", "odd")
    assert (fetch["name"], fetch["status"], "parentSpanId" in fetch) == ("fetch", "completed", False)
    assert within["spanId"] == parse["parentSpanId"] == fetch["spanId"]
    assert (almost["percentage"], done["artifacts"]) == (100, [])


def test_a_report_is_sent_again_where_that_may_help_and_what_is_lost_is_counted(stub: Stub) -> None:
    stub.says(None, 503).says(None, 204).says(None, 422)
    program = """
from theazo.sandbox import flush, log, lost
log.info("first")
kept = flush()
log.info("refused")
print(kept, flush(), lost())
"""

    ran = run(program, stub.url)

    assert (ran.returncode, ran.stdout) == (0, "True False 1\n")
    assert ran.stderr == "theazo: a report of this program could not be sent: the control plane answered 422\n"
    assert [request.body["message"] for request in stub.requests] == ["first", "first", "refused"]


def test_outside_of_a_sandbox_a_program_runs_on_and_is_told_once() -> None:
    ran = run(PROGRAM + 'print("done", flush(), lost())', None)

    assert (ran.returncode, ran.stdout) == (0, "done True 0\n")
    assert ran.stderr.startswith("theazo: this program is in no sandbox, so it reports nothing")
    assert ran.stderr.count("\n") == 1


def test_a_child_made_by_fork_reports_for_itself(stub: Stub) -> None:
    stub.says(None, 204)
    program = """
import os
from theazo.sandbox import flush, log
log.info("parent")
flush()
child = os.fork()
if child == 0:
    log.info("child")
    flush(10)
    os._exit(0)
print(os.waitpid(child, 0)[1])
"""

    ran = run(program, stub.url)

    assert (ran.returncode, ran.stdout) == (0, "0\n"), ran.stderr
    assert [request.body["message"] for request in stub.requests] == ["parent", "child"]


def test_the_file_alone_is_enough_in_a_real_sandbox() -> None:
    with Theazo.embedded() as client:
        agent = client.sessions.for_user("user_123").agents.create(provider="local")
        agent.files.write("theazo_sandbox.py", Path(theazo.sandbox.__file__).read_bytes())
        program = """
import sys
sys.path.insert(0, "/workspace")
from theazo_sandbox import flush, log, progress
log.warn("the page has no title", {"page": 7})
progress(50, "half")
print(flush())
"""

        ran = agent.exec("python", program)
        logged = client.logs.query(agent_id=agent.id, limit=100)
        half = agent.progress()

    assert (ran.exit_code, ran.stdout) == (0, "True\n"), ran.stderr
    entry = next(entry for entry in logged.data if entry.message == "the page has no title")
    assert entry.level == "warn"
    assert entry.metadata is not None
    assert entry.metadata["page"] == 7
    assert half.percentage == pytest.approx(50)
