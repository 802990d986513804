"""Exceptions: a class for each code, with everything that is known about the failure."""

from __future__ import annotations

import pickle

import pytest

import theazo.errors
from stub import Stub
from theazo import (
    AuthenticationError,
    CallTimeoutError,
    ConfigurationError,
    ConflictError,
    ConnectionFailedError,
    InvalidRequestError,
    LimitExceededError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    Theazo,
    TheazoError,
    TransportFault,
)
from theazo.types import ErrorCode

CODES = [value for name, value in vars(ErrorCode).items() if name.isupper()]


def caught_from(stub: Stub) -> TheazoError:
    with pytest.raises(TheazoError) as caught:
        Theazo("th_test_1", stub.url, max_retries=0).sessions.get("ses_1")
    return caught.value


def class_name(code: str) -> str:
    return "".join(part.capitalize() for part in code.removesuffix("_error").split("_")) + "Error"


@pytest.mark.parametrize("code", CODES)
def test_a_code_has_a_class_of_its_name(stub: Stub, code: str) -> None:
    error = caught_from(stub.says({"error": {"code": code, "message": "no"}}, 400))

    assert type(error).__name__ == class_name(code)
    assert getattr(theazo.errors, type(error).__name__) is type(error)
    assert type(error).__doc__
    assert error.code == code


def test_there_are_all_the_codes() -> None:
    assert len(CODES) >= 36
    assert {"not_found", "session_limit_exceeded", "workflow_circular_dependency", "webhook_unverified"} <= {*CODES}


@pytest.mark.parametrize(
    ("code", "base"),
    [
        ("unauthorized", AuthenticationError),
        ("forbidden", PermissionDeniedError),
        ("approval_required", PermissionDeniedError),
        ("not_found", NotFoundError),
        ("session_limit_exceeded", LimitExceededError),
        ("fleet_cost_limit", LimitExceededError),
        ("schedule_overlap", ConflictError),
        ("workflow_circular_dependency", InvalidRequestError),
        ("idempotency_key_reused", ValueError),
        ("rate_limited", RateLimitedError),
        ("provider_error", ServerError),
        ("unavailable", ServerError),
        ("timeout", CallTimeoutError),
        ("timeout", TimeoutError),
        ("connection_error", ConnectionFailedError),
        ("connection_error", ConnectionError),
    ],
)
def test_classes_of_one_kind_have_a_base(stub: Stub, code: str, base: type[Exception]) -> None:
    error = caught_from(stub.says({"error": {"code": code, "message": "no"}}, 400))

    assert isinstance(error, base)
    assert isinstance(error, TheazoError)


@pytest.mark.parametrize(
    ("status", "base"), [(404, NotFoundError), (409, ConflictError), (429, RateLimitedError), (503, ServerError)]
)
def test_a_code_of_a_newer_server_has_the_class_of_its_status(stub: Stub, status: int, base: type[TheazoError]) -> None:
    error = caught_from(stub.says({"error": {"code": "out_of_moonlight", "message": "no"}}, status))

    assert type(error) is base
    assert error.code == "out_of_moonlight"


def test_an_error_says_all_that_is_known(stub: Stub) -> None:
    answer = {"error": {"code": "session_limit_exceeded", "message": "used up", "details": {"limit": "maxCost"}}}

    error = caught_from(stub.says(answer, 402))

    assert (error.status, error.code, error.request_id) == (402, "session_limit_exceeded", "req_1")
    assert error.details == {"limit": "maxCost"}
    assert not error.retryable
    assert [attempt["status"] for attempt in error.attempts] == [402]
    assert error.trace_id
    assert len(error.trace_id) == 32
    assert error.hint
    assert str(error).startswith("used up (HTTP 402, session_limit_exceeded) [req_1]")


def test_a_connection_that_is_refused_has_its_cause_and_keeps_it_through_pickle() -> None:
    with pytest.raises(ConnectionFailedError) as caught:
        Theazo("th_test_1", "http://127.0.0.1:9", max_retries=1).health()

    error = caught.value
    assert error.retryable
    assert error.kind == "not_sent"
    assert len(error.attempts) == 2
    causes = []
    cause = error.__cause__
    while cause is not None:
        causes.append(cause)
        cause = cause.__cause__
    assert causes
    assert all(isinstance(cause, TransportFault) for cause in causes)
    assert "refused" in str(causes[-1])
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), again.attempts, again.kind) == (str(error), error.attempts, error.kind)
    assert str(again.__cause__) == str(error.__cause__)


def test_an_error_may_be_raised_from_another_and_says_so_after_pickle() -> None:
    try:
        try:
            raise KeyError("plan")
        except KeyError as cause:
            raise NotFoundError("no plan", code="not_found", status=404, hint="make one") from cause
    except NotFoundError as error:
        again = pickle.loads(pickle.dumps(error))

    assert isinstance(again.__cause__, KeyError)
    assert (again.code, again.status, again.hint) == ("not_found", 404, "make one")


def test_a_client_that_is_set_up_wrongly_sends_nothing() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Theazo("th_test_1", "not an address")

    assert (caught.value.code, caught.value.kind, caught.value.status) == ("configuration", "configuration", None)
