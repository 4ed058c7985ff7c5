"""What a day left behind: errands, Gemini's books, the platform's rows, and what the local engine says by itself."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg
from msgspec import Struct
from psycopg.rows import dict_row

from domain.catalog import kind_named
from domain.chat.conversation import ChatMessage
from domain.text.classify import Classify
from domain.text.generate import Generate
from domain.text.moderate import Moderate
from domain.text.summarize import Summarize
from providers.text.local.engine import LocalTextProvider
from providers.text.provider import TextProvider
from tests.day.errands import Errand
from tests.day.ledger import CASE, Call

LOCAL: Final = frozenset({"local", "local-template"})


class Attempt(Struct, frozen=True, kw_only=True):
    """A try at a job: from when to when, and how it ended."""

    begun_at: float
    over_at: float
    outcome: str
    code: str | None = None


class Job(Struct, frozen=True, kw_only=True):
    """A job as its row stands. `expected` is what the local engine says to its input, where that answered."""

    id: str
    tenant: str
    kind: str
    state: str
    tag: str
    request: str | None = None
    code: str | None = None
    result: dict[str, Any] | None = None
    is_flagged: bool = False
    is_anew: bool = False
    attempts: tuple[Attempt, ...] = ()
    expected: dict[str, Any] | None = None

    @property
    def engine(self) -> str:
        """Who answered."""
        return str((self.result or {}).get("engine", ""))


class Booked(Struct, frozen=True, kw_only=True):
    """What was booked, of a tenant, a day, a kind."""

    tenant: str
    day: str
    kind: str
    calls: int
    prompt_tokens: int
    output_tokens: int
    cost_micros: int


class Rules(Struct, frozen=True, kw_only=True):
    """What the platform was told. `caps` are of South, by kind, in tokens; '' is of all kinds together."""

    failures: int
    rest_seconds: float
    fallback: frozenset[str]
    caps: Mapping[str, int]
    micros_a_prompt_token: int
    micros_an_output_token: int


class Day(Struct, frozen=True, kw_only=True):
    """All of it. `put_off` are the jobs that would have waited for tomorrow; `leaks` where a canary was found."""

    rules: Rules
    errands: Sequence[Errand]
    wrong: Sequence[str]
    calls: Sequence[Call]
    jobs: Mapping[str, Job]
    booked: Sequence[Booked]
    reservations: int = 0
    put_off: frozenset[str] = frozenset()
    leaks: Sequence[str] = ()
    cacheless_at: Sequence[float] = ()
    """When a process went on without the cache, whose Redis did not answer it in time."""
    kills: int = 0

    def jobs_about(self, call: Call) -> list[Job]:
        """The jobs that may have asked this."""
        return [job for job in self.jobs.values() if (job.kind, job.tag) == (call.kind, call.tag)]


_JOBS: Final = """
SELECT jobs.id, tenants.name AS tenant, jobs.kind, jobs.state, jobs.input, jobs.result, jobs.usage, jobs.no_cache,
    jobs.error ->> 'code' AS code, jobs.metadata ->> 'request' AS request, asked.text AS said
FROM jobs JOIN tenants ON tenants.id = jobs.tenant_id
LEFT JOIN messages AS asked ON asked.id = jobs.input ->> 'message_id'
WHERE tenants.name = ANY(%s)
"""
_ATTEMPTS: Final = "SELECT job_id, started_at, finished_at, outcome, code FROM attempts ORDER BY id"
_BOOKED: Final = """
SELECT tenants.name AS tenant, CAST(day AS text) AS day, kind, CAST(sum(calls) AS bigint) AS calls,
    CAST(sum(prompt_tokens) AS bigint) AS prompt_tokens, CAST(sum(output_tokens) AS bigint) AS output_tokens,
    CAST(sum(cost_micros) AS bigint) AS cost_micros
FROM usage JOIN tenants ON tenants.id = usage.tenant_id GROUP BY 1, 2, 3
"""
_RESERVED: Final = "SELECT count(*) FROM reservations JOIN jobs ON jobs.id = job_id AND jobs.lease = reservations.lease"
_CANARY: Final = "zqx[0-9a-f]{16}"
_LEAKS: Final = f"""
SELECT 'job ' || id AS place FROM jobs
WHERE coalesce(result::text, '') || coalesce(error::text, '') || coalesce(usage::text, '') ~* '{_CANARY}'
UNION ALL SELECT 'message ' || id FROM messages WHERE text ~* '{_CANARY}'
UNION ALL SELECT 'event of ' || job_id FROM events WHERE data::text ~* '{_CANARY}'
UNION ALL SELECT 'attempt of ' || job_id FROM attempts WHERE detail ~* '{_CANARY}'
"""  # noqa: S608 - a constant of ours
_CONTEXT: Final = """
SELECT messages.role, messages.text FROM messages
LEFT JOIN messages AS answered ON answered.id = messages.reply_to
JOIN messages AS asked ON asked.conversation_id = messages.conversation_id AND asked.id = %s
WHERE messages.id = asked.id OR coalesce(answered.position, messages.position) < asked.position
ORDER BY coalesce(answered.position, messages.position), messages.position
"""


async def read_rows(database_url: str, tenants: Sequence[str]) -> dict[str, Any]:
    """What of a day the database holds, as fields of `Day`."""
    local = LocalTextProvider()
    try:
        with psycopg.connect(database_url) as connection, connection.cursor(row_factory=dict_row) as cursor:
            attempts: dict[str, list[Attempt]] = {}
            for row in cursor.execute(_ATTEMPTS.encode()):
                attempts.setdefault(row["job_id"], []).append(
                    Attempt(
                        begun_at=row["started_at"].timestamp(),
                        over_at=row["finished_at"].timestamp(),
                        outcome=row["outcome"],
                        code=row["code"],
                    )
                )
            jobs = [_job(row, attempts) for row in cursor.execute(_JOBS.encode(), (list(tenants),)).fetchall()]
            for at, job in enumerate(jobs):
                if job.engine in LOCAL:
                    given = cursor.execute("SELECT input FROM jobs WHERE id = %s", (job.id,)).fetchall()[0]["input"]
                    said = cursor.execute(_CONTEXT.encode(), (given.get("message_id"),)).fetchall()
                    context = [ChatMessage(row["role"], row["text"]) for row in said]
                    jobs[at] = msgspec.structs.replace(job, expected=await _by_itself(local, job.kind, given, context))
            return {
                "jobs": {job.id: job for job in jobs},
                "booked": [Booked(**row) for row in cursor.execute(_BOOKED.encode())],
                "reservations": cursor.execute(_RESERVED.encode()).fetchall()[0]["count"],
                "leaks": [row["place"] for row in cursor.execute(_LEAKS.encode())],
            }
    finally:
        await local.aclose()


def log_of(folder: Path) -> str:
    """All that the processes of a platform wrote."""
    return "".join(path.read_text(errors="replace") for path in (folder / "up.err", *folder.glob("logs/*")))


def leaks_in(log: str) -> list[str]:
    """Lines of a log that tell a canary."""
    return [f"the log: {line[:200]}" for line in log.splitlines() if re.search(_CANARY, line, re.IGNORECASE)]


def times_of(event: str, log: str) -> list[float]:
    """When a log in JSON tells of an event."""
    lines = (line for line in log.splitlines() if f'"event":"{event}"' in line)
    told = (msgspec.json.decode(line, type=dict[str, Any])["timestamp"] for line in lines)
    return [datetime.fromisoformat(at).timestamp() for at in told]


def _job(row: dict[str, Any], attempts: Mapping[str, list[Attempt]]) -> Job:
    given = row["said"] or row["input"].get("text") or row["input"].get("brief") or ""
    found = CASE.search(given)
    return Job(
        id=row["id"],
        tenant=row["tenant"],
        kind=row["kind"],
        state=row["state"],
        tag=found[1] if found else "",
        request=row["request"],
        code=row["code"],
        result=row["result"],
        is_flagged=bool((row["usage"] or {}).get("safety")),
        is_anew=row["no_cache"],
        attempts=tuple(attempts.get(row["id"], ())),
    )


async def _by_itself(
    local: TextProvider, kind: str, given: dict[str, Any], context: Sequence[ChatMessage]
) -> dict[str, Any]:
    if kind == "chat.reply":
        return {"text": "".join([part.text async for part in local.reply(context)]).strip()}
    match msgspec.convert(given, kind_named(kind).input):
        case Summarize() as asked:
            value: object = (await local.summarize(asked)).value
        case Moderate() as asked:
            value = (await local.moderate(asked)).value
        case Classify() as asked:
            value = (await local.classify(asked)).value
        case Generate() as asked:
            value = (await local.generate(asked)).value
        case odd:
            raise AssertionError(odd)
    return dict(msgspec.json.decode(msgspec.json.encode(value)))
