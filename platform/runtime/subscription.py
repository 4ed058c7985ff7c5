"""A channel of Redis pub/sub, heard on a connection that comes back by itself."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

Hear = Callable[[str], None]
"""Told what was heard; nothing after a reconnect, which means: there may be news of anything."""

_QUIET_SECONDS: Final = 10.0  # after which the subscription's connection is asked whether it still lives
_RECONNECT_SECONDS: Final = (0.1, 0.5, 1.0)

_LOG: Final = structlog.stdlib.get_logger(__name__)


class Subscription:
    """One channel, heard on one connection that comes back by itself."""

    def __init__(self, client: Redis, channel: str) -> None:
        self.hearers: set[Hear] = set()
        self.number: int | None = None
        """Which subscription stands, counted from 1; None: none does."""
        self._client = client
        self._channel = channel
        self.task = asyncio.get_running_loop().create_task(self._keep(), name=f"wakeups-{channel}")

    async def _keep(self) -> None:
        failures = 0
        for number in itertools.count(1):
            try:
                async with self._client.pubsub() as pubsub:
                    await pubsub.subscribe(self._channel)
                    failures = 0
                    self.number = number
                    self._hear("")  # there may be news that was told while nobody heard
                    await self._read(pubsub)
            except Exception as error:  # noqa: BLE001 - whatever broke it, nobody else would bring it back
                self.number = None
                if failures == 0:
                    _LOG.warning("wakeups.deaf", channel=self._channel, error=type(error).__name__)
                await asyncio.sleep(_RECONNECT_SECONDS[min(failures, len(_RECONNECT_SECONDS) - 1)])
                failures += 1

    async def _read(self, pubsub: PubSub) -> None:
        """Hear until the connection breaks, or does not answer a ping: half of it may be gone without a sound."""
        pinged = False
        while True:
            message = await pubsub.get_message(timeout=_QUIET_SECONDS)
            if message is None:
                if pinged:
                    raise TimeoutError("no answer to a ping")
                await pubsub.ping()
            elif message["type"] == "message":
                self._hear(str(message["data"]))
            pinged = message is None

    def _hear(self, said: str) -> None:
        for hear in tuple(self.hearers):
            hear(said)
