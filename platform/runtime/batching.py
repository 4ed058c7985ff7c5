"""Group commit: what arrives while a write is under way goes into the next one. No timer, so no added latency."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")

Write = Callable[[Sequence[ItemT]], Awaitable[Sequence[AnswerT]]]


class BatcherFull(Exception):
    """Too much is waiting already."""


class BatcherStalled(Exception):
    """Nothing was written for too long, so nothing waits for it any more."""


class Batcher(Generic[ItemT, AnswerT]):
    """Turns many concurrent `put`s into few `write`s, at most `in_flight` at a time and `most` items each.

    `write` gets the items in order of arrival and answers one value an item. A batch that fails is tried again item by
    item, so that one bad item fails alone; errors of the `shared` types are no item's, and fail the batch as one. A
    cancelled `put` does not cancel the batch it is in.

    With `patience_seconds`, nothing waits behind writes that hang: once all of them have been at it for so long, what
    waits is turned away, and so is what comes, until one of them ends.
    """

    def __init__(  # noqa: PLR0913 - each bounds something else
        self,
        write: Write[ItemT, AnswerT],
        *,
        in_flight: int = 2,
        most: int = 500,
        waiting_limit: int = 10_000,
        shared: tuple[type[Exception], ...] = (),
        patience_seconds: float | None = None,
    ) -> None:
        self._write = write
        self._in_flight = in_flight
        self._most = most
        self._waiting_limit = waiting_limit
        self._shared = shared
        self._waiting: deque[tuple[ItemT, asyncio.Future[AnswerT]]] = deque()
        self._writers: set[asyncio.Task[None]] = set()
        self._writing = 0  # of the writers; the rest are over, and leave the set when the event loop comes to it
        self._patience = patience_seconds
        self._hanging = 0

    async def put(self, item: ItemT) -> AnswerT:
        """Write `item` with its neighbours; answers what `write` said of it.

        Raises:
            BatcherFull: `waiting_limit` items wait already.
            BatcherStalled: it would have waited, or has, behind writes that hang.
            Exception: what `write` raised for this item alone.
        """
        if len(self._waiting) >= self._waiting_limit:
            raise BatcherFull
        if self._hanging == self._in_flight:
            raise BatcherStalled
        answer: asyncio.Future[AnswerT] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._writing < self._in_flight:
            self._writing += 1
            writer = asyncio.create_task(self._drain())
            self._writers.add(writer)
            writer.add_done_callback(self._writers.discard)
        return await answer

    async def close(self) -> None:
        """Wait until everything put so far is written."""
        while self._writers:
            await asyncio.wait(self._writers)

    async def _drain(self) -> None:
        try:
            await self._write_what_waits()
        finally:
            self._writing -= 1

    async def _write_what_waits(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            try:
                with self._watched():
                    answers = await self._write([item for item, _ in batch])
            except self._shared as error:
                for _, future in batch:
                    _fail(future, error)
            except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to who put the item
                await self._one_by_one(batch, error)
            else:
                for (_, future), answer in zip(batch, answers, strict=True):
                    if not future.done():
                        future.set_result(answer)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Count the block as hanging once it takes longer than there is patience."""
        if self._patience is None:
            yield
            return
        is_late = False

        def hang() -> None:
            nonlocal is_late
            is_late = True
            self._hanging += 1
            if self._hanging == self._in_flight:
                self._turn_away()

        alarm = asyncio.get_running_loop().call_later(self._patience, hang)
        try:
            yield
        finally:
            alarm.cancel()
            self._hanging -= is_late

    def _turn_away(self) -> None:
        while self._waiting:
            _fail(self._waiting.popleft()[1], BatcherStalled())

    async def _one_by_one(self, batch: list[tuple[ItemT, "asyncio.Future[AnswerT]"]], error: Exception) -> None:
        if len(batch) == 1:
            _fail(batch[0][1], error)
            return
        for item, future in batch:
            try:
                with self._watched():
                    answer = (await self._write([item]))[0]
            except Exception as alone:  # noqa: BLE001 - as above
                _fail(future, alone)
            else:
                if not future.done():
                    future.set_result(answer)


def _fail(future: "asyncio.Future[AnswerT]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
