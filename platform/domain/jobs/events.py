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

STATE_AFTER: Final[dict[EventType, State]] = {
    **{event_type: state for state, event_type in OF_STATE.items()},
    EventType.PROGRESS: State.RUNNING,
    EventType.LOG: State.RUNNING,
    EventType.DELTA: State.RUNNING,
}
"""Where a job stands once this has happened to it."""


class Event(Struct, frozen=True, kw_only=True):
    """One thing that happened to one job; `seq` counts from 1 without gaps within the job."""

    job_id: str
    seq: int
    type: EventType
    at: datetime
    data: bytes


class NumberedEvent(Struct, frozen=True, kw_only=True):
    """An event among all of its tenant's; `number` only grows, with gaps. Of its job: kind, tags and batch."""

    number: int
    event: Event
    kind: str
    tags: tuple[str, ...]
    batch_id: str | None


class EventFilter(Struct, frozen=True, kw_only=True):
    """Which events of a tenant are wanted: of one kind, tag or batch, that leave a job in these states; or all."""

    kind: str | None = None
    tag: str | None = None
    batch_id: str | None = None
    states: tuple[State, ...] = ()

    def wants(self, one: NumberedEvent) -> bool:
        """Whether the event is among them."""
        return (
            (self.kind is None or one.kind == self.kind)
            and (self.tag is None or self.tag in one.tags)
            and (self.batch_id is None or self.batch_id == one.batch_id)
            and (not self.states or STATE_AFTER[one.event.type] in self.states)
        )
