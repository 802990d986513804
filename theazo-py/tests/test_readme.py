"""The programs of the README run as they stand, each in a process of its own, without a network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text()
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def test_the_readme_has_programs() -> None:
    assert len(PROGRAMS) >= 9


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_a_program_of_the_readme_runs(number: int, tmp_path: Path) -> None:
    program = PROGRAMS[number]
    is_test = "def test_" in program
    path = tmp_path / ("test_readme_program.py" if is_test else "program.py")
    path.write_text(program)
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)] if is_test else ["-W", "error", str(path)]
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "THEAZO"))}

    ended = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=120, env=variables)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    # What reports from a sandbox says outside of one that nobody hears it.
    assert ended.stdout or "theazo.sandbox" in program
