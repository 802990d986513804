"""Recordings: the same story is told again without the control plane, and without what was secret."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from theazo import AsyncTheazo, ConfigurationError, Theazo, TheazoError
from theazo.testing import Recorder, Replayer, TestPlane
from theazo.types import ScriptedTurn, TextEvent

if TYPE_CHECKING:
    from pathlib import Path


def replayed(replayer: Replayer) -> Theazo:
    return Theazo("th_test_any", max_retries=0, replay=replayer)


def story(theazo: Theazo) -> tuple[str, str, list[str]]:
    session = theazo.sessions.for_user("ada")
    result = session.run("researcher", "what is the answer?")
    agent = session.agents.create(name="writer")
    with agent.stream("write") as stream:
        texts = [event.text for event in stream if isinstance(event, TextEvent)]
    return session.id, result.output, texts


def test_a_recording_tells_the_same_story_without_the_plane(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    with TestPlane.start() as plane:
        plane.script("researcher", [ScriptedTurn(text="42")])
        plane.script("writer", [ScriptedTurn(text="once upon a time")])
        told = story(plane.client(record=Recorder(file)))

    replayer = Replayer(file)
    again = story(replayed(replayer))

    assert told[1] == "42"
    assert "".join(told[2]) == "once upon a time"
    assert again == told
    assert replayer.unused == 0
    assert story(replayed(Replayer(str(file), at_recorded_pace=True))) == told


def test_a_client_for_asyncio_records_and_replays(tmp_path: Path, theazo_plane: TestPlane) -> None:
    file = tmp_path / "calls.jsonl"

    async def told(theazo: AsyncTheazo) -> str:
        return (await theazo.sessions.for_user("ada")).id

    first = asyncio.run(told(theazo_plane.async_client(record=Recorder(file))))
    second = asyncio.run(told(AsyncTheazo("th_test_any", replay=Replayer(file))))

    assert first == second


def test_a_strict_recording_answers_what_was_asked_and_a_lenient_one_what_is_like_it(
    tmp_path: Path, theazo_plane: TestPlane
) -> None:
    file = tmp_path / "calls.jsonl"
    session = theazo_plane.client(record=Recorder(file)).sessions.create(user_id="ada")

    strict = replayed(Replayer(file))
    lenient = replayed(Replayer(file, matching="lenient"))

    with pytest.raises(TheazoError, match="the recording has no answer to `POST /v1/sessions"):
        strict.sessions.create(user_id="bob")
    assert strict.sessions.create(user_id="ada").id == session.id
    with pytest.raises(TheazoError, match="the recording has no answer"):
        strict.sessions.create(user_id="ada")
    assert lenient.sessions.create(user_id="bob").id == session.id


def test_a_recording_holds_no_key_and_no_secret(tmp_path: Path, theazo_plane: TestPlane) -> None:
    file = tmp_path / "calls.jsonl"
    theazo = theazo_plane.client(record=Recorder(file))
    theazo.sessions.for_user("ada").secrets.set({"DATABASE_URL": "canary-4f1c9b7e2d"})
    made = theazo.api_keys.create("ci", "live")

    text = file.read_text()

    assert "DATABASE_URL" in text
    assert "canary-4f1c9b7e2d" not in text
    assert made.key not in text


def test_what_is_no_recording_or_not_to_be_used_so_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    file.write_text("{}\n")

    with pytest.raises(ConfigurationError, match="line 1 is no request"):
        Replayer(file)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Replayer(tmp_path / "missing")
    with pytest.raises(ConfigurationError, match="cannot be made"):
        Recorder(tmp_path / "missing" / "calls.jsonl")
    with pytest.raises(ConfigurationError, match="`matching` must be `strict` or `lenient`"):
        Replayer(file, matching="loose")  # type: ignore[arg-type]
    recorder = Recorder(file)
    with pytest.raises(ConfigurationError, match="`record` and `replay` cannot be given together"):
        Theazo("th_test_any", record=recorder, replay=Replayer(file))
