"""Options of a client, and what there is to tell of an answer."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from stub import SESSION, Stub
from theazo import AsyncTheazo, CallTimeoutError, InvalidRequestError, ServerError, Theazo, with_meta
from theazo.errors import UnreadableAnswerError
from theazo.testing import TestPlane
from theazo.types import Compute, ComputeProviderConfig, ComputeProviders, ModelProviderConfig

BUSY = {"error": {"code": "unavailable", "message": "busy"}}


def test_with_options_changes_a_copy_and_all_that_comes_from_it(stub: Stub) -> None:
    theazo = Theazo("th_test_1", stub.says(SESSION).url, headers={"x-team": "growth"})

    changed = theazo.with_options(extra_headers={"x-a": "1"}).with_options(extra_headers={"x-b": "2"}, max_retries=0)
    session = changed.sessions.get("ses_1")
    session.terminate()
    theazo.sessions.get("ses_1")

    first, second, third = (request.headers for request in stub.requests)
    assert (first["x-team"], first["x-a"], first["x-b"]) == ("growth", "1", "2")
    assert (second["x-a"], second["x-b"]) == ("1", "2")
    assert "x-a" not in third


def test_with_options_holds_its_limits(stub: Stub) -> None:
    theazo = Theazo("th_test_1", stub.says(BUSY, 503, retry_after="0").url)

    with pytest.raises(ServerError) as caught:
        theazo.with_options(max_retries=1).sessions.get("ses_1")

    assert len(caught.value.attempts) == 2
    with pytest.raises(ServerError) as caught:
        theazo.with_options(max_retries=1).sessions.get("ses_1", max_retries=0)
    assert len(caught.value.attempts) == 1
    silent = Stub().says_nothing()
    with silent, pytest.raises(CallTimeoutError):
        Theazo("th_test_1", silent.url).with_options(deadline=timedelta(milliseconds=50)).health()


def test_with_options_of_an_asyncio_client(stub: Stub) -> None:
    async def ask() -> str:
        theazo = AsyncTheazo("th_test_1", stub.says(SESSION).url)
        return (await theazo.with_options(extra_headers={"x-a": "1"}).sessions.get("ses_1")).id

    assert asyncio.run(ask()) == "ses_1"
    assert stub.requests[0].headers["x-a"] == "1"


def test_with_meta_tells_of_the_answer_too(stub: Stub) -> None:
    stub.says(BUSY, 503, retry_after="0").says(SESSION, x_region="eu")
    theazo = Theazo("th_test_1", stub.url)

    session, meta = with_meta(theazo.sessions.get)("ses_1", max_retries=1)

    assert session.id == "ses_1"
    assert (meta.status, meta.request_id, meta.replayed) == (200, "req_1", False)
    assert meta.headers["x-region"] == "eu"
    assert [attempt["status"] for attempt in meta.attempts] == [503, 200]
    assert len(meta.trace_id) == 32
    assert timedelta(0) < meta.total < timedelta(minutes=1)
    assert repr(meta) == 'ResponseMeta(status=200, request_id="req_1", attempts=2, replayed=False)'


def test_with_meta_works_for_pages_handles_and_asyncio(stub: Stub) -> None:
    page = {"data": [SESSION], "hasMore": False, "cursor": ""}
    stub.says(SESSION).says(page).says(SESSION)
    theazo = Theazo("th_test_1", stub.url)

    session = theazo.sessions.get("ses_1")
    listed, meta = with_meta(theazo.sessions.list)(limit=1)
    assert [item.id for item in listed] == ["ses_1"]
    assert meta.status == 200
    assert session.id == "ses_1"

    async def ask() -> tuple[str, int]:
        waiting = AsyncTheazo("th_test_1", stub.url)
        found, meta = await with_meta(waiting.sessions.get)("ses_1")
        return found.id, meta.status

    assert asyncio.run(ask()) == ("ses_1", 200)


def test_with_meta_says_that_streams_have_none(theazo_plane: TestPlane) -> None:
    agent = theazo_plane.client().sessions.for_user("user_123").agents.create(browser=False)

    with pytest.raises(TypeError, match="streams"):
        with_meta(agent.stream)("go")


def test_a_replayed_answer_says_so(theazo_plane: TestPlane) -> None:
    create = with_meta(theazo_plane.client().sessions.create)

    first, told = create(idempotency_key="mine")
    second, again = create(idempotency_key="mine")

    assert first.id == second.id
    assert (told.replayed, again.replayed) == (False, True)


@pytest.mark.parametrize(
    "compute",
    [
        {"provider": "e2b", "credentials": {"apiKey": "e2b_1"}},
        {"providers": [{"provider": "e2b", "credentials": {"apiKey": "e2b_1"}}]},
        ComputeProviderConfig(provider="e2b", credentials={"apiKey": "e2b_1"}),
        ComputeProviders(providers=[ComputeProviderConfig(provider="e2b", credentials={"apiKey": "e2b_1"})]),
    ],
    ids=["a dict", "a dict of several", "a class", "a class of several"],
)
def test_providers_of_a_client_are_sealed_into_its_sessions_and_sent_with_nothing_else(
    stub: Stub, compute: Compute
) -> None:
    models = ModelProviderConfig(provider="anthropic", credentials={"apiKey": "sk-ant-1"})
    theazo = Theazo("th_test_1", stub.says(SESSION).url, compute=compute, models=models)

    # The stub does not confirm that it took them, as a server that does not know them would not.
    with pytest.raises(UnreadableAnswerError, match="did not take the providers"):
        theazo.sessions.create(user_id="user_123")
    theazo.sessions.get("ses_1")

    sent: dict[str, Any] = stub.requests[0].body
    assert sent["compute"] == {"providers": [{"provider": "e2b", "credentials": {"apiKey": "e2b_1"}}]}
    assert sent["models"] == {"provider": "anthropic", "credentials": {"apiKey": "sk-ant-1"}}
    assert stub.requests[1].body is None


def test_a_provider_that_is_set_up_wrongly_is_named_at_once() -> None:
    with pytest.raises(InvalidRequestError, match="provdier"):
        Theazo("th_test_1", compute={"provdier": "e2b"})  # type: ignore[arg-type]
