"""Room in a worker: taken in handfuls, given back, never more than there is."""

import asyncio

from workers.slots import Slots


async def test_what_is_free_is_taken_up_to_what_is_wanted() -> None:
    slots = Slots(10)
    assert await slots.take(4) == 4
    assert await slots.take(100) == 6
    assert slots.used == 10


async def test_who_waits_gets_what_is_given_back_in_the_order_they_came() -> None:
    slots = Slots(4)
    await slots.take(4)
    order: list[str] = []

    async def take(name: str) -> None:
        await slots.take(1)
        order.append(name)

    first, second = asyncio.create_task(take("first")), asyncio.create_task(take("second"))
    await asyncio.sleep(0)
    slots.give(1)
    await first
    slots.give(1)
    await second
    assert order == ["first", "second"]


async def test_a_slow_trickle_is_not_waited_for_until_it_makes_a_handful() -> None:
    slots = Slots(10)
    await slots.take(10)
    waiting = asyncio.create_task(slots.take(10))
    await asyncio.sleep(0)
    slots.give(1)
    async with asyncio.timeout(2):
        assert await waiting == 1


async def test_the_front_line_takes_what_is_kept_and_waits_for_nobody_behind() -> None:
    slots = Slots(4, kept=1)
    assert await slots.take(10) == 3
    assert not slots.has_room
    assert slots.has_room_in_front
    behind = asyncio.create_task(slots.take(1))
    await asyncio.sleep(0)
    assert await slots.take(10, in_front=True) == 1
    assert not slots.has_room_in_front
    in_front = asyncio.create_task(slots.take(1, in_front=True))
    await asyncio.sleep(0)
    slots.give(1)
    assert await in_front == 1
    assert not behind.done()
    slots.give(2)
    async with asyncio.timeout(2):
        assert await behind == 1


async def test_there_is_no_room_while_somebody_waits_for_it_and_it_is_told_when_there_is_again() -> None:
    slots = Slots(2)
    told: list[bool] = []
    slots.on_room = lambda: told.append(slots.has_room)
    assert slots.has_room
    await slots.take(2)
    assert not slots.has_room
    waiting = asyncio.create_task(slots.take(1))
    await asyncio.sleep(0)
    slots.give(1)
    assert not slots.has_room
    await waiting
    slots.give(2)
    assert slots.has_room
    assert told == [False, True]  # at first it was room for the front line alone


async def test_who_gives_up_while_the_back_line_rests_takes_no_slot_along() -> None:
    slots = Slots(4, kept=1)
    assert await slots.take(1, in_front=True) == 1
    resting = asyncio.create_task(slots.take(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    resting.cancel()
    await asyncio.gather(resting, return_exceptions=True)
    assert slots.used == 1
    assert slots.has_room
