"""A reply read as it is written: each word once, whatever becomes of connections, of the API and of the worker."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.chat.reply import ReplyTo
from domain.ids import MessageId
from domain.jobs.job import JobError
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from headrace import AsyncHeadrace, AsyncReply, Event, JobCancelled, JobFailed, NotFound, ReplyPart
from headrace.replying import ReplyStory
from runtime.streams import ReplyStreams
from runtime.unique_ids import new_id
from storage.chat import add_message
from storage.jobs import find_job
from tests.api.conftest import House
from tests.faults.proxy import Proxy, open_proxy

WORDS = ("All ", "will ", "be ", "wéll, ", "as ", "far ", "as ", "anybody ", "knows.")


@pytest.fixture
async def proxy(address: str) -> AsyncIterator[Proxy]:
    where = urlsplit(address)
    async with open_proxy(where.hostname or "", where.port or 0) as proxy:
        yield proxy


@pytest.fixture
async def client(proxy: Proxy, key: str) -> AsyncIterator[AsyncHeadrace]:
    async with AsyncHeadrace(f"http://127.0.0.1:{proxy.port}", key, max_retries=20) as client:
        yield client


class Reading:
    """Somebody who reads a reply."""

    def __init__(self, reply: AsyncReply) -> None:
        self.parts: list[ReplyPart] = []
        self._news = asyncio.Event()
        self._reply = reply
        self.task = asyncio.create_task(self._read())

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts)

    async def has(self, text: str) -> None:
        """Wait until so much was read."""
        async with asyncio.timeout(20):
            while self.text != text:
                self._news.clear()
                await self._news.wait()

    async def _read(self) -> None:
        async for part in self._reply:
            self.parts.append(part)
            self._news.set()


async def begun(client: AsyncHeadrace) -> str:
    return (await client.conversations.create()).id


async def keep(house: House, job_id: str, lease: str, text: str) -> None:
    """Let the worker end the reply."""
    async with house.database.begin() as tx:
        job = await find_job(tx, house.tenant_id, job_id)
        assert job is not None
        asked = msgspec.json.decode(job.input, type=ReplyTo)
        where = (job.tenant_id, job.caller_id, asked.conversation_id)
        message_id = MessageId(new_id("msg"))
        await add_message(tx, *where, message_id=message_id, role="assistant", body=text, reply_to=asked.message_id)
    replied = msgspec.json.encode({"message_id": message_id, "text": text, "engine": "local"})
    await house.settle(job_id, lease, Verdict(state=State.SUCCEEDED, result=replied))


async def test_a_reply_over_broken_connections_and_an_api_that_starts_again_is_told_once(
    house: House, proxy: Proxy, client: AsyncHeadrace
) -> None:
    conversation = await begun(client)
    reply = await client.conversations.ask(conversation, "Will it be well?", timeout=60)
    reading = Reading(reply)
    lease, told = await house.claim(reply.job_id), ""
    async with ReplyStreams(house.wakeups).writing(reply.job_id, lease) as writing:
        for number, word in enumerate(WORDS):
            writing.add(word)
            told += word
            match number % 3:
                case 0:
                    proxy.reset_all()  # before it is heard, or after: nobody knows
                case 1:
                    await reading.has(told)
                    house.draining.set()  # the API ends its streams as one does that is about to stop
                    proxy.reset_all()
                    house.draining.clear()
                case _:
                    await reading.has(told)
    await keep(house, reply.job_id, lease, told)
    await reading.task
    assert reading.text == reply.text == told
    assert not any(part.is_anew for part in reading.parts)
    assert (reply.state, reply.message and reply.message.text) == ("succeeded", told)
    assert [one.text async for one in client.conversations.messages(conversation)] == [told, "Will it be well?"]


async def test_two_read_one_reply_and_who_comes_late_has_all_of_it(house: House, client: AsyncHeadrace) -> None:
    conversation = await begun(client)
    reply = await client.conversations.ask(conversation, "Will it be well?")
    first, lease = Reading(reply), await house.claim(reply.job_id)
    async with ReplyStreams(house.wakeups).writing(reply.job_id, lease) as writing:
        writing.add("All will ")
        await first.has("All will ")
        followed = await client.conversations.follow(conversation)
        assert followed is not None
        second = Reading(followed)
        writing.add("be well.")
    await keep(house, reply.job_id, lease, "All will be well.")
    await asyncio.gather(first.task, second.task)
    assert first.text == second.text == "All will be well."
    assert followed.job_id == reply.job_id


async def test_a_reply_that_another_worker_begins_anew_is_told_as_anew(house: House, client: AsyncHeadrace) -> None:
    reply = await client.conversations.ask(await begun(client), "Will it be well?")
    reading, lease = Reading(reply), await house.claim(reply.job_id)
    dead = f"lease_{int(lease[6:18], 16) - 5:012x}{lease[18:]}"
    streams = ReplyStreams(house.wakeups)
    async with streams.writing(reply.job_id, dead) as late:
        late.add("All will")
        await reading.has("All will")
        async with streams.writing(reply.job_id, lease) as writing:
            writing.add("Nothing")
            await reading.has("All willNothing")
            late.add(" be well.")  # of a worker that does not know it is dead
    await keep(house, reply.job_id, lease, "Nothing is certain.")
    await reading.task
    assert [part.is_anew for part in reading.parts[:3]] == [False, True, False]
    assert "".join(part.text for part in reading.parts[1:]) == reply.text == "Nothing is certain."


async def test_a_reply_that_fails_raises_and_one_that_is_cancelled_does(house: House, client: AsyncHeadrace) -> None:
    conversation = await begun(client)
    failing = await client.conversations.ask(conversation, "Will it be well?")
    error = JobError(code="ai_blocked", title="Blocked", detail="No.")
    await house.run(failing.job_id, Verdict(state=State.FAILED, error=error))
    with pytest.raises(JobFailed) as failure:
        await Reading(failing).task
    assert failure.value.code == "ai_blocked"
    stopped = await client.conversations.ask(conversation, "And now?")
    await stopped.cancel()
    with pytest.raises(JobCancelled):
        await Reading(stopped).task
    await stopped.cancel()


async def test_where_there_is_nothing_to_follow_none_is_the_answer(client: AsyncHeadrace) -> None:
    assert await client.conversations.follow(await begun(client)) is None
    with pytest.raises(NotFound):
        await client.conversations.ask("conv_" + "0" * 32, "Is anybody there?")


async def test_a_message_is_edited_and_answered_anew(house: House, client: AsyncHeadrace) -> None:
    conversation = await begun(client)
    job = await client.conversations.say(conversation, "Where is it?")
    await house.run(job.id, Verdict(state=State.FAILED))
    [asked] = [one async for one in client.conversations.messages(conversation)]
    edited = await client.conversations.edit(conversation, asked.id, "Where is she?")
    await house.run(edited.id, Verdict(state=State.FAILED))
    [now] = [one async for one in client.conversations.messages(conversation)]
    again = await client.conversations.regenerate(conversation, now.id)
    assert (now.text, now.edit_of, again.kind) == ("Where is she?", asked.id, "chat.reply")


def event(type_: str, **facts: Any) -> Event:  # noqa: ANN401 - JSON
    return Event(type=type_, raw=msgspec.json.encode({"job_id": "job_1", "state": "running", **facts}))


@given(st.text(min_size=1, max_size=20), st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=10))
def test_the_words_are_the_text_however_often_and_from_wherever_they_are_told(
    text: str, cuts: list[tuple[int, int]]
) -> None:
    story, heard = ReplyStory(), ""
    for start, end in [*cuts, (0, len(text))]:
        at = min(start, len(heard))
        told = event("delta", text=text[at : max(at, end)], start=at) if start % 2 else event("snapshot", text=heard)
        for one in (told, event("delta", text=text[at : max(at, end)], start=at)):
            part = story.takes(one)
            if part is not None:
                assert not part.is_anew
                heard += part.text
    assert heard == story.text == text
