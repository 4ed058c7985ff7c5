"""What POST /v1/batches takes: one object, or a line for each job. Each job passes the body guard by itself.

After every few milliseconds of it the event loop gets its turn: other requests do not wait for ten thousand jobs.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw, Struct
from msgspec.structs import replace

from api.bodies import (
    DEEPEST,
    HALF_A_PAIR,
    MOST_BYTES,
    ApiRequest,
    BodyInvalid,
    BodyMalformed,
    check_media_type,
    decode_body,
    read_text,
)
from api.context import notes_of
from api.fields import MOST_ERRORS, FieldError, pointed, readable
from api.options import job_options, read_webhook
from api.submissions import AnySubmission, kind_of
from api.wording import in_words
from domain.accounts.user import Caller
from domain.catalog import kind_named
from domain.ids import BatchId, JobId
from domain.jobs.batch import MOST_JOBS, NOTED, Mode, NewBatch
from domain.jobs.job import MOST_METADATA, NewJob, new_job
from providers.http.outbound import Outbound
from runtime.unique_ids import new_id

NDJSON: Final = "application/x-ndjson"

_TURN_SECONDS: Final = 0.005
_ENOUGH: Final = 1000
_SPACE: Final = b" \t\r\n"
_LONE: Final = re.compile(rb"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])")
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_ARRAY: Final = msgspec.json.Decoder(list[Raw])


class BatchBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Jobs to be submitted together, and one to be submitted when all of them have ended, however they did.

    That one finds the batch's id in its metadata, as `batch_id`. None of them can be `unique`.
    """

    jobs: Annotated[tuple[AnySubmission, ...], Meta(min_length=1, max_length=MOST_JOBS)]
    on_finished: AnySubmission | None = None
    mode: Annotated[
        Mode, Meta(description="economy: its texts may take a day and cost half, where the text engine offers that")
    ] = "standard"


class _Piece(Struct, frozen=True):
    """What spells one job, where it stands, and how a person finds it there."""

    spelled: bytes | Raw
    pointer: str
    place: str = ""


async def read_batch(
    request: ApiRequest, batch_id: BatchId, outbound: Outbound, *, mode: Mode | None = None
) -> tuple[NewBatch, list[NewJob]]:
    """The batch that the body of `request` describes, in `mode` unless it says so itself, and its jobs, for the caller.

    In an error, a job is `/jobs/17` of an object, `/17` of lines; counted from 0, as its `index` is.

    Raises:
        MediaTypeUnsupported, BodyMalformed, BodySlow: it is nothing of the sort.
        BodyInvalid: something is wrong with it: all faults are named up to 100, and beyond them every job at fault.
        PermissionMissing: the caller may not submit one of these jobs.
    """
    media_type = check_media_type(request.headers.get("content-type"), NDJSON)
    body = await request.body()
    read_text(body)
    await asyncio.sleep(0)
    pieces, last, said = (_lines(body), None, None) if media_type == NDJSON else _parts(body)
    notes, now = notes_of(request.scope), datetime.now(UTC)
    errors: list[FieldError] = []
    jobs: list[NewJob] = []
    began = time.monotonic() - _TURN_SECONDS
    for index, piece in enumerate(pieces):
        job = _read(piece, request.user, now, outbound, errors)
        if job is not None:
            place = {"batch_id": batch_id, "batch_index": index}
            jobs.append(replace(job, **place, request_id=notes.request_id, traceparent=notes.traceparent))
        if time.monotonic() - began > _TURN_SECONDS:
            await asyncio.sleep(0)
            began = time.monotonic()
    following = None if last is None else _read_following(last, request.user, now, batch_id, outbound, errors)
    if errors:
        raise BodyInvalid(errors, beyond="of each job only the first fault is listed")
    batch = NewBatch(
        id=batch_id,
        tenant_id=request.user.tenant_id,
        caller_id=request.user.user_id,
        total=len(jobs),
        mode=said or mode or "standard",
        on_finished=following and replace(following, request_id=notes.request_id, traceparent=notes.traceparent),
    )
    return batch, jobs


def _lines(body: bytes) -> Sequence[_Piece]:
    """The lines that are not empty; a last one may end without a line feed."""
    # an empty line costs nearly as much as another
    if body.count(b"\n") > 2 * MOST_JOBS:
        raise _too_many("")
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), start=1) if line.strip(_SPACE)]
    _check_number(len(lines), "")
    return [_Piece(line, f"/{index}", f"Line {number}: ") for index, (number, line) in enumerate(lines)]


def _parts(body: bytes) -> tuple[Sequence[_Piece], _Piece | None, Mode | None]:
    """The jobs of a body of JSON, the one that follows them, and how their texts are asked about."""
    try:
        found = _OBJECT.decode(body)
        errors = [
            FieldError(pointed("", name), f"There is no such field. There are: {', '.join(_NAMES)}.")
            for name in found
            if name not in _NAMES
        ]
        if "jobs" not in found:
            errors.append(FieldError("/jobs", "This field is needed."))
        elif not bytes(found["jobs"]).startswith(b"["):
            errors.append(FieldError("/jobs", "Expected a list."))
        if not errors and not _stands_once(body, found):
            errors.append(FieldError("", "A name stands twice in the object, or is spelled with escapes."))
        if errors:
            raise BodyInvalid(errors[:MOST_ERRORS])
        jobs = _ARRAY.decode(found["jobs"])
        mode = _mode(found["mode"]) if "mode" in found else None
    except msgspec.ValidationError as error:
        raise BodyInvalid([FieldError("", in_words(readable(error), dict))]) from None
    except msgspec.DecodeError as error:
        said = HALF_A_PAIR if _LONE.search(body) else f"{error}."
        raise BodyMalformed(said) from None
    except RecursionError:
        raise BodyInvalid([FieldError("", f"Nested deeper than {DEEPEST} levels.")]) from None
    _check_number(len(jobs), "/jobs")
    last = found.get("on_finished")
    following = None if last is None or bytes(last) == b"null" else _Piece(last, "/on_finished")
    return [_Piece(job, f"/jobs/{index}") for index, job in enumerate(jobs)], following, mode


_NAMES: Final = BatchBody.__struct_fields__


def _stands_once(body: bytes, found: dict[str, Raw]) -> bool:
    """Whether `body` holds nothing besides what was found in it: what stands twice is found once, the last time."""
    left = body
    for value in map(bytes, found.values()):
        start = left.find(value[:_ENOUGH])
        # to look for the whole at once would cost a tenth of a second
        while start >= 0 and not left.startswith(value, start):
            start = left.find(value[:_ENOUGH], start + 1)
        if start < 0:
            return False
        left = left[:start] + left[start + len(value) :]
    return len(left.translate(None, _SPACE)) == len("{}") - 1 + sum(len(f'"{name}":,') for name in found)


def _mode(said: Raw) -> Mode:
    try:
        mode: Mode = msgspec.json.decode(said, type=Mode)
    except msgspec.ValidationError:
        raise BodyInvalid([FieldError("/mode", "Expected one of: standard, economy.")]) from None
    return mode


def _check_number(jobs: int, pointer: str) -> None:
    if jobs == 0:
        raise BodyInvalid([FieldError(pointer, "A batch has at least one job.")])
    if jobs > MOST_JOBS:
        raise _too_many(pointer)


def _too_many(pointer: str) -> BodyInvalid:
    return BodyInvalid([FieldError(pointer, f"A batch has at most {MOST_JOBS} jobs.")])


def _read(piece: _Piece, caller: Caller, now: datetime, outbound: Outbound, errors: list[FieldError]) -> NewJob | None:
    """The job that `piece` spells; None, and what is wrong with it among `errors`, if it is none."""
    spelled = bytes(piece.spelled)
    own: list[FieldError] = []
    try:
        if len(spelled) > MOST_BYTES:
            raise BodyInvalid([FieldError("", "A job has at most 1 MiB.")])  # noqa: TRY301 - as every other fault of it
        submission = decode_body(spelled, AnySubmission)
        if submission.unique is not None:
            own.append(FieldError("/unique", "A job of a batch cannot be unique: one that stands is of another batch."))
        webhook_url = read_webhook(submission.webhook, outbound, own)
        options = replace(job_options(submission, "/{}".format, now=now, also=own), webhook_url=webhook_url)
    except BodyMalformed as error:
        # the line of the body is told, and in it there is but one
        said = error.detail.replace(" in line 1, column ", " in column ") if piece.place else error.detail
        errors.append(FieldError(piece.pointer, f"{piece.place}{said}"))
        return None
    except BodyInvalid as error:
        # of a batch of thousands each job that is wrong is named, and of the first also all that is
        told = error.errors if len(errors) < MOST_ERRORS else error.errors[:1]
        errors += [FieldError(piece.pointer + one.pointer, f"{piece.place}{one.detail}") for one in told]
        return None
    kind = kind_named(kind_of(submission))
    caller.demand(kind.permission)
    submission.given.check_caller(caller)
    return new_job(kind, submission.given, caller, job_id=JobId(new_id("job")), options=options)


def _read_following(  # noqa: PLR0913, PLR0917 - where it stands, whose it is, and what is wrong
    piece: _Piece, caller: Caller, now: datetime, batch_id: BatchId, outbound: Outbound, errors: list[FieldError]
) -> NewJob | None:
    job = _read(piece, caller, now, outbound, errors)
    if job is None:
        return None
    pointer = f"{piece.pointer}/metadata"
    if NOTED in job.metadata:
        errors.append(FieldError(f"{pointer}/{NOTED}", "This one is written by the platform: the batch's id."))
    elif len(job.metadata) >= MOST_METADATA:
        errors.append(FieldError(pointer, f"Expected at most {MOST_METADATA - 1}: {NOTED} is written besides."))
    return replace(job, metadata={**job.metadata, NOTED: batch_id})
