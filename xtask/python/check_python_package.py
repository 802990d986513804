"""Builds what users install, and installs it as they do.

The wheel of this machine goes into an empty virtual environment, without an index, and runs the first program of the
README. The source distribution is unpacked somewhere else, holds every file that its build reads, and builds a wheel.

Both use the settings and the target folder of the checks that ran before, so that nothing is compiled a second time.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "theazo-py"


def run(*command: str | Path, folder: Path, **variables: str) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("THEAZO_")}
    shown = " ".join(map(str, command))
    print(f"$ {shown}", flush=True)
    ended = subprocess.run(
        command, cwd=folder, env={**environment, **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if ended.returncode != 0:
        raise SystemExit(f"{ended.stdout}\n`{shown}` failed with {ended.returncode}")
    return ended.stdout


def built(folder: Path, out: Path, target: Path) -> Path:
    """The wheel that is built in a folder with a `pyproject.toml`."""
    # Without `--locked`: a source distribution has fewer crates than the lock file names, which cargo leaves out.
    run(
        "maturin", "build", "--profile", "dev", "--strip", "--offline", "--out", out, folder=folder,
        CARGO_TARGET_DIR=str(target),
    )  # fmt: skip
    [wheel] = out.glob("*.whl")
    return wheel


def check_wheel(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, built without optimisations")
    assert "-cp310-abi3-" in wheel.name, f"{wheel.name} is not for every Python from 3.10"
    for wanted in ("theazo/py.typed", "theazo/_native.pyi", "theazo/_native.abi3.so", "theazo/sandbox.py"):
        assert wanted in names, f"the wheel has no {wanted}"
    unwanted = [name for name in names if "tests/" in name or name.endswith((".rs", ".pyc"))]
    assert not unwanted, f"the wheel has {unwanted}"


def check_installed(wheel: Path, folder: Path) -> None:
    """Installs the wheel into an empty environment and runs the README's program there."""
    environment = folder / "environment"
    venv.create(environment, with_pip=True)
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run(python, "-m", "pip", "install", "--quiet", "--no-index", wheel, folder=folder)
    listed = run(python, "-m", "pip", "list", "--format", "freeze", folder=folder)
    others = {line.split("==")[0] for line in listed.split()} - {"pip", "setuptools", "theazo", "wheel"}
    assert not others, f"theazo needs {others}"
    found = re.search(r"^```python\n(.*?)^```$", (PACKAGE / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert found, "the README has no program"
    (folder / "program.py").write_text(found[1])
    printed = run(python, "-W", "error", "program.py", folder=folder)
    assert "Cost(" in printed, f"the README's program printed {printed!r}"
    print(printed.strip())


def check_sdist(folder: Path, target: Path) -> None:
    """Builds a wheel from the source distribution alone."""
    run("maturin", "sdist", "--out", folder, folder=PACKAGE)
    [archive] = folder.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        files.extractall(folder, **({"filter": "data"} if sys.version_info >= (3, 12) else {}))
    unpacked = folder / archive.name.removesuffix(".tar.gz")
    for wanted in ("pyproject.toml", "PKG-INFO", "Cargo.lock", "theazo-py/src/lib.rs", "theazo-server/src/lib.rs"):
        assert (unpacked / wanted).exists(), f"the source distribution has no {wanted}"
    wheel = built(unpacked, folder / "wheels", target)
    print(f"{archive.name}: {archive.stat().st_size / 1e6:.1f} MB, builds {wheel.name}")


def main() -> None:
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    folder = Path(tempfile.mkdtemp(prefix="theazo-package-"))
    try:
        (folder / "sdist").mkdir()
        wheel = built(PACKAGE, folder / "wheels", target)
        check_wheel(wheel)
        check_installed(wheel, folder)
        check_sdist(folder / "sdist", target)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
