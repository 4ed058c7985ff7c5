"""How the queues stand."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from litestar import Router, get
from litestar.di import NamedDependency
from msgspec import Struct

from api.auth import needs
from api.context import Use
from api.paging import Page
from domain.catalog import QUEUES
from domain.jobs.state import State
from storage.job_lists import QueueCount, count_live


class QueueView(Struct, frozen=True, kw_only=True):
    """A queue: `depth` jobs wait to run, `scheduled` ones for their time; `rate` is its limit in jobs a second."""

    name: str
    depth: int
    oldest_age_seconds: float | None
    running: int
    scheduled: int
    paused: bool = False
    rate: float | None = None


@get("/queues", guards=[needs("stats:read")])
async def list_queues(use: NamedDependency[Use]) -> Page[QueueView]:
    """Every queue, of all tenants together."""
    async with use.database.read() as tx:
        counts = await count_live(tx)
    names = sorted({*QUEUES, *(count.queue for count in counts)})
    now = datetime.now(UTC)
    return Page([_view(name, [count for count in counts if count.queue == name], now) for name in names])


router: Final = Router("/v1", route_handlers=[list_queues], tags=["Queues"])


def _view(name: str, counts: Sequence[QueueCount], now: datetime) -> QueueView:
    by_state = {count.state: count for count in counts}
    queued = by_state.get(State.QUEUED)
    return QueueView(
        name=name,
        depth=queued.count if queued else 0,
        oldest_age_seconds=max(0.0, round((now - queued.oldest).total_seconds(), 3)) if queued else None,
        running=by_state[State.RUNNING].count if State.RUNNING in by_state else 0,
        scheduled=by_state[State.SCHEDULED].count if State.SCHEDULED in by_state else 0,
    )
