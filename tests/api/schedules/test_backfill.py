"""Backfill: a window of past firings is run, each firing once, whoever asks and however often."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from domain.schedules.schedule import firing_id
from runtime.wakeups import open_wakeups
from schedules.tick import tick
from tests.support.called_api import STRANGER, USER, CalledApi, open_api

JOB: dict[str, Any] = {"kind": "text.summarize", "input": {"text": "The harbour bridge reopened on Monday."}}


@pytest.fixture
async def api(database_url: str, redis_url: str) -> AsyncIterator[CalledApi]:
    async with open_api(database_url, redis_url) as opened:
        yield opened


class Hourly:
    """A schedule that fires each hour since five hours ago, of which nothing has run."""

    def __init__(self, api: CalledApi, made: dict[str, Any], start: datetime) -> None:
        self.api = api
        self.id = str(made["id"])
        self.path = f"/v1/schedules/{self.id}"
        self.start = start

    def hour(self, number: int) -> str:
        return (self.start + timedelta(hours=number)).isoformat()

    async def backfill(self, **body: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
        answer = await self.api.call("POST", f"{self.path}/backfill", {"starts_at": self.hour(0)} | body)
        assert answer.status_code == (200 if body.get("dry_run") else 202), answer.text
        done: dict[str, Any] = answer.json()
        assert done["firings"] == done["ran_before"] + done["submitted"]
        return done

    async def runs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.api.call("GET", f"{self.path}/runs")).json()["items"]
        return found[::-1]

    async def jobs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.api.call("GET", "/v1/jobs", schedule_id=self.id)).json()["items"]
        return found[::-1]


async def make(api: CalledApi, **changed: Any) -> Hourly:  # noqa: ANN401 - any field
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=4, minutes=30)
    body = {"name": "Hourly", "every": "1h", "starts_at": start.isoformat(), "job": JOB, "overlap": "allow"} | changed
    answer = await api.call("POST", "/v1/schedules", body)
    assert answer.status_code == 201, answer.text
    return Hourly(api, answer.json(), start)


async def test_the_firings_of_a_window_are_run_in_their_order(api: CalledApi) -> None:
    hourly = await make(api, job=JOB | {"priority": 7, "tags": ["late"]}, paused=True)
    done = await hourly.backfill(starts_at=hourly.hour(1), ends_at=hourly.hour(3))
    assert (done["schedule_id"], done["dry_run"], done["firings"], done["submitted"]) == (hourly.id, False, 2, 2)
    assert [moment(done[name]) for name in ("starts_at", "ends_at")] == [moment(hourly.hour(hour)) for hour in (1, 3)]
    jobs = await hourly.jobs()
    assert [job["id"] for job in jobs] == [firing_id(hourly.id, moment(hourly.hour(hour))) for hour in (1, 2)]
    assert {(job["state"], job["priority"], *job["tags"]) for job in jobs} == {("queued", 7, "late")}
    assert sorted(jobs, key=lambda job: str(job["run_at"])) == jobs
    assert moment(jobs[0]["run_at"]) > datetime.now(UTC) - timedelta(minutes=5)
    runs = await hourly.runs()
    assert [(moment(run["fire_at"]), run["job_id"]) for run in runs] == [
        (moment(hourly.hour(hour)), job["id"]) for hour, job in zip((1, 2), jobs, strict=True)
    ]
    assert {(run["outcome"], run["by_hand"], run["backfilled"]) for run in runs} == {("submitted", False, True)}
    assert (await api.call("GET", done["links"]["runs"])).json()["items"] == runs[::-1]


async def test_what_ran_does_not_run_again(api: CalledApi) -> None:
    hourly = await make(api)
    assert (await hourly.backfill(ends_at=hourly.hour(2)))["submitted"] == 2
    again = await hourly.backfill()
    assert (again["firings"], again["ran_before"], again["submitted"]) == (5, 2, 3)
    assert (await hourly.backfill())["submitted"] == 0
    assert len(await hourly.jobs()) == 5


async def test_two_backfills_at_once_run_each_firing_once(api: CalledApi) -> None:
    hourly = await make(api)
    done = await asyncio.gather(*(hourly.backfill() for _ in range(8)))
    assert sorted(one["submitted"] for one in done) == [0] * 7 + [5]
    assert len(await hourly.jobs()) == 5


async def test_a_backfill_beside_the_clock_runs_each_firing_once(api: CalledApi, redis_url: str) -> None:
    hourly = await make(api, catch_up="all")
    async with api.database.begin() as tx:
        await tx.execute(text("UPDATE schedules SET next_at = :start"), {"start": hourly.start})
    wakeups = open_wakeups(redis_url)
    await asyncio.gather(*(hourly.backfill() for _ in range(3)), *(tick(api.database, wakeups) for _ in range(3)))
    await wakeups.close()
    assert len(await hourly.jobs()) == len(await hourly.runs()) == 5


async def test_what_was_missed_skipped_or_refused_is_run(api: CalledApi) -> None:
    hourly = await make(api)
    outcomes = ("missed", "skipped", "refused")
    async with api.database.begin() as tx:
        for hour, outcome in enumerate(outcomes):
            await tx.execute(
                text(
                    "INSERT INTO schedule_runs (schedule_id, fire_at, outcome, by_hand, detail)"
                    " VALUES (:id, :at, :outcome, false, 'Because.')"
                ),
                {"id": hourly.id, "at": moment(hourly.hour(hour)), "outcome": outcome},
            )
    assert (await hourly.backfill(ends_at=hourly.hour(3)))["submitted"] == 3
    runs = await hourly.runs()
    assert {(run["outcome"], run["backfilled"], run["detail"]) for run in runs} == {("submitted", True, None)}
    assert [run["job_id"] for run in runs] == [job["id"] for job in await hourly.jobs()]


async def test_a_firing_whose_record_is_gone_is_known_by_its_job(api: CalledApi) -> None:
    hourly = await make(api)
    await hourly.backfill(ends_at=hourly.hour(2))
    async with api.database.begin() as tx:
        await tx.execute(text("DELETE FROM schedule_runs"))
        first = await tx.execute(text("DELETE FROM jobs WHERE id = (SELECT min(id) FROM jobs) RETURNING id, tenant_id"))
        await tx.execute(text("INSERT INTO pruned (id, tenant_id) VALUES (:id, :tenant_id)"), first.one()._asdict())
    assert (await hourly.backfill(ends_at=hourly.hour(3)))["submitted"] == 1


async def test_a_dry_run_counts_and_runs_nothing(api: CalledApi) -> None:
    hourly = await make(api)
    await hourly.backfill(ends_at=hourly.hour(1))
    done = await hourly.backfill(dry_run=True)
    assert (done["dry_run"], done["firings"], done["ran_before"], done["submitted"]) == (True, 5, 1, 4)
    assert len(await hourly.jobs()) == 1


@pytest.mark.parametrize("overlap", ["allow", "skip", "cancel_other"])
async def test_the_clock_goes_on_beside_a_backfill(api: CalledApi, redis_url: str, overlap: str) -> None:
    hourly = await make(api, overlap=overlap)
    await hourly.backfill(ends_at=hourly.hour(4))
    async with api.database.begin() as tx:
        keys = set((await tx.execute(text("SELECT concurrency_key FROM jobs"))).scalars())
        await tx.execute(text("UPDATE schedules SET next_at = :at"), {"at": moment(hourly.hour(4))})
    assert keys == {None if overlap == "allow" else hourly.id}
    wakeups = open_wakeups(redis_url)
    await tick(api.database, wakeups)
    await wakeups.close()
    assert [job["state"] for job in await hourly.jobs()] == ["queued"] * 5
    assert [run["backfilled"] for run in await hourly.runs()] == [True] * 4 + [False]


async def test_jobs_of_a_key_of_their_own_keep_it(api: CalledApi) -> None:
    hourly = await make(api, overlap="skip", job=JOB | {"concurrency_key": "mine"})
    await hourly.backfill()
    async with api.database.read() as tx:
        assert set((await tx.execute(text("SELECT concurrency_key FROM jobs"))).scalars()) == {"mine"}


async def test_a_backfill_sent_again_with_its_key_is_the_first_answer(api: CalledApi) -> None:
    hourly = await make(api)
    body, key = {"starts_at": hourly.hour(0)}, {"Idempotency-Key": "once"}
    first = await api.call("POST", f"{hourly.path}/backfill", body, more=key)
    again = await api.call("POST", f"{hourly.path}/backfill", body, more=key)
    assert first.json() == again.json()
    assert (first.json()["submitted"], again.status_code, again.headers["idempotency-replayed"]) == (5, 202, "true")
    other = await api.call("POST", f"{hourly.path}/backfill", {"starts_at": hourly.hour(1)}, more=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_window_that_is_none_is_refused_by_its_fields(api: CalledApi) -> None:
    hourly = await make(api)
    for body, pointers in (
        ({}, ["/starts_at"]),
        ({"starts_at": "yesterday"}, ["/starts_at"]),
        ({"starts_at": "2026-11-01T00:00:00"}, ["/starts_at"]),
        ({"starts_at": (datetime.now(UTC) - timedelta(days=30, minutes=1)).isoformat()}, ["/starts_at"]),
        ({"starts_at": hourly.hour(1), "ends_at": hourly.hour(1)}, ["/ends_at"]),
        ({"starts_at": hourly.hour(1), "ends_at": hourly.hour(0)}, ["/ends_at"]),
        ({"starts_at": hourly.hour(0), "dry_run": "no", "surprise": 1}, ["/surprise", "/dry_run"]),
    ):
        answer = await api.call("POST", f"{hourly.path}/backfill", body)
        assert answer.status_code == 422, (body, answer.text)
        assert [error["pointer"] for error in answer.json()["errors"]] == pointers, body
    assert await hourly.jobs() == []


async def test_nothing_was_due_when_an_interval_was_made(api: CalledApi) -> None:
    hourly = await make(api, starts_at=None)
    assert (await hourly.backfill())["firings"] == 0
    daily = await make(api, every=None, cron="* * * * *", starts_at=None)
    assert (await daily.backfill(ends_at=daily.hour(1)))["firings"] > 0


async def test_an_end_to_come_is_now(api: CalledApi) -> None:
    hourly = await make(api)
    done = await hourly.backfill(ends_at=(datetime.now(UTC) + timedelta(days=1)).isoformat())
    assert done["submitted"] == 5
    assert moment(done["ends_at"]) <= datetime.now(UTC) + timedelta(seconds=5)


async def test_a_window_that_is_still_to_come_holds_nothing(api: CalledApi) -> None:
    hourly = await make(api)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for start in (tomorrow, "9999-12-31T23:59:59-10:00"):  # the second is no time in UTC
        done = await hourly.backfill(starts_at=start)
        assert (done["firings"], done["starts_at"]) == (0, done["ends_at"])
    assert await hourly.jobs() == []


async def test_a_window_of_too_many_firings_is_refused_with_one_that_fits(api: CalledApi) -> None:
    hourly = await make(api, every="1s")
    answer = await api.call("POST", f"{hourly.path}/backfill", {"starts_at": hourly.hour(0)})
    assert (answer.status_code, answer.json()["code"]) == (422, "backfill_too_large")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/ends_at"]
    fits = hourly.start + timedelta(seconds=1000)
    assert f"{fits:%Y-%m-%dT%H:%M:%SZ}" in answer.json()["detail"]
    assert (await hourly.backfill(ends_at=fits.isoformat()))["submitted"] == 1000


async def test_a_job_that_would_be_refused_runs_no_firing(api: CalledApi) -> None:
    hourly = await make(api)
    async with api.database.begin() as tx:
        await tx.execute(text("""UPDATE schedules SET input = '{"txt": 1}'"""))
    answer = await api.call("POST", f"{hourly.path}/backfill", {"starts_at": hourly.hour(0)})
    assert (answer.status_code, answer.json()["code"]) == (409, "scheduled_job_refused")
    assert await hourly.runs() == []


async def test_nobody_else_backfills(api: CalledApi) -> None:
    hourly = await make(api)
    body = {"starts_at": hourly.hour(0)}
    foreign = await api.call("POST", f"{hourly.path}/backfill", body, by=STRANGER)
    assert (foreign.status_code, foreign.json()["code"]) == (404, "schedule_not_found")
    assert (await api.call("POST", f"{hourly.path}/backfill", body, by=USER)).status_code == 403
    assert await hourly.jobs() == []


def moment(spelled: str) -> datetime:
    return datetime.fromisoformat(spelled)
