"""A worker's bench over real stores, with handlers made for a test."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from domain.jobs.job import Job
from domain.jobs.state import State
from domain.text.cost import Prices
from domain.text.safety import SafetyPolicy
from providers.http.outbound import Outbound
from providers.http.target import Rules
from providers.mail.provider import MailProvider
from providers.mail.smtp import SmtpProvider
from providers.mail.smtp_url import read_smtp_url
from providers.text.chain import Engine, TextChain
from providers.text.economy import Economy
from providers.text.local.engine import LocalTextProvider
from providers.text.provider import TextProvider
from runtime.broker import Sender, celery_url, make_celery
from runtime.cache import AnswerCache, CacheRules
from runtime.flights import HOLD_SECONDS, Answers
from runtime.kill_points import KillPoints
from runtime.provider_rates import ProviderRates
from runtime.resources import Resources
from runtime.safety import Safety
from runtime.secret_box import SecretBox
from runtime.settings import Settings
from runtime.streams import ReplyStreams
from runtime.wakeups import open_wakeups
from storage.database import Database, open_database
from storage.jobs import find_job
from tests.support.jobs import ASK, TENANT, Ask, Reply, mark_sent, open_store
from workers.context import Context
from workers.execute import Bench
from workers.execute import execute as execute_sent
from workers.figures import WorkerFigures
from workers.handlers import Binding, bind
from workers.lease import Leases
from workers.settle import Settler
from workers.slots import Slots

AskHandler = Callable[[Ask, Context], Awaitable[Reply]]


@asynccontextmanager
async def open_bench(  # noqa: PLR0913 - each is what some test is about
    database_url: str,
    redis_url: str,
    *handlers: Binding[Any, Any],
    ask: AskHandler | None = None,
    slots: int = 8,
    lease_seconds: float = 30.0,
    heartbeat_seconds: float = 0.05,
    smtp_url: str = "smtp://127.0.0.1:1",
    kill_points: str = "",
    text: TextProvider | None = None,
    prices: Prices | None = None,
    rates: ProviderRates | None = None,
    mail: MailProvider | None = None,
    outbound: Outbound | None = None,
    worker: str = "worker-1",
    connections: int = 8,
    cache: CacheRules | None = None,
    cache_url: str | None = None,
    hold_seconds: float = HOLD_SECONDS,
    economy: Economy | None = None,
) -> AsyncIterator[Bench]:
    """A bench as a worker process sets it up, its heartbeat running; `ask` handles the tests' own kind."""
    bindings: Iterable[Binding[Any, Any]] = (*handlers, *([bind(ASK, ask)] if ask else []))
    pulse = open_database(database_url, name="tests-heartbeat", size=1)
    async with open_store(database_url, size=connections) as database:
        wakeups = open_wakeups(redis_url)
        secrets = SecretBox("a secret key of the tests")
        answers = AnswerCache(cache_url or redis_url, secrets, cache or CacheRules(seconds={}, engine="local"))
        use = Resources(
            database=database,
            wakeups=wakeups,
            kill_points=KillPoints(kill_points),
            text=as_chain(text or LocalTextProvider()),
            prices=prices or {},
            rates=rates,
            answers=Answers(answers, hold_seconds=hold_seconds),
            mail=mail or SmtpProvider(read_smtp_url(smtp_url)),
            mail_from="Headrace <noreply@headrace.example>",
            outbound=outbound or Outbound(Rules()),
            secrets=secrets,
            safety=Safety(database, SafetyPolicy()),
            replies=ReplyStreams(wakeups),
            economy=economy,
        )
        figures = WorkerFigures(worker)
        leases = Leases(
            use,
            database=pulse,
            worker=worker,
            queues=("tests",),
            concurrency=slots,
            lease_seconds=lease_seconds,
            heartbeat_seconds=heartbeat_seconds,
            figures=figures,
        )
        duties = [
            asyncio.create_task(duty) for duty in (leases.beat(), leases.hear_cancels(), leases.look_for_cancels())
        ]
        try:
            yield Bench(
                use=use,
                handlers={binding.kind.name: binding for binding in bindings},
                slots=Slots(slots),
                leases=leases,
                settler=Settler(use, patience_seconds=lease_seconds),
                figures=figures,
                spread=random.Random(1),  # noqa: S311 - a seed, so that jitter repeats
            )
        finally:
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)
            await use.safety.aclose()
            await use.text.aclose()
            if rates is not None:
                await rates.close()
            if economy is not None:
                await economy.aclose()
            await use.mail.aclose()
            await answers.close()
            await wakeups.close()
            await pulse.close()


def as_chain(text: TextProvider) -> TextChain:
    """The chain a provider is, or makes by itself."""
    if isinstance(text, TextChain):
        return text
    return TextChain([Engine(name="only", provider=text)], kinds=frozenset(), reasons=frozenset())


async def execute(ids: Sequence[str], bench: Bench) -> list[str]:
    """Send jobs and let the worker do with their message what it does."""
    async with bench.use.database.begin() as tx:
        await mark_sent(tx, ids)
    return await execute_sent(ids, bench)


async def stored(database: Database, job: Job) -> Job:
    """The job as its row stands now."""
    async with database.read() as tx:
        found = await find_job(tx, TENANT, job.id)
    assert found is not None
    return found


async def reaches(database: Database, job: Job, *states: State, within_seconds: float = 10) -> Job:
    """Wait until the job stands in one of `states`."""
    async with asyncio.timeout(within_seconds):
        while (found := await stored(database, job)).state not in states:
            await asyncio.sleep(0.01)  # the row is what is waited for; nothing else tells of it in order
    return found


def sender_to(url: str, *, queues: Sequence[str] = ("tests",)) -> Sender:
    """A sender of job ids to queues of the broker at `url`."""
    return Sender(make_celery(Settings(), broker_url=celery_url(url), queues=queues, client="tests"))
