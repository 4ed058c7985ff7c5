"""Counts how often streams are read in a Redis."""

import redis


class Reads:
    """How often streams were read in a Redis since this was made, or asked last."""

    def __init__(self, redis_url: str) -> None:
        self._client = redis.Redis.from_url(redis_url)
        self._before = self._count()

    def since(self) -> int:
        """So often; counted from now on again."""
        before, self._before = self._before, self._count()
        return self._before - before

    def _count(self) -> int:
        told = self._client.info("commandstats")
        assert isinstance(told, dict)
        return int(told.get("cmdstat_xrange", {}).get("calls", 0))
