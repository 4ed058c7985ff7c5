"""The gate: releases due jobs to the broker, and keeps the broker shallow."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog
from msgspec.structs import replace

from domain.errors import Unavailable
from domain.jobs.limits import Gate
from runtime.broker import BACK, FRONT, Bell, Sender
from runtime.resources import Stores
from storage.database import Database, Tx
from storage.limits import may_decide, use_of
from storage.outbox import Due, Look, look_at, look_out, promote_due, take_due
from workers.figures import LOOK, RelayFigures
from workers.window import LEAST, MOST, Window

log: Final = structlog.get_logger()

FEW: Final = 10
"""So many jobs of a tenant may be with the broker, unclaimed, for it to be no crowd."""

_MOST_IDS: Final = 100
_POLITE_IDS: Final = 16  # a worker is busy with a message until it has claimed all that it names
_POLITE_SECONDS: Final = 5.0
_LEAST_IDS: Final = 1  # while workers keep up, each job has a message of its own, which Flower shows under its id
_PROMOTED_AT_ONCE: Final = 1000
_POLL_SECONDS: Final = 0.5
_SOONEST_SECONDS: Final = 0.001
_FULL_SECONDS: Final = 0.02
_BROKEN_SECONDS: Final = 1.0
_SEND_WITHIN_SECONDS: Final = 30.0  # the broker is spoken to inside the transaction, and has timeouts of its own


class Relay:
    """Releases what is due, fairly, and no more of it than workers can soon take. Several may run beside each other."""

    def __init__(  # noqa: PLR0913 - what it uses, and where it is told of
        self,
        use: Stores,
        sender: Sender,
        *,
        queues: Iterable[str],
        gate: Database | None = None,
        figures: RelayFigures | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` tells seconds that never go back, by which the relay rests and looks again.

        By the connections of `gate` it looks at queues and takes from them; None: by those of `use`.
        """
        self._use = use
        self._gate = gate or use.database
        self._known = frozenset(queues)
        self._strange: set[str] = set()
        self._sender = sender
        self._figures = figures or RelayFigures()
        self._clock = clock
        self._windows: defaultdict[str, Window] = defaultdict(Window)
        self._turns: Counter[str] = Counter()
        self._polite_until: dict[str, float] = {}
        self._everywhere_at = 0.0

    async def run(self) -> None:
        """Release for ever, whenever there is news, and look twice a second for what came without news."""
        async with self._use.wakeups.listen_relay() as news:
            is_down = False
            named: frozenset[str] | None = None
            while True:
                try:
                    with self._figures.going_round(LOOK):
                        pause = await self.release(named)
                except Unavailable as error:
                    if not is_down:
                        log.warning("relay.waiting", reason=error.detail)
                    is_down, named = True, None
                    await asyncio.sleep(_BROKEN_SECONDS)
                    continue
                if is_down:
                    is_down = False
                    log.info("relay.back")
                named = news.queues() if pause > 0 and await news.wait(pause) else None

    async def release(self, named: frozenset[str] | None = None) -> float:
        """Queue what has become due and send what there is room for; answers how long there is nothing to do.

        Where news came of queues by `named`, these are looked at and nothing else, until it is time to look everywhere.

        Raises:
            Unavailable: Postgres or the broker is down; nothing is lost.
        """
        if named is not None and self._clock() < self._everywhere_at:
            pause = await self._release_queues(named & self._known)
            # news of another queue must not put off what this one asked for
            self._everywhere_at = min(self._everywhere_at, self._clock() + pause)
            return max(0.0, self._everywhere_at - self._clock())
        # Each statement stands alone: a job that is promoted stays so, and what is due is asked again anyway.
        async with self._use.database.alone() as tx:
            outlook = await look_out(tx)
            promoted: list[str] = []
            if outlook.next_seconds == 0.0:
                promoted = await promote_due(tx, limit=_PROMOTED_AT_ONCE)
                outlook = await look_out(tx)
        if promoted:
            self._figures.moved("promoted", len(promoted))
            self._use.wakeups.tell_jobs(promoted)
        for queue in sorted(outlook.queues - self._known - self._strange):
            self._strange.add(queue)
            log.error("relay.unknown_queue", queue=queue, hint="its kind is of a newer release; its jobs wait")
        pause = await self._release_queues(outlook.queues & self._known)
        if outlook.next_seconds is not None:
            pause = min(pause, max(_SOONEST_SECONDS, outlook.next_seconds))
        self._everywhere_at = self._clock() + pause
        return pause

    async def _release_queues(self, queues: Iterable[str]) -> float:
        failure: Unavailable | None = None
        pause = _POLL_SECONDS
        for queue in sorted(queues):
            try:
                pause = min(pause, await self.release_queue(queue))
            except Unavailable as error:  # one queue's fault must not hold up the others
                failure = failure or error
        if failure is not None:
            raise failure
        return pause

    async def release_queue(self, queue: str) -> float:
        """Send due jobs of `queue`, the tenants in turns, as many as its limits and its window have room for.

        Answers with the seconds after which to look again though nobody rings. The jobs are marked in the transaction
        that commits after the broker took them: a crash in between sends them twice, and the claim turns the second
        away.
        """
        window = self._windows[queue]
        async with self._gate.begin(within_seconds=_SEND_WITHIN_SECONDS) as tx:
            look = await look_at(tx, queue, most=MOST)
            if look.limits is not None and not await may_decide(tx, queue):
                return _FULL_SECONDS
            room = window.room(look.sent.total())
            if not room:
                # the window is for crowds; who has few jobs with the broker does not wait for it
                look = replace(look, lanes=[lane for lane in look.lanes if look.sent[lane.tenant_id] < FEW])
            if not look.lanes:
                return _FULL_SECONDS
            dealt = room or min(LEAST, FEW * len({lane.tenant_id for lane in look.lanes}))
            due, again_seconds = await self._take(tx, queue, look, dealt)
            if due:
                self._use.kill_points.reach("relay.before_publish", (one.job_id for one in due))
                most_ids = self._most_ids(queue, window) if len(due) >= room else _LEAST_IDS
                bells = pack(due, sent=look.sent, most_ids=most_ids)
                if any(bell.line == FRONT for bell in bells):
                    self._polite_until[queue] = self._clock() + _POLITE_SECONDS
                await self._sender.send(queue, bells)
                self._figures.sent(queue, bells)
                self._use.kill_points.reach("relay.after_publish", (one.job_id for one in due))
        if room:
            window.sent(len(due), room)
        if len(due) >= dealt:
            return 0.0
        # where all that was due has gone, a look at once would only take the processor from the worker it went to
        return _FULL_SECONDS if due or not room else again_seconds

    def _most_ids(self, queue: str, window: Window) -> int:
        """How many ids a message of the back may carry: few while others stand in the front, or have just now."""
        is_polite = self._clock() < self._polite_until.get(queue, 0.0)
        return min(window.size // 4, _POLITE_IDS if is_polite else _MOST_IDS)

    async def _take(self, tx: Tx, queue: str, look: Look, room: int) -> tuple[list[Due], float]:
        """Deal the room to the lanes looked at; what some leave unused is dealt again to those who want more.

        Answers with what was taken, and when a rate will let more go.
        """
        limits = look.limits
        gate = Gate(limits, None if limits is None else await use_of(tx, queue, limits))
        per_key = 1 if limits is None else limits.per_key
        lanes = look.lanes
        taken: list[Due] = []
        while portions := gate.portions(lanes, room - len(taken), first=self._turns[queue]):
            got = await take_due(tx, queue, portions, per_key=per_key, with_keys=look.may_decide_keys)
            self._turns[queue] += bool(got)  # whose turn it was and who took it is done; the others are next
            taken += got
            by_lane = Counter((due.tenant_id, due.kind) for due in got)
            by_tenant = Counter(due.tenant_id for due in got)
            for (tenant_id, kind), count in by_lane.items():
                gate.let(tenant_id, kind, count)
            drained = {
                (portion.tenant_id, portion.kind)
                for portion in portions
                if by_lane[portion.tenant_id, portion.kind] < portion.most
                and by_tenant[portion.tenant_id] < portion.share
            }
            lanes = [lane for lane in lanes if (lane.tenant_id, lane.kind) not in drained]
        return taken, min(_POLL_SECONDS, gate.opens_in(lanes) or _POLL_SECONDS)


def pack(due: Sequence[Due], *, sent: Counter[str], most_ids: int) -> list[Bell]:
    """Bells for due jobs in their order, given how many of each tenant are with the broker already.

    Tenants that then have few there stand in the front, a bell for each job; the others in the back, with up to
    `most_ids` ids of one kind a bell.
    """
    with_these = sent + Counter(one.tenant_id for one in due)
    by_kind: defaultdict[tuple[int, str], list[Due]] = defaultdict(list)
    for one in due:
        by_kind[FRONT if with_these[one.tenant_id] <= FEW else BACK, one.kind].append(one)
    return [
        Bell(
            kind=kind,
            ids=tuple(job.job_id for job in jobs[start : start + size]),
            traceparent=jobs[start].traceparent,
            line=line,
        )
        for (line, kind), jobs in sorted(by_kind.items(), key=lambda item: item[0][0])
        for size in [_LEAST_IDS if line == FRONT else max(_LEAST_IDS, min(_MOST_IDS, most_ids))]
        for start in range(0, len(jobs), size)
    ]
