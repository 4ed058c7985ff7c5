"""What becomes of a chat reply when Gemini's stream goes wrong: one script each, as for the other texts."""

import asyncio

import msgspec
import pytest
from msgspec import Struct
from sqlalchemy import text

from domain.chat.reply import REPLY, ReplyTo
from domain.ids import ConversationId, MessageId
from domain.jobs.job import Job, JobError
from domain.jobs.state import State
from domain.text.budget import Budget
from runtime.resources import open_text
from runtime.settings import Settings
from runtime.unique_ids import new_id
from storage.chat import add_conversation, add_message
from storage.jobs import cancel_jobs, submit_jobs
from storage.usage import set_budgets
from tests.support.bench import execute, open_bench, stored
from tests.support.gemini_meeting import KEY, one_authority
from tests.support.gemini_script import Blocks, Breaks, Hangs, Refuses, Resets, Says, Step
from tests.support.gemini_server import gemini_server
from tests.support.jobs import TENANT, USER, make_job
from workers.chat.reply import reply
from workers.execute import Bench
from workers.handlers import bind

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class Aiohttp:DeprecationWarning")

GOOD = Says(text="It will be well, as far as anybody knows.", prompt_tokens=50, answer_tokens=9)


class Case(Struct, frozen=True, kw_only=True):
    """A script, and what the reply ends as after one attempt."""

    name: str
    step: Step
    state: State
    code: str | None = None
    engine: str | None = None
    is_heard: bool = True


BEGUN = ("It will ", "be well")
CASES = (
    Case(name="a good reply", step=GOOD, state=State.SUCCEEDED, engine="gemini"),
    Case(name="503 at once", step=Refuses(code=503), state=State.SUCCEEDED, engine="local"),
    Case(name="a reset at once", step=Resets(), state=State.SUCCEEDED, engine="local"),
    Case(
        name="a reset after some words",
        step=Breaks(words=BEGUN, then=Resets()),
        state=State.SCHEDULED,
        code="ai_unavailable",
        # what is under way when a connection is reset may be lost
        is_heard=False,
    ),
    Case(
        name="silence after some words",
        step=Breaks(words=BEGUN, then=Hangs()),
        state=State.SCHEDULED,
        code="ai_unavailable",
    ),
    Case(name="a blocked prompt", step=Blocks(), state=State.FAILED, code="ai_blocked"),
)


async def ask(bench: Bench) -> Job:
    """A message, and the job that replies to it."""
    conversation_id, message_id = ConversationId(new_id("conv")), MessageId(new_id("msg"))
    async with bench.use.database.begin() as tx:
        await add_conversation(tx, conversation_id, tenant_id=TENANT, caller_id=USER)
        await add_message(
            tx, TENANT, USER, conversation_id, message_id=message_id, role="user", body="Will it be well?"
        )
        asked = ReplyTo(conversation_id=conversation_id, message_id=message_id)
        return (await submit_jobs(tx, [make_job(REPLY, asked)]))[0]


async def booked(bench: Bench) -> int:
    """All tokens there are in the books."""
    async with bench.use.database.read() as connection:
        query = "SELECT coalesce(sum(prompt_tokens + output_tokens), 0) FROM usage"
        return int((await connection.execute(text(query))).scalar_one())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_reply_that_meets_it(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", one_authority())
    async with gemini_server(case.step) as server:
        settings = Settings(gemini_api_key=KEY, gemini_base_url=server.url, gemini_timeout_seconds=1.0)
        async with open_bench(database_url, redis_url, bind(REPLY, reply), text=open_text(settings)) as bench:
            job = await ask(bench)
            await execute([job.id], bench)
            ended = await stored(bench.use.database, job)
            tokens = await booked(bench)
    code = None if ended.error is None else msgspec.json.decode(ended.error, type=JobError).code
    engine = None if ended.result is None else msgspec.json.decode(ended.result)["engine"]
    assert (ended.state, code, engine) == (case.state, case.code, case.engine)
    assert len(server.requests) == 1
    assert tokens == server.tokens_billed or not case.is_heard


async def test_gemini_is_left_when_a_reply_is_cancelled_and_what_it_said_is_kept_and_booked(
    database_url: str, redis_url: str
) -> None:
    async with gemini_server(Breaks(words=BEGUN, then=Hangs())) as server:
        engines = open_text(Settings(gemini_api_key=KEY, gemini_base_url=server.url))
        async with open_bench(database_url, redis_url, bind(REPLY, reply), text=engines) as bench:
            job = await ask(bench)
            running = asyncio.create_task(execute([job.id], bench))
            async with asyncio.timeout(20):
                # its words are what is waited for; the last letters may be held back, for they may begin what is secret
                while "be w" not in "".join(piece.text for piece in await bench.use.replies.read(job.id)):
                    await asyncio.sleep(0.01)
            async with bench.use.database.begin() as tx:
                await cancel_jobs(tx, TENANT, [job.id])
            await running
            await asyncio.wait_for(server.left_by_client.wait(), 5)
            async with bench.use.database.read() as tx:
                kept = (
                    await tx.execute(text("SELECT text, partial, engine FROM messages WHERE role = 'assistant'"))
                ).one()
                counted = (
                    await tx.execute(text("SELECT prompt_tokens + output_tokens FROM conversations"))
                ).scalar_one()
            assert (await stored(bench.use.database, job)).state is State.CANCELLED
            assert await booked(bench) == server.tokens_billed > 0
            assert counted == server.tokens_billed
    assert "".join(BEGUN).startswith(kept.text)
    assert (len(kept.text) > len(BEGUN[0]), kept.partial, kept.engine) == (True, True, "gemini")


async def test_a_reply_beyond_its_tenants_budget_asks_nobody_who_costs(database_url: str, redis_url: str) -> None:
    async with gemini_server(GOOD) as server:
        engines = open_text(Settings(gemini_api_key=KEY, gemini_base_url=server.url))
        async with open_bench(database_url, redis_url, bind(REPLY, reply), text=engines) as bench:
            async with bench.use.database.begin() as tx:
                await set_budgets(tx, TENANT, [Budget(tokens=1)])
            job = await ask(bench)
            await execute([job.id], bench)
            ended = await stored(bench.use.database, job)
    assert ended.result is not None
    assert msgspec.json.decode(ended.result)["engine"] == "local"
    assert not server.requests
