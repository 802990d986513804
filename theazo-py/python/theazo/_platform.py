"""Why the native part cannot be loaded, for people."""

from __future__ import annotations

import platform
import sys
import sysconfig


def reason() -> str:
    """What to do about a native part that cannot be loaded."""
    here = f"Python {platform.python_version()} on {sys.platform} {platform.machine()}"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return (
            f"theazo does not run on free-threaded builds of Python yet ({here}): what keeps a fork safe in it relies "
            "on the GIL. Use the usual build of the same version, `python3.13` instead of `python3.13t` for example"
        )
    return (
        f"the native part of theazo is not there or does not fit {here}. Wheels exist for Linux (glibc and musl, "
        "x86_64 and aarch64), macOS and Windows; `pip install --force-reinstall theazo` fetches the one that fits. "
        "Elsewhere pip builds it, which needs Rust"
    )
