"""What may change of a schedule."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict

from headrace.models import CatchUp, Overlap
from headrace.options import Input, NewJob, any_body
from headrace.requests import Duration, spelled_duration, spelled_time


class ScheduleChanges(TypedDict, total=False):
    """What is given changes, and nothing else; None takes away what may be absent."""

    name: str
    job: NewJob | Input[Any] | Mapping[str, Any]
    cron: str | None
    every: Duration | None
    timezone: str
    overlap: Overlap
    catch_up: CatchUp
    jitter: Duration | None
    starts_at: datetime | None
    ends_at: datetime | None
    paused: bool


def body_of_changes(changes: ScheduleChanges) -> dict[str, Any]:
    """The changes as the API takes them."""
    body: dict[str, Any] = dict(changes)
    if "job" in changes:
        body["job"] = any_body(changes["job"])
    for name in body.keys() & {"every", "jitter"}:
        body[name] = None if body[name] is None else spelled_duration(body[name])
    for name in body.keys() & {"starts_at", "ends_at"}:
        body[name] = None if body[name] is None else spelled_time(body[name])
    return body
