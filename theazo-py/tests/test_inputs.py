"""What callers give: classes or dicts, in either casing, and mistakes named before anything is sent."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from stub import AGENT, SESSION, Stub
from theazo import Cost, CostLimit, InvalidRequestError, SessionLimits, Theazo


def sent_limits(stub: Stub, limits: Any) -> Any:
    Theazo("th_test_1", stub.says(SESSION).url).sessions.for_user("user_123", limits=limits)
    return stub.requests[-1].body["limits"]


@pytest.mark.parametrize(
    "limits",
    [
        SessionLimits(max_cost=CostLimit(amount=500, period="day"), max_agents=3),
        SessionLimits(max_cost={"amount": 500, "period": "day", "currency": "usd"}, max_agents=3),
        {"max_cost": CostLimit(amount=500, period="day"), "max_agents": 3},
        {"max_cost": {"amount": 500, "period": "day", "currency": "usd"}, "max_agents": 3},
        {"maxCost": {"amount": 500, "period": "day", "currency": "usd"}, "maxAgents": 3},
    ],
)
def test_limits_are_sent_alike_however_they_are_given(stub: Stub, limits: Any) -> None:
    assert sent_limits(stub, limits) == {
        "maxCost": {"amount": 500, "currency": "usd", "period": "day"},
        "maxAgents": 3,
    }


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (timedelta(minutes=1, seconds=30), "90000ms"),
        (90_000, "90000ms"),
        ("1m 30s", "1m 30s"),
        ({"minutes": 1.5}, "90000ms"),
    ],
)
def test_durations_are_taken_in_every_spelling(stub: Stub, given: Any, sent: Any) -> None:
    assert sent_limits(stub, {"max_duration": given}) == {"maxDuration": sent}


@pytest.mark.parametrize(
    ("limits", "field", "message"),
    [
        ({"max_cots": 5}, "limits.max_cots", "is not a field of SessionLimits; there are `max_cost`, "),
        ({"max_cost": {"amont": 5}}, "limits.max_cost.amont", "is not a field of CostLimit"),
        ({"max_cost": {"amount": "5", "period": "day"}}, "limits.max_cost.amount", "must be a whole number, not str"),
        ({"max_cost": {"period": "day"}}, "limits.max_cost.amount", "must be given"),
        ({"max_cost": 500}, "limits.max_cost", "must be a CostLimit or a dict, not int"),
        ({"max_agents": True}, "limits.max_agents", "must be a whole number, not bool"),
        ({"max_agents": 2.5}, "limits.max_agents", "must be a whole number, not float"),
        ({"max_agents": 2**70}, "limits.max_agents", "is a larger number than the API takes"),
        ({"max_compute_minutes": float("nan")}, "limits.max_compute_minutes", "must be a finite number"),
        ({"max_duration": timedelta(seconds=-1)}, "limits.max_duration", "must not be negative"),
        ({"max_duration": 1.5}, "limits.max_duration", "must be a timedelta, a whole number of milliseconds"),
        ("everything", "limits", "must be a SessionLimits or a dict, not str"),
    ],
)
def test_a_mistake_in_limits_is_named_and_nothing_is_sent(stub: Stub, limits: Any, field: str, message: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        sent_limits(stub, limits)

    assert caught.value.code == "invalid_request"
    assert caught.value.kind == "invalid_input"
    assert caught.value.details["fields"][0]["field"] == field
    assert caught.value.details["fields"][0]["message"].startswith(message)
    assert stub.requests == []


def test_maps_and_inputs_of_the_user_are_sent_as_they_are(stub: Stub) -> None:
    theazo = Theazo("th_test_1", stub.says(SESSION).url)

    theazo.sessions.create(metadata={"planName": "pro", "plan_name": "x"})

    assert stub.requests[0].body == {"metadata": {"planName": "pro", "plan_name": "x"}}


def test_query_parameters_are_text_of_the_wire(stub: Stub) -> None:
    theazo = Theazo("th_test_1", stub.says({"data": [], "hasMore": False, "cursor": ""}).url)
    since = datetime(2026, 11, 24, 10, 0, tzinfo=timezone(timedelta(hours=1)))

    theazo.sessions.list(status="active", created_after=since, limit=5)

    assert stub.requests[0].path == "/v1/sessions?status=active&createdAfter=2026-11-24T09%3A00%3A00.000Z&limit=5"


def test_a_time_without_a_zone_is_refused(stub: Stub) -> None:
    theazo = Theazo("th_test_1", stub.says(SESSION).url)

    with pytest.raises(InvalidRequestError, match=r"`created_after` has no time zone; `datetime.now\(timezone.utc\)`"):
        theazo.sessions.list(created_after=datetime(2026, 11, 24))


def test_an_argument_that_does_not_exist_is_refused_as_python_does(stub: Stub) -> None:
    theazo = Theazo("th_test_1", stub.says(SESSION).url)

    with pytest.raises(TypeError, match="unexpected keyword argument 'usr_id'"):
        theazo.sessions.create(usr_id="user_123")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'amont'"):
        Cost(amont=5)  # type: ignore[call-arg]


@pytest.mark.parametrize("session_id", ["", None, 5])
def test_an_id_that_is_no_text_is_named(stub: Stub, session_id: Any) -> None:
    theazo = Theazo("th_test_1", stub.says(SESSION).url)

    with pytest.raises(InvalidRequestError, match="`session_id` must"):
        theazo.sessions.get(session_id)


def test_text_that_is_not_unicode_is_named(stub: Stub) -> None:
    session = Theazo("th_test_1", stub.says(SESSION).url).sessions.get("ses_1")

    with pytest.raises(InvalidRequestError, match="`task` has a lone surrogate"):
        session.run("researcher", "\ud800")


def test_a_value_that_contains_itself_is_refused(stub: Stub) -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless

    with pytest.raises(InvalidRequestError):
        sent_limits(stub, {"max_duration": endless})


def test_files_cross_as_text_or_base64(stub: Stub) -> None:
    stub.says(AGENT).says(None, 204).says(None, 204).says({"data": "AP8=", "encoding": "base64"})
    files = Theazo("th_test_1", stub.url).agents.get("agt_1").files

    files.write("a.txt", "text")
    files.write("b.bin", b"\x00\xff")

    assert stub.requests[1].body == {"path": "a.txt", "data": "text"}
    assert stub.requests[2].body == {"path": "b.bin", "data": "AP8=", "encoding": "base64"}
    assert files.read("b.bin") == b"\x00\xff"
    with pytest.raises(TypeError, match="data must be str or bytes, not int"):
        files.write("c", 5)  # type: ignore[arg-type]


def test_options_of_one_call_reach_it(stub: Stub) -> None:
    theazo = Theazo("th_test_1", stub.says(SESSION).url)

    theazo.sessions.create(idempotency_key="mine", extra_headers={"x-tag": "t"})

    assert stub.requests[0].headers["idempotency-key"] == "mine"
    assert stub.requests[0].headers["x-tag"] == "t"
    assert stub.requests[0].headers["authorization"] == "Bearer th_test_1"
    assert stub.requests[0].headers["user-agent"].startswith("theazo-python/")
    with pytest.raises(InvalidRequestError, match="`max_retries` must be a whole number"):
        theazo.sessions.create(max_retries=-1)
