"""A worker takes messages only while it has room: what it cannot run is left for a worker that can.

Celery counts messages, and ours carry up to a hundred ids; by its count one worker would take a whole backlog home.
The hook is kombu's own for Redis, the one Celery's `worker_disable_prefetch` uses; other brokers ignore it.
"""

from collections.abc import Callable
from typing import Any, Final

from celery import bootsteps
from celery.worker.consumer.tasks import Tasks

from runtime.broker import FRONT
from workers.slots import Slots

_FRONT_SECONDS: Final = 0.02


class RoomStep(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery ships no types
    """Asks the slots before each fetch; set up anew with every connection to the broker."""

    requires = (Tasks,)

    slots: Slots
    """Whose room is asked; set by `room_step`."""

    def start(self, parent: Any) -> None:  # noqa: ANN401 - Celery's consumer
        """Put the question about room before kombu's own about its prefetch count."""
        channel = parent.task_consumer.channel
        qos = channel.qos
        may_fetch: Callable[[], bool] = qos.can_consume
        fetch: Callable[..., None] = channel._brpop_start  # noqa: SLF001 - kombu has no other hook
        slots = self.slots
        was_refused = False

        def can_consume() -> bool:
            nonlocal was_refused
            was_refused = True
            if not slots.has_room and not slots.has_room_in_front:
                return False
            was_refused = False
            return may_fetch()

        def fetch_lines(timeout: float | None = None) -> None:
            if slots.has_room:
                fetch(timeout)
                return
            # Only for as long as it takes the first of the full worker's jobs to end: then it asks for both again.
            lines, channel.priority_steps = channel.priority_steps, [FRONT]
            try:
                fetch(_FRONT_SECONDS)
            finally:
                channel.priority_steps = lines

        def room_again() -> None:
            nonlocal was_refused
            if was_refused:
                was_refused = False
                parent.hub.call_soon(_wake)

        qos.can_consume = can_consume
        channel._brpop_start = fetch_lines  # noqa: SLF001
        slots.on_room = room_again


def room_step(slots: Slots) -> type[RoomStep]:
    """The step for a worker with these slots."""
    return type("RoomStep", (RoomStep,), {"slots": slots})


def _wake() -> None:
    """Nothing to do: being called has woken Celery's loop, which then asks again whether it may fetch."""
