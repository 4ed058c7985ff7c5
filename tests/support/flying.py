"""A process that is at an answer and never gives one: `python -m tests.support.flying REDIS_URL NAME HOLD_SECONDS`."""

import asyncio
import sys

from domain.text.summarize import SUMMARIZE
from runtime.cache import AnswerCache, CacheRules, Spot
from runtime.flights import Answers
from runtime.secret_box import SecretBox


async def fly(redis_url: str, name: str, hold_seconds: float) -> None:
    """Take the flight, say so, and stay at it."""
    cache = AnswerCache(redis_url, SecretBox("any"), CacheRules(seconds={}, engine="scripted"))

    async def ask() -> object:
        print("at it", flush=True)  # noqa: T201 - who started it reads it
        await asyncio.Event().wait()
        return None

    spot = Spot(name=name, kind=SUMMARIZE, seconds=60)
    await Answers(cache, hold_seconds=hold_seconds).once(spot, ask, patience_seconds=60)


if __name__ == "__main__":
    asyncio.run(fly(sys.argv[1], sys.argv[2], float(sys.argv[3])))
