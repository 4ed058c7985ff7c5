"""Group commit: neighbours share a write, a bad one fails alone, and a caller that leaves takes nobody along."""

import asyncio
from collections.abc import Sequence

import pytest

from runtime.batching import Batcher, BatcherFull, BatcherStalled


class Writes:
    """Records the batches; holds them while `open` is not set."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()

    async def write(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        await self.open.wait()
        if 13 in items:
            raise ValueError("13")
        return [item * 10 for item in items]


async def test_what_arrives_during_a_write_goes_into_the_next_one_together() -> None:
    writes = Writes()
    batcher: Batcher[int, int] = Batcher(writes.write, in_flight=1)
    puts = [asyncio.create_task(batcher.put(number)) for number in range(10)]
    await asyncio.sleep(0)
    writes.open.set()
    assert await asyncio.gather(*puts) == [number * 10 for number in range(10)]
    assert len(writes.batches) <= 2
    assert [item for batch in writes.batches for item in batch] == list(range(10))


async def test_a_batch_is_never_larger_than_allowed() -> None:
    writes = Writes()
    writes.open.set()
    batcher: Batcher[int, int] = Batcher(writes.write, in_flight=1, most=3)
    await asyncio.gather(*(batcher.put(number) for number in range(20, 30)))
    assert max(map(len, writes.batches)) <= 3


async def test_a_bad_item_fails_alone() -> None:
    writes = Writes()
    writes.open.set()
    batcher: Batcher[int, int] = Batcher(writes.write, in_flight=1)
    answers = await asyncio.gather(*(batcher.put(number) for number in (11, 12, 13, 14)), return_exceptions=True)
    assert [answer for answer in answers if isinstance(answer, int)] == [110, 120, 140]
    assert isinstance(answers[2], ValueError)


async def test_a_caller_that_gives_up_does_not_take_its_batch_along() -> None:
    writes = Writes()
    batcher: Batcher[int, int] = Batcher(writes.write, in_flight=1)
    leaving, staying = (asyncio.create_task(batcher.put(number)) for number in (1, 2))
    await asyncio.sleep(0)
    leaving.cancel()
    writes.open.set()
    assert await staying == 20
    await batcher.close()
    assert 1 in [item for batch in writes.batches for item in batch]


async def test_past_the_limit_nothing_more_is_taken() -> None:
    writes = Writes()
    batcher: Batcher[int, int] = Batcher(writes.write, in_flight=1, waiting_limit=2)
    puts = [asyncio.create_task(batcher.put(number)) for number in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    more = [asyncio.create_task(batcher.put(number)) for number in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(BatcherFull):
        await more[-1]
    writes.open.set()
    await asyncio.gather(*puts, *more[:-1])


async def test_nothing_waits_behind_writes_that_hang() -> None:
    writes = Writes()
    batcher: Batcher[int, int] = Batcher(writes.write, in_flight=2, patience_seconds=0.01)
    hanging = [asyncio.create_task(batcher.put(1))]
    await asyncio.sleep(0)
    hanging.append(asyncio.create_task(batcher.put(2)))
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(batcher.put(number)) for number in (3, 4)]
    async with asyncio.timeout(10):
        answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(answer, BatcherStalled) for answer in answers)
    with pytest.raises(BatcherStalled):
        await batcher.put(5)
    writes.open.set()
    assert await asyncio.gather(*hanging) == [10, 20]
    assert await batcher.put(6) == 60


async def test_one_write_that_hangs_leaves_the_way_to_another() -> None:
    late, opened = asyncio.Event(), asyncio.Event()

    async def write(items: Sequence[int]) -> list[int]:
        if 1 in items:
            asyncio.get_running_loop().call_later(0.05, late.set)  # by when there is no patience left
            await opened.wait()
        return list(items)

    batcher: Batcher[int, int] = Batcher(write, in_flight=2, patience_seconds=0.01)
    hanging = asyncio.create_task(batcher.put(1))
    await late.wait()
    for number in range(2, 7):
        assert await batcher.put(number) == number
    opened.set()
    assert await hanging == 1


async def test_who_puts_again_as_the_last_writer_ends_is_written_too() -> None:
    async def write(items: Sequence[int]) -> list[int]:
        return list(items)

    batcher: Batcher[int, int] = Batcher(write, in_flight=1)
    async with asyncio.timeout(10):
        for number in range(5):
            assert await batcher.put(number) == number
