from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import text

from domain.durations import parse_duration, spell_duration
from tests.support.called_api import STRANGER, USER, VIEWER, CalledApi, open_api

JOB: dict[str, Any] = {
    "kind": "text.summarize",
    "input": {"text": "The harbour bridge reopened on Monday.", "max_chars": 80},
}
NIGHTLY: dict[str, Any] = {"name": "Nightly", "cron": "30 2 * * *", "timezone": "Europe/Berlin", "job": JOB}


@pytest.fixture
async def api(database_url: str, redis_url: str) -> AsyncIterator[CalledApi]:
    async with open_api(database_url, redis_url) as opened:
        yield opened


async def make(api: CalledApi, **changed: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    answer = await api.call("POST", "/v1/schedules", NIGHTLY | changed)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_a_schedule_is_made_and_tells_its_next_five_runs(api: CalledApi) -> None:
    answer = await api.call("POST", "/v1/schedules", NIGHTLY)
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/schedules/{made['id']}"
    assert (await api.call("GET", answer.headers["location"])).json() == made
    assert (made["name"], made["cron"], made["every"], made["timezone"]) == (
        "Nightly",
        "30 2 * * *",
        None,
        "Europe/Berlin",
    )
    assert (made["overlap"], made["catch_up"], made["jitter"], made["paused"]) == ("skip", "last", None, False)
    assert made["job"]["kind"] == "text.summarize"
    assert made["job"]["input"] == JOB["input"] | {"language": None}
    runs = [moment(run) for run in made["next_runs"]]
    assert len(runs) == 5
    assert all(run.endswith("Z") for run in made["next_runs"])
    assert all(timedelta(hours=23) <= later - earlier <= timedelta(hours=25) for earlier, later in pairwise(runs))


async def test_an_interval_counts_from_its_start_and_stops_at_its_end(api: CalledApi) -> None:
    start = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    made = await make(
        api,
        cron=None,
        every="1h30m",
        jitter="10s",
        starts_at=start.isoformat(),
        ends_at=(start + timedelta(hours=4)).isoformat(),
    )
    assert (made["every"], made["jitter"]) == ("1h30m", "10s")
    assert [moment(run) for run in made["next_runs"]] == [start + timedelta(minutes=90 * n) for n in range(3)]


async def test_every_option_of_the_job_is_kept(api: CalledApi) -> None:
    options = {
        "priority": 5,
        "tags": ["a"],
        "metadata": {"k": "v"},
        "expires_in": "1d",
        "timeout": "90s",
        "max_attempts": 2,
        "concurrency_key": "one",
    }
    made = await make(api, job=JOB | options)
    shown = {name: made["job"][name] for name in options}
    assert shown == options | {"timeout": "1m30s"}


@pytest.mark.parametrize(
    ("changed", "pointers"),
    [
        ({"cron": "61 * * * *", "timezone": "Atlantis"}, ["/cron", "/timezone"]),
        ({"cron": "* * *"}, ["/cron"]),
        ({"cron": None}, ["/cron"]),
        ({"every": "5m"}, ["/every"]),
        ({"cron": None, "every": "10ms"}, ["/every"]),
        ({"cron": None, "every": "five"}, ["/every"]),
        ({"jitter": "48h"}, ["/jitter"]),
        ({"starts_at": "2030-01-02T00:00:00Z", "ends_at": "2030-01-01T00:00:00Z"}, ["/ends_at"]),
        ({"starts_at": "9999-01-01T00:00:00Z"}, ["/starts_at"]),
        ({"starts_at": "2030-01-01T00:00:00"}, ["/starts_at"]),
        ({"overlap": "queue"}, ["/overlap"]),
        ({"job": JOB | {"timeout": "48h"}}, ["/job/timeout"]),
        ({"job": JOB | {"run_at": "2030-01-01T00:00:00Z"}}, ["/job/run_at"]),
        ({"job": {"kind": "text.summarize", "input": {"text": 1}}}, ["/job/input/text"]),
        ({"job": {"kind": "chat.reply", "input": {}}}, ["/job/kind"]),
        ({"name": ""}, ["/name"]),
        ({"surprise": 1}, ["/surprise"]),
    ],
)
async def test_what_is_no_schedule_is_refused_by_its_fields(
    api: CalledApi, changed: dict[str, Any], pointers: list[str]
) -> None:
    answer = await api.call("POST", "/v1/schedules", NIGHTLY | changed)
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers


async def test_schedules_are_listed_page_by_page(api: CalledApi) -> None:
    ids = [(await make(api, name=f"{n}"))["id"] for n in range(3)]
    first = (await api.call("GET", "/v1/schedules", limit=2)).json()
    rest = (await api.call("GET", "/v1/schedules", limit=2, cursor=first["next_cursor"])).json()
    assert [item["id"] for item in [*first["items"], *rest["items"]]] == ids[::-1]
    assert rest["next_cursor"] is None


async def test_a_change_leaves_what_it_does_not_name(api: CalledApi) -> None:
    made = await make(api, jitter="5s")
    changed = (await api.call("PATCH", f"/v1/schedules/{made['id']}", {"name": "Renamed", "jitter": None})).json()
    assert changed == made | {"name": "Renamed", "jitter": None, "updated_at": changed["updated_at"]}
    hourly = (await api.call("PATCH", f"/v1/schedules/{made['id']}", {"every": "1h"})).json()
    assert (hourly["cron"], hourly["every"]) == (None, "1h")
    assert moment(hourly["next_runs"][0]) - moment(hourly["updated_at"]) <= timedelta(hours=1)
    wrong = await api.call("PATCH", f"/v1/schedules/{made['id']}", {"cron": "0 0 * * *", "every": "1h"})
    assert wrong.status_code == 422


async def test_an_interval_keeps_its_beat_through_changes_of_other_things(api: CalledApi) -> None:
    made = await make(api, cron=None, every="1h")
    changed = (await api.call("PATCH", f"/v1/schedules/{made['id']}", {"timezone": "Asia/Tokyo"})).json()
    assert changed["next_runs"] == made["next_runs"]


async def test_a_pause_has_no_next_runs_and_resuming_begins_anew(api: CalledApi) -> None:
    made = await make(api, cron=None, every="1h")
    for _ in range(2):
        paused = (await api.call("POST", f"/v1/schedules/{made['id']}/pause")).json()
        assert (paused["paused"], paused["next_runs"]) == (True, [])
    async with api.database.begin() as tx:
        await tx.execute(
            text("UPDATE schedules SET next_at = next_at - interval '9 h', anchor = anchor - interval '9 h'")
        )
    for _ in range(2):
        resumed = (await api.call("POST", f"/v1/schedules/{made['id']}/resume")).json()
        assert resumed["paused"] is False
        assert resumed["next_runs"] == made["next_runs"]


async def test_a_trigger_submits_the_job_at_once_and_is_on_record(api: CalledApi) -> None:
    made = await make(api, paused=True, job=JOB | {"priority": 3})
    answer = await api.call("POST", f"/v1/schedules/{made['id']}/trigger")
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["kind"], job["state"], job["priority"], job["schedule_id"]) == (
        "text.summarize",
        "queued",
        3,
        made["id"],
    )
    [run] = (await api.call("GET", f"/v1/schedules/{made['id']}/runs")).json()["items"]
    assert (run["job_id"], run["outcome"], run["by_hand"]) == (job["id"], "submitted", True)
    [listed] = (await api.call("GET", "/v1/jobs", schedule_id=made["id"])).json()["items"]
    assert listed["id"] == job["id"]


async def test_a_trigger_waits_when_asked_to(api: CalledApi) -> None:
    made = await make(api)
    answer = await api.call("POST", f"/v1/schedules/{made['id']}/trigger", prefer="wait=1")
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "wait=1"


async def test_runs_are_listed_page_by_page(api: CalledApi) -> None:
    made = await make(api)
    jobs = [(await api.call("POST", f"/v1/schedules/{made['id']}/trigger")).json()["id"] for _ in range(3)]
    path = f"/v1/schedules/{made['id']}/runs"
    first = (await api.call("GET", path, limit=2)).json()
    rest = (await api.call("GET", path, limit=2, cursor=first["next_cursor"])).json()
    assert [item["job_id"] for item in [*first["items"], *rest["items"]]] == jobs[::-1]


async def test_a_deleted_schedule_is_gone_and_its_jobs_stay(api: CalledApi) -> None:
    made = await make(api)
    job = (await api.call("POST", f"/v1/schedules/{made['id']}/trigger")).json()
    assert (await api.call("DELETE", f"/v1/schedules/{made['id']}")).status_code == 204
    assert (await api.call("GET", f"/v1/schedules/{made['id']}")).status_code == 404
    assert (await api.call("DELETE", f"/v1/schedules/{made['id']}")).status_code == 404
    assert (await api.call("GET", f"/v1/jobs/{job['id']}")).json()["schedule_id"] == made["id"]


async def test_another_tenant_finds_nothing(api: CalledApi) -> None:
    made = await make(api)
    path = f"/v1/schedules/{made['id']}"
    calls = [
        ("GET", path),
        ("PATCH", path),
        ("DELETE", path),
        ("GET", f"{path}/runs"),
        *(("POST", f"{path}/{verb}") for verb in ("pause", "resume", "trigger")),
    ]
    for method, called in calls:
        answer = await api.call(method, called, {"name": "x"} if method == "PATCH" else None, by=STRANGER)
        assert (answer.status_code, answer.json()["code"]) == (404, "schedule_not_found"), called
    assert (await api.call("GET", "/v1/schedules", by=STRANGER)).json()["items"] == []
    assert (await api.call("GET", "/v1/schedules/no-id")).status_code == 404


@pytest.mark.parametrize("by", [USER, VIEWER])
async def test_who_may_only_see_schedules_changes_none(api: CalledApi, by: str) -> None:
    made = await make(api)
    assert (await api.call("GET", f"/v1/schedules/{made['id']}", by=by)).status_code == 200
    refused = [
        await api.call("POST", "/v1/schedules", NIGHTLY, by=by),
        await api.call("PATCH", f"/v1/schedules/{made['id']}", {"name": "x"}, by=by),
        await api.call("POST", f"/v1/schedules/{made['id']}/trigger", by=by),
        await api.call("DELETE", f"/v1/schedules/{made['id']}", by=by),
    ]
    assert [answer.status_code for answer in refused] == [403] * 4


@pytest.mark.parametrize("spelled", ["0s", "1ms", "30s", "1h30m", "1d", "2d1h1m1s1ms"])
def test_a_duration_is_spelled_as_it_is_read(spelled: str) -> None:
    assert spell_duration(parse_duration(spelled)) == spelled
