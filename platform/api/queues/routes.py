"""How the queues stand."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Struct

from api.auth import needs
from api.context import Use
from api.paging import Page
from domain.catalog import QUEUES
from domain.errors import NotFound
from domain.jobs.state import State
from storage.database import Tx
from storage.job_lists import QueueCount, count_live
from storage.queues import pause_queue, paused_queues
from storage.workers import list_workers


class QueueView(Struct, frozen=True, kw_only=True):
    """A queue: `depth` jobs wait to run, `scheduled` ones for their time; while `paused`, none of them begins.

    `workers` take jobs from it, as they said lately and are not stopping.
    """

    name: str
    depth: int
    oldest_age_seconds: float | None
    running: int
    scheduled: int
    paused: bool
    workers: int


class QueueNotFound(NotFound):
    """No kind of job goes through a queue of this name."""

    code = "queue_not_found"
    title = "No such queue"


@get("/queues", guards=[needs("stats:read")])
async def list_queues(use: NamedDependency[Use]) -> Page[QueueView]:
    """Every queue, of all tenants together."""
    async with use.database.read() as tx:
        return Page(await _views(use, tx, None))


@post("/queues/{name:str}/pause", status_code=200, guards=[needs("queues:manage")])
async def pause(name: FromPath[str], use: NamedDependency[Use]) -> QueueView:
    """Hold the queue's jobs back. Those that run finish, and so do the few the broker has already."""
    return await _set_paused(use, name, paused=True)


@post("/queues/{name:str}/resume", status_code=200, guards=[needs("queues:manage")])
async def resume(name: FromPath[str], use: NamedDependency[Use]) -> QueueView:
    """Let the jobs of a paused queue run."""
    view = await _set_paused(use, name, paused=False)
    use.wakeups.ring_relay()
    return view


router: Final = Router("/v1", route_handlers=[list_queues, pause, resume], tags=["Queues"])


async def _set_paused(use: Use, name: str, *, paused: bool) -> QueueView:
    if name not in QUEUES:
        raise QueueNotFound(f"There is no queue {name!r}. There are: {', '.join(QUEUES)}.")
    async with use.database.begin() as tx:
        await pause_queue(tx, name, paused=paused)
        [view] = await _views(use, tx, name)
    return view


async def _views(use: Use, tx: Tx, only: str | None) -> list[QueueView]:
    counts = await count_live(tx)
    seen = await list_workers(tx, seen_within_seconds=use.settings.lease_seconds)
    hands = Counter(queue for worker in seen if not worker.stopping for queue in worker.queues)
    paused = await paused_queues(tx)
    now = datetime.now(UTC)
    names = sorted({*QUEUES, *(count.queue for count in counts)}) if only is None else [only]
    return [
        _view(
            name,
            [count for count in counts if count.queue == name],
            now,
            paused=name in paused,
            workers=hands[name],
        )
        for name in names
    ]


def _view(name: str, counts: Sequence[QueueCount], now: datetime, *, paused: bool, workers: int) -> QueueView:
    by_state = {count.state: count for count in counts}
    queued = by_state.get(State.QUEUED)
    return QueueView(
        name=name,
        depth=queued.count if queued else 0,
        oldest_age_seconds=max(0.0, round((now - queued.oldest).total_seconds(), 3)) if queued else None,
        running=by_state[State.RUNNING].count if State.RUNNING in by_state else 0,
        scheduled=by_state[State.SCHEDULED].count if State.SCHEDULED in by_state else 0,
        paused=paused,
        workers=workers,
    )
