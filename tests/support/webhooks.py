"""Endpoints of the tests' tenant, and what became of their deliveries."""

import base64
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from standardwebhooks import Webhook

from domain.jobs.job import Job
from domain.webhooks.endpoint import Endpoint
from runtime.secret_box import SecretBox
from runtime.unique_ids import new_id
from storage.database import Database, Tx
from storage.webhooks import add_endpoint, find_endpoint
from tests.support.bench import execute
from tests.support.jobs import TENANT, USER
from tests.support.receiver import Came
from workers.execute import Bench

SECRET = bytes(range(32))

_DELIVERIES = text("""
SELECT deliveries.*, notices.type, jobs.state AS job_state, jobs.run_at - now() AS wait, jobs.error ->> 'code' AS ended
FROM webhook_deliveries AS deliveries
JOIN webhook_notices AS notices ON notices.id = deliveries.notice_id
JOIN jobs ON jobs.id = deliveries.job_id
ORDER BY deliveries.id
""")

_DUE_NOW = text("""
WITH hurried AS (
    UPDATE jobs SET state = 'queued', run_at = now() WHERE state = 'scheduled' AND kind = 'webhooks.deliver'
    RETURNING id
)
UPDATE outbox SET stage = 'due', due_at = now() FROM hurried WHERE job_id = hurried.id
""")

_LIVE = text("SELECT id FROM jobs WHERE kind = 'webhooks.deliver' AND state = 'queued' ORDER BY id")


async def make_endpoint(
    tx: Tx, url: str, *events: str, box: SecretBox, secret: bytes = SECRET, tenant_id: str = TENANT
) -> Endpoint:
    """An endpoint, as the API makes it."""
    endpoint_id = new_id("hook")
    return await add_endpoint(
        tx,
        endpoint_id,
        tenant_id=tenant_id,
        caller_id=USER,
        url=url,
        events=events or ("*",),
        description="",
        secret=box.seal(secret, endpoint_id),
    )


async def endpoint_now(database: Database, endpoint: Endpoint) -> Endpoint:
    async with database.read() as tx:
        found = await find_endpoint(tx, endpoint.tenant_id, endpoint.id)
    assert found is not None
    return found


async def deliveries(database: Database) -> list[Any]:
    """Every delivery there is, oldest first, with how its job stands."""
    async with database.read() as tx:
        return list(await tx.execute(_DELIVERIES))


async def deliver_all(bench: Bench, *, hurry: bool = False) -> None:
    """Try every delivery that is due once; with `hurry`, those too that wait for their next try."""
    async with bench.use.database.begin() as tx:
        if hurry:
            await tx.execute(_DUE_NOW)
        ids = [row.id for row in await tx.execute(_LIVE)]
    await execute(ids, bench)


def verify(came: Came, secret: bytes = SECRET) -> dict[str, Any]:
    """What came, if the public library finds it signed with `secret`, and now."""
    verified = Webhook(base64.b64encode(secret).decode()).verify(came.body.decode(), came.headers)
    assert isinstance(verified, dict)
    return verified


def job_in(told: dict[str, Any]) -> dict[str, Any]:
    data = told["data"]
    assert isinstance(data, dict)
    return data


def seconds_since_epoch() -> int:
    return int(datetime.now(UTC).timestamp())


def is_about(told: dict[str, Any], job: Job) -> bool:
    return bool(told["subject"] == job.id == told["data"]["id"])
