"""Whether the API lives, whether it is ready, and its figures. Open to everybody who can reach it."""

import asyncio
import time
from typing import Any, Final, Literal, cast

import structlog
from litestar import Router, get
from litestar.connection import Request
from litestar.di import NamedDependency
from litestar.response import Response
from msgspec import UNSET, Struct

from api.context import NOBODY, Use
from api.figures import MEDIA_TYPE as FIGURES_TYPE
from api.problems import MEDIA_TYPE as PROBLEM_TYPE
from api.problems import problem_of
from domain.errors import Unavailable
from storage.job_lists import count_live
from storage.workers import LEASES_MISSED, list_workers

_POSTGRES_SECONDS: Final = 2.0
_REDIS_SECONDS: Final = 0.5
_LOG: Final = structlog.stdlib.get_logger(__name__)


class NotReady(Unavailable):
    """The API cannot accept jobs now."""

    code = "not_ready"
    title = "Not ready"


class Dependency(Struct, frozen=True):
    """How something the API needs answered just now."""

    status: Literal["up", "down"]
    duration_ms: float
    needed: bool


class Health(Struct, frozen=True):
    """`degraded`: jobs are accepted, and kept until what is down is back."""

    status: Literal["ready", "degraded", "unavailable"]
    checks: dict[str, Dependency]


class Live(Struct, frozen=True):
    """The process answers."""

    status: Literal["live"] = "live"


@get("/health/live")
async def live() -> Live:
    """Whether the process answers at all."""
    return Live()


@get("/health/ready")
async def ready(request: Request[Any, Any, Any], use: NamedDependency[Use]) -> Response[Health]:
    """Whether jobs are accepted, and how each dependency does. Without Redis they are: that is `degraded`, and 200."""
    postgres, redis = await asyncio.gather(_postgres(use), _redis(use))
    checks = {"postgres": postgres, "redis": redis}
    if postgres.status == "up" and not use.draining.is_set():
        return Response(Health("ready" if redis.status == "up" else "degraded", checks))
    why = "The process is stopping." if use.draining.is_set() else "Postgres does not answer."
    problem, headers = problem_of(request.scope, NotReady(why, retry_after_seconds=1.0))
    told = {name: value for name in problem.__struct_fields__ if (value := getattr(problem, name)) is not UNSET}
    body = {**told, "state": "unavailable", "checks": checks}
    # a problem that names the dependencies besides
    return Response(cast("Health", body), status_code=503, headers=headers, media_type=PROBLEM_TYPE)


@get("/metrics", media_type=FIGURES_TYPE)
async def metrics(use: NamedDependency[Use]) -> Response[bytes]:
    """The figures of this process and the numbers of live jobs, in Prometheus's text format."""
    try:
        async with use.platform.read(within_seconds=_POSTGRES_SECONDS) as tx:
            use.figures.live(await count_live(tx))
            seconds = use.settings.lease_seconds * LEASES_MISSED
            use.figures.engines(await list_workers(tx, seen_within_seconds=seconds))
    except Unavailable:
        _LOG.warning("metrics.partial")
    return Response(use.figures.render())


router: Final = Router("/", route_handlers=[live, ready, metrics], tags=["Service"])


async def _postgres(use: Use) -> Dependency:
    began = time.perf_counter()
    is_up = False
    try:
        await use.health.of(NOBODY).ping(within_seconds=_POSTGRES_SECONDS)
        is_up = True
    except Unavailable:
        pass
    return Dependency("up" if is_up else "down", _since(began), needed=True)


async def _redis(use: Use) -> Dependency:
    began = time.perf_counter()
    is_up = await use.wakeups.answers(_REDIS_SECONDS)
    return Dependency("up" if is_up else "down", _since(began), needed=False)


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 2)
