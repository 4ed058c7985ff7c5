"""Every table, check and index. Long because the schema is one thing: splitting it would hide what refers to what."""

from typing import Final

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    desc,
    text,
)

from domain.jobs.state import TERMINAL, State

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    },
)

# Ids are compared as bytes, whatever the database's locale: cursors and lock order depend on it.
Id: Final = Text(collation="C")
Moment: Final = DateTime(timezone=True)


def _one_of(column: str, values: list[str]) -> str:
    listed = ", ".join(f"'{value}'" for value in sorted(values))
    return f"{column} IN ({listed})"


_TERMINAL: Final = _one_of("state", [state.value for state in TERMINAL])

# --- accounts ---------------------------------------------------------------------------------------------------------

tenants = Table(
    "tenants",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
)

users = Table(
    "users",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id"), nullable=False),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    Column("role", Text, nullable=False),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Index("uq_users_email", text("lower(email)"), unique=True),
)

api_keys = Table(
    "api_keys",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id"), nullable=False),
    Column("user_id", Id, ForeignKey("users.id"), nullable=False),
    Column("name", Text, nullable=False),
    # the public part of the key, by which it is found; the secret itself is kept only as its SHA-256
    Column("public_id", Text, nullable=False, unique=True),
    Column("secret_sha256", LargeBinary, nullable=False),
    Column("permissions", ARRAY(Text), nullable=False),
    Column("requests_per_minute", Integer, nullable=False, server_default="600"),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
    Column("last_used_at", Moment),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
)

# --- jobs -------------------------------------------------------------------------------------------------------------

jobs = Table(
    "jobs",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id"), nullable=False),
    Column("caller_id", Id, nullable=False),
    Column("kind", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("tags", ARRAY(Text), nullable=False),
    # json, not jsonb: what was accepted is kept byte for byte, and nobody but its handler looks inside
    Column("metadata", JSON, nullable=False),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("max_attempts", Integer, nullable=False),
    Column("crashes", Integer, nullable=False, server_default="0"),
    Column("input", JSON, nullable=False),
    Column("result", JSON),
    Column("error", JSON),
    Column("usage", JSON),
    Column("progress", Float),
    Column("timeout_seconds", Float, nullable=False),
    Column("concurrency_key", Text),
    Column("schedule_id", Id),
    Column("batch_id", Id),
    Column("parent_id", Id),
    Column("request_id", Text),
    Column("traceparent", Text),
    Column("created_at", Moment, nullable=False),
    Column("run_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("expires_at", Moment),
    Column("cancel_requested_at", Moment),
    # the lease: a token no earlier holder knows, and until when the database's clock honours it
    Column("lease", Text),
    Column("lease_until", Moment),
    Column("worker", Text),
    # how many events the job has; grows with every change, under the row's lock
    Column("seq", Integer, nullable=False),
    CheckConstraint(_one_of("state", [state.value for state in State]), name="state"),
    CheckConstraint(f"(finished_at IS NOT NULL) = ({_TERMINAL})", name="finished_when_terminal"),
    CheckConstraint("(lease IS NOT NULL) = (state = 'running')", name="leased_when_running"),
    CheckConstraint("priority BETWEEN -100 AND 100", name="priority"),
    Index("ix_jobs_tenant_id_id", "tenant_id", desc("id")),
    Index("ix_jobs_lease_until", "lease_until", postgresql_where=text("state = 'running'")),
    Index(
        "ix_jobs_expires_at",
        "expires_at",
        postgresql_where=text("expires_at IS NOT NULL AND state IN ('scheduled', 'queued')"),
    ),
    Index("ix_jobs_schedule_id", "schedule_id", desc("id"), postgresql_where=text("schedule_id IS NOT NULL")),
    # most updates touch no indexed column; room on the page lets Postgres make them in place
    postgresql_with={"fillfactor": "85"},
)

# No foreign keys from here to jobs: every row is written by the statement that moves its job, and a check a row would
# cost the hot path more than all else in it.
outbox = Table(
    "outbox",
    METADATA,
    Column("job_id", Id, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("kind", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("traceparent", Text),
    # waiting: its time has not come; due: to be sent; sent: handed to the broker, not yet claimed by a worker
    Column("stage", Text, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("sent_at", Moment),
    Column("sends", Integer, nullable=False, server_default="0"),
    CheckConstraint(_one_of("stage", ["waiting", "due", "sent"]), name="stage"),
    CheckConstraint("(sent_at IS NOT NULL) = (stage = 'sent')", name="sent_at_when_sent"),
    Index("ix_outbox_waiting", "due_at", postgresql_where=text("stage = 'waiting'")),
    Index("ix_outbox_due", "queue", desc("priority"), "due_at", postgresql_where=text("stage = 'due'")),
    Index("ix_outbox_sent", "sent_at", postgresql_where=text("stage = 'sent'")),
    # its rows live for milliseconds: vacuum by count, not by share of a table that is empty most of the time
    postgresql_with={"fillfactor": "70", "autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "5000"},
)

events = Table(
    "events",
    METADATA,
    Column("job_id", Id, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("tenant_id", Id, nullable=False),
    Column("type", Text, nullable=False),
    Column("at", Moment, nullable=False, server_default=text("now()")),
    Column("data", JSON, nullable=False),
)

attempts = Table(
    "attempts",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("job_id", Id, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("worker", Text, nullable=False),
    Column("lease", Text, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("finished_at", Moment, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("code", Text),
    Column("detail", Text),
    Index("ix_attempts_job_id", "job_id"),
)

workers = Table(
    "workers",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("pid", Integer, nullable=False),
    Column("queues", ARRAY(Text), nullable=False),
    Column("concurrency", Integer, nullable=False),
    Column("running", Integer, nullable=False, server_default="0"),
    Column("stopping", Boolean, nullable=False, server_default="false"),
    Column("started_at", Moment, nullable=False, server_default=text("now()")),
    Column("seen_at", Moment, nullable=False, server_default=text("now()")),
)
