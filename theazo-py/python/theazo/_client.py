"""The two clients."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from theazo._async import AsyncClientMethods
from theazo._core import finish
from theazo._native import Client
from theazo._sync import ClientMethods

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from typing_extensions import Self

    from theazo._native import Recorder, Replayer
    from theazo.types import Duration


def _connected() -> Client:
    """A client of what the environment names, or of a new control plane inside this process."""
    if os.environ.get("THEAZO_BASE_URL", "").strip() or os.environ.get("THEAZO_API_KEY", "").strip():
        return Client()
    return Client.embedded()


def _path(data_dir: str | os.PathLike[str] | None) -> str | None:
    return None if data_dir is None else os.fspath(data_dir)


class Theazo(ClientMethods):
    """A client whose calls block. It may be used from any number of threads.

    What is not given comes from `THEAZO_API_KEY`, `THEAZO_BASE_URL`, `THEAZO_TIMEOUT` and `THEAZO_MAX_RETRIES`, then
    from the defaults: the public API, 30 seconds for one attempt of a plain request, 2 retries. The base address
    `"local"` means a control plane inside this process.

    Args:
        api_key: The API key.
        base_url: Where the API is.
        timeout: How long one attempt of a plain request may take; runs and streams are not bound by it.
        max_retries: How often a call is tried again after a failure that may pass.
        headers: Headers that every request carries.
        record: Records every request and its answer, to be played back later; see `theazo.testing`.
        replay: Answers every request from a recording; no connection is made, and any key will do.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: Duration | None = None,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        record: Recorder | None = None,
        replay: Replayer | None = None,
    ) -> None:
        self._connect(Client(api_key, base_url, timeout, max_retries, headers, record, replay))

    @classmethod
    def _of(cls, client: Client) -> Self:
        made = cls.__new__(cls)
        made._connect(client)
        return made

    @classmethod
    def embedded(
        cls,
        data_dir: str | os.PathLike[str] | None = None,
        *,
        timeout: Duration | None = None,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
        record: Recorder | None = None,
    ) -> Self:
        """Starts a whole control plane inside this process, and makes a client of it.

        It needs no key and no network. Without `data_dir` everything is in memory and gone at the end.
        """
        return cls._of(Client.embedded(_path(data_dir), timeout, max_retries, headers, record))

    @classmethod
    def connect(cls) -> Self:
        """A client of the server that `THEAZO_BASE_URL` and `THEAZO_API_KEY` name, or of a new embedded control plane
        if neither is set."""
        return cls._of(_connected())

    def close(self) -> None:
        """Ends the embedded control plane, if this is a client of one, and waits until it has ended."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncTheazo(AsyncClientMethods):
    """A client for asyncio. It belongs to no event loop: several loops and threads may use it, one after the other or
    at once.

    What is not given comes from `THEAZO_API_KEY`, `THEAZO_BASE_URL`, `THEAZO_TIMEOUT` and `THEAZO_MAX_RETRIES`, then
    from the defaults: the public API, 30 seconds for one attempt of a plain request, 2 retries. The base address
    `"local"` means a control plane inside this process.

    Args:
        api_key: The API key.
        base_url: Where the API is.
        timeout: How long one attempt of a plain request may take; runs and streams are not bound by it.
        max_retries: How often a call is tried again after a failure that may pass.
        headers: Headers that every request carries.
        record: Records every request and its answer, to be played back later; see `theazo.testing`.
        replay: Answers every request from a recording; no connection is made, and any key will do.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: Duration | None = None,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        record: Recorder | None = None,
        replay: Replayer | None = None,
    ) -> None:
        self._connect(Client(api_key, base_url, timeout, max_retries, headers, record, replay))

    @classmethod
    def _of(cls, client: Client) -> Self:
        made = cls.__new__(cls)
        made._connect(client)
        return made

    @classmethod
    def embedded(
        cls,
        data_dir: str | os.PathLike[str] | None = None,
        *,
        timeout: Duration | None = None,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
        record: Recorder | None = None,
    ) -> Self:
        """Starts a whole control plane inside this process, and makes a client of it.

        It needs no key and no network. Without `data_dir` everything is in memory and gone at the end. The start
        blocks for some milliseconds.
        """
        return cls._of(Client.embedded(_path(data_dir), timeout, max_retries, headers, record))

    @classmethod
    def connect(cls) -> Self:
        """A client of the server that `THEAZO_BASE_URL` and `THEAZO_API_KEY` name, or of a new embedded control plane
        if neither is set."""
        return cls._of(_connected())

    async def aclose(self) -> None:
        """Ends the embedded control plane, if this is a client of one, and waits until it has ended."""
        await finish(self._client.close_soon())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
