"""Domain events are published to Redis Streams: in order, each tenant's apart, and none is lost where Redis is away."""

import asyncio
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from domain.accounts.permissions import Role
from domain.accounts.told import UserTold
from domain.domain_event import DomainEvent
from runtime.event_streams import PREFIX, EventStreams, StreamsDown
from runtime.kill_points import KillPointReached
from runtime.unique_ids import new_id
from storage.accounts import add_tenant
from storage.database import Database
from storage.domain_events import tell
from tests.support.bench import open_bench
from tests.support.jobs import TENANT
from workers.publish import publish


def banned(user_id: str, tenant_id: str = TENANT) -> DomainEvent:
    about = UserTold(user_id=user_id, name="", role=Role.USER)
    return DomainEvent(tenant_id=tenant_id, type="user.banned", source="/v1/users", subject=user_id, about=about)


async def happen(database: Database, *tenants: str) -> list[str]:
    """Somebody of each tenant is banned, one after the other; their ids."""
    ids = [new_id("user") for _ in tenants]
    for user_id, tenant_id in zip(ids, tenants, strict=True):
        async with database.begin() as tx:
            await tell(tx, [banned(user_id, tenant_id)])
    return ids


async def read(redis: Redis, tenant_id: str) -> list[dict[str, str]]:
    """The fields of all entries of a tenant's stream, in order."""
    found: Any = await redis.xrange(PREFIX + tenant_id)
    return [{name.decode(): value.decode() for name, value in fields.items()} for _, fields in found]


async def test_a_tenants_stream_has_its_events_in_order_and_each_once(database_url: str, redis_url: str) -> None:
    other = new_id("tenant")
    async with open_bench(database_url, redis_url) as bench, Redis.from_url(redis_url) as redis:
        async with bench.use.database.begin() as tx:
            await add_tenant(tx, other, "publish-other")
        first, strange, second = await happen(bench.use.database, TENANT, other, TENANT)
        streams = EventStreams(redis, kept=100)
        # whichever of several relays has the turn publishes all there is
        assert sum(await asyncio.gather(*(publish(bench.use, streams) for _ in range(3)))) == 3
        assert await publish(bench.use, streams) == 0
        entries = await read(redis, TENANT)
        events = [msgspec.json.decode(fields["event"]) for fields in entries]
        assert [event["subject"] for event in events] == [first, second]
        assert (events[0]["specversion"], events[0]["type"]) == ("1.0", "user.banned")
        assert [(one["id"], one["type"]) for one in entries] == [(event["id"], event["type"]) for event in events]
        [fields] = await read(redis, other)
        assert msgspec.json.decode(fields["event"])["subject"] == strange


async def test_what_redis_does_not_take_is_published_when_it_does(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench, Redis.from_url(redis_url) as redis:
        [user_id] = await happen(bench.use.database, TENANT)
        async with Redis.from_url("unix:///nowhere/redis.sock") as nowhere:
            with pytest.raises(StreamsDown):
                await publish(bench.use, EventStreams(nowhere, kept=100))
        assert await redis.exists(PREFIX + TENANT) == 0
        assert await publish(bench.use, EventStreams(redis, kept=100)) == 1
        [fields] = await read(redis, TENANT)
        assert msgspec.json.decode(fields["event"])["subject"] == user_id


async def test_a_relay_that_dies_before_its_commit_has_its_events_published_twice_and_none_lost(
    database_url: str, redis_url: str
) -> None:
    async with Redis.from_url(redis_url) as redis:
        streams = EventStreams(redis, kept=100)
        async with open_bench(database_url, redis_url, kill_points="event.after_publish=raise") as dying:
            said = await happen(dying.use.database, TENANT, TENANT)
            with pytest.raises(KillPointReached):
                await publish(dying.use, streams)
        async with open_bench(database_url, redis_url) as next_:
            assert await publish(next_.use, streams) == 2
            assert await publish(next_.use, streams) == 0
        entries = await read(redis, TENANT)
    assert [msgspec.json.decode(fields["event"])["subject"] for fields in entries] == [*said, *said]
    assert len({fields["id"] for fields in entries}) == 2  # by which a reader knows them again


async def test_a_stream_keeps_about_its_newest(database_url: str, redis_url: str) -> None:
    async with open_bench(database_url, redis_url) as bench, Redis.from_url(redis_url) as redis:
        async with bench.use.database.begin() as tx:
            await tell(tx, [banned(new_id("user")) for _ in range(300)])
        streams = EventStreams(redis, kept=10)
        assert [await publish(bench.use, streams), await publish(bench.use, streams)] == [200, 100]
        # Redis cuts whole nodes of a hundred entries
        assert 10 <= await redis.xlen(PREFIX + TENANT) < 200
