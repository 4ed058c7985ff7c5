"""Group commit: what arrives while a write is under way goes into the next one. No timer, so no added latency."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")
AnswerT = TypeVar("AnswerT")

Write = Callable[[Sequence[ItemT]], Awaitable[Sequence[AnswerT]]]


class BatcherFull(Exception):
    """Too much is waiting already."""


class Batcher(Generic[ItemT, AnswerT]):
    """Turns many concurrent `put`s into few `write`s, at most `in_flight` at a time and `most` items each.

    `write` gets the items in order of arrival and answers one value an item. A batch that fails is tried again item by
    item, so that one bad item fails alone; errors of the `shared` types are no item's, and fail the batch as one. A
    cancelled `put` does not cancel the batch it is in.
    """

    def __init__(
        self,
        write: Write[ItemT, AnswerT],
        *,
        in_flight: int = 2,
        most: int = 500,
        waiting_limit: int = 10_000,
        shared: tuple[type[Exception], ...] = (),
    ) -> None:
        self._write = write
        self._in_flight = in_flight
        self._most = most
        self._waiting_limit = waiting_limit
        self._shared = shared
        self._waiting: deque[tuple[ItemT, asyncio.Future[AnswerT]]] = deque()
        self._writers: set[asyncio.Task[None]] = set()

    async def put(self, item: ItemT) -> AnswerT:
        """Write `item` with its neighbours; answers what `write` said of it.

        Raises:
            BatcherFull: `waiting_limit` items wait already.
            Exception: what `write` raised for this item alone.
        """
        if len(self._waiting) >= self._waiting_limit:
            raise BatcherFull
        answer: asyncio.Future[AnswerT] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if len(self._writers) < self._in_flight:
            writer = asyncio.create_task(self._drain())
            self._writers.add(writer)
            writer.add_done_callback(self._writers.discard)
        return await answer

    async def close(self) -> None:
        """Wait until everything put so far is written."""
        while self._writers:
            await asyncio.wait(self._writers)

    async def _drain(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            try:
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

    async def _one_by_one(self, batch: list[tuple[ItemT, "asyncio.Future[AnswerT]"]], error: Exception) -> None:
        if len(batch) == 1:
            _fail(batch[0][1], error)
            return
        for item, future in batch:
            try:
                answer = (await self._write([item]))[0]
            except Exception as alone:  # noqa: BLE001 - as above
                _fail(future, alone)
            else:
                if not future.done():
                    future.set_result(answer)


def _fail(future: "asyncio.Future[AnswerT]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
