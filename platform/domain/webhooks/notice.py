"""Notices: what endpoints are told of an event, spelled once as a CloudEvent 1.0 (structured, JSON) and kept as bytes.

What is sent again, and what is signed, is exactly these bytes.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, field
from msgspec.structs import asdict, replace

from domain.ids import derived_id
from domain.jobs.job import Job
from domain.jobs.shown import FailedAttempt, JobView, show_job
from domain.webhooks.endpoint import TEST_EVENT

MOST_BODY_BYTES: Final = 256 * 1024
"""Of a body: what receivers take without being asked."""

MEDIA_TYPE: Final = "application/cloudevents+json; charset=utf-8"

_ENCODER: Final = msgspec.json.Encoder()
_NULL: Final = Raw(b"null")


class Notice(Struct, frozen=True, kw_only=True):
    """What is told of one event. `body` is what is sent, byte for byte."""

    id: str
    tenant_id: str
    type: str
    subject: str
    at: datetime
    body: bytes


class _CloudEvent(Struct, frozen=True, kw_only=True):
    """The envelope, in the standard's own names."""

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: str = "application/json"
    about: Struct = field(name="data")


class _JobTold(JobView, frozen=True, kw_only=True):
    """A job as told: fields too large to be sent are null, and named."""

    omitted: tuple[str, ...] | UnsetType = UNSET


class _Test(Struct, frozen=True, kw_only=True):
    """What a test tells."""

    webhook_id: str
    text: str = "Somebody asked for this test. Nothing happened."


def notice_of_end(job: Job, failed: Sequence[FailedAttempt]) -> Notice:
    """What is told of a job that has ended. Its links are relative: to where the receiver reaches the API."""
    at = job.finished_at or job.created_at
    told = _JobTold(**asdict(show_job(job, failed, "")))
    notice = notice_of(
        notice_id=derived_id("evt", job.id, str(job.seq), at=at),
        tenant_id=job.tenant_id,
        event_type=f"job.{job.state}",
        source="/v1/jobs",
        subject=job.id,
        at=at,
        about=told,
    )
    omitted: tuple[str, ...] = ()
    for name in ("input", "result"):
        if len(notice.body) > MOST_BODY_BYTES:
            omitted += (name,)
            told = replace(told, **{name: _NULL}, omitted=omitted)
            notice = replace(notice, body=_spell(notice, "/v1/jobs", told))
    return notice


def notice_of_test(endpoint_id: str, tenant_id: str, *, notice_id: str, at: datetime) -> Notice:
    """What is sent to see whether an endpoint takes it."""
    return notice_of(
        notice_id=notice_id,
        tenant_id=tenant_id,
        event_type=TEST_EVENT,
        source="/v1/webhooks",
        subject=endpoint_id,
        at=at,
        about=_Test(webhook_id=endpoint_id),
    )


def notice_of(  # noqa: PLR0913 - the attributes of a CloudEvent
    *, notice_id: str, tenant_id: str, event_type: str, source: str, subject: str, at: datetime, about: Struct
) -> Notice:
    """What is told of any event: `about` is its data, `source` where such things are found in the API."""
    notice = Notice(id=notice_id, tenant_id=tenant_id, type=event_type, subject=subject, at=at, body=b"")
    return replace(notice, body=_spell(notice, source, about))


def _spell(notice: Notice, source: str, about: Struct) -> bytes:
    return _ENCODER.encode(
        _CloudEvent(id=notice.id, source=source, type=notice.type, subject=notice.subject, time=notice.at, about=about)
    )
