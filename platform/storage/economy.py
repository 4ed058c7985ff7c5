"""Batches of a text provider's, with the jobs they answer: made, sent, ended, each step one guarded statement.

Long because the statements of all steps are read together: what one leaves the next one finds.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import text

from domain.ids import BatchId, JobId
from domain.text.prompts import Marks
from storage.database import Tx

_COLUMNS: Final = "id, batch_id, model, fence, canary, sorts, name, ended_at IS NOT NULL AS is_ended"

_AWAIT: Final = text("""
INSERT INTO provider_answers (job_id, tenant_id, batch_id)
SELECT unnest(CAST(:job_ids AS text[])), :tenant_id, :batch_id
""")

# Jobs that were retried, or run by hand, are nobody's to gather any more.
_WAITING: Final = text("""
SELECT jobs.id, jobs.kind, jobs.input, no_cache FROM provider_answers JOIN jobs ON jobs.id = provider_answers.job_id
WHERE provider_answers.batch_id = :batch_id AND provider_batch_id IS NULL AND state = 'scheduled' AND attempt = 0
ORDER BY jobs.id
""")

# Also those whose jobs were retried, run by hand or cancelled meanwhile: they would look as if nobody had seen to them.
_FORGET: Final = text("DELETE FROM provider_answers WHERE batch_id = :batch_id AND provider_batch_id IS NULL")

_MAKE: Final = text("""
INSERT INTO provider_batches (id, tenant_id, batch_id, model, fence, canary, sorts)
VALUES (:id, :tenant_id, :batch_id, :model, :fence, :canary, :sorts)
""")

_GATHER: Final = text("""
UPDATE provider_answers SET provider_batch_id = :id
WHERE job_id = ANY (CAST(:job_ids AS text[])) AND provider_batch_id IS NULL
""")

_LIST: Final = text(f"SELECT {_COLUMNS} FROM provider_batches WHERE batch_id = :batch_id ORDER BY id")  # noqa: S608 - a constant of ours

_OF: Final = text("""
SELECT jobs.id, jobs.kind, jobs.input, no_cache, state = 'scheduled' AND attempt = 0 AS is_waiting, prompt_version
FROM provider_answers JOIN jobs ON jobs.id = provider_answers.job_id
WHERE provider_answers.batch_id = :batch_id AND provider_batch_id = :id ORDER BY jobs.id
""")

_SENT: Final = text("""
UPDATE provider_batches SET name = :name, sent_at = now() WHERE id = :id AND sent_at IS NULL
""")

_ASKED: Final = text("""
UPDATE provider_answers SET prompt_version = :prompt_version, placeholders = :placeholders WHERE job_id = :job_id
""")

_END: Final = text("""
UPDATE provider_batches SET ended_at = now(), outcome = :outcome WHERE id = :id AND ended_at IS NULL RETURNING id
""")

_ANSWER: Final = text("""
UPDATE provider_answers SET answer = :answer, prompt_tokens = :prompt_tokens, output_tokens = :output_tokens
WHERE job_id = :job_id AND provider_batch_id = :id
""")

# Jobs first, then their rows in the outbox, as whoever promotes them does. Who was tried waits for its next try.
_HASTEN: Final = text("""
WITH moved AS (
    UPDATE jobs SET run_at = now() WHERE id = ANY (ARRAY(
        SELECT id FROM jobs WHERE id = ANY (CAST(:ids AS text[])) AND state = 'scheduled' AND (attempt = 0 OR :tried)
        ORDER BY id FOR UPDATE
    )) RETURNING id
)
UPDATE outbox SET due_at = now() FROM moved WHERE outbox.job_id = moved.id AND outbox.stage = 'waiting'
""")

_GATHERED: Final = text("""
SELECT job_id FROM provider_answers WHERE batch_id = :batch_id AND provider_batch_id = :id
""")

_COUNTS: Final = text("""
SELECT count(*) AS asked, count(answer) AS answered FROM provider_answers WHERE batch_id = :batch_id
""")

_READY: Final = text("""
SELECT answer, fence, canary, sorts, model, coalesce(prompt_version, '') AS prompt_version, placeholders, prompt_tokens,
    output_tokens
FROM provider_answers JOIN provider_batches ON provider_batches.id = provider_batch_id
WHERE job_id = :job_id AND answer IS NOT NULL
""")

# What is open: texts to be gathered, batches that have not ended; the oldest first. There is an index of each.
_OPEN: Final = text("""
SELECT batch_id FROM provider_batches WHERE ended_at IS NULL
UNION SELECT batch_id FROM provider_answers WHERE provider_batch_id IS NULL
ORDER BY batch_id LIMIT :limit
""")

_LEFT: Final = text("""
SELECT id, tenant_id, caller_id, request_id, traceparent FROM jobs
WHERE id = ANY (CAST(:ids AS text[])) AND state IN ('failed', 'cancelled', 'expired')
ORDER BY id FOR UPDATE SKIP LOCKED
""")

_THERE: Final = text("""
SELECT id, state IN ('failed', 'cancelled', 'expired') AS is_left FROM jobs WHERE id = ANY (CAST(:ids AS text[]))
""")

_IS_CANCELLED: Final = text("SELECT cancel_requested_at IS NOT NULL FROM batches WHERE id = :id")


class WaitingText(Struct, frozen=True):
    """A job that waits to be gathered, or was; once it is sent with the version of its prompt.

    `is_anew`: whatever others were answered.
    """

    job_id: str
    kind: str
    input: bytes
    is_anew: bool = False
    is_waiting: bool = True
    prompt_version: str = ""


class AskedText(Struct, frozen=True, kw_only=True):
    """How a job's text was asked about: the version of the prompt, and a digest of what its placeholders stand for."""

    job_id: str
    prompt_version: str
    placeholders: str


class LeftBatch(Struct, frozen=True, kw_only=True):
    """The job that saw to a batch's texts, and ended before they did; and the id of the one to follow it."""

    job_id: str
    next_id: JobId
    tenant_id: str
    caller_id: str
    batch_id: BatchId
    request_id: str | None
    traceparent: str | None


class ProviderBatch(Struct, frozen=True, kw_only=True):
    """As its row stands. `id` is what the provider shows it by; `name` is the provider's own, once it is sent."""

    id: str
    batch_id: str
    model: str
    marks: Marks
    sorts: str | None
    name: str | None = None
    is_ended: bool = False


class GivenAnswer(Struct, frozen=True, kw_only=True):
    """What a provider's batch answers to a job, word for word, and what that cost."""

    job_id: str
    text: str
    prompt_tokens: int
    output_tokens: int


class ReadyAnswer(Struct, frozen=True, kw_only=True):
    """An answer that lies ready for a job, and how to read it."""

    text: str
    marks: Marks
    sorts: str | None
    model: str
    prompt_version: str
    placeholders: str | None
    prompt_tokens: int
    output_tokens: int


async def await_answers(tx: Tx, tenant_id: str, batch_id: str, job_ids: Sequence[str]) -> None:
    """Let the jobs of a batch, which are scheduled, wait to be gathered into a provider's batches."""
    await tx.execute(_AWAIT, {"tenant_id": tenant_id, "batch_id": batch_id, "job_ids": list(job_ids)})


async def waiting_texts(tx: Tx, batch_id: str) -> list[WaitingText]:
    """The jobs of a batch that wait to be gathered."""
    rows = await tx.execute(_WAITING, {"batch_id": batch_id})
    return [WaitingText(row.id, row.kind, row.input, row.no_cache) for row in rows]


async def let_run(tx: Tx, batch_id: str, job_ids: Sequence[str]) -> None:
    """Let these jobs run as usual, which waited to be gathered; nobody of the batch does any longer."""
    await tx.execute(_FORGET, {"batch_id": batch_id})
    await hasten(tx, job_ids)


async def make_provider_batch(tx: Tx, tenant_id: str, made: ProviderBatch, job_ids: Sequence[str]) -> None:
    """Write a provider's batch that is not sent yet, and whom it is to answer."""
    await tx.execute(
        _MAKE,
        {
            "id": made.id,
            "tenant_id": tenant_id,
            "batch_id": made.batch_id,
            "model": made.model,
            "fence": made.marks.fence,
            "canary": made.marks.canary,
            "sorts": made.sorts,
        },
    )
    await tx.execute(_GATHER, {"id": made.id, "job_ids": list(job_ids)})


async def list_provider_batches(tx: Tx, batch_id: str) -> list[ProviderBatch]:
    """Those made for a batch, the oldest first."""
    return [
        ProviderBatch(
            id=row.id,
            batch_id=row.batch_id,
            model=row.model,
            marks=Marks(fence=row.fence, canary=row.canary),
            sorts=row.sorts,
            name=row.name,
            is_ended=row.is_ended,
        )
        for row in await tx.execute(_LIST, {"batch_id": batch_id})
    ]


async def texts_of(tx: Tx, one: ProviderBatch) -> list[WaitingText]:
    """Its jobs, and which of them wait for it still."""
    rows = await tx.execute(_OF, {"batch_id": one.batch_id, "id": one.id})
    return [
        WaitingText(row.id, row.kind, row.input, row.no_cache, row.is_waiting, row.prompt_version or "") for row in rows
    ]


async def note_sent(tx: Tx, provider_batch_id: str, name: str, asked: Sequence[AskedText]) -> None:
    """Keep the provider's name of a batch, unless one is kept already, and how its texts were asked about."""
    await tx.execute(_SENT, {"id": provider_batch_id, "name": name})
    if asked:
        await tx.execute(_ASKED, [msgspec.structs.asdict(one) for one in asked])


async def end_provider_batch(tx: Tx, one: ProviderBatch, outcome: str, answers: Sequence[GivenAnswer]) -> bool:
    """Keep what it answered and let the jobs run that wait for it; False: it had ended before, nothing is written."""
    if (await tx.execute(_END, {"id": one.id, "outcome": outcome})).first() is None:
        return False
    if answers:
        rows = [
            {
                "id": one.id,
                "job_id": answer.job_id,
                "answer": answer.text,
                "prompt_tokens": answer.prompt_tokens,
                "output_tokens": answer.output_tokens,
            }
            for answer in answers
        ]
        await tx.execute(_ANSWER, rows)
    gathered = (await tx.execute(_GATHERED, {"batch_id": one.batch_id, "id": one.id})).scalars().all()
    await hasten(tx, gathered)
    return True


async def hasten(tx: Tx, job_ids: Sequence[str], *, tried: bool = False) -> None:
    """Let the scheduled jobs among these start now; `tried`: those too that wait for their next attempt."""
    if job_ids:
        await tx.execute(_HASTEN, {"ids": list(job_ids), "tried": tried})


async def count_answers(tx: Tx, batch_id: str) -> tuple[int, int]:
    """How many jobs of a batch were gathered, and how many of them answered."""
    row = (await tx.execute(_COUNTS, {"batch_id": batch_id})).one()
    return row.asked, row.answered


async def is_batch_cancelled(tx: Tx, batch_id: str) -> bool:
    """Whether somebody asked that the batch be cancelled; so it is too once it is pruned."""
    return (await tx.execute(_IS_CANCELLED, {"id": batch_id})).scalar_one_or_none() is not False


async def find_ready(tx: Tx, job_id: str) -> ReadyAnswer | None:
    """What a provider's batch answered to a job; None: nothing."""
    row = (await tx.execute(_READY, {"job_id": job_id})).one_or_none()
    if row is None:
        return None
    return ReadyAnswer(
        text=row.answer,
        marks=Marks(fence=row.fence, canary=row.canary),
        sorts=row.sorts,
        model=row.model,
        prompt_version=row.prompt_version,
        placeholders=row.placeholders,
        prompt_tokens=row.prompt_tokens,
        output_tokens=row.output_tokens,
    )


async def take_left(
    tx: Tx,
    *,
    seen_to_by: Callable[[BatchId], JobId],
    ended_by: Callable[[BatchId], Sequence[JobId]],
    limit: int,
) -> list[LeftBatch]:
    """Batches with texts that wait to be gathered, or at the provider, whose job that sees to them is no more.

    Each for one caller at a time, and none for which there is a job to end it. The two tell the ids of these jobs; of
    those that end it the next follows where the one before was cancelled or failed as well.
    """
    open_ones = (await tx.execute(_OPEN, {"limit": limit})).scalars().all()
    if not open_ones:
        return []
    batches = {seen_to_by(BatchId(batch_id)): BatchId(batch_id) for batch_id in open_ones}
    left = (await tx.execute(_LEFT, {"ids": list(batches)})).all()
    if not left:
        return []
    # its row is held: who asks at the same time does not see it, and who asks later sees what was submitted
    enders = {row.id: ended_by(batches[row.id]) for row in left}
    there = (await tx.execute(_THERE, {"ids": [job_id for ids in enders.values() for job_id in ids]})).all()
    is_left = {JobId(row.id): bool(row.is_left) for row in there}
    return [
        LeftBatch(
            job_id=row.id,
            next_id=next_id,
            tenant_id=row.tenant_id,
            caller_id=row.caller_id,
            batch_id=batches[row.id],
            request_id=row.request_id,
            traceparent=row.traceparent,
        )
        for row in left
        if (next_id := _next_of(enders[row.id], is_left)) is not None
    ]


def _next_of(enders: Sequence[JobId], is_left: Mapping[JobId, bool]) -> JobId | None:
    """The first that is not there, if all before it were left; none where one is at it, or all are there."""
    for job_id in enders:
        if job_id not in is_left:
            return job_id
        if not is_left[job_id]:
            return None
    return None
