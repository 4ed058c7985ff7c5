"""What workers and relays count of their own work, beside what Postgres and the API can tell of it."""

from collections.abc import Sequence
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from domain.jobs.state import State
from runtime.broker import FRONT, Bell
from runtime.figures import SECONDS, ProcessFigures
from workers.abandoned import Abandoned
from workers.slots import Slots

HEARTBEAT: Final = "heartbeat"
HEARING: Final = "hearing"
LOOK: Final = "look"

_DUTIES: Final = ("rescue", "broker", "bulk", "prune", "publish")
_MOVES: Final = ("promoted", "rescued", "sent_again", "expired", "pruned")

_RUN_SECONDS: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_ENDS: Final = {
    State.SUCCEEDED: "succeeded",
    State.FAILED: "failed",
    State.SCHEDULED: "retrying",
    State.QUEUED: "given_back",
    State.CANCELLED: "cancelled",
}


class WorkerFigures(ProcessFigures):
    """The figures of a worker. Every label is a kind of the catalogue, an engine, or a word of this file."""

    def __init__(self, name: str = "worker") -> None:
        super().__init__("worker", name=name, rounds=(HEARTBEAT, HEARING))
        self._slots = Gauge("headrace_worker_slots", "How many jobs it runs at most", registry=self.registry)
        self._used = Gauge("headrace_worker_slots_used", "How many of its slots are taken", registry=self.registry)
        self._abandoned = Gauge(
            "headrace_worker_abandoned_handlers",
            "Handlers that go on though they were cut off",
            registry=self.registry,
        )
        self._bells = Counter(
            "headrace_worker_messages",
            "Messages of the broker: taken, of these some that broke in the worker; refused, for they named no jobs",
            ("outcome",),
            registry=self.registry,
        )
        self._claims = Histogram(
            "headrace_claim_duration_seconds",
            "Time a claim took, of one job or many",
            buckets=SECONDS,
            registry=self.registry,
        )
        self._named = Counter(
            "headrace_claim_jobs",
            "Jobs named by messages: claimed; not_ours, for they were claimed, cancelled or doubled; put_back, for the "
            "worker stops or its leases are stale; failed, for Postgres did not answer",
            ("outcome",),
            registry=self.registry,
        )
        self._attempts = Histogram(
            "headrace_attempt_duration_seconds",
            "Time from the claim to the handler's end; by what became of the job, or lost: its lease was, and nothing "
            "was written; not_settled: nothing could be",
            ("kind", "outcome"),
            buckets=_RUN_SECONDS,
            registry=self.registry,
        )
        self._settling = Histogram(
            "headrace_settle_duration_seconds",
            "Time from the handler's end until that was written, the wait for others written with it included",
            buckets=SECONDS,
            registry=self.registry,
        )
        self._questions = Histogram(
            "headrace_text_question_duration_seconds",
            "Time a text engine took over a question, by its end: answered, throttled, failed (it did not answer), "
            "unfit (it did, with what is no use), cut_short",
            ("engine", "outcome"),
            buckets=_RUN_SECONDS,
            registry=self.registry,
        )
        # finding a child by its labels costs more than the observation
        self._ended: dict[tuple[str, str], Histogram] = {}
        self._taken = self._bells.labels("taken")
        self._claimed = self._named.labels("claimed")
        self._not_ours = self._named.labels("not_ours")

    def watch(self, slots: Slots, abandoned: Abandoned) -> None:
        """Tell of these from now on."""
        self._slots.set(slots.total)
        self._used.set_function(lambda: slots.used)
        self._abandoned.set_function(lambda: len(abandoned))

    def heard(self, outcome: str) -> None:
        """Count a message."""
        (self._taken if outcome == "taken" else self._bells.labels(outcome)).inc()
        self.came_round(HEARING)

    def claimed(self, jobs: int, *, of: int, seconds: float) -> None:
        """Count a claim, and what it got of the jobs named."""
        self._claims.observe(seconds)
        self._claimed.inc(jobs)
        self._not_ours.inc(of - jobs)

    def left(self, jobs: int, outcome: str) -> None:
        """Count jobs that were named and not claimed."""
        self._named.labels(outcome).inc(jobs)

    def attempted(self, kind: str, state: State | None, *, seconds: float, settling_seconds: float) -> None:
        """Count an attempt by what it made of its job; None: nothing, for its lease was lost."""
        self._attempt(kind, "lost" if state is None else _ENDS[state]).observe(seconds)
        self._settling.observe(settling_seconds)

    def not_settled(self, kind: str, *, seconds: float) -> None:
        """Count an attempt of which nothing could be written."""
        self._attempt(kind, "not_settled").observe(seconds)

    def asked(self, engine: str, outcome: str, seconds: float) -> None:
        """Count a question to a text engine."""
        self._questions.labels(engine, outcome).observe(seconds)

    def _attempt(self, kind: str, outcome: str) -> Histogram:
        known = self._ended.get((kind, outcome))
        if known is None:
            known = self._ended[kind, outcome] = self._attempts.labels(kind, outcome)
        return known


class RelayFigures(ProcessFigures):
    """The figures of a relay. Every label is a queue of the catalogue, or a word of this package."""

    def __init__(self, name: str = "relay") -> None:
        super().__init__("relay", name=name, rounds=(LOOK, *_DUTIES))
        self._sent = Counter(
            "headrace_relay_sent_jobs", "Jobs handed to the broker", ("queue",), registry=self.registry
        )
        self._bells = Counter(
            "headrace_relay_messages", "Messages they went in", ("queue", "line"), registry=self.registry
        )
        self._moved = Counter(
            "headrace_relay_moved_jobs",
            "Jobs that were promoted, for their time had come; rescued from dead workers; sent_again, for nobody had "
            "claimed them; expired; pruned",
            ("move",),
            registry=self.registry,
        )
        for move in _MOVES:  # of a counter that begins with 1, Prometheus sees no increase
            self._moved.labels(move)

    def sent(self, queue: str, bells: Sequence[Bell]) -> None:
        """Count what the broker took."""
        self._sent.labels(queue).inc(sum(len(bell.ids) for bell in bells))
        in_front = sum(bell.line == FRONT for bell in bells)
        for line, number in (("front", in_front), ("back", len(bells) - in_front)):
            if number:
                self._bells.labels(queue, line).inc(number)

    def moved(self, move: str, jobs: int) -> None:
        """Count jobs that were moved by one of the relay's duties."""
        if jobs:
            self._moved.labels(move).inc(jobs)
