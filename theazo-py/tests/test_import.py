"""Importing is cheap, and nothing is imported later."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import theazo
from stub import SESSION, Stub


def loaded(script: str, *arguments: str) -> list[str]:
    """The names that the program prints as JSON."""
    command = [sys.executable, "-c", textwrap.dedent(script), *arguments]
    printed = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True).stdout
    found: list[str] = json.loads(printed)
    return found


def test_the_package_alone_imports_nothing_of_itself() -> None:
    script = "import json, sys, theazo; print(json.dumps([name for name in sys.modules if 'theazo' in name]))"

    assert loaded(script) == ["theazo"]


def test_the_part_for_sandboxes_has_no_native_part() -> None:
    script = """
        import json, sys, theazo.sandbox
        print(json.dumps([name for name in sys.modules if "theazo" in name]))
    """

    assert loaded(script) == ["theazo", "theazo.sandbox"]


def test_a_client_does_not_import_what_it_does_not_need() -> None:
    script = """
        import json, sys
        from theazo import Theazo
        print(json.dumps([*sys.modules]))
    """
    names = loaded(script)

    heavy = {"asyncio", "dataclasses", "http", "inspect", "json", "ssl", "theazo._async", "theazo.types", "urllib"}
    assert heavy & ({*names} - {"json"}) == set()
    assert "theazo._native" in names


def test_the_first_request_imports_nothing(stub: Stub) -> None:
    stub.says(SESSION).says({"error": {"code": "not_found", "message": "no"}}, 404)
    script = """
        import json, sys
        from theazo import Theazo, NotFoundError
        theazo = Theazo("th_test_1", sys.argv[1])
        before = {*sys.modules}
        session = theazo.sessions.get("ses_1")
        (session.created_at, session.data.to_dict(), repr(session.data))
        try:
            theazo.sessions.get("ses_2")
        except NotFoundError:
            pass
        print(json.dumps(sorted({*sys.modules} - before)))
    """

    assert loaded(script, stub.url) == []


def test_the_first_request_of_asyncio_imports_nothing(stub: Stub) -> None:
    script = """
        import asyncio, json, sys
        from theazo import AsyncTheazo
        async def ask():
            theazo = AsyncTheazo("th_test_1", sys.argv[1])
            before = {*sys.modules}
            await theazo.sessions.get("ses_1")
            return sorted({*sys.modules} - before)
        print(json.dumps(asyncio.run(ask())))
    """

    assert loaded(script, stub.says(SESSION).url) == []


def test_every_name_that_is_promised_is_there() -> None:
    assert [name for name in theazo.__all__ if not hasattr(theazo, name)] == []
    assert {*theazo.__all__} <= {*dir(theazo)}
    assert not hasattr(theazo, "no_such_name")
    assert theazo.types.Cost is theazo.Cost
