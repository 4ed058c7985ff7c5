"""The semi-private hooks of kombu and Celery that room stands on, held to what we take them for."""

import pytest
from celery.worker.consumer.tasks import Tasks
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.message import Message
from kombu.messaging import Consumer, Producer

from runtime.broker import BACK, FRONT, celery_url
from workers.room import room_step
from workers.slots import Slots


class Hub:
    """Counts how often it is woken."""

    def __init__(self) -> None:
        self.woken = 0

    def call_soon(self, call: object, *_: object) -> None:
        assert callable(call)
        call()
        self.woken += 1


class Line:
    """A consumer as the step sees Celery's."""

    def __init__(self, connection: Connection, received: list[object]) -> None:
        def take(body: object, message: Message) -> None:
            received.append(body)
            message.ack()

        self.hub = Hub()
        self.task_consumer = Consumer(connection, [Queue("tests")], callbacks=[take])


async def test_nothing_is_fetched_without_room_and_the_loop_is_woken_when_there_is_again(redis_url: str) -> None:
    slots = Slots(1)
    received: list[object] = []
    with Connection(celery_url(redis_url)) as connection:
        line = Line(connection, received)
        step = room_step(slots)
        step.start(step.__new__(step), line)
        line.task_consumer.consume()
        Producer(connection.channel()).publish({"n": 1}, routing_key="tests", declare=[Queue("tests")])
        await slots.take(1)
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0.3)
        assert received == []
        slots.give(1)
        assert line.hub.woken == 1
        connection.drain_events(timeout=2)
        assert received == [{"n": 1}]


async def test_a_worker_with_kept_slots_alone_fetches_the_front_line_alone(redis_url: str) -> None:
    slots = Slots(3, kept=1)
    received: list[object] = []
    with Connection(celery_url(redis_url), transport_options={"priority_steps": [FRONT, BACK]}) as connection:
        line = Line(connection, received)
        step = room_step(slots)
        step.start(step.__new__(step), line)
        line.task_consumer.consume()
        await slots.take(2)
        tell = Producer(connection.channel())
        tell.publish({"n": 1}, routing_key="tests", priority=BACK, declare=[Queue("tests")])
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0.3)
        tell.publish({"n": 2}, routing_key="tests", priority=FRONT, declare=[Queue("tests")])
        connection.drain_events(timeout=2)
        assert received == [{"n": 2}]
        slots.give(1)
        connection.drain_events(timeout=2)
        assert received == [{"n": 2}, {"n": 1}]


def test_the_step_comes_after_celery_made_its_consumer() -> None:
    assert Tasks in room_step(Slots(1)).requires
