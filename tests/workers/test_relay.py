"""The relay over a real broker: what is due goes out once, in order, and no more than workers can soon take."""

import base64
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import redis
from msgspec.structs import replace
from sqlalchemy import text

from domain.jobs.state import State
from runtime.broker import BACK, FRONT, BrokerDown, Sender
from storage.accounts import add_tenant
from storage.outbox import Due
from storage.queues import pause_queue
from tests.support.bench import open_bench, sender_to, stored
from tests.support.jobs import make_job, submit
from workers.execute import Bench
from workers.relay import FEW, Relay, pack
from workers.window import LEAST

QUEUES = ("tests",)
IN_FRONT = ""
BEHIND = f"\x06\x16{BACK}"  # as kombu names a queue's list of a priority
OTHER = "tenant_" + "2" * 32


def sent_ids(redis_url: str, *lines: str) -> list[list[str]]:
    """The ids in the broker's messages, in the order they will be received; of all lines, or of those named."""
    with redis.Redis.from_url(redis_url) as client:
        raw = [reversed(_list(client.lrange(f"hr:tests{line}", 0, -1))) for line in lines or (IN_FRONT, BEHIND)]
    return [json.loads(_body(json.loads(one)))[0][0] for line in raw for one in line]


class Time:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        return self._now

    def pass_by(self, seconds: float) -> None:
        self._now += seconds


@asynccontextmanager
async def relay_of_two(bench: Bench, redis_url: str) -> AsyncIterator[tuple[Relay, Time]]:
    """A relay of the queues `alpha` and `tests`, and its time."""
    queues, time = ("alpha", "tests"), Time()
    sender = sender_to(redis_url, queues=queues)
    yield Relay(bench.use, sender, queues=queues, clock=time), time
    sender.close()


async def submit_apart(bench: Bench, queues: Sequence[str]) -> list[str]:
    """Submit a job into each of these queues."""
    async with bench.use.database.begin() as tx:
        jobs = await submit(tx, *(make_job() for _ in queues))
        for job, queue in zip(jobs, queues, strict=True):
            await tx.execute(
                text("UPDATE outbox SET queue = :queue WHERE job_id = :id"), {"queue": queue, "id": job.id}
            )
    return [job.id for job in jobs]


async def due_of(bench: Bench) -> set[str]:
    async with bench.use.database.read() as tx:
        return set((await tx.execute(text("SELECT job_id FROM outbox WHERE stage = 'due'"))).scalars())


def _list(answer: object) -> list[bytes]:
    assert isinstance(answer, list)
    return answer


def _body(message: dict[str, object]) -> bytes:
    return base64.b64decode(str(message["body"]))


async def test_due_jobs_are_sent_by_priority_with_nothing_but_their_ids(
    database_url: str, redis_url: str, sender: Sender
) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            low, high = await submit(tx, make_job(priority=-1), make_job(priority=1))
        await Relay(bench.use, sender, queues=QUEUES).release()
        assert sent_ids(redis_url) == [[high.id], [low.id]]
        with redis.Redis.from_url(redis_url) as client:
            assert "why?" not in str(client.lrange("hr:tests", 0, -1))
        await Relay(bench.use, sender, queues=QUEUES).release()
        assert len(sent_ids(redis_url)) == 2


async def test_under_load_one_message_carries_many_ids(database_url: str, redis_url: str, sender: Sender) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            await submit(tx, *(make_job() for _ in range(LEAST * 2)))
        await Relay(bench.use, sender, queues=QUEUES).release()
        assert [len(ids) for ids in sent_ids(redis_url, BEHIND)] == [LEAST // 4] * 4
        assert sent_ids(redis_url, IN_FRONT) == []


async def test_the_broker_is_kept_shallow(database_url: str, redis_url: str, sender: Sender) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            await submit(tx, *(make_job() for _ in range(LEAST * 3)))
        relay = Relay(bench.use, sender, queues=QUEUES)
        for _ in range(3):
            await relay.release()
        assert sum(map(len, sent_ids(redis_url))) == LEAST


async def test_a_quiet_tenants_job_goes_before_the_rest_of_a_noisy_ones_backlog(
    database_url: str, redis_url: str, sender: Sender
) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            await submit(tx, *(make_job(priority=100) for _ in range(LEAST * 2)))
            await add_tenant(tx, OTHER, "quiet")
            [quiet] = await submit(tx, replace(make_job(), tenant_id=OTHER))
        await Relay(bench.use, sender, queues=QUEUES).release()
        assert sent_ids(redis_url, IN_FRONT) == [[quiet.id]]


async def test_a_quiet_tenants_job_does_not_wait_for_the_window_that_a_noisy_one_has_filled(
    database_url: str, redis_url: str, sender: Sender
) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            await submit(tx, *(make_job() for _ in range(LEAST * 2)))
        relay = Relay(bench.use, sender, queues=QUEUES)
        await relay.release()
        async with bench.use.database.begin() as tx:
            await add_tenant(tx, OTHER, "quiet")
            quiet = await submit(tx, *(replace(make_job(), tenant_id=OTHER) for _ in range(FEW + 1)))
        await relay.release()
        assert sent_ids(redis_url, IN_FRONT) == [[job.id] for job in quiet[:FEW]]
        await relay.release()
        assert sum(map(len, sent_ids(redis_url))) == LEAST + FEW


async def test_messages_of_a_crowd_are_short_while_somebody_stands_in_the_front(
    database_url: str, redis_url: str, sender: Sender
) -> None:
    async with open_bench(database_url, redis_url) as bench:
        relay = Relay(bench.use, sender, queues=QUEUES)
        async with bench.use.database.begin() as tx:
            await add_tenant(tx, OTHER, "quiet")
            await submit(tx, replace(make_job(), tenant_id=OTHER))
        await relay.release()
        async with bench.use.database.begin() as tx:
            await submit(tx, *(make_job() for _ in range(LEAST * 2)))
        await relay.release()
        assert {len(ids) for ids in sent_ids(redis_url, BEHIND)} == {16, 3}


async def test_a_paused_queue_sends_nothing_until_it_is_resumed(
    database_url: str, redis_url: str, sender: Sender
) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            await pause_queue(tx, "tests", paused=True)
            [job] = await submit(tx)
        await Relay(bench.use, sender, queues=QUEUES).release()
        assert sent_ids(redis_url) == []
        async with bench.use.database.begin() as tx:
            await pause_queue(tx, "tests", paused=False)
        await Relay(bench.use, sender, queues=QUEUES).release()
        assert sent_ids(redis_url) == [[job.id]]


async def test_where_news_names_a_queue_it_is_looked_at_alone_until_it_is_time_to_look_everywhere(
    database_url: str, redis_url: str
) -> None:
    async with open_bench(database_url, redis_url) as bench, relay_of_two(bench, redis_url) as (relay, time):
        everywhere_in = await relay.release()
        [named, other] = await submit_apart(bench, ("tests", "alpha"))
        assert 0 < await relay.release(frozenset({"tests", "strange"})) < everywhere_in
        assert sent_ids(redis_url) == [[named]]
        assert await due_of(bench) == {other}
        time.pass_by(everywhere_in)
        await relay.release(frozenset({"tests"}))
        assert await due_of(bench) == set()


async def test_what_a_queue_asked_for_is_not_put_off_by_constant_news_of_another(
    database_url: str, redis_url: str
) -> None:
    async with open_bench(database_url, redis_url) as bench, relay_of_two(bench, redis_url) as (relay, time):
        everywhere_in = await relay.release()
        rest = await relay.release(frozenset({"alpha"}))
        assert 0 < rest < everywhere_in / 5
        await submit_apart(bench, ("alpha",))
        time.pass_by(rest)
        await relay.release(frozenset({"tests"}))
        assert await due_of(bench) == set()


async def test_who_has_sent_all_that_was_due_rests_a_little_and_who_has_not_goes_on(
    database_url: str, redis_url: str, sender: Sender
) -> None:
    async with open_bench(database_url, redis_url) as bench:
        relay = Relay(bench.use, sender, queues=QUEUES)
        async with bench.use.database.begin() as tx:
            await submit(tx, make_job())
        assert 0 < await relay.release() < 0.1
        async with bench.use.database.begin() as tx:
            await submit(tx, *(make_job() for _ in range(LEAST)))
        assert await relay.release() == 0


async def test_what_the_broker_does_not_take_stays_due(database_url: str, redis_url: str) -> None:
    nowhere = sender_to("redis://127.0.0.1:1/0")
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            [job] = await submit(tx)
        with pytest.raises(BrokerDown):
            await Relay(bench.use, nowhere, queues=QUEUES).release()
        assert (await stored(bench.use.database, job)).state is State.QUEUED
        async with bench.use.database.read() as tx:
            assert (await tx.execute(text("SELECT stage FROM outbox"))).scalar_one() == "due"
    nowhere.close()


async def test_a_sender_finds_the_broker_again_when_it_is_back(
    database_url: str, redis_url: str, sender: Sender
) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            await submit(tx)
        await Relay(bench.use, sender, queues=QUEUES).release()
        with redis.Redis.from_url(redis_url) as client:
            client.client_kill_filter(skipme=True, _type="normal")
        async with bench.use.database.begin() as tx:
            [job] = await submit(tx)
        for _ in range(3):
            try:
                await Relay(bench.use, sender, queues=QUEUES).release()
            except BrokerDown:
                continue
            break
        assert [job.id] in sent_ids(redis_url)


async def test_a_delayed_job_is_sent_when_it_is_due_and_the_relay_knows_how_long_that_is(
    database_url: str, redis_url: str, sender: Sender
) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            [job] = await submit(tx, make_job(delay=timedelta(milliseconds=120)))
        pause = await Relay(bench.use, sender, queues=QUEUES).release()
        assert 0 < pause <= 0.12
        assert sent_ids(redis_url) == []
        async with bench.use.database.begin() as tx:
            await tx.execute(text("UPDATE outbox SET due_at = now()"))
        await Relay(bench.use, sender, queues=QUEUES).release()
        assert sent_ids(redis_url) == [[job.id]]


def test_many_jobs_go_together_a_kind_a_bell_in_their_order() -> None:
    many = [Due(job_id=f"job_{n}", tenant_id="t", kind=f"a.{n % 2}", traceparent=None) for n in range(1000)]
    bells = pack(many, sent=Counter(), most_ids=500)
    assert max(len(bell.ids) for bell in bells) == 100
    assert sorted(one for bell in bells for one in bell.ids) == sorted(due.job_id for due in many)
    assert all(int(one.removeprefix("job_")) % 2 == int(bell.kind[-1]) for bell in bells for one in bell.ids)
    assert bells[0].ids[:2] == ("job_0", "job_2")
    crowded = Counter({"t": FEW})
    assert [bell.ids for bell in pack(many[:3], sent=crowded, most_ids=1)] == [("job_0",), ("job_2",), ("job_1",)]


def test_whose_jobs_are_few_stands_in_the_front_and_whose_are_more_in_the_back() -> None:
    due = [Due(job_id=f"job_{n}", tenant_id=tenant, kind="a.a", traceparent=None) for n, tenant in enumerate("abca")]
    bells = pack(due, sent=Counter(a=FEW - 1, b=FEW - 1, c=0), most_ids=100)
    assert [(bell.line, bell.ids) for bell in bells] == [
        (FRONT, ("job_1",)),
        (FRONT, ("job_2",)),
        (BACK, ("job_0", "job_3")),
    ]


async def test_a_queue_of_a_newer_release_holds_up_no_other(database_url: str, redis_url: str, sender: Sender) -> None:
    async with open_bench(database_url, redis_url) as bench:
        async with bench.use.database.begin() as tx:
            _, known = await submit(tx, make_job(), make_job())
            await tx.execute(text("UPDATE outbox SET queue = 'alpha' WHERE job_id <> :id"), {"id": known.id})
        await Relay(bench.use, sender, queues=QUEUES).release()
        assert sent_ids(redis_url) == [[known.id]]
