"""A worker hears itself through the broker, or finds that it is deaf; kombu's part is the real one."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.message import Message
from kombu.messaging import Consumer

from runtime.broker import Sender, celery_url
from tests.support.bench import sender_to
from workers.canary import Canary, canary_step
from workers.slots import Slots

SOON = 0.05


class Line:
    """A consumer as the step sees Celery's."""

    def __init__(self, connection: Connection) -> None:
        self.task_consumer = Consumer(connection, [Queue("tests")], callbacks=[lambda _body, message: message.ack()])
        self.connection_errors = connection.connection_errors
        self.channel_errors = connection.channel_errors


class Told:
    """Whether somebody was said to be deaf."""

    def __init__(self) -> None:
        self.is_deaf = False

    def tell(self) -> None:
        self.is_deaf = True


def canary_of(sender: Sender, told: Told, slots: Slots | None = None) -> Canary:
    return Canary(sender, worker="worker-1", every_seconds=SOON, slots=slots or Slots(1), on_deaf=told.tell)


def connect(redis_url: str) -> Connection:
    return Connection(celery_url(redis_url), transport_options={"global_keyprefix": "hr:", "priority_steps": [0]})


@contextmanager
def consuming(redis_url: str, canary: Canary) -> Iterator[None]:
    """Fetch from the broker beside the loop, as Celery's thread does."""
    is_over = threading.Event()

    def fetch() -> None:
        with connect(redis_url) as connection:
            line = Line(connection)
            kind = canary_step(canary)
            step = kind.__new__(kind)
            line.task_consumer.consume()
            step.start(line)
            while not is_over.is_set():
                with contextlib.suppress(TimeoutError):
                    connection.drain_events(timeout=0.02)
            step.stop(line)

    thread = threading.Thread(target=fetch)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def test_the_step_is_stopped_without_harm_where_no_connection_came_about(sender: Sender) -> None:
    kind = canary_step(canary_of(sender, Told()))
    kind.__new__(kind).stop(object())


async def sings_on(canary: Canary, intervals: int = 8) -> bool:
    """Whether it has found nothing wrong after so many intervals."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SOON * intervals):
            await canary.sing()
            return False
    return True


async def test_a_worker_that_fetches_hears_its_canaries(redis_url: str, sender: Sender) -> None:
    told = Told()
    canary = canary_of(sender, told)
    with consuming(redis_url, canary):
        assert await sings_on(canary, intervals=20)
    assert not told.is_deaf


async def test_a_worker_that_does_not_fetch_is_deaf_after_three(sender: Sender) -> None:
    told = Told()
    async with asyncio.timeout(10):
        await canary_of(sender, told).sing()
    assert told.is_deaf


async def test_what_is_not_heard_is_one_small_message_that_the_broker_forgets(redis_url: str, sender: Sender) -> None:
    canary = canary_of(sender, Told())
    async with asyncio.timeout(10):
        await canary.sing()
    with redis.Redis.from_url(redis_url) as store:
        key = f"hr:{canary.queue.name}"
        assert store.llen(key) in {0, 1}
        assert store.pttl(key) != -1  # -1 is for ever


async def test_without_room_nobody_is_called_deaf(sender: Sender) -> None:
    slots = Slots(1)
    await slots.take(1)
    assert await sings_on(canary_of(sender, Told(), slots))


async def test_who_hears_of_jobs_is_not_deaf(sender: Sender) -> None:
    slots = Slots(1)

    async def work() -> None:
        while True:
            slots.give(await slots.take(1))
            await asyncio.sleep(SOON / 2)

    busy = asyncio.create_task(work())
    assert await sings_on(canary_of(sender, Told(), slots))
    busy.cancel()


async def test_a_broker_that_is_away_makes_nobody_deaf() -> None:
    sender = sender_to("unix:///nowhere/s.sock")
    assert await sings_on(canary_of(sender, Told()))
    sender.close()


@pytest.mark.parametrize("forged", [{"canary": "another's"}, ["job_1"], "canary", None])
async def test_nothing_but_ones_own_canary_is_heard(sender: Sender, forged: object) -> None:
    told = Told()
    canary = canary_of(sender, told)
    message = Message(json.dumps(forged), content_type="application/json", content_encoding="utf-8", accept={"json"})

    async def forge() -> None:
        while True:
            canary.hear(message)
            await asyncio.sleep(SOON / 5)

    forging = asyncio.create_task(forge())
    async with asyncio.timeout(10):
        await canary.sing()
    assert told.is_deaf
    forging.cancel()


async def test_what_is_not_even_json_breaks_nothing(sender: Sender) -> None:
    canary_of(sender, Told()).hear(Message(b"\xff{", content_type="application/x-python-serialize", accept={"json"}))
