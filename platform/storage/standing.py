"""What stands already in answer to a submission, looked up without locking or writing anything."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text

from domain.jobs.job import NewJob
from storage.database import Tx

_KNOWN: Final = text("""
SELECT given.id
FROM unnest(CAST(:id AS text[]), CAST(:tenant_id AS text[]), CAST(:route AS text[]), CAST(:key AS text[]))
    AS given (id, tenant_id, route, key)
JOIN idempotency_keys USING (tenant_id, route, key)
""")

_ALIKE: Final = text("""
SELECT given.id
FROM unnest(
    CAST(:id AS text[]), CAST(:tenant_id AS text[]), CAST(:fingerprint AS bytea[]), CAST(:window_seconds AS float8[])
) AS given (id, tenant_id, fingerprint, window_seconds)
JOIN unique_keys USING (tenant_id, fingerprint)
JOIN jobs ON jobs.id = unique_keys.job_id
WHERE jobs.state IN ('scheduled', 'queued', 'running')
    AND jobs.created_at > now() - make_interval(secs => given.window_seconds)
""")


async def find_standing(tx: Tx, new: Sequence[NewJob]) -> set[str]:
    """The ids of those submissions that `submit_once` would answer without writing a job."""
    keyed = [(job.id, job.idempotency) for job in new if job.idempotency is not None]
    unique = [(job.id, job.tenant_id, job.unique) for job in new if job.unique is not None]
    found: set[str] = set()
    if keyed:
        given = {
            "id": [job_id for job_id, _ in keyed],
            "tenant_id": [key.tenant_id for _, key in keyed],
            "route": [key.route for _, key in keyed],
            "key": [key.key for _, key in keyed],
        }
        found.update((await tx.execute(_KNOWN, given)).scalars())
    if unique:
        given_unique = {
            "id": [job_id for job_id, _, _ in unique],
            "tenant_id": [tenant_id for _, tenant_id, _ in unique],
            "fingerprint": [one.fingerprint for _, _, one in unique],
            "window_seconds": [one.window_seconds for _, _, one in unique],
        }
        found.update((await tx.execute(_ALIKE, given_unique)).scalars())
    return found
