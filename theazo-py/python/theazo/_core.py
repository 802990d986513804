"""What both faces stand on: options of a call, pages, streams."""

from __future__ import annotations

from types import CoroutineType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypedDict, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping
    from types import TracebackType

    from typing_extensions import Self

    from theazo._native import Client, Pending, ResponseMeta
    from theazo._native import EventStream as NativeStream
    from theazo.types import Duration

Item = TypeVar("Item")
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class CallOptionsOfRun(TypedDict, total=False):
    """The options of a call whose `timeout` is that of the work itself; `deadline` limits the call."""

    deadline: Duration | None
    """How long the call may take in all, with every attempt and the pauses between them."""
    max_retries: int | None
    """How often the call is tried again after a failure that may pass."""
    idempotency_key: str | None
    """Makes a repeated call act once, even from another process; generated if there is none."""
    extra_headers: Mapping[str, str] | None
    """Headers besides those of the client."""


class CallOptions(CallOptionsOfRun, total=False):
    """What a caller wants of one call alone; methods take these as keyword arguments."""

    timeout: Duration | None
    """How long one attempt may take. Where a run is waited for, how long to wait in all; the run itself goes on."""


async def finish(pending: Pending) -> Any:
    """Waits for a call of the running loop. Whatever interrupts the wait, cancellation included, ends the call."""
    try:
        return await pending.future
    except BaseException:
        pending.cancel()
        raise


@overload
def with_meta(  # type: ignore[overload-overlap]  # A coroutine is a result too, and the first overload that fits counts.
    method: Callable[Parameters, Coroutine[Any, Any, Result]],
) -> Callable[Parameters, Coroutine[Any, Any, tuple[Result, ResponseMeta]]]: ...


@overload
def with_meta(method: Callable[Parameters, Result]) -> Callable[Parameters, tuple[Result, ResponseMeta]]: ...


def with_meta(method: Callable[..., Any]) -> Callable[..., Any]:
    """The same method with more to tell: it returns what it returns, and a `ResponseMeta` with the status, the headers,
    the id of the request and what each attempt came to.

    Streams and the lists of the asyncio face have no answer when they are made, so they have none of it.

    Args:
        method: A method of a client, of a part of it or of a handle.

    Example:
        ```python
        session, meta = with_meta(theazo.sessions.get)("ses_9f86d081884c")
        print(meta.request_id, session.status)
        ```
    """

    def call(*arguments: Any, **options: Any) -> Any:
        collected: list[ResponseMeta] = []
        answer = method(*arguments, **options, _meta=collected)
        if isinstance(answer, CoroutineType):
            return _awaited(answer, collected)
        return answer, _only(collected)

    return call


async def _awaited(answer: Coroutine[Any, Any, Any], collected: list[ResponseMeta]) -> tuple[Any, ResponseMeta]:
    return await answer, _only(collected)


def _only(collected: list[ResponseMeta]) -> ResponseMeta:
    if not collected:
        raise TypeError("with_meta takes methods that answer at once; streams have no such answer")
    return collected[0]


class Page(Generic[Item]):
    """One page of a list. Iterating goes through the items of this page and of all that follow."""

    __slots__ = ("_again", "cursor", "data", "has_more")

    data: list[Item]
    """The items of this page."""
    has_more: bool
    """Whether more items follow."""
    cursor: str
    """What to give as `cursor` to get the next page; empty when finished."""

    def __init__(
        self,
        client: Client,
        operation: str,
        path: tuple[str, ...],
        inputs: dict[str, Any],
        options: CallOptions,
        convert: Callable[[Any], Item] | None,
    ) -> None:
        items, self.has_more, self.cursor = client.call(operation, path, inputs, options)
        self.data = [convert(item) for item in items] if convert else items
        self._again = (client, operation, path, inputs, options, convert)

    def next_page(self) -> Page[Item] | None:
        """Fetches the page after this one; `None` if this is the last."""
        if not self.has_more or not self.cursor:
            return None
        client, operation, path, inputs, options, convert = self._again
        return Page(client, operation, path, {**inputs, "cursor": self.cursor}, options, convert)

    def pages(self) -> Iterator[Page[Item]]:
        """This page and all that follow, each fetched when it is asked for."""
        page: Page[Item] | None = self
        while page is not None:
            yield page
            page = page.next_page()

    def __iter__(self) -> Iterator[Item]:
        for page in self.pages():
            yield from page.data

    def __repr__(self) -> str:
        return f"Page(data={self.data!r}, has_more={self.has_more!r}, cursor={self.cursor!r})"


class AsyncPage(Generic[Item]):
    """One page of a list. Iterating goes through the items of this page and of all that follow."""

    __slots__ = ("_again", "cursor", "data", "has_more")

    data: list[Item]
    """The items of this page."""
    has_more: bool
    """Whether more items follow."""
    cursor: str
    """What to give as `cursor` to get the next page; empty when finished."""

    def __init__(self, answer: tuple[list[Any], bool, str], pager: AsyncPager[Item]) -> None:
        items, self.has_more, self.cursor = answer
        self.data = [pager._convert(item) for item in items] if pager._convert else items
        self._again = pager

    async def next_page(self) -> AsyncPage[Item] | None:
        """Fetches the page after this one; `None` if this is the last."""
        if not self.has_more or not self.cursor:
            return None
        return await self._again._after(self.cursor)

    async def pages(self) -> AsyncIterator[AsyncPage[Item]]:
        """This page and all that follow, each fetched when it is asked for."""
        page: AsyncPage[Item] | None = self
        while page is not None:
            yield page
            page = await page.next_page()

    async def __aiter__(self) -> AsyncIterator[Item]:
        async for page in self.pages():
            for item in page.data:
                yield item

    def __repr__(self) -> str:
        return f"AsyncPage(data={self.data!r}, has_more={self.has_more!r}, cursor={self.cursor!r})"


class AsyncPager(Generic[Item]):
    """A list that is not fetched yet: await it for its first page, or iterate over all its items."""

    __slots__ = ("_client", "_convert", "_inputs", "_operation", "_options", "_path")

    def __init__(
        self,
        client: Client,
        operation: str,
        path: tuple[str, ...],
        inputs: dict[str, Any],
        options: CallOptions,
        convert: Callable[[Any], Item] | None,
    ) -> None:
        self._client = client
        self._operation = operation
        self._path = path
        self._inputs = inputs
        self._options = options
        self._convert = convert

    async def _fetch(self) -> AsyncPage[Item]:
        answer = await finish(self._client.start(self._operation, self._path, self._inputs, self._options))
        return AsyncPage(answer, self)

    async def _after(self, cursor: str) -> AsyncPage[Item]:
        inputs = {**self._inputs, "cursor": cursor}
        pager = AsyncPager(self._client, self._operation, self._path, inputs, self._options, self._convert)
        return await pager._fetch()

    def __await__(self) -> Generator[Any, None, AsyncPage[Item]]:
        return self._fetch().__await__()

    async def pages(self) -> AsyncIterator[AsyncPage[Item]]:
        """All pages, each fetched when it is asked for."""
        async for page in (await self._fetch()).pages():
            yield page

    async def __aiter__(self) -> AsyncIterator[Item]:
        async for page in self.pages():
            for item in page.data:
                yield item


class EventStream(Generic[Item]):
    """Events as they come. A connection that breaks is resumed after the last event.

    Use it in a `with` block, or call `close`: leaving a stream early ends what the operation says it ends.
    """

    __slots__ = ("_native",)

    def __init__(self, native: NativeStream) -> None:
        self._native = native

    @property
    def run_id(self) -> str | None:
        """The run that the stream belongs to, where it belongs to one."""
        return self._native.run_id

    def __iter__(self) -> Iterator[Item]:
        # The native iterator itself: a loop then runs no Python of ours for each event.
        return self._native

    def __next__(self) -> Item:
        event: Item = next(self._native)
        return event

    def close(self) -> None:
        """Leaves the stream and waits until the server knows."""
        self._native.close()

    def detach(self) -> None:
        """Leaves the stream and lets the server's work go on."""
        self._native.detach()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class AsyncEventStream(Generic[Item]):
    """Events as they come, for `async for`. The stream is opened when it is first read or entered.

    A connection that breaks is resumed after the last event. Use it in an `async with` block, or call `aclose`: leaving
    a stream early ends what the operation says it ends. One task at a time may read it.
    """

    __slots__ = ("_native", "_open")

    def __init__(self, open_stream: Callable[[], Pending]) -> None:
        self._open: Callable[[], Pending] | None = open_stream
        self._native: NativeStream | None = None

    async def _opened(self) -> NativeStream | None:
        if self._native is None and self._open is not None:
            open_stream, self._open = self._open, None
            self._native = await finish(open_stream())
        return self._native

    @property
    def run_id(self) -> str | None:
        """The run that the stream belongs to, where it belongs to one; `None` before the stream is open."""
        return self._native.run_id if self._native is not None else None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        native = await self._opened()
        if native is None:
            raise StopAsyncIteration
        event: Item | None = native.pop()
        while event is None:
            if native.ended:
                raise StopAsyncIteration
            await finish(native.fill())
            event = native.pop()
        return event

    async def aclose(self) -> None:
        """Leaves the stream and waits until the server knows."""
        self._open = None
        if self._native is not None and not self._native.ended:
            await finish(self._native.close_soon())

    async def detach(self) -> None:
        """Leaves the stream and lets the server's work go on."""
        native = await self._opened()
        if native is not None:
            await finish(native.detach_soon())

    async def __aenter__(self) -> Self:
        await self._opened()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
