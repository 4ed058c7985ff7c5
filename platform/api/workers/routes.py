"""Which workers there are."""

from datetime import datetime
from typing import Annotated, Final, Literal

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.response import Response
from msgspec import Meta, Struct

from api.auth import needs
from api.bodies import ApiRequest
from api.context import Use
from api.paging import MOST, Cursor, Limit, Page, answer_short
from domain.text.breaker import EngineStanding
from storage.workers import LEASES_MISSED, WorkerSeen, list_workers


class WorkerView(Struct, frozen=True, kw_only=True):
    """A worker process as it last reported itself; `stopping`: it finishes what it runs and takes nothing new.

    `engines` are those it leaves alone where they fail, as it has found them since it started.
    """

    name: str
    pid: int
    state: Literal["running", "stopping"]
    queues: tuple[str, ...]
    concurrency: int
    running: int
    engines: tuple[EngineStanding, ...]
    started_at: Annotated[datetime, Meta(tz=True)]
    seen_at: Annotated[datetime, Meta(tz=True)]


@get("/workers", guards=[needs("stats:read")])
async def get_workers(
    request: ApiRequest, use: NamedDependency[Use], limit: Limit = MOST, cursor: Cursor = None
) -> Response[Page[WorkerView]]:
    """The workers heard of lately, by name."""
    async with use.platform.read() as tx:
        seen = await list_workers(tx, seen_within_seconds=use.settings.lease_seconds * LEASES_MISSED)
    return answer_short(request, map(_view, seen), limit, cursor, name=lambda worker: worker.name)


router: Final = Router("/v1", route_handlers=[get_workers], tags=["Workers"])


def _view(worker: WorkerSeen) -> WorkerView:
    return WorkerView(
        name=worker.name,
        pid=worker.pid,
        state="stopping" if worker.stopping else "running",
        queues=worker.queues,
        concurrency=worker.concurrency,
        running=worker.running,
        engines=worker.engines,
        started_at=worker.started_at,
        seen_at=worker.seen_at,
    )
