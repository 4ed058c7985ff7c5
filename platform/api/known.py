"""Answers known already: where somebody waits for a job whose answer is in the cache, no worker is asked."""

from typing import Any, Final

import msgspec

from api.context import Use
from domain.jobs.job import NewJob
from domain.jobs.kind import Input, Kind
from domain.text.safety import wanted_of
from storage.safety import find_safety_policy

_ENCODER: Final = msgspec.json.Encoder()


async def known_answer(use: Use, kind: Kind[Any, Any], given: Input, new: NewJob) -> bytes | None:
    """The result of `new`, as JSON, where it is known; None: a worker finds out.

    A job that is to wait, for its time or for another, is left to its worker; so is one whose answer another tenant may
    have asked for, under other rules of what may be asked. What the tenant wants texts screened for is asked of
    Postgres each time: an answer from before it wanted that is not there.

    Raises:
        DatabaseDown: Postgres does not answer.
    """
    if use.answers is None or use.answers.is_shared or new.no_cache:
        return None
    if new.delay_seconds or new.run_at is not None or new.concurrency_key is not None:
        return None
    if not use.answers.keeps(kind):
        return None
    async with use.database.read() as tx:
        policy = await find_safety_policy(tx, new.tenant_id) or use.settings.safety
    spot = use.answers.spot(kind, given, new.tenant_id, screened=wanted_of(policy))
    found = None if spot is None else await use.answers.find(spot)
    return None if found is None else _ENCODER.encode(found)
