"""How the queues stand."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from litestar import Router, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Response

from api.acts import act, actor_of, audited
from api.auth import needs
from api.bodies import ApiRequest
from api.context import Use
from api.paging import MOST, Cursor, Limit, Page, answer_short
from api.queues.views import LimitsBody, QueueView, read_limits, view_limits
from domain.catalog import QUEUES
from domain.errors import NotFound
from domain.jobs.state import State
from storage.audit import audit
from storage.database import Tx
from storage.job_lists import QueueCount, count_live
from storage.queues import QueueSetting, limit_queue, pause_queue, read_queues, recent_rates
from storage.workers import list_workers

_EXAMPLE: Final = {"max_running": 50, "rate": {"count": 600, "per": "1m"}, "per_tenant": {"max_running": 20}}


class QueueNotFound(NotFound):
    """No kind of job goes through a queue of this name."""

    code = "queue_not_found"
    title = "No such queue"


@get("/queues", guards=[needs("stats:read")])
async def list_queues(
    request: ApiRequest, use: NamedDependency[Use], limit: Limit = MOST, cursor: Cursor = None
) -> Response[Page[QueueView]]:
    """Every queue, of all tenants together, by name."""
    async with use.platform.read() as tx:
        views = await _views(use, tx, None)
    return answer_short(request, views, limit, cursor, name=lambda queue: queue.name)


@get("/queues/{name:str}", guards=[needs("stats:read")])
async def show(name: FromPath[str], use: NamedDependency[Use]) -> QueueView:
    """A queue, of all tenants together."""
    _check_name(name)
    async with use.platform.read() as tx:
        [view] = await _views(use, tx, name)
    return view


@post("/queues/{name:str}/pause", status_code=200, guards=[needs("queues:manage")], opt=audited("queue.paused"))
async def pause(request: ApiRequest, name: FromPath[str], use: NamedDependency[Use]) -> QueueView:
    """Hold the queue's jobs back. Those that run finish, and so do the few the broker has already."""
    return await _set_paused(request, use, name, paused=True)


@post("/queues/{name:str}/resume", status_code=200, guards=[needs("queues:manage")], opt=audited("queue.resumed"))
async def resume(request: ApiRequest, name: FromPath[str], use: NamedDependency[Use]) -> QueueView:
    """Let the jobs of a paused queue run."""
    view = await _set_paused(request, use, name, paused=False)
    use.wakeups.ring_relay()
    return view


@put(
    "/queues/{name:str}/limits", guards=[needs("queues:manage")], opt={**audited("queue.limited"), "example": _EXAMPLE}
)
async def limit(
    request: ApiRequest, name: FromPath[str], data: JSONBody[LimitsBody], use: NamedDependency[Use]
) -> QueueView:
    """Set the queue's limits in place of those there were; what is left out is no limit, `{}` lifts them all.

    They hold across all workers, for what is sent from now on: what runs already runs on.
    """
    _check_name(name)
    limits = read_limits(data, name)
    async with use.platform.begin() as tx:
        before = (await read_queues(tx)).get(name, QueueSetting())
        await limit_queue(tx, name, limits)
        [view] = await _views(use, tx, name)
        told = act("queue.limited", name, before=view_limits(before.limits), after=view.limits)
        await audit(tx, actor_of(request), told)
    use.wakeups.ring_relay()
    return view


router: Final = Router("/v1", route_handlers=[list_queues, show, pause, resume, limit], tags=["Queues"])


async def _set_paused(request: ApiRequest, use: Use, name: str, *, paused: bool) -> QueueView:
    _check_name(name)
    async with use.platform.begin() as tx:
        before = (await read_queues(tx)).get(name, QueueSetting())
        await pause_queue(tx, name, paused=paused)
        [view] = await _views(use, tx, name)
        if before.paused != paused:
            await audit(tx, actor_of(request), act("queue.paused" if paused else "queue.resumed", name))
    return view


def _check_name(name: str) -> None:
    if name not in QUEUES:
        raise QueueNotFound(f"There is no queue {name!r}. There are: {', '.join(QUEUES)}.")


async def _views(use: Use, tx: Tx, only: str | None) -> list[QueueView]:
    counts = await count_live(tx)
    seen = await list_workers(tx, seen_within_seconds=use.settings.lease_seconds)
    hands = Counter(queue for worker in seen if not worker.stopping for queue in worker.queues)
    settings = await read_queues(tx)
    rates = await recent_rates(tx)
    now = datetime.now(UTC)
    names = sorted({*QUEUES, *(count.queue for count in counts)}) if only is None else [only]
    return [
        _view(
            name,
            [count for count in counts if count.queue == name],
            now,
            setting=settings.get(name, QueueSetting()),
            rate=rates.get(name, 0.0),
            workers=hands[name],
        )
        for name in names
    ]


def _view(  # noqa: PLR0913 - a queue has these many sides
    name: str,
    counts: Sequence[QueueCount],
    now: datetime,
    *,
    setting: QueueSetting,
    rate: float,
    workers: int,
) -> QueueView:
    by_state = {count.state: count for count in counts}
    queued = by_state.get(State.QUEUED)
    return QueueView(
        name=name,
        depth=queued.count if queued else 0,
        oldest_age_seconds=max(0.0, round((now - queued.oldest).total_seconds(), 3)) if queued else None,
        running=by_state[State.RUNNING].count if State.RUNNING in by_state else 0,
        scheduled=by_state[State.SCHEDULED].count if State.SCHEDULED in by_state else 0,
        paused=setting.paused,
        rate=rate,
        limits=view_limits(setting.limits),
        workers=workers,
    )
