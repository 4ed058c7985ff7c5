"""Who follows a reply takes it as it is told, and reads what was not heard: from a real Redis."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import redis

from api.reply_reader import Reader
from runtime.news import News
from runtime.streams import ReplyStreams, Writing
from runtime.unique_ids import new_id
from runtime.wakeups import Wakeups, open_wakeups
from tests.support.stream_reads import Reads

SOON = 5.0  # an upper bound; what is waited for comes within milliseconds


@pytest.fixture
async def wakeups(redis_url: str) -> AsyncIterator[Wakeups]:
    opened = open_wakeups(redis_url)
    yield opened
    await opened.close()


@pytest.fixture
def reads(redis_url: str) -> Reads:
    return Reads(redis_url)


class Follower:
    """A reader that hears, and what it has told of the text."""

    def __init__(self, wakeups: Wakeups, job_id: str) -> None:
        self.news = News()
        self.reader = Reader(ReplyStreams(wakeups), job_id)

    async def has(self, text: str) -> None:
        while self.reader.text != text:
            assert await self.news.wait(SOON), f"{self.reader.text!r} is all there is"
            await self.reader.more()


@asynccontextmanager
async def following(wakeups: Wakeups, job_id: str) -> AsyncIterator[Follower]:
    """Someone who hears from now on, and knows that nothing was written yet."""
    one = Follower(wakeups, job_id)
    with one.reader.hearing(one.news):
        assert await one.news.wait(SOON), "subscribed"
        await one.reader.more()
        yield one


def one_of(wakeups: Wakeups, job_id: str, generation: int = 7) -> Writing:
    return Writing(wakeups.redis, job_id, generation)


async def write(writing: Writing, *pieces: str) -> None:
    """Each an entry of its own."""
    for piece in pieces:
        writing.add(piece)
        await writing._send()  # noqa: SLF001


async def test_who_follows_is_told_what_is_written_and_need_not_read_it(wakeups: Wakeups, reads: Reads) -> None:
    job_id = new_id("job")
    async with following(wakeups, job_id) as one:
        reads.since()
        writing = one_of(wakeups, job_id)
        for text in ("All ", "All wíll ", "All wíll be well."):
            await write(writing, text[len(one.reader.text) :])
            await one.has(text)
        await writing.close()
        while not one.reader.is_ended:
            assert await one.news.wait(SOON)
            await one.reader.more()
    assert reads.since() == 0


async def test_what_was_written_before_anybody_heard_is_read(wakeups: Wakeups) -> None:
    job_id = new_id("job")
    writing = one_of(wakeups, job_id)
    await write(writing, "All ")
    late = Follower(wakeups, job_id)
    with late.reader.hearing(late.news):
        assert await late.news.wait(SOON), "subscribed"
        late.reader._heard.clear()  # noqa: SLF001 - of the subscription it knows nothing
        await write(writing, "will be well.")
        await late.has("All will be well.")


async def test_a_piece_too_long_to_be_told_to_all_is_read(wakeups: Wakeups, reads: Reads) -> None:
    job_id = new_id("job")
    async with following(wakeups, job_id) as one:
        reads.since()
        writing = one_of(wakeups, job_id)
        await write(writing, "water " * 2_000)
        await one.has("water " * 2_000)
        assert reads.since() > 0
        await write(writing, "and more")
        await one.has("water " * 2_000 + "and more")


async def test_what_an_attempt_says_after_the_next_began_is_not_believed(wakeups: Wakeups) -> None:
    job_id = new_id("job")
    lost, next_ = one_of(wakeups, job_id, 7), one_of(wakeups, job_id, 8)
    async with following(wakeups, job_id) as one:
        await write(lost, "All ")
        await one.has("All ")
        await write(next_, "Nothing ")
        await one.has("Nothing ")
        for late, text in ((lost, "will be well."), (one_of(wakeups, job_id, 6), "Anew.")):
            await write(late, text)
            assert await one.news.wait(SOON), "it is said all the same"
            assert await one.reader.more() == (False, "")
        await write(next_, "is lost.")
        await one.has("Nothing is lost.")


async def test_a_reply_of_which_redis_lost_the_beginning_is_told_on_to_who_has_it(
    wakeups: Wakeups, redis_url: str
) -> None:
    job_id = new_id("job")
    writing = one_of(wakeups, job_id)
    async with following(wakeups, job_id) as one:
        await write(writing, "All ")
        await one.has("All ")
        redis.Redis.from_url(redis_url).delete(f"hr:reply:{job_id}")
        await write(writing, "will be ", "well.")
        await one.has("All will be well.")
    late = Follower(wakeups, job_id)
    await late.reader.more()
    assert late.reader.text == "All will be well."


async def test_who_asks_for_the_last_of_it_reads_what_was_not_heard_yet(wakeups: Wakeups, redis_url: str) -> None:
    job_id = new_id("job")
    async with following(wakeups, job_id) as one:
        await write(one_of(wakeups, job_id), "All ")
        assert await one.news.wait(SOON)
        redis.Redis.from_url(redis_url).xadd(f"hr:reply:{job_id}", {"s": 4, "t": "will be well."}, id="7-17")
        assert await one.reader.more(is_last=True) == (True, "All will be well.")


async def test_an_attempt_that_is_over_is_not_believed_by_who_has_read_nothing_yet(wakeups: Wakeups) -> None:
    job_id = new_id("job")
    one = Follower(wakeups, job_id)
    with one.reader.hearing(one.news):
        assert await one.news.wait(SOON), "subscribed"
        one.reader._heard.clear()  # noqa: SLF001 - as where others followed before it
        await write(one_of(wakeups, job_id, 8), "Nothing.")
        assert await one.news.wait(SOON)
        one.reader._heard.clear()  # noqa: SLF001 - it was not there yet
        await write(one_of(wakeups, job_id, 6), "Anew.")
        assert await one.news.wait(SOON)
        assert await one.reader.more() == (True, "Nothing.")


async def test_who_hears_more_than_it_takes_reads_it(wakeups: Wakeups, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.reply_reader._MOST_HEARD", 3)
    job_id = new_id("job")
    writing = one_of(wakeups, job_id)
    async with following(wakeups, job_id) as one:
        await write(writing, *("water " for _ in range(10)))
        await one.has("water " * 10)


async def test_half_a_character_does_not_keep_a_reply_from_being_told(wakeups: Wakeups) -> None:
    job_id = new_id("job")
    writing = one_of(wakeups, job_id)
    async with following(wakeups, job_id) as one:
        await write(writing, "All \ud83d", " will be well.")
        await one.has("All ? will be well.")
