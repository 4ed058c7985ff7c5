"""What must hold once a campaign is quiet: each invariant a query or a few lines.

Each yields what breaks it. They ask the database, the inbox and the outside log, never the platform's own code but
its table of moves. Long because the whole promise should be read in one place.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Final

import psycopg
from msgspec import Struct
from psycopg.rows import dict_row

from domain.jobs.events import OF_STATE
from domain.jobs.state import MOVES, TERMINAL, State
from domain.jobs.verdict import MOST_CRASHES
from storage.database import open_database
from tests.faults.hearing import Heard
from tests.faults.outside_log import Told
from tests.support.shop import wrong_books

IDLE_SECONDS = 5.0
"""How long a transaction may be idle."""


class Evidence(Struct, frozen=True, kw_only=True):
    """What the checks look at. `inbox` has the Message-ID of every e-mail that arrived, one entry a copy.

    `heard` are the deliveries of webhooks that arrived, copies too.
    """

    database_url: str
    told: Told
    inbox: tuple[str, ...]
    heard: tuple[Heard, ...] = ()

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        with psycopg.connect(self.database_url) as connection, connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute("SET work_mem = '256MB'")  # for what is looked up among all jobs to be hashed
            return cursor.execute(query.encode(), values or None).fetchall()


class Violation(Struct, frozen=True):
    """An invariant, and what breaks it."""

    invariant: str
    what: str


def violations(evidence: Evidence) -> list[Violation]:
    """Everything that is wrong."""
    return [Violation(name, what) for name, check in INVARIANTS.items() for what in check(evidence)]


def every_accepted_job_is_there_and_done(evidence: Evidence) -> Iterator[str]:
    found = {row["id"]: row for row in evidence.rows("SELECT id, state, metadata ->> 'request' AS request FROM jobs")}
    for number, job_id in evidence.told.accepted.items():
        row = found.get(job_id)
        if row is None:
            yield f"request {number} was promised {job_id}, which is lost"
        elif evidence.told.requests[number].is_chat:
            continue
        elif row["request"] != str(errand := evidence.told.requests[number].errand):
            yield f"errand {errand} was promised {job_id}, which is the job of errand {row['request']}"
    of_batches = Counter(str(row["request"]).partition(".")[0] for row in found.values() if "." in str(row["request"]))
    for number, jobs in evidence.told.batches.items():
        there = of_batches[str(evidence.told.requests[number].errand)]
        if there != jobs:
            yield f"batch {number} was promised with {jobs} jobs and has {there}"
    for job_id, row in found.items():
        if State(row["state"]) not in TERMINAL:
            yield f"{job_id} is still {row['state']}"


# How each sort of errand may end besides succeeding. Three crashes end any job: `I6` sees that they were three.
_ENDS: Final[dict[str, frozenset[str]]] = {
    "orders.place": frozenset({"failed:out_of_stock"}),
    "orders.cancel": frozenset({"failed:order_already_cancelled", "failed:order_already_shipped"}),
    "orders.ship": frozenset({"cancelled", "failed:order_already_cancelled"}),
    "emails.send": frozenset(),
    "text": frozenset(),
    "delayed": frozenset(),
    "hasty": frozenset({"failed:attempts_exhausted"}),
    "fleeting": frozenset({"expired"}),
    "withdrawn": frozenset({"cancelled"}),
    "chat": frozenset(),
}


def every_job_ended_as_its_errand_may(evidence: Evidence) -> Iterator[str]:
    abouts = {str(request.errand): request.about for request in evidence.told.requests.values()}
    for row in evidence.rows(
        "SELECT id, kind, state, error ->> 'code' AS code, metadata ->> 'request' AS request FROM jobs"
    ):
        end = row["state"] if row["state"] != "failed" else f"failed:{row['code']}"
        about = abouts.get(row["request"], str(row["kind"]))
        if State(row["state"]) in TERMINAL and end not in {"succeeded", "failed:crashed"} | _ENDS.get(
            about, frozenset()
        ):
            yield f"{row['id']} ({about}) ended {end}"
    cancelled = {
        answer.job_id
        for answer in evidence.told.answers.values()
        if answer.status == 200 and answer.state == "cancelled"
    }
    for row in evidence.rows("SELECT id, state FROM jobs WHERE state <> 'cancelled'"):
        if row["id"] in cancelled:
            yield f"{row['id']} is {row['state']}, though its cancellation was confirmed"


def no_job_is_there_that_nobody_asked_for(evidence: Evidence) -> Iterator[str]:
    rows = evidence.rows("""
        SELECT id, kind, parent_id, schedule_id, metadata ->> 'request' AS request,
            EXISTS (SELECT FROM jobs AS parent WHERE parent.id = jobs.parent_id) AS has_parent,
            EXISTS (SELECT FROM schedule_runs WHERE schedule_runs.job_id = jobs.id) AS has_run
        FROM jobs
    """)
    asked = {
        str(request.errand): (request.body or {}).get("kind")
        for request in evidence.told.requests.values()
        if request.path == "/v1/jobs" or request.is_batch
    }
    replies: list[str] = []
    for row in rows:
        if row["parent_id"] is not None:
            if not row["has_parent"]:
                yield f"{row['id']} follows from {row['parent_id']}, which is not there"
        elif row["schedule_id"] is not None:
            if not row["has_run"]:
                yield f"{row['id']} is of a schedule that never fired it"
        elif row["kind"] == "chat.reply":
            replies.append(row["id"])
        elif asked.get(str(row["request"]).partition(".")[0]) != row["kind"]:
            yield f"{row['id']} ({row['kind']}) was asked for by nobody"
    promised = set(evidence.told.accepted.values())
    said = {request.errand for request in evidence.told.requests.values() if request.is_chat}
    if len(replies) > len(said):
        strangers = [job_id for job_id in replies if job_id not in promised]
        yield f"{len(said)} messages were said and {len(replies)} are replied to; nobody was told of {strangers}"
    counts = Counter(row["request"] for row in rows if row["request"] is not None)
    yield from (f"request {number} has {count} jobs" for number, count in counts.items() if count > 1)


def every_answer_to_an_errand_names_one_job(evidence: Evidence) -> Iterator[str]:
    named: dict[int, set[str]] = {}
    for number, job_id in evidence.told.accepted.items():
        named.setdefault(evidence.told.requests[number].errand, set()).add(job_id)
    yield from (f"errand {errand} was promised {jobs}" for errand, jobs in named.items() if len(jobs) > 1)


_EFFECTS: Final = {
    "an order whose job did not succeed in placing it": """
        SELECT orders.id FROM orders LEFT JOIN jobs ON jobs.id = orders.job_id
        WHERE jobs.state IS DISTINCT FROM 'succeeded' OR jobs.kind <> 'orders.place'
            OR jobs.result ->> 'order_id' <> orders.id
    """,
    "a job that placed not exactly one order": """
        SELECT jobs.id, count(orders.id) FROM jobs LEFT JOIN orders ON orders.job_id = jobs.id
        WHERE kind = 'orders.place' AND state = 'succeeded' GROUP BY jobs.id HAVING count(orders.id) <> 1
    """,
    "an order that did not move its stock exactly once": """
        SELECT orders.id, status, line.product_id, line.pieces, moved.sold, moved.returned
        FROM orders
        JOIN LATERAL (
            SELECT product_id, sum(quantity) AS pieces FROM order_lines WHERE order_id = orders.id GROUP BY product_id
        ) AS line ON true
        JOIN LATERAL (
            SELECT coalesce(-sum(change) FILTER (WHERE reason = 'sold'), 0) AS sold,
                coalesce(sum(change) FILTER (WHERE reason = 'returned'), 0) AS returned
            FROM stock_movements WHERE order_id = orders.id AND product_id = line.product_id
        ) AS moved ON true
        WHERE moved.sold <> CASE WHEN status = 'payment_failed' THEN 0 ELSE line.pieces END
            OR moved.returned <> CASE WHEN status = 'cancelled' THEN line.pieces ELSE 0 END
    """,
    "an order that was not paid for, or paid back, exactly once": """
        SELECT orders.id, status, total_amount, paid.charged, paid.refunded FROM orders
        JOIN LATERAL (
            SELECT coalesce(-sum(amount) FILTER (WHERE reason = 'charge'), 0) AS charged,
                coalesce(sum(amount) FILTER (WHERE reason = 'refund'), 0) AS refunded
            FROM ledger_entries WHERE order_id = orders.id AND account = 'customer:' || orders.customer_id
        ) AS paid ON true
        WHERE paid.charged <> CASE WHEN status = 'payment_failed' THEN 0 ELSE total_amount END
            OR paid.refunded <> CASE WHEN status = 'cancelled' THEN total_amount ELSE 0 END
    """,
    "an order cancelled by not exactly one job, or by one and yet not cancelled": """
        SELECT coalesce(orders.id, done.order_id), orders.status, done.times FROM orders
        FULL JOIN (
            SELECT input ->> 'order_id' AS order_id, count(*) AS times FROM jobs
            WHERE kind = 'orders.cancel' AND state = 'succeeded' GROUP BY 1
        ) AS done ON done.order_id = orders.id
        WHERE (orders.status IS NOT DISTINCT FROM 'cancelled') <> (coalesce(done.times, 0) = 1)
            OR coalesce(done.times, 0) > 1
    """,
    "a job whose follow-ups are not those of its end": """
        SELECT parent.id, parent.kind, parent.state, ours.emails, ours.ships FROM jobs AS parent
        LEFT JOIN (
            SELECT parent_id, count(*) FILTER (WHERE kind = 'emails.send') AS emails,
                count(*) FILTER (WHERE kind = 'orders.ship') AS ships, count(*) AS jobs
            FROM jobs WHERE kind <> 'webhooks.deliver' GROUP BY parent_id
        ) AS ours ON ours.parent_id = parent.id
        WHERE coalesce(ours.emails, 0) <> CASE
                WHEN parent.state = 'succeeded' AND parent.kind IN ('orders.place', 'orders.ship') THEN 1 ELSE 0 END
            OR coalesce(ours.ships, 0) <> CASE
                WHEN parent.state = 'succeeded' AND parent.result ->> 'status' = 'paid' THEN 1 ELSE 0 END
            OR ours.jobs <> ours.emails + ours.ships
    """,
    "a reply that stands in its conversation not exactly once": """
        SELECT jobs.id, state, count(messages.id) FROM jobs
        LEFT JOIN messages ON messages.reply_to = jobs.input ->> 'message_id'
        WHERE kind = 'chat.reply' GROUP BY jobs.id, state
        HAVING count(messages.id) <> CASE WHEN state = 'succeeded' THEN 1 ELSE 0 END
    """,
}


def effects_happen_once(evidence: Evidence) -> Iterator[str]:
    for said, query in _EFFECTS.items():
        yield from (f"{said}: {_spelled(row)}" for row in evidence.rows(query))


def no_two_attempts_at_a_job_overlap(evidence: Evidence) -> Iterator[str]:
    yield from map(
        _spelled,
        evidence.rows("""
            SELECT earlier.job_id, earlier.attempt, earlier.finished_at, later.attempt AS next, later.started_at
            FROM attempts AS earlier JOIN attempts AS later
                ON later.job_id = earlier.job_id AND later.id > earlier.id AND later.started_at < earlier.finished_at
        """),
    )


def attempts_and_crashes_keep_to_their_limits(evidence: Evidence) -> Iterator[str]:
    yield from map(
        _spelled,
        evidence.rows(
            """
            SELECT id, state, attempt, max_attempts, crashes, error ->> 'code' AS code FROM jobs
            WHERE attempt > max_attempts OR crashes > %s
                OR (crashes >= %s AND (state <> 'failed' OR error ->> 'code' IS DISTINCT FROM 'crashed'))
                OR (state = 'failed' AND error ->> 'code' = 'crashed' AND crashes <> %s)
                OR (state = 'failed' AND error ->> 'code' = 'attempts_exhausted' AND attempt <> max_attempts)
            """,
            *(MOST_CRASHES,) * 3,
        ),
    )


# progress, log and delta tell of no move
_MOVED_TO: Final = {event.value: state for state, event in OF_STATE.items()}


def jobs_move_only_as_they_may(evidence: Evidence) -> Iterator[str]:
    for row in evidence.rows("""
        SELECT id, state, attempt,
            array(SELECT type FROM events WHERE job_id = jobs.id ORDER BY seq) AS types
        FROM jobs
    """):
        moves = [_MOVED_TO[told] for told in row["types"] if told in _MOVED_TO]
        first = State.SCHEDULED if not moves or moves[0] is not State.QUEUED else None
        walked = ([first] if first else []) + moves
        if row["attempt"] == 0 and walked == [State.QUEUED, State.SUCCEEDED]:
            continue  # its answer was known at the door
        for source, target in pairwise(walked):
            if target not in MOVES[source]:
                yield f"{row['id']} moved from {source} to {target}: {' '.join(row['types'])}"
        if walked[-1].value != row["state"]:
            yield f"{row['id']} is {row['state']}, and its events end with {walked[-1]}"


def events_have_no_gaps_and_no_disorder(evidence: Evidence) -> Iterator[str]:
    yield from map(
        _spelled,
        evidence.rows("""
            SELECT jobs.id, jobs.seq, count(events.seq) AS events, min(events.seq) AS first, max(events.seq) AS last
            FROM jobs LEFT JOIN events ON events.job_id = jobs.id GROUP BY jobs.id
            HAVING jobs.seq <> count(events.seq) OR coalesce(min(events.seq), 1) <> 1
                OR coalesce(max(events.seq), 0) <> count(events.seq)
        """),
    )
    yield from map(
        _spelled,
        evidence.rows("""
            SELECT job_id, seq, type, at, before FROM (
                SELECT *, lag(at) OVER (PARTITION BY job_id ORDER BY seq) AS before FROM events
            ) AS told
            WHERE at < before
        """),
    )
    yield from map(_spelled, evidence.rows("SELECT job_id FROM events WHERE job_id NOT IN (SELECT id FROM jobs)"))


def books_add_up(evidence: Evidence) -> Iterator[str]:
    async def read() -> list[str]:
        database = open_database(evidence.database_url, name="faults", size=1)
        try:
            return await wrong_books(database)
        finally:
            await database.close()

    yield from asyncio.run(read())
    yield from map(
        _spelled,
        evidence.rows("""
            SELECT product_id, id, stood FROM (
                SELECT *, sum(change) OVER (PARTITION BY product_id ORDER BY id) AS stood FROM stock_movements
            ) AS moved
            WHERE stood < 0
        """),
    )


def every_email_said_to_be_sent_arrived(evidence: Evidence) -> Iterator[str]:
    arrived = Counter(evidence.inbox)
    sent = evidence.rows("""
        SELECT id, result ->> 'message_id' AS message_id,
            (SELECT count(*) FROM attempts WHERE attempts.job_id = jobs.id) AS tries
        FROM jobs WHERE kind = 'emails.send' AND state = 'succeeded'
    """)
    for row in sent:
        copies = arrived[f"<{row['message_id']}@headrace>"]
        if copies == 0:
            yield f"{row['id']} succeeded, and its e-mail is not in the inbox"
        elif copies > row["tries"]:
            yield f"{row['id']} took {row['tries']} attempts and sent {copies} copies"
    counts = Counter(row["message_id"] for row in sent)
    yield from (f"{count} jobs sent e-mails as {message_id}" for message_id, count in counts.items() if count > 1)
    # an attempt that died after the server took its e-mail may belong to a job that did not succeed in the end
    if len(arrived) > (jobs := evidence.rows("SELECT count(*) FROM jobs WHERE kind = 'emails.send'")[0]["count"]):
        yield f"{len(arrived)} Message-IDs arrived of {jobs} jobs"


_UNTOLD: Final = """
    WITH ends AS (
        SELECT jobs.id, jobs.tenant_id, jobs.webhook_url, 'job.' || events.type AS type, events.at
        FROM events JOIN jobs ON jobs.id = events.job_id
        WHERE events.type IN ('succeeded', 'failed', 'cancelled', 'expired') AND jobs.kind <> 'webhooks.deliver'
    ), wanted AS (
        SELECT id, type, webhook_url AS receiver FROM ends WHERE webhook_url IS NOT NULL
        UNION ALL
        SELECT ends.id, ends.type, endpoints.id FROM ends JOIN webhook_endpoints AS endpoints
            ON endpoints.tenant_id = ends.tenant_id AND endpoints.created_at < ends.at
            AND endpoints.events && ARRAY['*', 'job.*', ends.type]
    ), made AS (
        SELECT notices.subject AS id, notices.type, coalesce(deliveries.endpoint_id, deliveries.url) AS receiver
        FROM webhook_deliveries AS deliveries JOIN webhook_notices AS notices ON notices.id = deliveries.notice_id
        WHERE deliveries.again_of IS NULL AND notices.type <> 'webhook.test'
    )
    SELECT id, type, receiver, coalesce(wanted.times, 0) AS ends, coalesce(made.times, 0) AS deliveries
    FROM (SELECT id, type, receiver, count(*) AS times FROM wanted GROUP BY 1, 2, 3) AS wanted
    FULL JOIN (SELECT id, type, receiver, count(*) AS times FROM made GROUP BY 1, 2, 3) AS made
        USING (id, type, receiver)
    WHERE wanted.times IS DISTINCT FROM made.times
"""


def no_webhook_is_lost(evidence: Evidence) -> Iterator[str]:
    yield from (f"an end and its deliveries: {_spelled(row)}" for row in evidence.rows(_UNTOLD))
    copies = Counter(one.webhook_id for one in evidence.heard)
    tries: Counter[str] = Counter()
    for row in evidence.rows("""
        SELECT deliveries.id, notice_id, jobs.state, jobs.error ->> 'code' AS code,
            (SELECT count(*) FROM attempts WHERE attempts.job_id = deliveries.job_id) AS tries
        FROM webhook_deliveries AS deliveries LEFT JOIN jobs ON jobs.id = deliveries.job_id
    """):
        tries[row["notice_id"]] += row["tries"]
        if row["state"] == "succeeded" and not copies[row["notice_id"]]:
            yield f"{row['id']} was taken, and nobody heard {row['notice_id']}"
        elif row["state"] != "succeeded" and row["code"] not in {"attempts_exhausted", "crashed"}:
            yield f"{row['id']} is {row['state']} ({row['code']})"
    yield from (
        f"{webhook_id} was heard {count} times in {tries[webhook_id]} tries"
        for webhook_id, count in copies.items()
        if count > tries[webhook_id]
    )
    yield from (f"{one.webhook_id} was signed by nobody" for one in evidence.heard if not one.is_signed)


def batches_count_what_became_of_their_jobs(evidence: Evidence) -> Iterator[str]:
    yield from map(
        _spelled,
        evidence.rows("""
            SELECT batches.id, total, succeeded, failed, cancelled, expired, finished_at, on_finished_job_id, truth.*
            FROM batches CROSS JOIN LATERAL (
                SELECT count(*) AS jobs, count(*) FILTER (WHERE state = 'succeeded') AS truly_succeeded,
                    count(*) FILTER (WHERE state = 'failed') AS truly_failed,
                    count(*) FILTER (WHERE state = 'cancelled') AS truly_cancelled,
                    count(*) FILTER (WHERE state = 'expired') AS truly_expired
                FROM jobs WHERE batch_id = batches.id
            ) AS truth
            WHERE (total, succeeded, failed, cancelled, expired) IS DISTINCT FROM
                    (jobs, truly_succeeded, truly_failed, truly_cancelled, truly_expired)
                OR (finished_at IS NULL) = (truly_succeeded + truly_failed + truly_cancelled + truly_expired = jobs)
                OR (on_finished IS NOT NULL AND finished_at IS NOT NULL AND on_finished_job_id IS NULL)
        """),
    )
    yield from (
        f"{row['id']} is followed by {row['followers']}, and says {row['on_finished_job_id']}"
        for row in evidence.rows("""
            SELECT batches.id, on_finished_job_id,
                array(SELECT jobs.id FROM jobs WHERE metadata ->> 'batch_id' = batches.id) AS followers
            FROM batches
        """)
        if row["followers"] != [one for one in [row["on_finished_job_id"]] if one is not None]
    )


_LEFT: Final = {
    "in the outbox": "SELECT job_id, stage, due_at, sends FROM outbox",
    "a lease": "SELECT id, state, worker, lease_until FROM jobs WHERE lease IS NOT NULL",
    "an idle transaction": """
        SELECT pid, application_name, state_change FROM pg_stat_activity
        WHERE datname = current_database() AND starts_with(state, 'idle in transaction')
            AND state_change < now() - make_interval(secs => %s) AND pid <> pg_backend_pid()
    """,
}


def nothing_is_left_over(evidence: Evidence) -> Iterator[str]:
    for said, query in _LEFT.items():
        values = (IDLE_SECONDS,) if "%s" in query else ()
        yield from (f"{said}: {_spelled(row)}" for row in evidence.rows(query, *values))


def answers_are_those_declared(evidence: Evidence) -> Iterator[str]:
    for number, answer in evidence.told.answers.items():
        request = evidence.told.requests[number]
        is_first = (request.creates or request.is_batch) and request.errand == number
        allowed = {200, 202, 429, 503} | (set() if is_first else {404, 409})
        if answer.status is not None and answer.status not in allowed:
            yield f"request {number} ({request.about}, {request.path}) was answered {answer.status}: {answer.error}"
        if answer.status in {429, 503} and not answer.may_retry_after:
            yield f"request {number} was answered {answer.status} without Retry-After"


INVARIANTS: Final[dict[str, Callable[[Evidence], Iterator[str]]]] = {
    "I1 every accepted job is there and done": every_accepted_job_is_there_and_done,
    "I1 every job ended as its errand may": every_job_ended_as_its_errand_may,
    "I2 no job is there that nobody asked for": no_job_is_there_that_nobody_asked_for,
    "I3 every answer to an errand names one job": every_answer_to_an_errand_names_one_job,
    "I4 effects happen once": effects_happen_once,
    "I5 no two attempts at a job overlap": no_two_attempts_at_a_job_overlap,
    "I6 attempts and crashes keep to their limits": attempts_and_crashes_keep_to_their_limits,
    "I7 jobs move only as they may": jobs_move_only_as_they_may,
    "I8 events have no gaps and no disorder": events_have_no_gaps_and_no_disorder,
    "I10 books add up": books_add_up,
    "I13 no webhook is lost": no_webhook_is_lost,
    "I14 every e-mail said to be sent arrived": every_email_said_to_be_sent_arrived,
    "I16 nothing is left over": nothing_is_left_over,
    "I18 answers are those declared": answers_are_those_declared,
    "I26 batches count what became of their jobs": batches_count_what_became_of_their_jobs,
}


def _spelled(row: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.items())
