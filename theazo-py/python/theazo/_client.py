"""The client whose calls block."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import theazo.errors  # noqa: F401  # So that the first call that fails imports nothing.
from theazo._connect import connected
from theazo._native import Client
from theazo._sync import ClientMethods

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from theazo._native import Recorder, Replayer
    from theazo.types import Compute, Duration, ModelProviderConfig, ModelProviderConfigDict


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
        compute: Your own compute providers, or one. They are sealed into each session that this client makes.
        models: Your own model provider. It is sealed into each session that this client makes.
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
        compute: Compute | None = None,
        models: ModelProviderConfig | ModelProviderConfigDict | None = None,
        record: Recorder | None = None,
        replay: Replayer | None = None,
    ) -> None:
        self._connect(Client(api_key, base_url, timeout, max_retries, headers, compute, models, record, replay))

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
        sandbox_python: str | os.PathLike[str] | None = None,
        sandbox_read_only: Iterable[str | os.PathLike[str]] = (),
        timeout: Duration | None = None,
        max_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
        compute: Compute | None = None,
        models: ModelProviderConfig | ModelProviderConfigDict | None = None,
        record: Recorder | None = None,
    ) -> Self:
        """Starts a whole control plane inside this process, and makes a client of it.

        It needs no key and no network. Without `data_dir` everything is in memory and gone at the end.

        Args:
            data_dir: Where the plane keeps its data.
            sandbox_python: The Python of local sandboxes, that of a virtual environment for example.
            sandbox_read_only: Folders outside of `/usr` that it needs; sandboxes see them and cannot write there.
            timeout: How long one attempt of a plain request may take; runs and streams are not bound by it.
            max_retries: How often a call is tried again after a failure that may pass.
            headers: Headers that every request carries.
            compute: Your own compute providers, or one. They are sealed into each session that this client makes.
            models: Your own model provider. It is sealed into each session that this client makes.
            record: Records every request and its answer, to be played back later; see `theazo.testing`.
        """
        folders = [os.fspath(folder) for folder in sandbox_read_only]
        python = None if sandbox_python is None else os.fspath(sandbox_python)
        path = None if data_dir is None else os.fspath(data_dir)
        return cls._of(Client.embedded(path, python, folders, timeout, max_retries, headers, compute, models, record))

    @classmethod
    def connect(cls) -> Self:
        """A client of the server that `THEAZO_BASE_URL` and `THEAZO_API_KEY` name, or of a new embedded control plane
        if neither is set."""
        return cls._of(connected())

    def with_options(
        self,
        *,
        timeout: Duration | None = None,
        deadline: Duration | None = None,
        max_retries: int | None = None,
        extra_headers: Mapping[str, str] | None = None,
    ) -> Self:
        """The same client with other options for all its calls and for those of everything that comes from it. Its
        connections are shared, so it is cheap.

        Args:
            timeout: How long one attempt of a plain request may take.
            deadline: How long a call may take in all, with every attempt and the pauses between them.
            max_retries: How often a call is tried again after a failure that may pass.
            extra_headers: Headers besides those that the client has.
        """
        options = {
            "timeout": timeout,
            "deadline": deadline,
            "max_retries": max_retries,
            "extra_headers": extra_headers,
        }
        return self._of(self._client.with_options(options))

    def close(self) -> None:
        """Ends the embedded control plane, if this is a client of one, and waits until it has ended."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
