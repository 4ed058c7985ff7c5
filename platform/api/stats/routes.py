"""What became of the jobs of the last hour, day or week."""

from collections import Counter
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final

from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from msgspec import Struct

from api.auth import needs
from api.context import Use
from domain.accounts.user import Caller
from storage.stats import Failure, KindCount, KindTimes, count_failures, count_jobs, time_jobs


class Window(StrEnum):
    """How far back."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"


_LENGTHS: Final = {
    Window.HOUR: timedelta(hours=1),
    Window.DAY: timedelta(days=1),
    Window.WEEK: timedelta(days=7),
}
_MILLISECOND_DIGITS: Final = 3


class Spread(Struct, frozen=True):
    """Half of them took at most `p50` seconds, 95 in 100 at most `p95`; null where there were none."""

    p50: float | None = None
    p95: float | None = None


class KindStats(Struct, frozen=True, kw_only=True):
    """The jobs of one kind."""

    kind: str
    total: int
    states: dict[str, int]
    wait_seconds: Spread
    run_seconds: Spread


class StatsView(Struct, frozen=True, kw_only=True):
    """The tenant's jobs made within the window. They wait until they are claimed, and run until they end."""

    window: Window
    total: int
    states: dict[str, int]
    wait_seconds: Spread
    run_seconds: Spread
    kinds: list[KindStats]
    failures: list[Failure]


@get("/stats", guards=[needs("stats:read")])
async def get_stats(
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    window: Annotated[Window, QueryParameter(description="how far back")] = Window.DAY,
) -> StatsView:
    """The tenant's jobs by state and kind, how long they waited and ran, and why they failed."""
    seconds = _LENGTHS[window].total_seconds()
    async with use.database.read() as tx:
        counts = await count_jobs(tx, caller.tenant_id, window_seconds=seconds)
        times = {one.kind: one for one in await time_jobs(tx, caller.tenant_id, window_seconds=seconds)}
        failures = await count_failures(tx, caller.tenant_id, window_seconds=seconds)
    kinds = sorted({count.kind for count in counts})
    wait, run = _spreads(times.get(None))
    return StatsView(
        window=window,
        total=sum(count.count for count in counts),
        states=_by_state(counts),
        wait_seconds=wait,
        run_seconds=run,
        kinds=[_view_kind(kind, [one for one in counts if one.kind == kind], times.get(kind)) for kind in kinds],
        failures=failures,
    )


router: Final = Router("/v1", route_handlers=[get_stats], tags=["Stats"])


def _view_kind(kind: str, counts: list[KindCount], times: KindTimes | None) -> KindStats:
    wait, run = _spreads(times)
    return KindStats(
        kind=kind,
        total=sum(count.count for count in counts),
        states=_by_state(counts),
        wait_seconds=wait,
        run_seconds=run,
    )


def _by_state(counts: list[KindCount]) -> dict[str, int]:
    states: Counter[str] = Counter()
    for count in counts:
        states[count.state] += count.count
    return dict(sorted(states.items()))


def _spreads(times: KindTimes | None) -> tuple[Spread, Spread]:
    if times is None:
        return Spread(), Spread()
    return (
        Spread(_rounded(times.wait_p50), _rounded(times.wait_p95)),
        Spread(_rounded(times.run_p50), _rounded(times.run_p95)),
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, _MILLISECOND_DIGITS)
