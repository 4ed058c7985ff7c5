"""Queues and their limits as operators spell and see them."""

from datetime import timedelta
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from api.bodies import BodyInvalid
from api.fields import FieldError, pointed
from domain.catalog import KINDS
from domain.durations import Duration, parse_duration, spell_duration
from domain.jobs.limits import (
    LONGEST_PERIOD,
    MOST_RUNNING,
    MOST_STARTS,
    SHORTEST_PERIOD,
    Limit,
    QueueLimits,
    Rate,
)

MaxRunning: TypeAlias = Annotated[
    int, Meta(ge=1, le=MOST_RUNNING, description="how many are with the broker or run at once")
]


class RateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In no stretch of time as long as `per`, wherever it begins, start more than `count` jobs."""

    count: Annotated[int, Meta(ge=1, le=MOST_STARTS)]
    per: Duration


class LimitBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What may run at once, and what may start; null is no limit."""

    max_running: MaxRunning | None = None
    rate: RateBody | None = None


class KeyLimitBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many jobs that share a concurrency key may run at once; null is no limit."""

    max_running: MaxRunning | None = 1


class LimitsBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The limits of a queue: of all its jobs, of each tenant's, of those of a kind, of those that share a key."""

    max_running: MaxRunning | None = None
    rate: RateBody | None = None
    per_tenant: LimitBody | None = None
    per_kind: dict[str, LimitBody] = {}
    per_key: KeyLimitBody | None = KeyLimitBody()


class QueueView(Struct, frozen=True, kw_only=True):
    """A queue: `depth` jobs wait to run, `scheduled` ones for their time; while `paused`, none of them begins.

    `rate` is how many attempts ended in the last minute. `limits` is null where none are set: then of the jobs that
    share a concurrency key one runs at a time, and nothing else is limited. `workers` take jobs from it, as they said
    lately and are not stopping.
    """

    name: str
    depth: int
    oldest_age_seconds: float | None
    running: int
    scheduled: int
    paused: bool
    workers: int
    rate: float
    limits: LimitsBody | None


def read_limits(body: LimitsBody, queue: str) -> QueueLimits:
    """The limits `body` sets on `queue`.

    Raises:
        BodyInvalid: periods out of bounds, kinds that do not go through the queue; all of them named.
    """
    errors: list[FieldError] = []
    limits = QueueLimits(
        whole=Limit(max_running=body.max_running, rate=_rate(body.rate, "/rate", errors)),
        per_tenant=_limit(body.per_tenant, "/per_tenant", errors),
        per_kind={
            kind: _limit(limit, pointed("/per_kind", kind), errors) for kind, limit in sorted(body.per_kind.items())
        },
        per_key=None if body.per_key is None else body.per_key.max_running,
    )
    kinds = sorted(kind.name for kind in KINDS if kind.queue == queue)
    errors += [
        FieldError(pointed("/per_kind", kind), f"No such kind goes through this queue. There are: {', '.join(kinds)}.")
        for kind in body.per_kind
        if kind not in kinds
    ]
    if errors:
        raise BodyInvalid(errors)
    return limits


def view_limits(limits: QueueLimits | None) -> LimitsBody | None:
    """Limits as they could be set again."""
    if limits is None:
        return None
    return LimitsBody(
        max_running=limits.whole.max_running,
        rate=_view_rate(limits.whole.rate),
        per_tenant=None if limits.per_tenant == Limit() else _view_limit(limits.per_tenant),
        per_kind={kind: _view_limit(limit) for kind, limit in limits.per_kind.items()},
        per_key=None if limits.per_key is None else KeyLimitBody(max_running=limits.per_key),
    )


def _limit(body: LimitBody | None, pointer: str, errors: list[FieldError]) -> Limit:
    if body is None:
        return Limit()
    return Limit(max_running=body.max_running, rate=_rate(body.rate, f"{pointer}/rate", errors))


def _rate(body: RateBody | None, pointer: str, errors: list[FieldError]) -> Rate | None:
    if body is None:
        return None
    try:
        period = parse_duration(body.per)
    except ValueError as error:
        errors.append(FieldError(f"{pointer}/per", f"{error}."))
        return None
    if not SHORTEST_PERIOD <= period <= LONGEST_PERIOD:
        bounds = f"from {spell_duration(SHORTEST_PERIOD)} to {spell_duration(LONGEST_PERIOD)}"
        errors.append(FieldError(f"{pointer}/per", f"Expected a duration {bounds}."))
    return Rate(count=body.count, per_seconds=period.total_seconds())


def _view_limit(limit: Limit) -> LimitBody:
    return LimitBody(max_running=limit.max_running, rate=_view_rate(limit.rate))


def _view_rate(rate: Rate | None) -> RateBody | None:
    if rate is None:
        return None
    return RateBody(count=rate.count, per=spell_duration(timedelta(seconds=rate.per_seconds)) or "")
