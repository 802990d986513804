"""What schemathesis does not know of our document: the schema of the data of events, and fields that are planned."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import schemathesis
from jsonschema import Draft202012Validator

EVENT_STREAM = "text/event-stream"


@cache
def document() -> dict[str, Any]:
    """The document that is fuzzed."""
    text = (Path(__file__).parents[2] / "theazo-api/openapi.json").read_text(encoding="utf-8")
    parsed: dict[str, Any] = json.loads(text)
    return parsed


@cache
def validator(path: str, method: str) -> Draft202012Validator:
    """Of the data of an operation's events."""
    responses = document()["paths"][path][method]["responses"]
    media = next(response["content"][EVENT_STREAM] for status, response in responses.items() if status == "200")
    schema = media["schema"]["properties"]["data"]["contentSchema"]
    return Draft202012Validator({**schema, "components": document()["components"]})


@schemathesis.check
def event_data_conformance(_: Any, response: Any, case: Any) -> None:
    """Each event's data is JSON of its schema; a stream that was cut may end in half an event."""
    types = response.headers.get("content-type") or [""]
    if not types[0].startswith(EVENT_STREAM):
        return
    complete, _, _ = (response.text or "").rpartition("\n\n")
    for line in complete.split("\n"):
        if line.startswith("data: "):
            validator(case.operation.path, case.operation.method.lower()).validate(json.loads(line[len("data: ") :]))


@schemathesis.check
def no_server_error(_: Any, response: Any, __: Any) -> None:
    """Nothing fails in the server. What it does not serve yet, single fields too, is refused with 501."""
    planned = response.status_code == 501 and response.json()["error"]["code"] == "not_implemented"
    assert response.status_code < 500 or planned, f"a server error: {response.text}"


@schemathesis.hook
def before_call(_: Any, case: Any, __: Any) -> None:
    """Fields that are planned are left out, as operations that are planned are, so that the rest is met."""
    operation = document()["paths"][case.operation.path][case.operation.method.lower()]
    for field in operation.get("x-theazo-planned", []):
        *parents, name = field.split(".")
        place = case.body
        for parent in parents:
            place = place.get(parent) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place.pop(name, None)
