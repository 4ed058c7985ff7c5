"""Notices that the broker was emptied, and has all it held sent again at once.

Without it what was lost would wait for `HEADRACE_RESEND_SECONDS`, doubled for what had been sent before.
"""

import asyncio
from typing import Final

import structlog

from domain.errors import Unavailable
from runtime.broker import Sender
from runtime.resources import Stores
from storage.outbox import put_back_all

log: Final = structlog.get_logger()

_EVERY_SECONDS: Final = 1.0


async def watch_broker(use: Stores, sender: Sender) -> None:
    """Look once a second whether the broker still has its mark. For ever; several may."""
    while True:
        try:
            await resend_emptied(use, sender)
        except Unavailable:
            pass  # the relay, which needs them as well, says so
        except Exception as error:
            # one duty's fault must not end the others
            log.exception("broker.unwatched", error=type(error).__name__)
        await asyncio.sleep(_EVERY_SECONDS)


async def resend_emptied(use: Stores, sender: Sender) -> int:
    """If the broker has no mark, make due again whatever was sent to it; answers how many jobs.

    Raises:
        Unavailable: Postgres or the broker is down.
    """
    if await sender.has_mark():
        return 0
    async with use.database.begin() as tx:
        lost = await put_back_all(tx)
    # marked last: who dies in between, or does it beside another relay, sends twice, and the claim turns that away
    await sender.mark()
    if lost:
        log.warning("broker.emptied", jobs=lost, hint="what it had lost is sent again")
        use.wakeups.ring_relay()
    return lost
