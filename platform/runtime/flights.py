"""Single flight: of jobs that want the same answer at once, one calls the provider, whichever workers they are in."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

from domain.jobs.kind import Result
from runtime.cache import AnswerCache, Elsewhere, Spot, Taken, cached

HOLD_SECONDS: Final = 10.0
"""How long a worker that died is believed to be at an answer."""

_PAUSES: Final = (0.02, 0.25)  # between two looks at what another worker is at: the first, the longest

Ask = Callable[[], Awaitable[Any]]
"""Calls the provider; answers with the kind's result."""


class Answers:
    """What is kept, and who is at what. One for each process, used on one event loop.

    Within the process those who want an answer wait for the first of them, who alone asks Redis. It holds the flight
    there by a token that expires unless it is renewed, so nobody waits long for a worker that died; where Redis does
    not answer, each process calls the provider once.
    """

    def __init__(self, cache: AnswerCache, *, hold_seconds: float = HOLD_SECONDS) -> None:
        self.cache: Final = cache
        self._hold_seconds = hold_seconds
        self._first: dict[str, asyncio.Future[Result | None]] = {}

    async def once(self, spot: Spot, ask: Ask, *, patience_seconds: float) -> Any:  # noqa: ANN401 - the kind's result
        """The answer: kept, or somebody else's who was at it, or what `ask` answers, which is kept for others.

        Who waited for `patience_seconds` asks for itself. What `ask` raises is raised, to its caller alone: who waited
        takes its turn.
        """
        deadline = time.monotonic() + patience_seconds
        while (first := self._first.get(spot.name)) is not None:
            await asyncio.wait([first], timeout=max(0.0, deadline - time.monotonic()))
            if not first.done():
                return await ask()
            if (found := first.result()) is not None:
                return cached(found)
        mine = self._first[spot.name] = asyncio.get_running_loop().create_future()
        answer: Result | None = None
        try:
            answer = await self._lead(spot, ask, deadline)
        finally:
            del self._first[spot.name]
            mine.set_result(answer)
        return answer

    async def anew(self, spot: Spot, ask: Ask) -> Any:  # noqa: ANN401 - the kind's result
        """What `ask` answers, whatever is kept; it takes the place of that."""
        answer = await ask()
        await self.cache.keep(spot, "", answer)
        return answer

    async def _lead(self, spot: Spot, ask: Ask, deadline: float) -> Result:
        token = secrets.token_hex(16)
        pause, longest = _PAUSES
        while True:
            match await self.cache.look(spot, token, hold_seconds=self._hold_seconds):
                case Taken():
                    return await self._fly(spot, token, ask)
                case Elsewhere() if time.monotonic() < deadline:
                    await asyncio.sleep(min(pause, max(0.0, deadline - time.monotonic())))
                    pause = min(longest, pause * 1.5)
                case Result() as found:
                    return found
                case _:  # nothing is known, or whoever is at it takes too long
                    alone: Result = await ask()
                    return alone

    async def _fly(self, spot: Spot, token: str, ask: Ask) -> Result:
        renewing = asyncio.create_task(self._renew(spot, token), name="flight-renew")
        is_over = False
        try:
            answer: Result = await ask()
            await self.cache.keep(spot, token, answer)
            is_over = True
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing
            if not is_over:
                await self.cache.leave(spot, token)
        return answer

    async def _renew(self, spot: Spot, token: str) -> None:
        while True:
            await asyncio.sleep(self._hold_seconds / 3)
            await self.cache.extend(spot, token, hold_seconds=self._hold_seconds)
