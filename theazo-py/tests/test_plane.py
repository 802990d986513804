"""The whole product through the test plane, in both faces."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from theazo import (
    AuthenticationError,
    CallTimeoutError,
    ConfigurationError,
    Cost,
    InvalidRequestError,
    LimitExceededError,
    NotFoundError,
    Session,
    Theazo,
)
from theazo.testing import AsyncTestPlane, TestPlane
from theazo.types import DoneEvent, ScriptedToolCall, ScriptedTurn, TextEvent

PRICES = [
    ScriptedTurn(
        text="looking",
        tool_calls=[ScriptedToolCall(tool="write_file", input={"path": "prices.txt", "content": "A: 12"})],
    ),
    ScriptedTurn(text="three competitors"),
]


def exact(cost: Cost) -> int:
    return cost.micro_cents if cost.micro_cents is not None else cost.amount * 1_000_000


def test_a_scripted_agent_runs_and_is_charged(theazo_plane: TestPlane) -> None:
    theazo_plane.script("researcher", PRICES)
    session = theazo_plane.client().sessions.for_user("user_123")

    result = session.run("researcher", "analyze competitor pricing")

    assert result.output == "three competitors"
    assert [call.tool for call in result.tool_calls] == ["write_file"]
    assert result.tool_calls[0].input == {"path": "prices.txt", "content": "A: 12"}
    assert result.artifacts == ["prices.txt"] or result.artifacts == ["/workspace/prices.txt"]
    charges = theazo_plane.charges()
    assert {charge.run_id for charge in charges} == {result.run_id}
    assert sum(exact(charge.cost) for charge in charges) == exact(result.cost) > 0
    usage = session.usage()
    parts = usage.compute_cost, usage.model_cost, usage.orchestration_cost
    assert sum(exact(part) for part in parts) == exact(usage.cost) == exact(result.cost)


def test_the_same_works_for_asyncio() -> None:
    async def scenario() -> None:
        async with AsyncTestPlane.start() as plane:
            await plane.script("researcher", [{"text": "three competitors"}])
            session = await plane.client().sessions.for_user("user_123")

            result = await session.run("researcher", "analyze competitor pricing")

            assert result.output == "three competitors"
            assert sum(exact(charge.cost) for charge in await plane.charges()) == exact(result.cost)
            assert [request.operation for request in await plane.requests()] == [
                "GetOrCreateUserSession",
                "RunInSession",
            ]

    asyncio.run(scenario())


def test_both_faces_share_one_plane_and_two_loops(theazo_plane: TestPlane) -> None:
    session = theazo_plane.client().sessions.for_user("user_123")
    theazo = theazo_plane.async_client()

    async def again() -> str:
        return (await theazo.sessions.for_user("user_123")).id

    assert asyncio.run(again()) == session.id
    assert asyncio.run(again()) == session.id


def test_programs_and_files_of_an_agent(theazo_plane: TestPlane) -> None:
    agent = theazo_plane.client().sessions.for_user("user_123").agents.create(browser=False)

    agent.files.write("notes/a.txt", "hello")
    agent.files.write("b.bin", b"\x00\xff")
    result = agent.exec("python", "print('hi')")

    assert agent.files.read("notes/a.txt") == b"hello"
    assert agent.files.read("/workspace/b.bin") == b"\x00\xff"
    assert [(entry.name, entry.directory) for entry in agent.files.list("/workspace")] == [
        ("b.bin", False),
        ("notes", True),
    ]
    assert result.exit_code == 0
    assert agent.terminate() is agent
    assert agent.data.status == "completed"


def test_a_stream_ends_with_what_the_run_came_to(theazo_plane: TestPlane) -> None:
    theazo_plane.script("writer", [{"text": "a short answer"}])
    agent = theazo_plane.client().sessions.for_user("user_123").agents.create(name="writer")

    with agent.stream("write") as stream:
        events = list(stream)

    assert "".join(event.text for event in events if isinstance(event, TextEvent)) == "a short answer"
    assert isinstance(events[-1], DoneEvent)
    assert events[-1].output == "a short answer"
    assert events[-1].run_id == stream.run_id


def test_leaving_a_stream_early_cancels_the_run(theazo_plane: TestPlane) -> None:
    theazo = theazo_plane.client()
    program = ScriptedToolCall(tool="run_code", input={"language": "python", "code": "1"})
    theazo_plane.script("writer", [ScriptedTurn(text="one", tool_calls=[program])] * 200)
    agent = theazo.sessions.for_user("user_123").agents.create(name="writer")

    with agent.stream("write") as stream:
        next(stream)
    run_id = stream.run_id
    assert run_id is not None

    cancels = [request for request in theazo_plane.requests() if request.operation == "CancelRun"]
    assert [request.path for request in cancels] == [f"/v1/runs/{run_id}/cancel"]
    assert cancels[0].status == 200


def test_a_daily_budget_rolls_over_at_midnight(theazo_plane: TestPlane) -> None:
    theazo = theazo_plane.client()
    session = theazo.sessions.for_user("user_123", limits={"max_cost": {"amount": 1, "period": "day"}})
    theazo_plane.script("spender", [{"text": "expensive", "input_tokens": 1, "output_tokens": 1_000_000}])

    with pytest.raises(LimitExceededError) as caught:
        session.run("spender", "spend")

    assert caught.value.code == "session_limit_exceeded"
    assert caught.value.status == 402
    assert caught.value.details["limit"] == "maxCost"

    theazo_plane.advance(timedelta(days=1))
    limits = session.limits()
    assert limits.max_cost is not None
    assert limits.max_cost.used == 0


def test_the_clock_moves_only_when_it_is_told(theazo_plane: TestPlane) -> None:
    before = theazo_plane.clock().now
    assert theazo_plane.clock().now == before
    assert theazo_plane.advance("1h 30m").now == before + timedelta(hours=1, minutes=30)


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        ({"status": 503}, [503, 200]),
        ({"kind": "reset_before"}, [0, 200]),
        ({"kind": "reset_after"}, [0, 200]),
    ],
)
def test_a_call_that_fails_is_tried_again_and_acts_once(
    theazo_plane: TestPlane, fault: dict[str, object], statuses: list[int]
) -> None:
    theazo = theazo_plane.client()
    theazo_plane.fail_next(operation="GetOrCreateUserSession", **fault)  # type: ignore[arg-type]

    theazo.sessions.for_user("user_123")

    requests = theazo_plane.requests()
    assert [request.attempt for request in requests] == [1, 2]
    assert [request.status for request in requests] == statuses
    assert len({request.idempotency_key for request in requests}) == 1
    assert len(list(theazo.sessions.list())) == 1


def test_lists_page_through_everything(theazo_plane: TestPlane) -> None:
    theazo = theazo_plane.client()
    ids = {theazo.sessions.create(user_id=f"user_{number}").id for number in range(5)}

    page = theazo.sessions.list(limit=2)

    assert len(page.data) == 2
    assert page.has_more
    assert {session.id for session in page} == ids
    assert all(isinstance(session, Session) for session in page)


def test_logs_tell_what_happened(theazo_plane: TestPlane) -> None:
    theazo = theazo_plane.client()
    session = theazo.sessions.for_user("user_123")
    session.run("researcher", "look")

    entries = list(theazo.logs.query(session_id=session.id))

    assert len(entries) > 1
    assert {entry.session_id for entry in entries} == {session.id}
    assert [entry.timestamp for entry in entries] == sorted(entry.timestamp for entry in entries)


def test_no_key_is_a_typed_error() -> None:
    with pytest.raises(ConfigurationError, match="THEAZO_API_KEY"):
        Theazo()


def test_a_wrong_key_is_a_typed_error(theazo_plane: TestPlane) -> None:
    with pytest.raises(AuthenticationError) as caught:
        theazo_plane.client().sessions.list(extra_headers={"authorization": "Bearer th_live_wrong"})

    assert (caught.value.code, caught.value.status) == ("unauthorized", 401)
    assert caught.value.request_id


@pytest.mark.parametrize("session_id", ["ses_unknown", "../../etc/passwd", "ses_\u00e9 ?#"])
def test_an_unknown_id_is_a_typed_error(theazo_plane: TestPlane, session_id: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        theazo_plane.client().sessions.get(session_id)

    assert caught.value.code == "not_found"
    assert caught.value.request_id


def test_an_id_of_another_kind_is_named_and_nothing_is_sent(theazo_plane: TestPlane) -> None:
    with pytest.raises(InvalidRequestError, match="`sessionId` is `agt_unknown`, the id of another kind") as caught:
        theazo_plane.client().sessions.get("agt_unknown")

    assert caught.value.request_id is None


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"max_cost": {"amount": -1, "period": "day"}}, "limits.maxCost.amount"),
        ({"max_cost": {"amount": 5, "period": "fortnight"}}, "limits.maxCost.period"),
        ({"max_agents": -3}, "limits.maxAgents"),
        ({"max_duration": 0}, "limits.maxDuration"),
    ],
)
def test_an_impossible_limit_names_its_field(theazo_plane: TestPlane, limits: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        theazo_plane.client().sessions.for_user("user_123", limits=limits)  # type: ignore[arg-type]

    assert [problem["field"] for problem in caught.value.details["fields"]] == [field]


def test_an_agent_too_many_is_a_typed_error(theazo_plane: TestPlane) -> None:
    session = theazo_plane.client().sessions.for_user("user_123", limits={"max_agents": 1})
    session.agents.create()

    with pytest.raises(LimitExceededError) as caught:
        session.agents.create()

    assert caught.value.details["limit"] == "maxAgents"


def test_a_program_that_never_ends_is_a_typed_error() -> None:
    with Theazo.embedded() as theazo:
        agent = theazo.sessions.for_user("user_123").agents.create()

        with pytest.raises(CallTimeoutError) as caught:
            agent.exec("python", "while True: pass", timeout="300ms")

        assert (caught.value.code, caught.value.status) == ("timeout", 504)
        assert agent.exec("python", "print('still here')").stdout == "still here\n"


def test_an_embedded_plane_goes_on_in_its_folder(tmp_path: object) -> None:
    with Theazo.embedded(data_dir=str(tmp_path)) as theazo:
        session_id = theazo.sessions.for_user("user_123").id

    with Theazo.embedded(data_dir=str(tmp_path)) as theazo:
        assert theazo.sessions.get(session_id).user_id == "user_123"


def test_a_base_address_of_local_starts_a_plane() -> None:
    with Theazo(base_url="local") as theazo:
        assert theazo.health().status == "ok"


def test_a_closed_plane_says_so(theazo_plane: TestPlane) -> None:
    theazo = theazo_plane.client()
    theazo.close()
    theazo.close()

    with pytest.raises(ConfigurationError, match="closed"):
        theazo.health()


def test_many_threads_share_one_plane(theazo_plane: TestPlane) -> None:
    theazo = theazo_plane.client()

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: theazo.sessions.for_user("user_123").id, range(40)))

    assert len(ids) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_is_told_that_the_plane_is_not_there() -> None:
    script = """
        import os
        from theazo import ConfigurationError, Theazo
        theazo = Theazo.embedded()
        child = os.fork()
        if child == 0:
            try:
                theazo.health()
            except ConfigurationError as error:
                os._exit(0 if "fork" in str(error) else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert theazo.health().status == "ok"
    """

    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=60)
