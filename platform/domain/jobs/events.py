"""What happened to a job, as its event stream tells it."""

from datetime import datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct

from domain.jobs.state import State


class EventType(StrEnum):
    """The names a stream of events uses."""

    QUEUED = "queued"
    STARTED = "started"
    PROGRESS = "progress"
    LOG = "log"
    DELTA = "delta"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


LAST: Final = frozenset({EventType.SUCCEEDED, EventType.FAILED, EventType.CANCELLED, EventType.EXPIRED})

OF_STATE: Final[dict[State, EventType]] = {
    State.QUEUED: EventType.QUEUED,
    State.RUNNING: EventType.STARTED,
    State.SCHEDULED: EventType.RETRYING,
    State.SUCCEEDED: EventType.SUCCEEDED,
    State.FAILED: EventType.FAILED,
    State.CANCELLED: EventType.CANCELLED,
    State.EXPIRED: EventType.EXPIRED,
}


class Event(Struct, frozen=True, kw_only=True):
    """One thing that happened to one job; `seq` counts from 1 without gaps within the job."""

    job_id: str
    seq: int
    type: EventType
    at: datetime
    data: bytes
