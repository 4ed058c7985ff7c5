"""What may change of a schedule."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, TypedDict

from headrace.models import CatchUp, Overlap
from headrace.options import Input, NewJob, any_body
from headrace.requests import Duration, spelled_duration, spelled_time


class ScheduleChanges(TypedDict, total=False):
    """What is given changes, and nothing else; None takes away. `cron` and `every` replace each other."""

    name: str
    job: NewJob | Input[Any] | Mapping[str, Any]
    cron: str
    every: Duration
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
    for name, value in changes.items():
        if isinstance(value, datetime):
            body[name] = spelled_time(value)
        elif name in {"every", "jitter"} and isinstance(value, timedelta | float | int | str):
            body[name] = spelled_duration(value)
    return body
