"""How many jobs of a queue may run at once, and how many start in a period: of all, of a tenant, a kind, a key.

What is decided about: a lane, the due jobs of one tenant and one kind. What limits it: up to three scopes, each with a
limit of its own.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from msgspec import Struct

from domain.jobs.fairness import Turn, deal

MOST_RUNNING: Final = 1_000_000
MOST_STARTS: Final = 10_000
SHORTEST_PERIOD: Final = timedelta(seconds=1)
LONGEST_PERIOD: Final = timedelta(days=1)


class Rate(Struct, frozen=True):
    """In no stretch of time as long as `per_seconds` start more than `count` jobs, wherever it begins."""

    count: int
    per_seconds: float


class Limit(Struct, frozen=True, kw_only=True):
    """What may run at once, and what may start; None: as much as there is."""

    max_running: int | None = None
    rate: Rate | None = None


class QueueLimits(Struct, frozen=True, kw_only=True):
    """The limits of a queue: of all its jobs, of each tenant's, of those of some kinds, of those that share a key."""

    whole: Limit = Limit()
    per_tenant: Limit = Limit()
    per_kind: dict[str, Limit] = {}
    per_key: int | None = 1

    @property
    def periods(self) -> list[float]:
        """The seconds its rates count by, each once, the shortest first."""
        limits = [self.whole, self.per_tenant, *self.per_kind.values()]
        return sorted({limit.rate.per_seconds for limit in limits if limit.rate is not None})


class Scope(Struct, frozen=True):
    """What a limit holds for: a tenant's jobs in the queue, or those of a kind; all, where neither is named."""

    tenant_id: str | None = None
    kind: str | None = None


class Lane(Struct, frozen=True, kw_only=True):
    """The due jobs of one tenant and one kind in a queue, and the tenant's turns in a round."""

    tenant_id: str
    kind: str
    weight: int = 1


class InFlight(Struct, frozen=True, kw_only=True):
    """How many jobs of a lane are with the broker, and how many run."""

    tenant_id: str
    kind: str
    sent: int
    running: int


class Started(Struct, frozen=True, kw_only=True):
    """How many jobs of a lane started together, and how long ago."""

    tenant_id: str
    kind: str
    age_seconds: float
    count: int


class Use(Struct, frozen=True, kw_only=True):
    """What of a queue's limits is used now."""

    in_flight: Sequence[InFlight] = ()
    started: Sequence[Started] = ()


class Portion(Struct, frozen=True, kw_only=True):
    """How many jobs may be taken from a lane, and how many from all lanes of its tenant together."""

    tenant_id: str
    kind: str
    most: int
    share: int


class Gate:
    """How much room the limits of a queue leave, less with every job let through. Without limits there is no end of it.

    A place is occupied from the moment a job is sent until its attempt has ended. A job that is sent and has not
    started counts against a rate as if it started now, however long ago it was sent: so a rate holds for the starts
    themselves, whatever lies between the relay and a worker.
    """

    def __init__(self, limits: QueueLimits | None = None, use: Use | None = None) -> None:
        self._limits = limits
        self._sent: Counter[Scope] = Counter()
        self._occupied: Counter[Scope] = Counter()
        self._started: defaultdict[Scope, list[Started]] = defaultdict(list)
        if limits is None or use is None:
            return
        for lane in use.in_flight:
            for scope in _scopes(lane.tenant_id, lane.kind):
                self._sent[scope] += lane.sent
                self._occupied[scope] += lane.sent + lane.running
        for start in sorted(use.started, key=lambda start: start.age_seconds):
            for scope in _scopes(start.tenant_id, start.kind):
                rate = self._limit(scope).rate
                if rate is not None and start.age_seconds <= rate.per_seconds:
                    self._started[scope].append(start)

    def room(self, scope: Scope) -> float:
        """How many more jobs of `scope` may be sent now; infinite where nothing limits them."""
        limit = self._limit(scope)
        free = math.inf if limit.max_running is None else limit.max_running - self._occupied[scope]
        if limit.rate is not None:
            counted = self._sent[scope] + sum(start.count for start in self._started[scope])
            free = min(free, limit.rate.count - counted)
        return max(0, free)

    def is_open(self, lane: Lane) -> bool:
        """Whether a job of the lane may be sent now."""
        return self._limits is None or all(self.room(scope) > 0 for scope in _scopes(lane.tenant_id, lane.kind))

    def let(self, tenant_id: str, kind: str, count: int = 1) -> None:
        """Note that so many jobs of a lane were sent."""
        for scope in _scopes(tenant_id, kind):
            self._sent[scope] += count
            self._occupied[scope] += count

    def portions(self, lanes: Sequence[Lane], room: int, *, first: int) -> list[Portion]:
        """How `room` places are dealt to the open lanes: fairly between tenants, beginning with number `first`.

        Whatever is taken within the portions keeps every limit, and none is empty as long as a lane is open.
        """
        open_lanes = [lane for lane in lanes if self.is_open(lane)]
        turns = _turns(open_lanes)
        shares = {
            tenant_id: _least(share, self.room(Scope(tenant_id=tenant_id)))
            for tenant_id, share in deal(turns, _least(room, self.room(Scope())), first=first).items()
        }
        sharing = [lane for lane in open_lanes if lane.tenant_id in shares]
        most = {(lane.tenant_id, lane.kind): shares[lane.tenant_id] for lane in sharing}
        for kind in sorted({lane.kind for lane in sharing}):
            of_kind = [lane for lane in sharing if lane.kind == kind]
            left = self.room(Scope(kind=kind))
            if left < sum(shares[lane.tenant_id] for lane in of_kind):
                dealt = deal(_turns(of_kind), int(left), first=first)
                for lane in of_kind:
                    most[lane.tenant_id, kind] = min(shares[lane.tenant_id], dealt.get(lane.tenant_id, 0))
        return [
            Portion(tenant_id=tenant_id, kind=kind, most=number, share=shares[tenant_id])
            for (tenant_id, kind), number in most.items()
            if number
        ]

    def opens_in(self, lanes: Iterable[Lane]) -> float | None:
        """The seconds until a rate lets the first of the closed lanes go on; None: time alone opens none of them."""
        waits = [wait for lane in lanes if not self.is_open(lane) and (wait := self._wait(lane)) is not None]
        return min(waits, default=None)

    def _wait(self, lane: Lane) -> float | None:
        """The seconds until every scope of the lane has room again, if time alone makes it."""
        longest = 0.0
        for scope in _scopes(lane.tenant_id, lane.kind):
            if self.room(scope) > 0:
                continue
            limit = self._limit(scope)
            is_full = limit.max_running is not None and self._occupied[scope] >= limit.max_running
            if limit.rate is None or is_full or self._sent[scope] >= limit.rate.count:
                return None
            counted = self._sent[scope]
            for start in self._started[scope]:
                counted += start.count
                if counted >= limit.rate.count:
                    longest = max(longest, limit.rate.per_seconds - start.age_seconds)
                    break
        return longest

    def _limit(self, scope: Scope) -> Limit:
        if self._limits is None:
            return Limit()
        if scope.tenant_id is not None:
            return self._limits.per_tenant
        if scope.kind is not None:
            return self._limits.per_kind.get(scope.kind, Limit())
        return self._limits.whole


def _scopes(tenant_id: str, kind: str) -> tuple[Scope, Scope, Scope]:
    return Scope(), Scope(tenant_id=tenant_id), Scope(kind=kind)


def _turns(lanes: Iterable[Lane]) -> list[Turn]:
    weights: Mapping[str, int] = {lane.tenant_id: lane.weight for lane in lanes}
    return [Turn(tenant_id=tenant_id, weight=weight) for tenant_id, weight in weights.items()]


def _least(number: int, room: float) -> int:
    return number if room >= number else int(room)
