"""What becomes of a job when Gemini misbehaves: one script each, over the real client, chain, worker and database."""

import json
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import msgspec
import pytest
from msgspec import Struct
from sqlalchemy import text

from domain.jobs.job import Job, JobError
from domain.jobs.kind import Kind
from domain.jobs.state import State
from domain.text.classify import CLASSIFY
from domain.text.cost import Price
from domain.text.generate import GENERATE
from domain.text.moderate import MODERATE
from domain.text.summarize import SUMMARIZE
from runtime.resources import open_text
from runtime.settings import Settings
from storage.jobs import submit_jobs
from tests.support.bench import execute, open_bench, stored
from tests.support.gemini_meeting import KEY, one_authority
from tests.support.gemini_script import (
    Answers,
    Blocks,
    Echoes,
    Hangs,
    NoCandidates,
    NoParts,
    Refuses,
    Resets,
    Says,
    Sends,
    Step,
    Truncates,
)
from tests.support.gemini_server import gemini_server
from tests.support.jobs import make_job
from workers.execute import Bench
from workers.handlers import bind
from workers.text.classify import classify
from workers.text.generate import generate
from workers.text.moderate import moderate
from workers.text.summarize import summarize

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class Aiohttp:DeprecationWarning")

BINDINGS: Final = (
    bind(SUMMARIZE, summarize),
    bind(MODERATE, moderate),
    bind(CLASSIFY, classify),
    bind(GENERATE, generate),
)
MODEL: Final = "gemini-test"
PRICES: Final = {MODEL: Price(input=1_000_000, output=2_000_000)}  # a token is a micro, or two
OK, AGAIN, FAILED = State.SUCCEEDED, State.SCHEDULED, State.FAILED
NOTHING: Final = (0, 0, 0, 0)


def says(text: str, *, finish: str | None = "STOP", counts: bool = True, delay: float = 0.0) -> Says:
    """Words that cost 50 tokens of prompt and 9 of answer."""
    return Says(text=text, finish=finish, prompt_tokens=50, answer_tokens=9, counts_tokens=counts, delay_seconds=delay)


GOOD: Final = says('{"summary": "It rained."}')
JUNK: Final = says("certainly! here is the summary")
ONCE, TWICE = (1, 50, 9, 68), (1, 100, 18, 136)  # calls booked, prompt, output, cost


class Case(Struct, frozen=True, kw_only=True):
    """A script, and what a job that meets it ends as after one attempt. `calls`: what Gemini was asked."""

    name: str
    steps: tuple[Step, ...]
    state: State
    code: str | None = None
    engine: str | None = None
    calls: int = 1
    booked: tuple[int, int, int, int] = NOTHING
    kind: Kind[Any, Any] = SUMMARIZE
    fallback: str = "off"
    reasons: str = "down,throttled,budget"


def down(name: str, *steps: Step, code: str = "ai_unavailable") -> tuple[Case, Case]:
    """A script of a provider that is not there: tried again without a fallback, answered by the local engine with."""
    return (
        Case(name=name, steps=steps, state=AGAIN, code=code),
        Case(name=f"{name}, with a fallback", steps=steps, state=OK, engine="local", fallback="on"),
    )


def malformed(name: str, *steps: Step, calls: int = 2, booked: tuple[int, int, int, int] = NOTHING) -> Case:
    """A script of answers that cannot be used: a typed failure, which the fallback does not hide."""
    return Case(name=name, steps=steps, state=AGAIN, code="ai_malformed", calls=calls, booked=booked, fallback="on")


def blocked(name: str, *steps: Step, booked: tuple[int, int, int, int] = NOTHING) -> Case:
    """A script of refusals for safety: an end, whatever falls back otherwise."""
    return Case(name=name, steps=steps, state=FAILED, code="ai_blocked", booked=booked, fallback="on")


CASES: Final = (
    Case(name="a good answer", steps=(GOOD,), state=OK, engine="gemini", booked=ONCE),
    Case(name="a good answer without counts", steps=(says(GOOD.text, counts=False),), state=OK, engine="gemini"),
    Case(
        name="a good answer after a while", steps=(says(GOOD.text, delay=0.1),), state=OK, engine="gemini", booked=ONCE
    ),
    Case(name="moderate", steps=(Answers(),), state=OK, engine="gemini", kind=MODERATE, booked=(1, -1, -1, -1)),
    Case(name="classify", steps=(Answers(),), state=OK, engine="gemini", kind=CLASSIFY, booked=(1, -1, -1, -1)),
    Case(name="generate", steps=(Answers(),), state=OK, engine="gemini", kind=GENERATE, booked=(1, -1, -1, -1)),
    *down("throttled", Refuses(code=429), code="ai_throttled"),
    *down("throttled with a delay", Refuses(code=429, retry_delay="7s"), code="ai_throttled"),
    *down("throttled with a header", Refuses(code=429, retry_after="3"), code="ai_throttled"),
    *down("error 500", Refuses(code=500)),
    *down("error 502", Refuses(code=502)),
    *down("error 503", Refuses(code=503)),
    *down("error 504", Refuses(code=504)),
    *down("error 408", Refuses(code=408)),
    *down("a reset", Resets()),
    *down("silence", Hangs()),
    *down("an answer too late", says(GOOD.text, delay=2.0)),
    *down("a truncated body", Truncates()),
    malformed("words in place of JSON, twice", JUNK, JUNK, booked=TWICE),
    malformed("another schema, twice", says('{"headline": "x"}'), says('{"headline": "x"}'), booked=TWICE),
    malformed("a wrong type, twice", says('{"summary": 3}'), says('{"summary": 3}'), booked=TWICE),
    malformed("an empty summary, twice", says('{"summary": ""}'), says('{"summary": ""}'), booked=TWICE),
    malformed("a field too many, twice", *[says('{"summary": "x", "y": 1}')] * 2, booked=TWICE),
    malformed("half of the JSON, twice", says('{"summary": "It'), says('{"summary": "It'), booked=TWICE),
    malformed("JSON too deep to be read", says("[" * 5000), calls=1),
    Case(name="words, then JSON", steps=(JUNK, GOOD), state=OK, engine="gemini", calls=2, booked=TWICE),
    Case(
        name="words, then 503",
        steps=(JUNK, Refuses(code=503)),
        state=AGAIN,
        code="ai_unavailable",
        calls=2,
        booked=ONCE,
    ),
    Case(
        name="words, then 503, with a fallback",
        steps=(JUNK, Refuses(code=503)),
        state=OK,
        engine="local",
        calls=2,
        booked=ONCE,
        fallback="on",
    ),
    Case(
        name="words, twice, where that falls back",
        steps=(JUNK, JUNK),
        state=OK,
        engine="local",
        calls=2,
        booked=TWICE,
        fallback="text.summarize",
        reasons="malformed",
    ),
    malformed("no candidates", NoCandidates(), calls=1, booked=(1, -1, 0, -1)),
    malformed("a candidate without parts", NoParts(), calls=1, booked=(1, -1, 0, -1)),
    malformed("empty words", says(""), calls=1, booked=ONCE),
    malformed("a body that is no JSON", Sends(body=b"<html>hello</html>"), calls=1),
    malformed("an empty body", Sends(body=b""), calls=1),
    malformed("another content type", Sends(body=b"hello", content_type="text/plain"), calls=1),
    malformed("a finish nobody knows", says("{}", finish="OTHER"), calls=1, booked=ONCE),
    Case(
        name="an answer that outgrew its tokens",
        steps=(says('{"summary": "It', finish="MAX_TOKENS"),),
        state=FAILED,
        code="ai_malformed",
        booked=ONCE,
        fallback="on",
    ),
    Case(
        name="5 MB of answer",
        steps=(says(json.dumps({"summary": "x" * 5_000_000})),),
        state=FAILED,
        code="ai_malformed",
        booked=ONCE,
        fallback="on",
    ),
    blocked("a blocked prompt", Blocks(), booked=(1, -1, 0, -1)),
    blocked("a blocked prompt, for what nobody lists", Blocks(reason="PROHIBITED_CONTENT"), booked=(1, -1, 0, -1)),
    blocked("an answer stopped for safety", says("It", finish="SAFETY"), booked=ONCE),
    blocked("an answer stopped for recitation", says("It", finish="RECITATION"), booked=ONCE),
    blocked("the system text echoed", Echoes(), booked=(1, -1, -1, -1)),
    Case(
        name="a blocked prompt, where that falls back",
        steps=(Blocks(),),
        state=OK,
        engine="local",
        booked=(1, -1, 0, -1),
        fallback="on",
        reasons="blocked",
    ),
    Case(name="a bad key", steps=(Refuses(code=403),), state=FAILED, code="ai_refused", fallback="on"),
    Case(name="an unknown model", steps=(Refuses(code=404),), state=FAILED, code="ai_refused", fallback="on"),
    Case(name="a bad request", steps=(Refuses(code=400),), state=FAILED, code="ai_refused", fallback="on"),
    Case(
        name="a bad key, where that falls back",
        steps=(Refuses(code=401),),
        state=OK,
        engine="local",
        fallback="on",
        reasons="refused",
    ),
)


def test_there_are_forty_scripts_and_more_each_with_its_name() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 40


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_job_that_meets_it(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch, case: Case
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", one_authority())
    async with (
        gemini_server(*case.steps) as server,
        bench_with(database_url, redis_url, server.url, fallback=case.fallback, reasons=case.reasons) as bench,
    ):
        ended = await one_attempt(bench, case.kind)
        booked = await bookings(bench)
        reserved = await count(bench, "SELECT count(*) FROM reservations")
    assert (ended.state, code_of(ended), engine_of(ended)) == (case.state, case.code, case.engine)
    assert len(server.requests) == case.calls
    assert [told if wanted >= 0 else -1 for told, wanted in zip(booked, case.booked, strict=True)] == [*case.booked]
    assert reserved == 0


def bench_with(
    database_url: str, redis_url: str, gemini_url: str, *, fallback: str, reasons: str
) -> AbstractAsyncContextManager[Bench]:
    """A worker's bench whose texts come from the Gemini at that address, as settings make it."""
    chain = open_text(
        Settings(
            gemini_api_key=KEY,
            gemini_base_url=gemini_url,
            gemini_model=MODEL,
            gemini_timeout_seconds=0.5,
            text_fallback=fallback,
            text_fallback_for=reasons,
        )
    )
    return open_bench(database_url, redis_url, *BINDINGS, text=chain, prices=PRICES)


async def one_attempt(bench: Bench, kind: Kind[Any, Any]) -> Job:
    """A job of the kind after its first attempt."""
    async with bench.use.database.begin() as tx:
        [job] = await submit_jobs(tx, [make_job(kind)])
    await execute([job.id], bench)
    return await stored(bench.use.database, job)


async def bookings(bench: Bench) -> tuple[int, int, int, int]:
    """Calls, tokens of prompt and answer, and micros, of everybody and for ever."""
    async with bench.use.database.read() as tx:
        row = (
            await tx.execute(
                text("""
                SELECT coalesce(sum(calls), 0), coalesce(sum(prompt_tokens), 0), coalesce(sum(output_tokens), 0),
                    coalesce(sum(cost_micros), 0) FROM usage
                """)
            )
        ).one()
    return int(row[0]), int(row[1]), int(row[2]), int(row[3])


async def count(bench: Bench, statement: str) -> int:
    """The one number a statement answers with."""
    async with bench.use.database.read() as tx:
        return int((await tx.execute(text(statement))).scalar_one())


def code_of(job: Job) -> str | None:
    """Why the job's last attempt failed."""
    return None if job.error is None else msgspec.json.decode(job.error, type=JobError).code


def engine_of(job: Job) -> str | None:
    """Who answered."""
    return None if job.result is None else str(msgspec.json.decode(job.result)["engine"])
