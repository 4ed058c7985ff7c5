"""What docs/states.md promises of a job, told without SQL: the model that Postgres is held against."""

from dataclasses import dataclass, field
from typing import Final

from domain.jobs.job import Job, JobError
from domain.jobs.state import LIVE, State
from domain.jobs.verdict import Crashed, Failed, GivenBack, Outcome, Stopped, Succeeded

# Time moves in tens of seconds, and these end some seconds before a ten: what really passes while an example runs only
# makes the database later than the model, and there is room for seconds of it.
LEASE: Final = 36
EXPIRES: Final = 26
DELAYS: Final = (0, 16, 46)
RESEND: Final = 17.4  # doubled up to five times, it still ends four seconds before a ten
BASE: Final = 18


def failed(*, retryable: bool) -> Failed:
    return Failed(error=JobError(code="broken", title="Broken", detail="It broke.", retryable=retryable))


AGAIN: Final = failed(retryable=True)
NEVER: Final = failed(retryable=False)


@dataclass(frozen=True)
class Attempt:
    """What a worker has in its hands: the job as it was claimed."""

    job: Job
    lease: str


@dataclass(kw_only=True, repr=False)
class ModelJob:
    """What is known of a job. Times are seconds since the walk began."""

    id: str
    number: int
    key: str | None
    priority: int
    max_attempts: int
    expires_at: float | None
    due_at: float
    state: State = State.QUEUED
    stage: str | None = "due"
    attempt: int = 0
    crashes: int = 0
    held: Attempt | None = None
    lease_until: float = 0
    wants_cancel: bool = False
    code: str | None = None
    progress: float | None = None
    sent_at: float = 0
    sends: int = 0
    events: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    lost: list[Attempt] = field(default_factory=list)

    def __repr__(self) -> str:
        return f"job {self.number} ({self.state}, {self.stage}, attempt {self.attempt}, crashes {self.crashes})"

    def submitted(self, now: float) -> None:
        if self.due_at > now:
            self.state, self.stage = State.SCHEDULED, "waiting"
        else:
            self.events.append("queued")

    def promoted(self) -> None:
        self._to(State.QUEUED, "due")

    def sent(self, now: float) -> None:
        self.stage, self.sent_at = "sent", now
        self.sends += 1

    def put_back(self) -> None:
        if self.stage == "sent":
            self.stage = "due"

    def claimed(self, attempt: Attempt, now: float) -> None:
        self._to(State.RUNNING, None, event="started")
        self.held, self.lease_until, self.progress = attempt, now + LEASE, None
        self.attempt += 1

    def told_progress(self, progress: float) -> None:
        self.progress = progress
        self.events.append("progress")

    def settled(self, outcome: Outcome, now: float) -> None:
        """The attempt is over. A wish to cancel wins over going on, and loses to an end."""
        state, self.code = self._judged(outcome)
        if isinstance(outcome, Crashed):
            self.crashes += 1
        # the crash that ends the job stays visible as its last attempt
        if isinstance(outcome, GivenBack | Crashed) and state is State.QUEUED:
            self.attempt -= 1
        if self.wants_cancel and state in LIVE:
            state = State.CANCELLED
        if state is State.SUCCEEDED:
            self.progress = 1
        self.lose()
        self.ends.append(state)
        match state:
            case State.SCHEDULED:
                self._to(state, "waiting", event="retrying")
                self.due_at = now + BASE * 2 ** (self.attempt - 1)
            case State.QUEUED:
                self._to(state, "due")
            case _:
                self._to(state, None)

    def cancelled(self) -> None:
        self.wants_cancel = True
        if self.state is not State.RUNNING:
            self._to(State.CANCELLED, None)

    def expired(self) -> None:
        self.code = None
        self._to(State.EXPIRED, None)

    def retried(self, now: float) -> None:
        """By hand: as if it were new, but for what its history tells, and without a time to be started by."""
        self._to(State.QUEUED, "due")
        self.attempt = self.crashes = 0
        self.code = self.progress = self.expires_at = None
        self.wants_cancel = False
        self.due_at = now

    def lose(self) -> None:
        if self.held is not None:
            self.lost.append(self.held)
        self.held = None

    def may_be_claimed(self, now: float) -> bool:
        return self.state is State.QUEUED and self.stage == "sent" and not self.is_too_late(now)

    def is_due(self, now: float) -> bool:
        return self.stage == "waiting" and self.due_at <= now

    def is_too_late(self, now: float) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    def is_lapsed(self, now: float) -> bool:
        return self.state is State.RUNNING and self.lease_until < now

    def is_unheard(self, now: float) -> bool:
        """Whether it was sent so long ago that the message counts as lost; with every send that is twice as long."""
        return self.stage == "sent" and self.sent_at + RESEND * 2 ** (min(self.sends, 6) - 1) < now

    @property
    def stands(self) -> dict[str, object]:
        """What Postgres should say."""
        return {
            "state": self.state,
            "stage": self.stage,
            "attempt": self.attempt,
            "crashes": self.crashes,
            "lease": self.held.lease if self.held else None,
            "wants_cancel": self.wants_cancel,
            "code": self.code,
            "has_result": self.state is State.SUCCEEDED,
            "progress": self.progress,
            "has_ended": self.state not in LIVE,
            "seq": len(self.events),
            "events": self.events,
            "ends": self.ends,
        }

    @property
    def times(self) -> dict[str, float | None]:
        """What Postgres should say about when."""
        return {
            "runs_in": self.due_at,
            "expires_in": self.expires_at,
            "lapses_in": self.lease_until if self.held else None,
        }

    def _judged(self, outcome: Outcome) -> tuple[State, str | None]:
        match outcome:
            case Succeeded():
                return State.SUCCEEDED, None
            case Stopped():
                return State.CANCELLED, None
            case GivenBack():
                return State.QUEUED, None
            case Crashed():
                return (State.QUEUED if self.crashes < 2 else State.FAILED), "crashed"
            case Failed(error=error) if error.retryable and self.attempt < self.max_attempts:
                return State.SCHEDULED, error.code
            case Failed(error=error):
                return State.FAILED, "attempts_exhausted" if error.retryable else error.code

    def _to(self, state: State, stage: str | None, *, event: str | None = None) -> None:
        if stage is None:
            self.sends = 0
        self.state, self.stage = state, stage
        self.events.append(event or state)
