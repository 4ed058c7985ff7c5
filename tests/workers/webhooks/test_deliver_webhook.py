"""Deliveries, from the end of a job to what a receiver on loopback heard of it. Long because it is one story."""

import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from standardwebhooks import WebhookVerificationError

from domain.jobs.job import Job
from domain.jobs.verdict import Reject
from domain.webhooks.deliver_webhook import DELIVER_WEBHOOK
from domain.webhooks.endpoint import Endpoint, EndpointState
from providers.http.outbound import Outbound
from providers.http.target import Rules
from runtime.secret_box import signing_secret
from storage.database import Database
from storage.jobs import cancel_jobs, expire_jobs
from storage.webhooks import rotate_secret, rotate_signer
from tests.support.bench import execute, open_bench
from tests.support.jobs import TENANT, Ask, Reply, make_job, submit
from tests.support.receiver import Receiver, answer, receiver
from tests.support.ssrf_forms import FORMS, resolve
from tests.support.webhooks import SECRET, deliver_all, deliveries, endpoint_now, job_in, make_endpoint, verify
from workers.context import Context
from workers.execute import Bench
from workers.handlers import bind
from workers.prune import prune
from workers.rescue import rescue_lapsed
from workers.webhooks.deliver_webhook import deliver_webhook

# an id begins with the time: this one's was in the year 2025
_AGED = "UPDATE webhook_deliveries SET id = overlay(id placing '0198c0de0000' from 5)"

OpenBench = Callable[..., AbstractAsyncContextManager[Bench]]


async def reply(ask: Ask, ctx: Context) -> Reply:
    if ask.question == "no":
        raise Reject("said_no", "No is no.")
    return Reply(text=f"{ask.question}! ä {2.5}")


@pytest.fixture
def bench_of(database_url: str, redis_url: str) -> OpenBench:
    @asynccontextmanager
    async def opened(**options: Any) -> AsyncIterator[Bench]:  # noqa: ANN401 - any of the bench's
        options.setdefault("outbound", Outbound(Rules(loopback=True)))
        binding = bind(DELIVER_WEBHOOK, deliver_webhook)
        async with open_bench(database_url, redis_url, binding, ask=reply, **options) as bench:
            yield bench

    return opened


async def run_job(bench: Bench, question: str = "why?", **options: Any) -> Job:  # noqa: ANN401 - any of JobOptions
    async with bench.use.database.begin() as tx:
        [job] = await submit(tx, make_job(given=Ask(question=question), **options))
    await execute([job.id], bench)
    return job


async def endpoint_of(bench: Bench, it: Receiver, *events: str) -> Endpoint:
    async with bench.use.database.begin() as tx:
        return await make_endpoint(tx, it.url, *events, box=bench.use.secrets)


async def test_the_end_of_a_job_is_told_once_signed_and_as_the_api_shows_the_job(bench_of: OpenBench) -> None:
    async with bench_of() as bench, receiver() as it:
        await endpoint_of(bench, it, "job.*")
        job = await run_job(bench)
        await deliver_all(bench)
        await deliver_all(bench)  # a delivery is a job, and nobody is told of its end
        [delivery] = await deliveries(bench.use.database)
    [came] = it.came
    told = verify(came)
    assert came.headers["webhook-id"] == told["id"] == delivery.notice_id
    assert (told["type"], told["subject"], told["specversion"]) == ("job.succeeded", job.id, "1.0")
    assert came.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert (job_in(told)["result"], job_in(told)["state"]) == ({"text": "why?! ä 2.5"}, "succeeded")
    assert job_in(told)["links"]["self"] == f"/v1/jobs/{job.id}"
    assert (delivery.job_state, delivery.status_code, delivery.answer, delivery.tries) == ("succeeded", 200, "ok", 1)


async def test_a_failure_is_told_with_its_attempts(bench_of: OpenBench) -> None:
    async with bench_of() as bench, receiver() as it:
        await endpoint_of(bench, it)
        await run_job(bench, "no")
        await deliver_all(bench)
    told = verify(it.came[0])
    assert told["type"] == "job.failed"
    assert job_in(told)["error"]["code"] == "said_no"
    assert [one["code"] for one in job_in(told)["error"]["attempts"]] == ["said_no"]


async def test_cancelled_and_expired_jobs_and_those_that_killed_their_workers_are_told(bench_of: OpenBench) -> None:
    async with bench_of() as bench, receiver() as it:
        await endpoint_of(bench, it)
        async with bench.use.database.begin() as tx:
            cancelled, expiring, crashing = await submit(
                tx, make_job(), make_job(expires_in=timedelta(milliseconds=1)), make_job()
            )
            await cancel_jobs(tx, TENANT, [cancelled.id])
        async with bench.use.database.begin() as tx:
            moved = await expire_jobs(tx, limit=10)
            assert moved.frees  # the relay is told, for there is something to send
            await tx.execute(
                text("""UPDATE jobs SET state = 'running', attempt = 1, lease = 'x', crashes = 2, worker = 'w',
                    started_at = now(), lease_until = now() - interval '1 second' WHERE id = :id"""),
                {"id": crashing.id},
            )
        await rescue_lapsed(bench.use)
        await deliver_all(bench)
    told = {verify(came)["subject"]: verify(came)["type"] for came in it.came}
    assert told == {cancelled.id: "job.cancelled", expiring.id: "job.expired", crashing.id: "job.failed"}


async def test_what_is_rolled_back_is_told_to_nobody(bench_of: OpenBench) -> None:
    async with bench_of() as bench, receiver() as it:
        await endpoint_of(bench, it)
        async with bench.use.database.begin() as tx:
            [job] = await submit(tx, make_job())
        with contextlib.suppress(TimeoutError):
            async with bench.use.database.begin() as tx:
                assert [one.id for one in await cancel_jobs(tx, TENANT, [job.id])] == [job.id]
                raise TimeoutError
        assert await deliveries(bench.use.database) == []


@pytest.mark.parametrize(("events", "is_told"), [(("job.failed",), False), (("job.succeeded", "order.*"), True)])
async def test_an_endpoint_is_told_what_it_asked_for(
    bench_of: OpenBench, *, events: tuple[str, ...], is_told: bool
) -> None:
    async with bench_of() as bench, receiver() as it:
        await endpoint_of(bench, it, *events)
        await run_job(bench)
        assert bool(await deliveries(bench.use.database)) is is_told


async def test_an_endpoint_of_another_tenant_hears_nothing(bench_of: OpenBench) -> None:
    async with bench_of() as bench, receiver() as it:
        async with bench.use.database.begin() as tx:
            await tx.execute(text("INSERT INTO tenants (id, name) VALUES ('tenant_other', 'other')"))
            await make_endpoint(tx, it.url, box=bench.use.secrets, tenant_id="tenant_other")
        await run_job(bench)
        assert await deliveries(bench.use.database) == []


async def test_a_jobs_own_webhook_is_signed_with_the_tenants_secret_and_for_a_day_with_the_one_before(
    bench_of: OpenBench,
) -> None:
    async with bench_of() as bench, receiver() as it:
        first, second = (signing_secret(bench.use.secrets, TENANT, generation) for generation in (1, 2))
        job = await run_job(bench, webhook_url=it.url)
        await deliver_all(bench)
        assert verify(it.came[0], first)["subject"] == job.id
        async with bench.use.database.begin() as tx:
            await rotate_signer(tx, TENANT)
        await run_job(bench, webhook_url=it.url)
        await deliver_all(bench)
        assert verify(it.came[1], first) == verify(it.came[1], second)
        async with bench.use.database.begin() as tx:
            await tx.execute(text("UPDATE webhook_signers SET rotated_at = now() - interval '24 hours 1 second'"))
        await run_job(bench, webhook_url=it.url)
        await deliver_all(bench)
        verify(it.came[2], second)
        with pytest.raises(WebhookVerificationError):
            verify(it.came[2], first)


async def test_after_a_rotation_both_secrets_sign_for_a_day_and_then_the_new_one_alone(bench_of: OpenBench) -> None:
    new = bytes(range(32, 64))
    async with bench_of() as bench, receiver() as it:
        endpoint = await endpoint_of(bench, it)
        async with bench.use.database.begin() as tx:
            await rotate_secret(tx, TENANT, endpoint.id, bench.use.secrets.seal(new, endpoint.id))
        await run_job(bench)
        await deliver_all(bench)
        assert verify(it.came[0], SECRET) == verify(it.came[0], new)
        async with bench.use.database.begin() as tx:
            await tx.execute(text("UPDATE webhook_endpoints SET rotated_at = now() - interval '24 hours 1 second'"))
        await run_job(bench)
        await deliver_all(bench)
        verify(it.came[1], new)
        with pytest.raises(WebhookVerificationError):
            verify(it.came[1], SECRET)


async def test_every_try_sends_the_same_bytes_under_the_same_id_until_they_are_taken(bench_of: OpenBench) -> None:
    async with bench_of() as bench, receiver() as it:
        endpoint = await endpoint_of(bench, it)
        it.answers = [answer(500, body=b"down"), answer(302, "Location: http://127.0.0.1:1/"), answer(204)]
        await run_job(bench)
        await deliver_all(bench)
        [delivery] = await deliveries(bench.use.database)
        assert (delivery.job_state, delivery.status_code, delivery.answer) == ("scheduled", 500, "down")
        assert timedelta(seconds=4) < delivery.wait < timedelta(seconds=6)
        assert (await endpoint_now(bench.use.database, endpoint)).failing_since is not None
        await deliver_all(bench, hurry=True)
        [delivery] = await deliveries(bench.use.database)
        assert (delivery.job_state, delivery.status_code, delivery.code) == ("scheduled", 302, "http_error")
        assert timedelta(minutes=4) < delivery.wait < timedelta(minutes=6)
        await deliver_all(bench, hurry=True)
        [delivery] = await deliveries(bench.use.database)
        assert (delivery.job_state, delivery.tries, delivery.code) == ("succeeded", 3, None)
        assert (await endpoint_now(bench.use.database, endpoint)).failing_since is None
    assert len({(came.headers["webhook-id"], came.body) for came in it.came}) == 1
    for came in it.came:
        verify(came)


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("600", 590, 600),
        ("1", 4, 6),
        ("9" * 30, 86_000, 86_400),
        ("soon", 4, 6),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 4, 6),
        ("Wed, 21 Oct 99999999999 07:28:00 GMT", 4, 6),
    ],
)
async def test_who_asks_to_come_later_is_obeyed_within_a_day_and_nobody_sooner(
    bench_of: OpenBench, asked: str, least: int, most: int
) -> None:
    async with bench_of() as bench, receiver() as it:
        await endpoint_of(bench, it)
        it.answers = [answer(429, f"Retry-After: {asked}")]
        await run_job(bench)
        await deliver_all(bench)
        [delivery] = await deliveries(bench.use.database)
    assert timedelta(seconds=least) <= delivery.wait <= timedelta(seconds=most)
    assert (delivery.status_code, delivery.code) == (429, "http_error")


async def test_who_is_gone_is_sent_nothing_more(bench_of: OpenBench) -> None:
    async with bench_of() as bench, receiver() as it:
        endpoint = await endpoint_of(bench, it)
        it.answers = [answer(410)]
        await run_job(bench)
        await run_job(bench)
        for _ in range(2):
            await deliver_all(bench)
        now = await endpoint_now(bench.use.database, endpoint)
        assert (now.state, now.reason) == (EndpointState.DISABLED, "It answered 410 Gone.")
        await run_job(bench)
        ended = {delivery.ended for delivery in await deliveries(bench.use.database)}
        assert len(await deliveries(bench.use.database)) == 2
    assert ended <= {"endpoint_gone", "endpoint_disabled"}


@pytest.mark.parametrize(("status", "state"), [(410, EndpointState.DISABLED), (503, EndpointState.ACTIVE)])
async def test_a_test_disables_only_who_is_gone(bench_of: OpenBench, status: int, state: EndpointState) -> None:
    async with bench_of() as bench, receiver() as it:
        endpoint = await endpoint_of(bench, it)
        it.answers = [answer(status)]
        await run_job(bench)
        async with bench.use.database.begin() as tx:
            await tx.execute(text("UPDATE webhook_notices SET type = 'webhook.test'"))
        await deliver_all(bench)
        now = await endpoint_now(bench.use.database, endpoint)
    assert (now.state, now.failing_since) == (state, None)


@pytest.mark.parametrize(("hours", "state"), [(59, EndpointState.ACTIVE), (61, EndpointState.DISABLED)])
async def test_who_took_nothing_for_days_is_disabled_when_a_delivery_runs_out_of_tries(
    bench_of: OpenBench, hours: int, state: EndpointState
) -> None:
    async with bench_of() as bench, receiver() as it:
        endpoint = await endpoint_of(bench, it)
        it.answers = [answer(503)]
        await run_job(bench)
        for _ in range(9):
            await deliver_all(bench, hurry=True)
        async with bench.use.database.begin() as tx:
            past = text("UPDATE webhook_endpoints SET failing_since = now() - make_interval(hours => :hours)")
            await tx.execute(past, {"hours": hours})
        assert (await endpoint_now(bench.use.database, endpoint)).state is EndpointState.ACTIVE
        await deliver_all(bench, hurry=True)
        [delivery] = await deliveries(bench.use.database)
        assert (delivery.ended, delivery.tries) == ("attempts_exhausted", 10)
        now = await endpoint_now(bench.use.database, endpoint)
        assert now.state is state
        assert state is EndpointState.ACTIVE or "503" in (now.reason or "")


async def test_nothing_is_sent_to_an_endpoint_that_was_paused_or_deleted_meanwhile(bench_of: OpenBench) -> None:
    async with bench_of() as bench, receiver() as it:
        await endpoint_of(bench, it)
        await run_job(bench)
        async with bench.use.database.begin() as tx:
            await tx.execute(text("UPDATE webhook_endpoints SET state = 'paused'"))
        await deliver_all(bench)
        await run_job(bench)
        [paused] = await deliveries(bench.use.database)
        async with bench.use.database.begin() as tx:
            await tx.execute(text("UPDATE webhook_endpoints SET state = 'active'"))
        await run_job(bench)
        async with bench.use.database.begin() as tx:
            await tx.execute(text("DELETE FROM webhook_endpoints"))
        await deliver_all(bench)
        deleted = (await deliveries(bench.use.database))[-1]
    assert (paused.ended, deleted.ended) == ("endpoint_paused", "endpoint_gone")
    assert it.came == []


async def test_an_attempt_that_dies_after_it_was_taken_is_repeated_recognisably(bench_of: OpenBench) -> None:
    async with receiver() as it:
        async with bench_of(kill_points="hook.after_send=raise") as bench:
            await endpoint_of(bench, it)
            await run_job(bench)
            await deliver_all(bench)
        async with bench_of() as bench:
            await deliver_all(bench, hurry=True)
            [delivery] = await deliveries(bench.use.database)
    assert delivery.job_state == "succeeded"
    assert [came.headers["webhook-id"] for came in it.came] == [delivery.notice_id] * 2


async def test_no_form_of_a_url_is_ever_sent_to(bench_of: OpenBench) -> None:
    async def never(*_: object) -> socket.socket:
        raise AssertionError("a connection was asked for")

    outbound = Outbound(Rules(), resolve=resolve, connect=never)
    async with bench_of(outbound=outbound, slots=32) as bench:
        async with bench.use.database.begin() as tx:
            jobs = await submit(tx, *(make_job(webhook_url=url) for url in FORMS))
            await cancel_jobs(tx, TENANT, [job.id for job in jobs])
        await deliver_all(bench)
        tried = await deliveries(bench.use.database)
    assert len(tried) == len(FORMS)
    assert {delivery.code for delivery in tried} == {"webhook_url_refused", "address_refused"}
    assert {(delivery.tries, delivery.status_code, delivery.job_state) for delivery in tried} == {
        (1, None, "scheduled")
    }


async def test_what_is_too_large_to_send_is_left_out_and_named(bench_of: OpenBench) -> None:
    async with bench_of() as bench, receiver() as it:
        await endpoint_of(bench, it)
        await run_job(bench, "x" * 300_000)
        await deliver_all(bench)
    told = verify(it.came[0])
    assert len(it.came[0].body) < 256 * 1024
    assert job_in(told)["omitted"] == ["input", "result"]
    assert (job_in(told)["input"], job_in(told)["result"]) == (None, None)


async def test_deliveries_go_with_their_jobs_and_notices_with_the_last_of_theirs(bench_of: OpenBench) -> None:
    async with bench_of() as bench, receiver() as it:
        await endpoint_of(bench, it)
        await run_job(bench, webhook_url=it.url)
        await deliver_all(bench)
        database = bench.use.database
        async with database.begin() as tx:
            await tx.execute(text("UPDATE jobs SET finished_at = now() - interval '31 days'"))
        assert (await prune(bench.use, retention_days=30)).deliveries == 0  # made today, whatever became of their jobs
        async with database.begin() as tx:
            await tx.execute(text(f"{_AGED} WHERE endpoint_id IS NULL"))
        assert (await prune(bench.use, retention_days=30)).deliveries == 1
        assert len(await told_of(database)) == 1
        async with database.begin() as tx:
            await tx.execute(text(_AGED))
        assert (await prune(bench.use, retention_days=30)).deliveries == 1
        assert await told_of(database) == []


async def told_of(database: Database) -> list[str]:
    async with database.read() as tx:
        return list((await tx.execute(text("SELECT id FROM webhook_notices"))).scalars())
