"""Logins that were tried, by account and by address. Each is counted before the password is looked at."""

from datetime import datetime
from typing import Final

from msgspec import Struct
from sqlalchemy import text

from storage.database import Tx

# One row a subject, whose lock makes attempts that come at once count each other. None is added past the limit: who
# goes on trying does not put off the end of it. The transaction need not outlast a crash of Postgres: else each login
# of a flood would have the log written to disk once more, which submissions wait for.
_TRY: Final = text("""
WITH given AS (
    SELECT clock_timestamp() AS at, set_config('synchronous_commit', 'off', true) AS unhurried
)
INSERT INTO login_attempts AS tried (subject, at, last_at)
SELECT :subject, ARRAY[given.at], given.at FROM given
ON CONFLICT (subject) DO UPDATE SET
    at = ARRAY(
        SELECT one FROM unnest(tried.at) AS one WHERE one > excluded.last_at - make_interval(secs => :seconds)
    ) || excluded.at,
    last_at = excluded.last_at
WHERE (
    SELECT count(*) FROM unnest(tried.at) AS one WHERE one > excluded.last_at - make_interval(secs => :seconds)
) < :most
RETURNING last_at
""")

_WAIT: Final = text("""
SELECT extract(epoch FROM min(tried) + make_interval(secs => :seconds) - clock_timestamp())
FROM login_attempts, unnest(login_attempts.at) AS tried
WHERE subject = :subject AND tried > clock_timestamp() - make_interval(secs => :seconds)
""")

_FORGET: Final = text("DELETE FROM login_attempts WHERE subject = :subject")

_TAKE_BACK: Final = text("""
UPDATE login_attempts SET at = array_remove(at, CAST(:at AS timestamptz)) WHERE subject = :subject
""")

_PRUNE: Final = text("""
DELETE FROM login_attempts WHERE subject = ANY (ARRAY(
    SELECT subject FROM login_attempts WHERE last_at < now() - interval '1 day'
    ORDER BY last_at LIMIT :limit FOR UPDATE SKIP LOCKED
))
""")


class Attempt(Struct, frozen=True, kw_only=True):
    """A login that may be tried, at `at`; or may not for `wait_seconds`."""

    at: datetime | None = None
    wait_seconds: float = 0.0


async def count_attempt(tx: Tx, subject: str, *, most: int, seconds: float) -> Attempt:
    """Count a login that is about to be tried, unless `most` were within the last `seconds`."""
    given = {"subject": subject, "seconds": seconds, "most": most}
    at: datetime | None = (await tx.execute(_TRY, given)).scalar_one_or_none()
    if at is not None:
        return Attempt(at=at)
    wait = (await tx.execute(_WAIT, {"subject": subject, "seconds": seconds})).scalar_one_or_none()
    return Attempt(wait_seconds=max(1.0, float(wait or 1.0)))


async def forget_attempts(tx: Tx, subject: str) -> None:
    """Forget all that was tried, for one has succeeded."""
    await tx.execute(_FORGET, {"subject": subject})


async def take_back_attempt(tx: Tx, subject: str, at: datetime) -> None:
    """Forget one attempt, for it has succeeded, or was not made."""
    await tx.execute(_TAKE_BACK, {"subject": subject, "at": at})


async def prune_attempts(tx: Tx, *, days: int, limit: int) -> int:  # noqa: ARG001 - as what prunes is called
    """Take away at most `limit` subjects that nobody has tried for a day; answers with how many."""
    return (await tx.execute(_PRUNE, {"limit": limit})).rowcount
