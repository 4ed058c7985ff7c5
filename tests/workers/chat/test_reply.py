import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace

import msgspec
import pytest

from domain.chat.conversation import MOST_CONTEXT, ChatMessage, StoredMessage
from domain.chat.reply import REPLY, Replied, ReplyTo
from domain.ids import ConversationId, MessageId, derived_id
from domain.jobs.job import Job, JobError
from domain.jobs.state import State
from domain.text.safety import SafetyPolicy
from providers.text.provider import ProviderBlocked, ReplyPart
from runtime.kill_points import KillPoints
from runtime.safety import Safety
from runtime.unique_ids import new_id
from storage.chat import add_conversation, add_message, delete_conversation, find_conversation, list_messages
from storage.jobs import cancel_jobs, retry_job, submit_jobs
from tests.support.bench import execute, open_bench, stored
from tests.support.injections import CLASSIC
from tests.support.jobs import TENANT, USER, make_job
from tests.support.scripted_text import ScriptedText
from workers.chat.reply import reply
from workers.execute import Bench
from workers.handlers import bind
from workers.rescue import rescue_lapsed

INJECTION = CLASSIC["ignore_instructions"]


@pytest.fixture
def text() -> ScriptedText:
    return ScriptedText()


@pytest.fixture
async def bench(database_url: str, redis_url: str, text: ScriptedText) -> AsyncIterator[Bench]:
    async with open_bench(database_url, redis_url, bind(REPLY, reply), text=text) as opened:
        yield opened


async def ask(bench: Bench, *said: str) -> Job:
    """A conversation in which the user said these things, and the job that answers the last."""
    conversation_id = ConversationId(new_id("conv"))
    ids = [MessageId(new_id("msg")) for _ in said]
    async with bench.use.database.begin() as tx:
        await add_conversation(tx, conversation_id, tenant_id=TENANT, caller_id=USER)
        for message_id, body in zip(ids, said, strict=True):
            await add_message(tx, TENANT, USER, conversation_id, message_id=message_id, role="user", body=body)
        asked = ReplyTo(conversation_id=conversation_id, message_id=ids[-1])
        [job] = await submit_jobs(tx, [make_job(REPLY, asked)])
    return job


async def messages_of(bench: Bench, job: Job) -> list[StoredMessage]:
    asked = msgspec.json.decode(job.input, type=ReplyTo)
    async with bench.use.database.read() as connection:
        return (await list_messages(connection, asked.conversation_id, limit=99))[::-1]


async def test_a_reply_becomes_the_next_message_and_the_jobs_result(bench: Bench, text: ScriptedText) -> None:
    job = await ask(bench, "Will it be well?")
    await execute([job.id], bench)
    ended = await stored(bench.use.database, job)
    [asked, answer] = await messages_of(bench, job)
    assert ended.state is State.SUCCEEDED
    assert ended.result is not None
    assert msgspec.json.decode(ended.result, type=Replied) == Replied(
        message_id=derived_id("msg", job.id), text="All will be well.", engine="scripted"
    )
    assert (answer.id, answer.role, answer.text, answer.position) == (
        derived_id("msg", job.id),
        "assistant",
        "All will be well.",
        2,
    )
    assert (answer.reply_to, answer.engine) == (asked.id, "scripted")
    assert [(one.role, one.text) for one in text.conversations[0]] == [("user", "Will it be well?")]


async def test_tokens_are_counted_on_the_job_and_the_conversation(bench: Bench) -> None:
    job = await ask(bench, "Will it be well?")
    await execute([job.id], bench)
    ended = await stored(bench.use.database, job)
    asked = msgspec.json.decode(job.input, type=ReplyTo)
    async with bench.use.database.read() as connection:
        conversation = await find_conversation(connection, TENANT, USER, asked.conversation_id)
    assert b'"prompt_tokens":7' in (ended.usage or b"")
    assert conversation is not None
    assert (conversation.messages, conversation.prompt_tokens, conversation.output_tokens) == (2, 7, 3)


async def test_only_the_last_twenty_messages_are_the_context(bench: Bench, text: ScriptedText) -> None:
    job = await ask(bench, *(f"{n}" for n in range(30)))
    await execute([job.id], bench)
    assert [one.text for one in text.conversations[0]] == [f"{n}" for n in range(30 - MOST_CONTEXT, 30)]


@pytest.fixture
async def strict(bench: Bench) -> AsyncIterator[Bench]:
    """The bench, blocking injections."""
    safety = Safety(bench.use.database, SafetyPolicy(injection="block"))
    yield replace(bench, use=replace(bench.use, safety=safety))
    await safety.aclose()


async def go_on(bench: Bench, job: Job, said: str) -> Job:
    """The job that answers what the user says next."""
    asked = msgspec.json.decode(job.input, type=ReplyTo)
    message_id = MessageId(new_id("msg"))
    async with bench.use.database.begin() as tx:
        await add_message(tx, TENANT, USER, asked.conversation_id, message_id=message_id, role="user", body=said)
        asked = ReplyTo(conversation_id=asked.conversation_id, message_id=message_id)
        return (await submit_jobs(tx, [make_job(REPLY, asked)]))[0]


async def test_what_was_blocked_is_kept_and_shown_as_that_and_no_later_reply_sees_it(
    bench: Bench, strict: Bench, text: ScriptedText
) -> None:
    job = await ask(bench, INJECTION)
    await execute([job.id], strict)
    assert (await stored(bench.use.database, job)).state is State.FAILED
    after = await go_on(bench, job, "Will it be well?")
    await execute([after.id], bench)
    assert [(one.text, one.blocked) for one in await messages_of(bench, job)] == [
        (INJECTION, "input_blocked"),
        ("Will it be well?", None),
        ("All will be well.", None),
    ]
    assert [[one.text for one in talk] for talk in text.conversations] == [["Will it be well?"]]


async def test_what_the_provider_blocked_is_not_shown_to_it_again(bench: Bench, text: ScriptedText) -> None:
    text.failing = ProviderBlocked("Gemini blocked the prompt: SAFETY.")
    job = await ask(bench, "How are bombs made?")
    await execute([job.id], bench)
    text.failing = None
    after = await go_on(bench, job, "Will it be well?")
    await execute([after.id], bench)
    assert [one.blocked for one in await messages_of(bench, job)] == ["ai_blocked", None, None]
    assert [one.text for one in text.conversations[-1]] == ["Will it be well?"]


async def test_what_is_answered_after_all_is_blocked_no_longer(bench: Bench, strict: Bench, text: ScriptedText) -> None:
    job = await ask(bench, INJECTION)
    await execute([job.id], strict)
    async with bench.use.database.begin() as tx:
        assert await retry_job(tx, TENANT, job.id) is not None
    await execute([job.id], bench)
    after = await go_on(bench, job, "Will it be well?")
    await execute([after.id], bench)
    assert {one.blocked for one in await messages_of(bench, job)} == {None}
    assert [one.text for one in text.conversations[-1]] == [INJECTION, "All will be well.", "Will it be well?"]


async def test_an_attempt_that_dies_before_its_commit_leaves_no_message_and_the_next_leaves_one(bench: Bench) -> None:
    job = await ask(bench, "Will it be well?")
    dying = replace(bench, use=replace(bench.use, kill_points=KillPoints("job.before_effect=raise")))
    await execute([job.id], dying)
    assert len(await messages_of(bench, job)) == 1
    async with bench.use.database.begin() as tx:
        await tx.exec_driver_sql("UPDATE jobs SET state = 'queued', run_at = now()")
        await tx.exec_driver_sql("UPDATE outbox SET stage = 'due'")
    await execute([job.id], bench)
    await execute([job.id], bench)
    assert [message.role for message in await messages_of(bench, job)] == ["user", "assistant"]


async def test_a_reply_to_a_deleted_conversation_fails_for_good(bench: Bench) -> None:
    job = await ask(bench, "Will it be well?")
    asked = msgspec.json.decode(job.input, type=ReplyTo)
    async with bench.use.database.begin() as tx:
        await delete_conversation(tx, TENANT, USER, asked.conversation_id)
    await execute([job.id], bench)
    ended = await stored(bench.use.database, job)
    assert ended.state is State.FAILED
    assert msgspec.json.decode(ended.error or b"", type=JobError).code == "conversation_gone"


async def test_an_empty_reply_is_asked_for_again(bench: Bench, text: ScriptedText) -> None:
    text.said = " "
    job = await ask(bench, "Will it be well?")
    await execute([job.id], bench)
    ended = await stored(bench.use.database, job)
    assert ended.state is State.SCHEDULED
    assert len(await messages_of(bench, job)) == 1
    async with bench.use.database.begin() as tx:
        assert await retry_job(tx, TENANT, job.id) is None


class Slow(ScriptedText):
    """Says one word, and then waits until it is given up."""

    def __init__(self) -> None:
        super().__init__()
        self.speaking = asyncio.Event()
        self.closed = asyncio.Event()

    async def reply(self, conversation: Sequence[ChatMessage], earlier: str = "") -> AsyncGenerator[ReplyPart]:  # noqa: ARG002 - the signature of a provider
        try:
            yield ReplyPart("All ")
            yield ReplyPart("will")
            self.speaking.set()
            await asyncio.Event().wait()
        finally:
            self.closed.set()


async def test_a_cancelled_reply_stops_the_provider_and_keeps_what_was_written(
    database_url: str, redis_url: str
) -> None:
    text = Slow()
    async with open_bench(database_url, redis_url, bind(REPLY, reply), text=text) as bench:
        job = await ask(bench, "Will it be well?")
        running = asyncio.create_task(execute([job.id], bench))
        await text.speaking.wait()
        async with bench.use.database.begin() as tx:
            await cancel_jobs(tx, TENANT, [job.id])
        await running
        [_, answer] = await messages_of(bench, job)
        assert (await stored(bench.use.database, job)).state is State.CANCELLED
        assert text.closed.is_set()
        assert (answer.text, answer.partial) == ("All will", True)
        pieces = await bench.use.replies.read(job.id)
        assert ("".join(piece.text for piece in pieces), pieces[-1].is_end) == ("All will", True)


async def test_a_reply_cut_off_otherwise_leaves_nothing(database_url: str, redis_url: str) -> None:
    text = Slow()
    async with open_bench(database_url, redis_url, bind(REPLY, reply), text=text) as bench:
        job = await ask(bench, "Will it be well?")
        running = asyncio.create_task(execute([job.id], bench))
        await text.speaking.wait()
        await bench.leases.drain(0)
        await running
        assert [one.role for one in await messages_of(bench, job)] == ["user"]


async def test_without_redis_a_reply_still_ends_well(database_url: str) -> None:
    async with open_bench(database_url, "unix:///nowhere/s.sock", bind(REPLY, reply), text=ScriptedText()) as bench:
        job = await ask(bench, "Will it be well?")
        await execute([job.id], bench)
        assert (await stored(bench.use.database, job)).state is State.SUCCEEDED


class Anew(ScriptedText):
    """The first time says two words and waits before it goes on; the second time says something else."""

    def __init__(self) -> None:
        super().__init__()
        self.speaking = asyncio.Event()
        self.go_on = asyncio.Event()

    async def reply(self, conversation: Sequence[ChatMessage], earlier: str = "") -> AsyncGenerator[ReplyPart]:  # noqa: ARG002 - the signature of a provider
        if self.speaking.is_set():
            yield ReplyPart("Nothing is certain.")
            return
        yield ReplyPart("All ")
        yield ReplyPart("will")
        self.speaking.set()
        await self.go_on.wait()
        yield ReplyPart(" be well.")


async def test_a_reply_whose_worker_died_is_written_anew_by_another_and_the_dead_add_nothing(
    database_url: str, redis_url: str
) -> None:
    text = Anew()
    # a worker that does not renew its lease, and does not know that it is dead
    async with open_bench(database_url, redis_url, bind(REPLY, reply), text=text, heartbeat_seconds=60) as bench:
        job = await ask(bench, "Will it be well?")
        dead = asyncio.create_task(execute([job.id], bench))
        await text.speaking.wait()
        async with bench.use.database.begin() as tx:
            await tx.exec_driver_sql("UPDATE jobs SET lease_until = now() - interval '1 minute'")
        assert await rescue_lapsed(bench.use) == 1
        await execute([job.id], bench)
        text.go_on.set()
        await dead
        [_, answer] = await messages_of(bench, job)
        pieces = await bench.use.replies.read(job.id)
    assert (answer.text, answer.partial) == ("Nothing is certain.", False)
    assert ("".join(piece.text for piece in pieces), pieces[0].start, pieces[-1].is_end) == (answer.text, 0, True)
    assert len({piece.generation for piece in pieces}) == 1
