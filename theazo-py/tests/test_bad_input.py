"""Bad input: a typed error or a contained result, with the field or the reason named, and nothing lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from theazo import InvalidRequestError, NotFoundError, Theazo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from theazo import Agent
    from theazo.testing import TestPlane


@pytest.fixture
def real_agent() -> Iterator[Agent]:
    """An agent in a real sandbox."""
    with Theazo.embedded() as theazo:
        yield theazo.sessions.for_user("ada").agents.create()


def test_what_belongs_to_another_account_is_not_found(theazo_plane: TestPlane) -> None:
    session = theazo_plane.client().sessions.for_user("ada")
    agent = session.agents.create()
    theirs = {"authorization": f"Bearer {theazo_plane.create_account().api_key}"}

    with pytest.raises(NotFoundError):
        theazo_plane.client().sessions.get(session.id, extra_headers=theirs)
    with pytest.raises(NotFoundError):
        theazo_plane.client().agents.get(agent.id, extra_headers=theirs)
    same_user = theazo_plane.client().sessions.for_user("ada", extra_headers=theirs)

    assert same_user.id != session.id


def test_a_gigabyte_of_output_is_cut_and_the_exit_code_kept(real_agent: Agent) -> None:
    result = real_agent.exec(
        "python",
        "import sys\nblock = 'x' * (1 << 20)\nfor _ in range(1024): sys.stdout.write(block)\nsys.exit(7)",
    )

    assert (result.exit_code, result.truncated, len(result.stdout)) == (7, True, 1 << 20)


def test_a_sandbox_cannot_read_the_files_of_its_host(real_agent: Agent, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("the host's secret")

    result = real_agent.exec("python", f"import os\nos.symlink('{secret}', 'link')\nprint(open('{secret}').read())")

    assert result.exit_code == 1
    assert "No such file or directory" in result.stderr
    with pytest.raises(NotFoundError):
        real_agent.files.read("link")
    with pytest.raises(InvalidRequestError):
        real_agent.files.read(str(secret))
