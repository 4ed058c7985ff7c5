"""Domain events in Redis: each tenant's in a stream of its own, for programs that read along with `XREADGROUP`.

An entry has the fields `id` and `type`, to choose by, and `event`, the CloudEvent in JSON. An event may come twice,
with the same id. A stream keeps about its newest; all of them are kept by Postgres, and told by `GET
/v1/domain-events`.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from domain.errors import Unavailable
from storage.unpublished import Unpublished

PREFIX: Final = "hr:domain-events:"
"""What a stream's key begins with; the tenant's id comes after it."""

_WITHIN_SECONDS: Final = 5.0

# wider than what is put in: a dict of the client's own types is taken and no narrower one
_Fields = dict[Any, Any]


class StreamsDown(Unavailable):
    """Redis did not take what was to be published, or nobody knows whether it did."""

    code = "streams_unavailable"
    title = "Redis does not answer"


class EventStreams:
    """Publishes to the streams; each is cut down to about `kept` entries as it grows."""

    def __init__(self, redis: Redis, *, kept: int) -> None:
        self._redis = redis
        self._kept = kept

    async def publish(self, events: Sequence[Unpublished]) -> None:
        """Add them to their tenants' streams in this order.

        Raises:
            StreamsDown: some may have been added, and some not.
        """
        try:
            async with asyncio.timeout(_WITHIN_SECONDS), self._redis.pipeline(transaction=False) as pipeline:
                for event in events:
                    fields: _Fields = {"id": event.id, "type": event.type, "event": event.body}
                    pipeline.xadd(PREFIX + event.tenant_id, fields, maxlen=self._kept, approximate=True)  # type: ignore[unused-awaitable] # it notes the command
                await pipeline.execute()
        except (RedisError, OSError, TimeoutError) as error:
            raise StreamsDown(f"Redis took no domain events: {str(error) or type(error).__name__}") from None
