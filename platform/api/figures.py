"""What the API counts of itself, for Prometheus."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import Counter, Gauge, Histogram, generate_latest

from runtime.figures import SECONDS, open_registry
from storage.job_lists import QueueCount
from storage.workers import WorkerSeen

MEDIA_TYPE: Final = "text/plain; version=0.0.4"
_JOBS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Figures:
    """Counters of this process, and the numbers of live jobs as they were last told."""

    def __init__(self) -> None:
        self._registry = open_registry("api", name="api")
        self._requests = Histogram(
            "headrace_http_request_duration_seconds",
            "Time to answer, by route template; of streams, until their end",
            ("method", "route", "status"),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._batches = Histogram(
            "headrace_accept_batch_jobs", "Jobs written by one commit", buckets=_JOBS, registry=self._registry
        )
        self._live = Gauge(
            "headrace_jobs_live", "Jobs that are not finished", ("queue", "state"), registry=self._registry
        )
        self._shed = Counter(
            "headrace_http_shed", "Submissions refused unheard, for there were too many", registry=self._registry
        )
        self._logins_shed = Counter(
            "headrace_logins_shed",
            "Logins and registrations refused unheard, for too many waited",
            registry=self._registry,
        )
        self._under_way = Gauge(
            "headrace_http_submissions_under_way", "Submissions not yet answered", registry=self._registry
        )
        self._limit = Gauge(
            "headrace_http_submissions_limit", "How many of them may be at present", registry=self._registry
        )
        of_engine = ("worker", "engine")
        self._open = Gauge(
            "headrace_text_breaker_open",
            "1: the worker leaves the engine alone, for it failed; 0: it does not",
            of_engine,
            registry=self._registry,
        )
        self._open_seconds = Gauge(
            "headrace_text_breaker_open_seconds",
            "Since when it failed; 0: it does not",
            of_engine,
            registry=self._registry,
        )
        self._asked = Gauge(
            "headrace_text_questions",
            "What became of questions to the engine since the worker started: calls, of which failures and throttled; "
            "refused ones, not put to it; fallbacks, put to the next engine",
            (*of_engine, "outcome"),
            registry=self._registry,
        )
        # finding a child by its labels costs more than the observation
        self._known: dict[tuple[str, str, int], Histogram] = {}

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        key = (method if route != "unrouted" else "", route, status)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._requests.labels(*map(str, key))
        known.observe(seconds)

    def committed(self, jobs: int) -> None:
        """Count one group commit."""
        self._batches.observe(jobs)

    def shed(self, refused: int, *, under_way: int, limit: float) -> None:
        """Count what was refused lately, and take over how many are under way and may be."""
        self._shed.inc(refused)
        self._under_way.set(under_way)
        self._limit.set(int(limit))

    def logins_shed(self, refused: int) -> None:
        """Count the logins that were refused lately."""
        self._logins_shed.inc(refused)

    def live(self, counts: Iterable[QueueCount]) -> None:
        """Take over the numbers of live jobs."""
        self._live.clear()
        for count in counts:
            self._live.labels(count.queue, count.state).set(count.count)

    def engines(self, workers: Iterable[WorkerSeen]) -> None:
        """Take over what workers have found of the engines they ask."""
        for gauge in (self._open, self._open_seconds, self._asked):
            gauge.clear()
        for worker in workers:
            for engine in worker.engines:
                self._open.labels(worker.name, engine.name).set(engine.state == "open")
                self._open_seconds.labels(worker.name, engine.name).set(engine.open_seconds or 0)
                for outcome in ("calls", "failures", "throttled", "refused", "fallbacks"):
                    self._asked.labels(worker.name, engine.name, outcome).set(getattr(engine, outcome))

    def render(self) -> bytes:
        """Everything, in Prometheus's text format."""
        return generate_latest(self._registry)
