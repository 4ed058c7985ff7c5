"""What a request sent again is answered: as the first was, or, if it waits, with its job as it is by then."""

import asyncio
from datetime import timedelta

from sqlalchemy import text

from domain.jobs.job import JobError
from domain.jobs.state import State
from domain.jobs.verdict import Verdict
from tests.api.conftest import SUMMARIZE, House
from tests.api.test_idempotency import message_and_trigger, post

DOWN = JobError(code="ai_unavailable", title="Down", detail="It is down.", retryable=True)
DONE = Verdict(state=State.SUCCEEDED, result=b'{"summary":"short"}')


async def test_what_is_accepted_says_where_and_when_to_look_the_first_time_and_again(house: House) -> None:
    hook = {"url": "https://93.184.216.34/hooks", "events": ["job.failed"]}
    webhook = f"/v1/webhooks/{(await house.client.post('/v1/webhooks', json=hook)).json()['id']}"
    delivery = (await house.client.post(f"{webhook}/test")).json()["id"]
    for path, body in [
        ("/v1/jobs", SUMMARIZE),
        ("/v1/batches", {"jobs": [SUMMARIZE]}),
        ("/v1/bulk-actions", {"action": "cancel", "filter": {"tag": "none"}}),
        (f"{webhook}/test", None),
        (f"{webhook}/deliveries/{delivery}/redeliver", None),
    ]:
        first, again = await post(house, path, body), await post(house, path, body)
        assert (first.status_code, again.json()) == (202, first.json()), path
        for header in ("location", "retry-after"):
            assert first.headers[header] == again.headers[header], (path, header)


async def test_a_replay_is_the_first_answer_whatever_became_of_the_job_since(house: House) -> None:
    first = await post(house, "/v1/jobs", SUMMARIZE)
    lease = await house.claim(first.json()["id"])
    await house.settle(first.json()["id"], lease, Verdict(state=State.SCHEDULED, error=DOWN, delay=timedelta(hours=1)))
    for _ in range(2):
        again = await post(house, "/v1/jobs", SUMMARIZE)
        assert (again.status_code, again.json()) == (202, first.json())
        for header in ("etag", "location", "retry-after"):
            assert again.headers[header] == first.headers[header]
        await house.client.post(f"/v1/jobs/{first.json()['id']}/cancel")
    assert (await house.client.get(f"/v1/jobs/{first.json()['id']}")).json()["state"] == "cancelled"


async def test_a_replay_shows_when_the_job_was_to_run(house: House) -> None:
    body = {**SUMMARIZE, "delay": "2h", "expires_in": "3h"}
    first = await post(house, "/v1/jobs", body)
    async with house.database.begin() as tx:
        await tx.execute(text("UPDATE jobs SET state = 'queued', run_at = now() + interval '5 s', seq = 1"))
    again = await post(house, "/v1/jobs", body)
    assert (again.status_code, again.json(), again.headers["etag"]) == (202, first.json(), '"0"')
    assert first.json()["state"] == "scheduled"


async def test_messages_and_triggered_jobs_are_replayed_as_they_were_accepted(house: House) -> None:
    for path, body in await message_and_trigger(house):
        first = await post(house, path, body)
        assert (await house.client.post(f"/v1/jobs/{first.json()['id']}/cancel")).status_code == 200
        again = await post(house, path, body)
        assert (again.status_code, again.json()) == (202, first.json())


async def test_a_replay_that_waits_shows_the_job_as_it_is_now(house: House) -> None:
    job = (await post(house, "/v1/jobs", SUMMARIZE)).json()
    waiting = asyncio.create_task(post(house, "/v1/jobs", SUMMARIZE, Prefer="wait=20"))
    await asyncio.sleep(0)
    await house.run(job["id"], DONE)
    answer = await waiting
    assert (answer.status_code, answer.json()["state"]) == (200, "succeeded")
    assert (await post(house, "/v1/jobs", SUMMARIZE, Prefer="wait=0")).status_code == 200
    assert (await post(house, "/v1/jobs", SUMMARIZE)).status_code == 202
