"""`text.economize`: has the texts of a batch answered by a provider's own batches: slower, at half the price."""

from datetime import timedelta
from typing import Annotated, Final

from msgspec import Meta
from msgspec.structs import replace

from domain.ids import BatchId, JobId, derived_id
from domain.jobs.job import NewJob
from domain.jobs.kind import Input, Kind, Result

PATIENCE: Final = timedelta(hours=24)
"""How long a provider's batch is waited for; what it has not answered by then is asked as usual."""

TAKEN: Final = frozenset({"text.summarize", "text.moderate", "text.classify", "text.generate"})
"""The kinds whose jobs may be answered so."""

MOST_STOPPERS: Final = 3
"""How many jobs, one after another, try to stop what is left under way; whatever ends three ends a fourth."""

_LATEST: Final = PATIENCE + timedelta(hours=1)
_FIRST_LOOK: Final = timedelta(seconds=30)
_LONGEST_PAUSE: Final = timedelta(minutes=30)


class Economize(Input, frozen=True, kw_only=True):
    """Which batch's texts. `stop`: who saw to them is no more; what was sent is stopped, and they wait no longer."""

    batch_id: Annotated[str, Meta(pattern=r"^batch_[0-9a-f]{32}$")]
    stop: bool = False


class Economized(Result, frozen=True, kw_only=True):
    """How many texts were to be asked about so, and how many of them were answered. The rest were asked as usual.

    Texts that are the same share a question, and an answer.
    """

    asked: int
    answered: int


def gatherer_of(batch_id: BatchId) -> JobId:
    """The id of the job that has a batch's texts answered so."""
    return JobId(derived_id("job", batch_id, "economize"))


def stopper_of(batch_id: BatchId, turn: int = 1) -> JobId:
    """The id of the job that stops what that one left under way, where it was cancelled or failed; and of the next."""
    return JobId(derived_id("job", batch_id, "economize/stop" if turn == 1 else f"economize/stop/{turn}"))


def stoppers_of(batch_id: BatchId) -> tuple[JobId, ...]:
    """The ids of all jobs that may stop it, one after another: who cancels the first may not know what it was for."""
    return tuple(stopper_of(batch_id, turn) for turn in range(1, MOST_STOPPERS + 1))


def can_wait(job: NewJob) -> bool:
    """Whether a job may be answered so: it is a text, and says neither when it starts or ends nor what it waits for."""
    says_when = job.delay_seconds is not None or job.run_at is not None or job.expires_in_seconds is not None
    return job.kind in TAKEN and not says_when and job.concurrency_key is None


def patient(job: NewJob) -> NewJob:
    """The job, to wait for a provider's batch: by itself it starts only when none is to be expected any more."""
    return replace(job, delay_seconds=_LATEST.total_seconds())


def pause_before_look(attempt: int) -> timedelta:
    """How long to wait before another look at a provider's batch, after so many: longer each time."""
    return min(_LONGEST_PAUSE, _FIRST_LOOK * 1.3 ** min(attempt - 1, 50))


ECONOMIZE: Final = Kind(
    name="text.economize",
    input=Economize,
    result=Economized,
    queue="text",
    summary="Have the texts of a batch answered by a provider's batches; made by POST /v1/batches.",
    example=Economize(batch_id="batch_01980000000070008000000000000003"),
    timeout=timedelta(minutes=5),
    # a look is an attempt: these are two days of them, more than the provider is waited for
    max_attempts=100,
    internal=True,
)
