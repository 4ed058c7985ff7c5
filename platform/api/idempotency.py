"""`Idempotency-Key` (IETF draft): the same request again is the first answer again, and nothing is done twice.

A job is submitted together with its key (`submit`). A route with a transaction of its own asks `find_answer` in it
before it does anything, and keeps what it answers.
"""

import hashlib
import re
from typing import Any, Final

import msgspec
from litestar.response import Response

from api.bodies import ApiRequest
from api.headers import RETRY_AFTER
from domain.jobs.job import Job
from domain.jobs.once import IdempotencyAnswerGone, IdempotencyKey, IdempotencyKeyInvalid
from storage.database import Tx
from storage.jobs import find_job
from storage.once import KeptAnswer, keep_answer, take_answer

ONCE: Final = {"once": True}
"""Given as `opt` to routes that honour the header, for the description to tell."""

REPLAYED: Final = {"Idempotency-Replayed": "true"}

_HEADER: Final = "Idempotency-Key"
_LONGEST: Final = 255
_ACCEPTED: Final = 202
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]+")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_ENCODER: Final = msgspec.json.Encoder()


async def read_key(request: ApiRequest, *, told: bytes | None = None) -> IdempotencyKey | None:
    """The key the request carries, with the fingerprint of the request; None without one.

    The fingerprint is of the body, or of what is `told` of it: a password must not be kept as so fast a hash.

    Raises:
        IdempotencyKeyInvalid: there is more than one, or it is not 1 to 255 printable characters of ASCII.
    """
    given = request.headers.getall(_HEADER, [])
    if not given:
        return None
    key = _spelled(given[0].strip())
    if len(given) > 1 or not 0 < len(key) <= _LONGEST or not _PRINTABLE.fullmatch(key):
        raise IdempotencyKeyInvalid(
            f"Expected one key of 1 to {_LONGEST} printable characters of ASCII.", pointer=f"header:{_HEADER}"
        )
    scope, caller = request.scope, request.user
    head = (request.method.encode(), scope["path"].encode(), scope["query_string"], caller.user_id.encode())
    digest = hashlib.sha256(b"\0".join(head) + b"\0")
    digest.update(await request.body() if told is None else told)
    return IdempotencyKey(
        tenant_id=caller.tenant_id,
        route=f"{request.method} {scope['path_template']}",
        key=key,
        fingerprint=digest.digest(),
    )


async def find_answer(tx: Tx, key: IdempotencyKey | None) -> KeptAnswer | None:
    """What was answered to this key; None: nothing, and it is this transaction's to answer.

    Raises:
        IdempotencyInProgress, IdempotencyKeyReused: it is another's.
    """
    return None if key is None else await take_answer(tx, key)


async def keep_response(tx: Tx, key: IdempotencyKey | None, response: Response[Any]) -> None:
    """Keep what is answered, to be given again."""
    if key is not None:
        answer = KeptAnswer(
            fingerprint=key.fingerprint,
            status=response.status_code,
            location=response.headers.get("Location"),
            body=_ENCODER.encode(response.content),
        )
        await keep_answer(tx, key, answer)


async def keep_job(tx: Tx, key: IdempotencyKey | None, job: Job) -> None:
    """Keep which job was made, to be shown again."""
    if key is not None:
        await keep_answer(tx, key, KeptAnswer(fingerprint=key.fingerprint, job_id=job.id))


def replay(kept: KeptAnswer) -> Response[Any]:
    """The first answer again."""
    headers = REPLAYED if kept.location is None else {"Location": kept.location} | REPLAYED
    if kept.location is not None and kept.status == _ACCEPTED:
        headers |= RETRY_AFTER
    return Response(kept.body or b"", status_code=kept.status, media_type="application/json", headers=headers)


async def first_job(tx: Tx, key: IdempotencyKey | None, kept: KeptAnswer) -> Job:
    """The job that was made for the key's first request, as it is now.

    Raises:
        IdempotencyAnswerGone: it is kept no more.
    """
    job = None if key is None else await find_job(tx, key.tenant_id, kept.job_id or "")
    if job is None:
        raise IdempotencyAnswerGone("The job that this key made is kept no more.")
    return job


def _spelled(header: str) -> str:
    """The key inside its quotes (a string of RFC 8941), or as it stands."""
    quoted = _QUOTED.fullmatch(header)
    return re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else header
