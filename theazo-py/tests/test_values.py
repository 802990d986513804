"""Values that come back: frozen, typed, and tolerant of what a newer server sends."""

from __future__ import annotations

import copy
import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from stub import AGENT, SESSION, Stub
from theazo import Cost, CostLimit, InvalidRequestError, SessionLimits, Theazo
from theazo.types import (
    Environment,
    OtherEvent,
    Period,
    RunResult,
    SessionData,
    SessionStatus,
    TextEvent,
    ToolCallEvent,
)


def client(stub: Stub) -> Theazo:
    return Theazo("th_test_1", stub.url)


def test_fields_are_python_values(stub: Stub) -> None:
    session = client(stub.says(SESSION)).sessions.get("ses_1")

    assert session.id == "ses_1"
    assert session.status == SessionStatus.ACTIVE == "active"
    assert session.environment == Environment.PRODUCTION
    assert session.created_at == datetime(2026, 11, 24, 9, 0, 0, 250_000, tzinfo=timezone.utc)
    assert session.paused_at is None
    assert session.data.limits.max_cost == CostLimit(amount=500, period=Period.DAY)
    assert session.data.limits.max_duration == timedelta(seconds=90)
    assert session.data.limits.max_agents is None


def test_maps_of_the_user_keep_their_keys(stub: Stub) -> None:
    session = client(stub.says(SESSION)).sessions.get("ses_1")

    assert session.metadata == {"planName": "pro", "snake_name": "kept"}


def test_values_are_frozen(stub: Stub) -> None:
    cost = Cost(amount=5)

    with pytest.raises(AttributeError):
        cost.amount = 6  # type: ignore[misc]


def test_a_value_prints_as_it_is_made() -> None:
    limits = SessionLimits(max_cost=CostLimit(amount=500, period="day"), max_agents=3)

    assert repr(limits) == (
        "SessionLimits(max_cost=CostLimit(amount=500, currency='usd', period='day'), max_agents=3, "
        "max_compute_minutes=None, max_duration=None)"
    )


def test_values_go_through_json_pickle_and_copy() -> None:
    limits = SessionLimits(max_cost={"amount": 500, "period": "day"}, max_duration=timedelta(hours=1))

    assert limits.to_dict() == {
        "maxCost": {"amount": 500, "currency": "usd", "period": "day"},
        "maxDuration": "3600000ms",
    }
    assert SessionLimits.from_json(limits.to_json()) == limits
    assert pickle.loads(pickle.dumps(limits)) == limits
    assert copy.deepcopy(limits) == limits
    assert limits != SessionLimits()


def test_unknown_fields_and_texts_of_a_newer_server_are_no_error(stub: Stub) -> None:
    newer = {**SESSION, "status": "hibernating", "colour": {"deep": [1, None]}}

    session = client(stub.says(newer)).sessions.get("ses_1")

    assert session.status == "hibernating"


def test_what_a_newer_server_says_is_kept_wherever_it_stands(stub: Stub) -> None:
    newer = {**SESSION, "colour": {"deep": [1, None]}, "limits": {"maxAgents": 3, "moods": ["calm"]}}
    stub.says(newer).says({"data": [SESSION, newer], "hasMore": False, "cursor": ""})

    data = client(stub).sessions.get("ses_1").data

    assert data.unknown_fields == {"colour": {"deep": [1, None]}}
    assert data.limits.unknown_fields == {"moods": ["calm"]}
    assert data.limits.max_agents == 3
    assert data.to_dict()["limits"] == {"maxAgents": 3, "moods": ["calm"]}
    for again in (pickle.loads(pickle.dumps(data)), copy.copy(data), SessionData.from_dict(data.to_dict())):
        assert again == data
        assert again.limits.unknown_fields == {"moods": ["calm"]}
    known, unknown = client(stub).sessions.list().data
    assert (known.data.unknown_fields, unknown.data.limits.unknown_fields) == ({}, {"moods": ["calm"]})
    assert known.data != unknown.data


def test_events_keep_what_is_not_known_of_them(stub: Stub) -> None:
    stub.says(AGENT).streams({"type": "text", "text": "one", "tone": "warm"})

    event = next(client(stub).agents.get("agt_1").stream("go"))

    assert isinstance(event, TextEvent)
    assert event.unknown_fields == {"tone": "warm"}
    assert event.to_dict() == {"type": "text", "text": "one", "tone": "warm"}


def test_values_are_matched_by_their_class_and_their_fields() -> None:
    event = TextEvent.from_dict({"type": "text", "text": "hello"})

    match event:
        case TextEvent("hello"):
            found = "by place"
        case _:
            found = "not at all"
    assert found == "by place"
    match CostLimit(amount=500, period="day"):
        case CostLimit(amount=amount, period="day"):
            assert amount == 500
        case _:
            pytest.fail("it did not match")
    assert Cost.__match_args__[:2] == ("amount", "currency")


def test_a_value_is_made_of_the_dict_that_it_was_made_to() -> None:
    limits = SessionLimits(max_cost={"amount": 500, "period": "day"}, max_duration=timedelta(hours=1))

    assert SessionLimits.from_dict(limits.to_dict()) == limits
    with pytest.raises(InvalidRequestError, match="amount"):
        CostLimit.from_dict({"period": "day"})
    with pytest.raises(InvalidRequestError, match="dict"):
        CostLimit.from_dict([])  # type: ignore[arg-type]


def test_a_value_of_another_form_is_a_typed_error(stub: Stub) -> None:
    with pytest.raises(Exception, match="GetSession") as caught:
        client(stub.says({"id": 5})).sessions.get("ses_1")

    assert caught.value.kind == "unreadable"  # type: ignore[attr-defined]
    assert caught.value.request_id == "req_1"  # type: ignore[attr-defined]


def test_events_are_classes_by_their_type(stub: Stub) -> None:
    stub.says(AGENT).streams(
        {"type": "text", "text": "hello"},
        {"type": "tool_call", "tool": "run_code", "input": {"someKey": [1, 2.5, None, True]}},
        {"type": "hologram", "depth": 3},
        {"type": "done", "runId": "arun_1", "output": "x", "cost": {"amount": 1}, "duration": "1s", "durationMs": 1000},
    )
    agent = client(stub).agents.get("agt_1")

    text, call, other, done = agent.stream("go")

    assert isinstance(text, TextEvent)
    assert (text.type, text.text) == ("text", "hello")
    assert isinstance(call, ToolCallEvent)
    assert call.input == {"someKey": [1, 2.5, None, True]}
    assert isinstance(other, OtherEvent)
    assert (other.type, other.data["depth"]) == ("hologram", 3)
    assert repr(done).startswith("DoneEvent(run_id='arun_1', output='x', cost=Cost(amount=1, ")


@pytest.mark.parametrize("missing", ["cost", "output"])
def test_json_without_what_is_always_there_is_refused(missing: str) -> None:
    parts: dict[str, Any] = {
        "runId": "arun_1",
        "output": "x",
        "cost": {"amount": 1},
        "duration": "1s",
        "durationMs": 1000,
        "provider": "simulated",
    }
    del parts[missing]

    with pytest.raises(InvalidRequestError, match=missing):
        RunResult.from_json(__import__("json").dumps(parts))


def test_what_only_comes_back_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="SessionData"):
        SessionData()
