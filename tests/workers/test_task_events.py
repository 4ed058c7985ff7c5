"""The hooks of Celery's events that waiting stands on, held to what we take them for."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis

from runtime.broker import celery_url, make_celery
from runtime.settings import Settings
from workers.task_events import WITHIN_SECONDS, TaskEventsStep


class Hub:
    """Celery's loop, gone round by hand."""

    def __init__(self) -> None:
        self.soon: list[Callable[[], None]] = []
        self.later: list[tuple[float, Callable[[], None]]] = []

    def call_soon(self, call: Callable[[], None]) -> None:
        self.soon.append(call)

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        self.later.append((seconds, call))

    def go_round(self) -> None:
        waiting, self.soon = self.soon, []
        for call in waiting:
            call()

    def let_time_pass(self) -> None:
        waiting, self.later = self.later, []
        for _, call in waiting:
            call()


class Line:
    """A consumer as the step sees Celery's, and what it tells."""

    def __init__(self, dispatcher: Any, heard: Any) -> None:  # noqa: ANN401 - Celery ships no types
        self.hub = Hub()
        self.event_dispatcher = dispatcher
        self._heard = heard

    def on_send_event_buffered(self) -> None:
        """Celery's own way."""
        self.hub.call_soon(self.event_dispatcher.flush)

    def tells(self, *types: str) -> None:
        for one in types:
            self.event_dispatcher.send(one, uuid="job_1")

    def told(self) -> list[list[str]]:
        """The events of each message since the last call."""
        messages = []
        while message := self._heard.get_message(timeout=0.1):
            if message["type"] == "pmessage":
                events = json.loads(b64decode(json.loads(message["data"])["body"]))
                messages.append([one["type"] for one in events])
        return messages


@pytest.fixture
def line(redis_url: str) -> Iterator[Line]:
    app = make_celery(Settings(), broker_url=celery_url(redis_url), queues=["tests"], client="tests")
    with Redis.from_url(redis_url) as redis, redis.pubsub() as heard, app.connection_for_write() as connection:
        heard.psubscribe("*celeryev*")
        dispatcher = app.events.Dispatcher(connection, hostname="tests", buffer_group=["task"])
        line = Line(dispatcher, heard)
        TaskEventsStep.start(TaskEventsStep.__new__(TaskEventsStep), line)
        yield line
        dispatcher.close()


def test_what_is_told_of_tasks_waits_and_goes_in_one_message(line: Line) -> None:
    line.tells("task-received", "task-started")
    line.hub.go_round()
    assert line.told() == []
    line.tells("task-succeeded")
    assert [seconds for seconds, _ in line.hub.later] == [WITHIN_SECONDS]
    line.hub.let_time_pass()
    assert line.told() == [["task-received", "task-started", "task-succeeded"]]
    line.tells("task-received")
    line.hub.go_round()
    line.hub.let_time_pass()
    assert line.told() == [["task-received"]]


def test_what_waits_is_told_when_the_consumer_stops_and_so_is_what_ends_after(line: Line) -> None:
    step = TaskEventsStep.__new__(TaskEventsStep)
    line.tells("task-received")
    TaskEventsStep.stop(step, line)
    assert line.told() == [["task-received"]]
    line.hub.go_round()
    line.tells("task-succeeded")
    line.hub.go_round()  # as it does once more when it is closed; no timer fires then
    assert line.told() == [["task-succeeded"]]


def test_a_consumer_that_never_reached_its_broker_stops(line: Line) -> None:
    line.event_dispatcher = None
    TaskEventsStep.stop(TaskEventsStep.__new__(TaskEventsStep), line)
