"""Notices that the broker was emptied, and has all it held sent again at once.

Without it what was lost would wait for `HEADRACE_RESEND_SECONDS`, doubled for what had been sent before.
"""

import asyncio
import time
from typing import Final

import structlog

from domain.errors import Unavailable
from runtime.broker import Sender
from runtime.resources import Stores
from storage.outbox import put_back_all
from workers.figures import RelayFigures

log: Final = structlog.get_logger()

_EVERY_SECONDS: Final = 1.0
_SWEEPS: Final = 4


async def watch_broker(use: Stores, sender: Sender, figures: RelayFigures) -> None:
    """Look once a second whether the broker still has its mark. For ever; several may."""
    watch = Watch(use, sender)
    while True:
        try:
            with figures.going_round("broker"):
                figures.moved("sent_again", await watch.look())
        except Unavailable:
            pass  # the relay, which needs them as well, says so
        except Exception as error:
            # one duty's fault must not end the others
            log.exception("broker.unwatched", error=type(error).__name__)
        await asyncio.sleep(_EVERY_SECONDS)


class Watch:
    """What one relay knows of the broker's mark."""

    def __init__(self, use: Stores, sender: Sender) -> None:
        self._use = use
        self._sender = sender
        self._found_at = 0.0
        self._sweeps = 0

    async def look(self) -> int:
        """If the broker has lost its mark, make due again whatever was sent before that; answers how many jobs.

        Those that were in the hands of others just then, as of a relay that was sending them, the next looks find.

        Raises:
            Unavailable: Postgres or the broker is down.
        """
        is_marked = await self._sender.has_mark()
        if not is_marked:
            self._found_at, self._sweeps = time.monotonic(), _SWEEPS
        if not self._sweeps:
            return 0
        async with self._use.database.begin() as tx:
            lost = await put_back_all(tx, ago_seconds=time.monotonic() - self._found_at)
        self._sweeps -= 1
        if not is_marked:
            # only now: who dies in between, or does it beside another, sends twice, and the claim turns that away
            await self._sender.mark()
        if lost:
            log.warning("broker.emptied", jobs=lost, hint="what it had lost is sent again")
            self._use.wakeups.ring_relay()
        return lost
