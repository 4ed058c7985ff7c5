"""Looking again and again until something is so, with the API doing the waiting where it can."""

import time
from asyncio import sleep
from collections.abc import Callable
from typing import Final

from headrace._aio.http import AsyncConnection
from headrace.errors import HeadraceError
from headrace.requests import Answer, Query, ask
from headrace.retrying import Waiting

LOOK_SECONDS: Final = 30.0
_GRACE_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.5
_SHORT_PAUSE_SECONDS: Final = 0.1


async def poll(
    connection: AsyncConnection,
    path: str,
    until: Callable[[Answer], bool],
    *,
    timeout: float | None,
    what: str,
    query: Query | None = None,
    look_seconds: float = LOOK_SECONDS,
) -> Answer:
    """What the API answers at `path` once `until` says so of it; it is asked to wait up to `look_seconds` each time.

    Raises:
        WaitTimedOut: `timeout` seconds have passed.
        ApiError: there is no such thing, or not for this caller.
        Unreachable: nothing has answered for a minute.
    """
    waiting = Waiting(timeout, what)
    while True:
        asked, wait = time.monotonic(), int(waiting.left(look_seconds))
        try:
            request = ask("GET", path, query=query, wait=wait)
            answer = await connection.send(request, within=wait + _GRACE_SECONDS)
        except HeadraceError as failure:
            pause = waiting.pause_after(failure)
        else:
            waiting.heard()
            if until(answer):
                return answer
            # An API that is about to stop answers at once, and so does a proxy that knows nothing of waiting.
            took = time.monotonic() - asked
            pause = 0.0 if took > _PAUSE_SECONDS else _SHORT_PAUSE_SECONDS if answer.waited else _PAUSE_SECONDS
        waiting.check()
        await sleep(waiting.left(pause))
