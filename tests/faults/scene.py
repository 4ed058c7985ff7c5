"""What every scenario is given, and what it hands back."""

import contextlib
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Sequence
from pathlib import Path
from typing import Any, Final

import httpx
from msgspec import Struct, field

from tests.faults.invariants import Violation
from tests.faults.ledger import Section
from tests.faults.load import Load
from tests.support.running_up import RunningUp

Tell = Callable[[str], None]


class Clock(Struct, frozen=True, kw_only=True):
    """How long things take: a tenth of the real times, or the real ones. `settings` are given to every process."""

    name: str
    lease_seconds: float
    resend_seconds: float
    settings: dict[str, str]


TENTH: Final = Clock(
    name="a tenth",
    lease_seconds=3,
    resend_seconds=1.5,
    settings={
        "HEADRACE_LEASE_SECONDS": "3",
        "HEADRACE_HEARTBEAT_SECONDS": "1",
        "HEADRACE_RESEND_SECONDS": "1.5",
        "HEADRACE_RESTART_SECONDS": "0.1",
        "HEADRACE_LOG_LEVEL": "warning",
    },
)
REAL: Final = Clock(name="real", lease_seconds=30, resend_seconds=15, settings={"HEADRACE_LOG_LEVEL": "warning"})


class Campaign(Struct, frozen=True, kw_only=True):
    """What to do: a scenario, and how much of it. After its last fault the platform has `quiet_seconds` to be quiet.

    `jobs` and `kills` are for kills at random, `points` and `kinds` for kill points (none: all of them), `times` for
    what is done so many times.
    """

    seed: int
    scenario: str = "kills"
    jobs: int = 0
    kills: int = 0
    times: int = 1
    points: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    clock: Clock = TENTH
    quiet_seconds: float = 300.0


class Scene(Struct, frozen=True, kw_only=True):
    """A platform of its own that runs, a load to put on it, and where to tell how it goes."""

    campaign: Campaign
    up: RunningUp
    client: httpx.AsyncClient
    load: Load
    tell: Tell


class Harm(Struct, kw_only=True):
    """What a scenario did, what it saw go wrong itself, and its figures: those of its section go into the ledger."""

    kills: Counter[str] = field(default_factory=Counter)
    stops: int = 0
    flushes: int = 0
    violations: list[Violation] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


class Scenario(Struct, frozen=True, kw_only=True):
    """One way to hurt the platform. No section: its lines stand in the ledger's first table.

    Where `sells_out`, the load orders what there is least of, until there is none. It is played on `lanes` platforms at
    once, each with a share of the work; their figures are put together by `merge`.
    """

    hurt: Callable[[Scene], Awaitable[Harm]]
    section: Section | None = None
    sells_out: bool = True
    workers: int = 2
    lanes: int = 1
    settings: Callable[[Path], dict[str, str]] = lambda _: {}
    merge: Callable[[Sequence[Harm]], dict[str, Any]] = lambda harms: harms[0].figures


@contextlib.contextmanager
def held(up: RunningUp, name: str) -> Generator[None]:
    """A process of the platform stands still inside the block."""
    pid = up.pid_now(name)
    if pid:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        if pid and up.pid_now(name) == pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def spread(seconds: Sequence[float]) -> str:
    """How a time was spread: median, 99 of 100, longest."""
    if not seconds:
        return "none"
    ranked = sorted(seconds)
    p50, p99 = (ranked[min(len(ranked) - 1, int(len(ranked) * share))] for share in (0.5, 0.99))
    return f"{p50:.2f} / {p99:.2f} / {ranked[-1]:.2f}"
