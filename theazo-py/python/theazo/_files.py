"""Files cross as text where they are text, and as base64 otherwise; callers have bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theazo.types import FileContent


def file_inputs(path: str, data: str | bytes) -> dict[str, Any]:
    """What is sent for a file to write."""
    if isinstance(data, str):
        return {"path": path, "data": data}
    if isinstance(data, (bytes, bytearray, memoryview)):
        from base64 import b64encode

        return {"path": path, "data": b64encode(data).decode("ascii"), "encoding": "base64"}
    raise TypeError(f"data must be str or bytes, not {type(data).__name__}")


def file_bytes(content: FileContent) -> bytes:
    """The bytes of a file that was read."""
    if content.encoding == "base64":
        from base64 import b64decode

        return b64decode(content.data)
    return content.data.encode()
