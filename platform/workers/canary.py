"""Finds out that this worker is deaf: that Celery's consumer takes no messages though the broker has some for it.

A worker puts a canary into a queue of its own from another connection, and is to hear it where it hears of jobs: by the
same consumer's channel, which fetches from all queues in one command. The canary is no Celery task: no slot is used, no
row touched, and Flower sees nothing of it.
"""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any, Final

import structlog
from celery import bootsteps
from celery.worker.consumer.tasks import Tasks
from kombu.common import ignore_errors
from kombu.message import Message
from kombu.messaging import Consumer

from runtime.broker import BrokerDown, Sender, canary_queue
from workers.slots import Slots

log: Final = structlog.get_logger()

MOST_UNHEARD: Final = 3
_KEEP_INTERVALS: Final = 20  # what a dead worker leaves is gone after so many


class Canary:
    """Sends, and listens for what it sent. Heard on Celery's thread, everything else happens on the loop."""

    def __init__(  # noqa: PLR0913 - what it needs, and whom it tells
        self,
        sender: Sender,
        *,
        worker: str,
        every_seconds: float,
        slots: Slots,
        on_deaf: Callable[[], None],
        on_heard: Callable[[], None] = lambda: None,
    ) -> None:
        self.queue = canary_queue(worker, keep_seconds=every_seconds * _KEEP_INTERVALS)
        self._sender = sender
        self._worker = worker
        self._every_seconds = every_seconds
        self._slots = slots
        self._on_deaf = on_deaf
        self._on_heard = on_heard
        self._nonce = secrets.token_hex(16)  # whoever bore this name before may have left one, too
        self._heard = False
        self._is_cut_off = False

    def hear(self, message: Message) -> None:
        """Take what came through the canary's queue; anything but one's own canary is dropped."""
        try:
            said = message.decode()
        except Exception:  # noqa: BLE001 - whatever somebody put there
            said = None
        if said == {"canary": self._nonce}:
            self._heard = True
            self._on_heard()

    async def sing(self) -> None:
        """Send one each interval; returns when three in a row were taken by the broker and not heard.

        An interval counts only if the worker could have heard: it had room throughout, and no job came either.
        """
        unheard = 0
        while unheard < MOST_UNHEARD:
            asked, had_room = self._slots.asked, self._slots.has_room
            self._heard = False
            is_sent = await self._send()
            await asyncio.sleep(self._every_seconds)
            if self._heard or not is_sent or not had_room or self._slots.asked != asked:
                unheard = 0
                continue
            unheard += 1
            log.warning("canary.unheard", worker=self._worker, unheard=unheard)
        self._on_deaf()

    async def _send(self) -> bool:
        try:
            await self._sender.send_canary(self.queue, self._nonce)
        except BrokerDown as error:
            if not self._is_cut_off:
                log.warning("canary.not_sent", worker=self._worker, reason=error.detail)
            self._is_cut_off = True
            return False
        self._is_cut_off = False
        return True


class CanaryStep(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery ships no types
    """Listens beside Celery's own consumer; set up anew with every connection to the broker."""

    requires = (Tasks,)

    canary: Canary
    """Who listens; set by `canary_step`."""
    _consumer: Consumer | None = None  # Celery stops every step after a connection that failed before this one's turn

    def start(self, parent: Any) -> None:  # noqa: ANN401 - Celery's consumer
        """Fetch the canary's queue with the queues of jobs."""
        # not declared here: the sender does so, with the time after which the broker forgets what is in it
        self._consumer = Consumer(
            parent.task_consumer.channel,
            [self.canary.queue],
            on_message=self.canary.hear,
            no_ack=True,
            auto_declare=False,
            accept=["json"],
        )
        self._consumer.consume()

    def stop(self, parent: Any) -> None:  # noqa: ANN401 - Celery's consumer
        """Stop listening."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            ignore_errors(parent, consumer.cancel)


def canary_step(canary: Canary) -> type[CanaryStep]:
    """The step for a worker with this canary."""
    return type("CanaryStep", (CanaryStep,), {"canary": canary})
