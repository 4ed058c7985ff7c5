"""Wake-ups: told at once, heard by whoever listens, lost without harm."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis

from runtime.wakeups import RedisEvicts, Wakeups, open_wakeups

SOON = 5.0  # an upper bound; what is waited for comes within milliseconds


@pytest.fixture
async def wakeups(redis_url: str) -> AsyncIterator[Wakeups]:
    opened = open_wakeups(redis_url)
    yield opened
    await opened.close()


@pytest.fixture
async def others(redis_url: str) -> AsyncIterator[Wakeups]:
    """Those of another process."""
    opened = open_wakeups(redis_url)
    yield opened
    await opened.close()


@asynccontextmanager
async def hanging_server(folder: Path) -> AsyncIterator[str]:
    """A server that takes connections and never says a word."""

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(swallow, folder / "s.sock")
    try:
        yield f"unix://{folder / 's.sock'}"
    finally:
        server.close()


async def test_the_relay_hears_the_bell(wakeups: Wakeups, others: Wakeups) -> None:
    async with others.listen_relay() as news:
        assert await news.wait(SOON)  # subscribed
        wakeups.ring_relay()
        assert await news.wait(SOON)
        assert not await news.wait(0)


async def test_the_relay_hears_where_there_is_news_unless_it_may_be_anywhere(wakeups: Wakeups, others: Wakeups) -> None:
    async with others.listen_relay() as news:
        assert await news.wait(SOON)
        assert news.queues() is None, "subscribed: what was told before was not heard"
        wakeups.ring_relay({"text"})
        wakeups.ring_relay({"emails"})
        assert await news.wait(SOON)
        assert news.queues() == frozenset({"text", "emails"})
        wakeups.ring_relay({"text"})
        wakeups.ring_relay()
        assert await news.wait(SOON)
        assert news.queues() is None
        assert not await news.wait(0)
        assert news.queues() is None, "time has passed: whatever came without news"


async def test_who_watches_a_job_hears_of_it_and_of_no_other(wakeups: Wakeups, others: Wakeups) -> None:
    async with others.listening("job_a") as a, others.listening("job_b") as b:
        assert await a.wait(SOON)
        assert await b.wait(SOON)
        wakeups.tell_jobs(["job_a"])
        assert await a.wait(SOON)
        assert not await b.wait(0)


async def test_news_between_two_waits_is_not_missed(wakeups: Wakeups) -> None:
    async with wakeups.listening("job_a") as first, wakeups.listening("job_a") as second:
        await first.wait(SOON)
        await second.wait(SOON)
        wakeups.tell_jobs(["job_a"])
        assert await first.wait(SOON)
        assert await second.wait(0)


async def test_workers_hear_which_jobs_to_stop(wakeups: Wakeups, others: Wakeups) -> None:
    async with others.listen_relay() as ready:
        heard = others.listen_cancelled()
        first = asyncio.ensure_future(anext(heard))
        assert await ready.wait(SOON)
        for _ in range(100):  # until the subscription stands
            wakeups.tell_cancelled(["job_a", "job_b"])
            done, _ = await asyncio.wait([first], timeout=0.05)
            if done:
                break
        assert await first == ("job_a", "job_b")
        await heard.aclose()


async def test_a_thousand_tellings_are_few_publications(wakeups: Wakeups, others: Wakeups) -> None:
    ids = [f"job_{number}" for number in range(1200)]
    async with others.listening(ids[-1]) as news:
        assert await news.wait(SOON)
        for job_id in ids:
            wakeups.tell_jobs([job_id])
        assert await news.wait(SOON)


async def test_what_may_be_told_soon_goes_with_what_is_told_now_or_by_itself_in_time(
    wakeups: Wakeups, others: Wakeups
) -> None:
    async with others.listening("job_a") as a, others.listening("job_b") as b, others.listening("job_c") as c:
        for news in (a, b, c):
            assert await news.wait(SOON)
        wakeups.tell_jobs(["job_a"], within_seconds=3600)
        wakeups.tell_jobs(["job_b"])
        assert await a.wait(SOON)
        assert await b.wait(SOON)
        wakeups.tell_jobs(["job_c"], within_seconds=0.01)
        assert await c.wait(SOON)


async def test_what_may_be_told_soon_is_told_before_the_end(wakeups: Wakeups, redis_url: str) -> None:
    ending = open_wakeups(redis_url)
    async with wakeups.listening("job_a") as news:
        assert await news.wait(SOON)
        ending.tell_jobs(["job_a"], within_seconds=3600)
        await ending.close()
        assert await news.wait(SOON)


async def test_who_waits_until_it_is_told_knows_that_redis_has_it(wakeups: Wakeups, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        before = client.info("commandstats").get("cmdstat_publish", {"calls": 0})["calls"]
        wakeups.ring_relay({"text"})
        await wakeups.told()
        assert client.info("commandstats")["cmdstat_publish"]["calls"] == before + 1


async def test_nobody_waits_long_to_be_told_while_redis_hangs_and_others_tell_more(tmp_path: Path) -> None:
    async def tell_on(wakeups: Wakeups) -> None:
        while True:
            wakeups.ring_relay()
            await asyncio.sleep(0.01)

    async with hanging_server(tmp_path) as url:
        wakeups = open_wakeups(url)
        telling = asyncio.create_task(tell_on(wakeups))
        await asyncio.sleep(0)
        began = time.monotonic()
        await wakeups.told()
        assert time.monotonic() - began < 0.5
        telling.cancel()
        await wakeups.close()


async def test_nobody_waits_to_be_told_by_a_redis_that_is_known_to_hang(tmp_path: Path) -> None:
    async with hanging_server(tmp_path) as url:
        wakeups = open_wakeups(url)
        while not wakeups._is_lost:  # noqa: SLF001 - what is told is dropped first
            wakeups.ring_relay()
            await wakeups.told()
        wakeups.ring_relay()
        began = time.monotonic()
        await wakeups.told()
        assert time.monotonic() - began < 0.04, "not even for its 50 ms"
        await wakeups.close()


async def test_telling_never_waits_nor_raises_while_redis_is_down() -> None:
    wakeups = open_wakeups("unix:///nowhere/s.sock")
    for _ in range(3):
        wakeups.ring_relay()
        await asyncio.sleep(0)
    await wakeups.close()
    assert not await wakeups.answers(0.2)


async def test_telling_never_waits_while_redis_hangs(tmp_path: Path) -> None:
    async with hanging_server(tmp_path) as url:
        wakeups = open_wakeups(url)
        began = time.monotonic()
        wakeups.ring_relay()
        await asyncio.sleep(0)
        assert time.monotonic() - began < 0.1
        assert not await wakeups.answers(0.1)
        await wakeups.close()
        assert time.monotonic() - began < 2


async def test_a_listener_waits_in_vain_while_redis_is_down() -> None:
    wakeups = open_wakeups("unix:///nowhere/s.sock")
    async with wakeups.listening("job_a") as news:
        assert not await news.wait(0.05)
    await wakeups.close()


async def test_a_cut_subscription_comes_back_and_says_there_may_be_news(wakeups: Wakeups, others: Wakeups) -> None:
    async with others.listening("job_a") as news:
        assert await news.wait(SOON)
        await wakeups._teller.client_kill_filter(_type="pubsub")  # noqa: SLF001 - the cut comes from the server
        assert await news.wait(SOON)
        wakeups.tell_jobs(["job_a"])
        assert await news.wait(SOON)


async def test_a_redis_that_throws_things_away_is_refused(redis_url: str, wakeups: Wakeups) -> None:
    await wakeups.check_keeping()
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory", "64mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            with pytest.raises(RedisEvicts, match="allkeys-lru"):
                await wakeups.check_keeping()
        finally:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "0")


async def test_a_redis_that_does_not_answer_is_not_judged(tmp_path: Path) -> None:
    async with hanging_server(tmp_path) as url:
        silent = open_wakeups(url)
        await silent.check_keeping()
        await silent.close()
