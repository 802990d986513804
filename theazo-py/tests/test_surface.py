"""Every operation of the contract has a method in both faces, and the stubs say what is there."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

import theazo._async
import theazo._native
import theazo._sync

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = json.loads((ROOT / "theazo-api/openapi.json").read_text())
SURFACES = sorted(
    operation["x-theazo-surface"]
    for operations in DOCUMENT["paths"].values()
    for operation in operations.values()
    if isinstance(operation, dict) and "x-theazo-surface" in operation
    # Programs in a sandbox use these through a client of their own.
    if not operation["x-theazo-surface"].startswith("sandbox.")
)


def snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda match: "_" + match[1].lower(), name)


def class_name(receiver: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in receiver.split(".")) or "ClientMethods"


def test_the_document_has_operations() -> None:
    assert len(SURFACES) > 240


@pytest.mark.parametrize("surface", SURFACES)
def test_an_operation_has_a_method_in_both_faces(surface: str) -> None:
    receiver, _, name = surface.rpartition(".")

    blocking: Any = getattr(theazo._sync, class_name(receiver))
    waiting: Any = getattr(theazo._async, "Async" + class_name(receiver))

    assert callable(getattr(blocking, snake(name)))
    assert callable(getattr(waiting, snake(name)))
    assert getattr(blocking, snake(name)).__doc__


def test_the_stubs_have_the_members_that_the_native_classes_have() -> None:
    stub = ast.parse((ROOT / "theazo-py/python/theazo/_native.pyi").read_text())
    for node in stub.body:
        if not isinstance(node, ast.ClassDef):
            continue
        native = getattr(theazo._native, node.name)
        named = (member.name for member in node.body if isinstance(member, ast.FunctionDef))
        said = {name for name in named if not name.startswith("_")}
        there = {name for name in vars(native) if not name.startswith("_")}
        assert said == there, node.name
