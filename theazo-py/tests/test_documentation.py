"""Whatever a user can name says what it is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import theazo._native

PACKAGE = Path(__file__).parents[1] / "python/theazo"
FILES = sorted(path for path in PACKAGE.rglob("*.py*") if path.suffix in (".py", ".pyi"))


def undocumented(node: ast.Module | ast.ClassDef, path: str) -> list[str]:
    found: list[str] = []
    for member in node.body:
        if not isinstance(member, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) or member.name[0] == "_":
            continue
        is_overload = any(ast.unparse(decorator) == "overload" for decorator in member.decorator_list)
        if not ast.get_docstring(member) and not is_overload:
            found.append(path + member.name)
        if isinstance(member, ast.ClassDef):
            found.extend(undocumented(member, f"{path}{member.name}."))
    return found


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(PACKAGE)) for path in FILES])
def test_every_public_name_has_its_documentation(path: Path) -> None:
    module = ast.parse(path.read_text())

    assert ast.get_docstring(module) or path.suffix == ".pyi"
    assert undocumented(module, "") == []


def test_native_classes_and_their_members_show_it_at_run_time() -> None:
    # Those that say they are of `_native` are for the package alone.
    kinds = [value for value in vars(theazo._native).values() if isinstance(value, type)]
    classes = [kind for kind in kinds if kind.__module__ != "theazo._native"]
    members = [
        f"{kind.__name__}.{name}"
        for kind in classes
        for name, member in vars(kind).items()
        if not name.startswith("_") and not member.__doc__
    ]

    assert len(classes) > 250
    assert [kind.__name__ for kind in classes if not kind.__doc__] == []
    assert members == []
