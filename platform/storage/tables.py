"""Every table, check and index. Long because the schema is one thing: splitting it would hide what refers to what."""

from typing import Final

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Sequence,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    desc,
    text,
)

from domain.accounts.token import TokenUse
from domain.accounts.user import UserState
from domain.jobs.bulk import BulkState, BulkVerb
from domain.jobs.state import TERMINAL, State
from domain.orders.balance import TransferReason
from domain.orders.order import Status
from domain.orders.product import Movement
from domain.schedules.schedule import CatchUp, Overlap, RunOutcome
from domain.webhooks.endpoint import EndpointState

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


# What is pruned leaves its room to what comes: vacuum at a fiftieth of a large table, not at a fifth.
_VACUUMED: Final = {"autovacuum_vacuum_scale_factor": "0.02"}

_TERMINAL: Final = _one_of("state", [state.value for state in TERMINAL])

# --- accounts ---------------------------------------------------------------------------------------------------------

tenants = Table(
    "tenants",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    # turns in a round of the relay, where tenants share a queue
    Column("weight", Integer, nullable=False, server_default="1"),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    CheckConstraint("weight BETWEEN 1 AND 100", name="weight"),
)

users = Table(
    "users",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id"), nullable=False),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    Column("role", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="active"),
    Column("state_reason", Text),
    # Argon2id, in its own spelling with salt and parameters; null: no login by password
    Column("password_hash", Text),
    Column("last_login_at", Moment),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Index("uq_users_email", text("lower(email)"), unique=True),
    Index("ix_users_tenant_id_id", "tenant_id", desc("id")),
    CheckConstraint(_one_of("state", [state.value for state in UserState]), name="state"),
)

# what a role bundles where a tenant has said so; where it has not, what the release says
role_permissions = Table(
    "role_permissions",
    METADATA,
    Column("tenant_id", Id, ForeignKey("tenants.id"), primary_key=True),
    Column("role", Text, primary_key=True),
    Column("permissions", ARRAY(Text), nullable=False),
    Column("changed_at", Moment, nullable=False, server_default=text("now()")),
)

# what a tenant does about what is found in its texts; without a row, what the settings say
safety_policies = Table(
    "safety_policies",
    METADATA,
    Column("tenant_id", Id, ForeignKey("tenants.id"), primary_key=True),
    Column("injection", Text, nullable=False),
    Column("unsafe", Text, nullable=False),
    Column("changed_at", Moment, nullable=False, server_default=text("now()")),
    CheckConstraint("injection IN ('off', 'flag', 'block')", name="injection"),
    CheckConstraint("unsafe IN ('off', 'flag', 'block')", name="unsafe"),
)

# what a login opened: all tokens that came of one password
sessions = Table(
    "sessions",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id"), nullable=False),
    Column("user_id", Id, ForeignKey("users.id"), nullable=False),
    # null: whatever the user may do
    Column("scope", ARRAY(Text)),
    Column("address", Text, nullable=False),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Column("ended_at", Moment),
    Column("ended_why", Text),
    Index("ix_sessions_user_id", "user_id"),
    CheckConstraint("(ended_at IS NULL) = (ended_why IS NULL)", name="ended"),
)

tokens = Table(
    "tokens",
    METADATA,
    # of the whole token; itself it is kept nowhere
    Column("sha256", LargeBinary, primary_key=True),
    Column("session_id", Id, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    Column("use", Text, nullable=False),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Column("expires_at", Moment, nullable=False),
    # when a refresh token was changed for the next pair
    Column("spent_at", Moment),
    Index("ix_tokens_session_id", "session_id"),
    Index("ix_tokens_expires_at", "expires_at"),
    CheckConstraint(_one_of("use", [use.value for use in TokenUse]), name="use"),
)

# when logins were tried of late that have not succeeded, by account and by address
login_attempts = Table(
    "login_attempts",
    METADATA,
    Column("subject", Text, primary_key=True),
    Column("at", ARRAY(Moment), nullable=False),
    Column("last_at", Moment, nullable=False),
    Index("ix_login_attempts_last_at", "last_at"),
)

# append-only: triggers refuse everything but INSERT
audit_log = Table(
    "audit_log",
    METADATA,
    Column("tenant_id", Id, primary_key=True),
    # counts the tenant's entries
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("user_id", Id),
    Column("key_id", Id),
    Column("session_id", Id),
    Column("address", Text),
    Column("request_id", Text),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("before", JSON),
    Column("after", JSON),
    Column("previous_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

# where each tenant's chain ends; the row's lock is the turn to add to it
audit_heads = Table(
    "audit_heads",
    METADATA,
    Column("tenant_id", Id, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
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
    Index("ix_api_keys_tenant_id_id", "tenant_id", desc("id")),
    Index("ix_api_keys_user_id", "user_id"),
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
    # its place among the jobs of its batch, from 0
    Column("batch_index", Integer),
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
    # who is told of its end, besides the tenant's endpoints
    Column("webhook_url", Text),
    # answered anew, whatever was answered before
    Column("no_cache", Boolean, nullable=False, server_default=text("false")),
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
    # the jobs of a batch in the order submitted, which their ids keep
    Index("ix_jobs_batch_id", "batch_id", "id", postgresql_where=text("batch_id IS NOT NULL")),
    # its live jobs, which are counted when somebody asks
    Index(
        "ix_jobs_live_batch_id",
        "batch_id",
        "state",
        postgresql_where=text("batch_id IS NOT NULL AND state IN ('scheduled', 'queued', 'running')"),
    ),
    Index(
        "ix_jobs_concurrency_key",
        "tenant_id",
        "concurrency_key",
        postgresql_where=text("concurrency_key IS NOT NULL AND state = 'running'"),
    ),
    # by their end, in which order they are pruned
    Index("ix_jobs_finished_at", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
    # most updates touch no indexed column; room on the page lets Postgres make them in place
    postgresql_with={"fillfactor": "85", **_VACUUMED},
)

batches = Table(
    "batches",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id"), nullable=False),
    Column("caller_id", Id, nullable=False),
    Column("total", Integer, nullable=False),
    # how many of its jobs have ended, and how; written by whoever ends one, in the same transaction
    Column("succeeded", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),
    Column("cancelled", Integer, nullable=False, server_default="0"),
    Column("expired", Integer, nullable=False, server_default="0"),
    # the job to submit when the last one has ended, as a NewJob in JSON; and its id, once it was submitted
    Column("on_finished", JSON),
    Column("on_finished_job_id", Id),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Column("finished_at", Moment),
    Column("cancel_requested_at", Moment),
    # economy: its texts are gathered into batches of the provider's
    Column("mode", Text, nullable=False, server_default="standard"),
    CheckConstraint("total > 0", name="total"),
    CheckConstraint(_one_of("mode", ["standard", "economy"]), name="mode"),
    CheckConstraint(
        "(finished_at IS NOT NULL) = (succeeded + failed + cancelled + expired = total)", name="finished_when_all_ended"
    ),
    Index("ix_batches_tenant_id_id", "tenant_id", desc("id")),
    Index("ix_batches_finished_at", "finished_at", postgresql_where=text("finished_at IS NOT NULL")),
    # a batch's row is updated as often as its jobs end, and no index holds what changes before the last has
    postgresql_with={"fillfactor": "50"},
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
    # of the jobs of a tenant that share one, at most one is sent or runs
    Column("concurrency_key", Text),
    # waiting: its time has not come; due: to be sent; sent: handed to the broker, not yet claimed by a worker
    Column("stage", Text, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("sent_at", Moment),
    Column("sends", Integer, nullable=False, server_default="0"),
    CheckConstraint(_one_of("stage", ["waiting", "due", "sent"]), name="stage"),
    CheckConstraint("(sent_at IS NOT NULL) = (stage = 'sent')", name="sent_at_when_sent"),
    Index("ix_outbox_waiting", "due_at", postgresql_where=text("stage = 'waiting'")),
    # by lanes: what is held back by a limit, however long, is passed over with one probe
    Index(
        "ix_outbox_lanes",
        "queue",
        "tenant_id",
        "kind",
        # those with a concurrency key apart: however many are held back, they hide nobody
        text("num_nonnulls(concurrency_key)"),
        desc("priority"),
        "due_at",
        postgresql_where=text("stage = 'due'"),
    ),
    Index("ix_outbox_sent", "queue", "sent_at", postgresql_where=text("stage = 'sent'")),
    Index(
        "ix_outbox_concurrency_key",
        "tenant_id",
        "concurrency_key",
        postgresql_where=text("concurrency_key IS NOT NULL AND stage = 'sent'"),
    ),
    # its rows live for milliseconds: vacuum by count, not by share of a table that is empty most of the time
    postgresql_with={"fillfactor": "70", "autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "5000"},
)

EVENT_NUMBERS: Final = Sequence("event_numbers", metadata=METADATA)

events = Table(
    "events",
    METADATA,
    Column("job_id", Id, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("tenant_id", Id, nullable=False),
    Column("type", Text, nullable=False),
    # written under the job's row lock: of two transactions the one that began first may write last
    Column("at", Moment, nullable=False, server_default=text("clock_timestamp()")),
    Column("data", JSON, nullable=False),
    # where it stands among all events: given as it is written, so that one may be seen after a larger one. None: it was
    # there before events were numbered, and no tenant's stream tells it
    Column("number", BigInteger, server_default=text("nextval('event_numbers')")),
    Index("ix_events_tenant_id_number", "tenant_id", "number", postgresql_where=text("number IS NOT NULL")),
    postgresql_with=_VACUUMED,
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
    postgresql_with=_VACUUMED,
)

# what was pruned, jobs, batches and bulk actions: whose it was, and when it went; kept as long again
pruned = Table(
    "pruned",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("pruned_at", Moment, nullable=False, server_default=text("now()")),
    Index("ix_pruned_pruned_at", "pruned_at"),
)

# the answers to requests that came with a key; a key is written in the transaction that does what was asked
idempotency_keys = Table(
    "idempotency_keys",
    METADATA,
    Column("tenant_id", Id, primary_key=True),
    Column("route", Id, primary_key=True),
    Column("key", Id, primary_key=True),
    # SHA-256 of method, path, query, caller and body
    Column("fingerprint", LargeBinary, nullable=False),
    # a job is shown as it was submitted, for which its time is kept, or waited for again; any other answer is kept
    Column("job_id", Id),
    Column("run_at", Moment),
    Column("deduplicated", Boolean, nullable=False, server_default="false"),
    Column("status", SmallInteger),
    Column("location", Text),
    Column("body", LargeBinary),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    CheckConstraint("(job_id IS NULL) = (status IS NOT NULL AND body IS NOT NULL)", name="job_or_answer"),
    Index("ix_idempotency_keys_created_at", "created_at"),
)

# which job was last submitted under a fingerprint by somebody who wanted it to be the only one
unique_keys = Table(
    "unique_keys",
    METADATA,
    Column("tenant_id", Id, primary_key=True),
    Column("fingerprint", LargeBinary, primary_key=True),
    Column("job_id", Id, nullable=False),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Index("ix_unique_keys_created_at", "created_at"),
)

# jobs to be retried or cancelled by what they match; walked through by the relays, by id, a page at a time
bulk_actions = Table(
    "bulk_actions",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id"), nullable=False),
    Column("caller_id", Id, nullable=False),
    Column("action", Text, nullable=False),
    Column("filter", JSON, nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("rate_per_second", Integer, nullable=False),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("matched", BigInteger, nullable=False, server_default="0"),
    Column("done", BigInteger, nullable=False, server_default="0"),
    Column("skipped", BigInteger, nullable=False, server_default="0"),
    # the last job looked at
    Column("cursor", Id),
    # whose turn comes first, and not before when
    Column("next_at", Moment, nullable=False, server_default=text("now()")),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    CheckConstraint(_one_of("action", [action.value for action in BulkVerb]), name="action"),
    CheckConstraint(_one_of("state", [state.value for state in BulkState]), name="state"),
    CheckConstraint("(finished_at IS NOT NULL) = (state IN ('aborted', 'done'))", name="finished_at_when_finished"),
    CheckConstraint("rate_per_second BETWEEN 1 AND 1000", name="rate_per_second"),
    Index("ix_bulk_actions_tenant_id_id", "tenant_id", desc("id")),
    Index("ix_bulk_actions_next_at", "next_at", postgresql_where=text("state IN ('pending', 'running')")),
)

queues = Table(
    "queues",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("paused", Boolean, nullable=False, server_default="false"),
    # a QueueLimits of domain/jobs/limits.py; null: none were set
    Column("limits", JSON),
    # whether a rate is among them, so that claims note their starts
    Column("counts_starts", Boolean, nullable=False, server_default="false"),
    Column("updated_at", Moment, nullable=False, server_default=text("now()")),
)

# when jobs of queues with a rate were claimed, a row for those claimed together; the relay counts and prunes them
starts = Table(
    "starts",
    METADATA,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("queue", Text, nullable=False),
    Column("tenant_id", Id, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", Moment, nullable=False, server_default=text("clock_timestamp()")),
    Column("count", Integer, nullable=False),
    Index("ix_starts_queue_at", "queue", "at"),
    postgresql_with={"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "5000"},
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
    Column("engines", JSON),
    Column("started_at", Moment, nullable=False, server_default=text("now()")),
    Column("seen_at", Moment, nullable=False, server_default=text("now()")),
)

# --- orders -----------------------------------------------------------------------------------------------------------

categories = Table(
    "categories",
    METADATA,
    Column("tenant_id", Id, ForeignKey("tenants.id"), primary_key=True),
    Column("slug", Id, primary_key=True),
    Column("name", Text, nullable=False),
)

products = Table(
    "products",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id"), nullable=False),
    Column("sku", Id, nullable=False),
    # by bytes, as ids are: lists are sorted by it, and their cursors compare it
    Column("name", Id, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("price_amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    # the sum of the product's movements; written only together with one
    Column("stock", BigInteger, nullable=False, server_default="0"),
    # how many reviews there are, and what their ratings come to; written only together with one
    Column("reviews", BigInteger, nullable=False, server_default="0"),
    Column("rating_sum", BigInteger, nullable=False, server_default="0"),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    CheckConstraint("stock >= 0", name="stock"),
    CheckConstraint("price_amount BETWEEN 0 AND 1000000000", name="price_amount"),
    UniqueConstraint("tenant_id", "sku"),
    Index("ix_products_tenant_id_id", "tenant_id", desc("id")),
    # every sale updates stock, which no index holds
    postgresql_with={"fillfactor": "50"},
)

product_categories = Table(
    "product_categories",
    METADATA,
    Column("product_id", Id, ForeignKey("products.id", ondelete="CASCADE"), primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("slug", Id, primary_key=True),
    ForeignKeyConstraint(["tenant_id", "slug"], ["categories.tenant_id", "categories.slug"], ondelete="CASCADE"),
    Index("ix_product_categories_tenant_id_slug", "tenant_id", "slug"),
)

reviews = Table(
    "reviews",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id"), nullable=False),
    Column("product_id", Id, ForeignKey("products.id"), nullable=False),
    Column("customer_id", Id, ForeignKey("users.id"), nullable=False),
    Column("rating", SmallInteger, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("verified_purchase", Boolean, nullable=False),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Column("updated_at", Moment, nullable=False, server_default=text("now()")),
    CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
    # a customer has one review of a product, however many they send at once
    UniqueConstraint("product_id", "customer_id"),
    Index("ix_reviews_product_id_id", "product_id", desc("id")),
)

stock_movements = Table(
    "stock_movements",
    METADATA,
    # the order they came in; it counts those of all tenants, so that it is shown to nobody
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    # what it is shown as
    Column("movement_id", Id, nullable=False, server_default=text("id_at('movement'::text, clock_timestamp())")),
    Column("product_id", Id, ForeignKey("products.id"), nullable=False),
    Column("change", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("order_id", Id),
    Column("job_id", Id),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    CheckConstraint("change <> 0", name="change"),
    CheckConstraint(_one_of("reason", [reason.value for reason in Movement]), name="reason"),
    Index("uq_stock_movements_movement_id", "movement_id", unique=True),
    Index("ix_stock_movements_product_id_id", "product_id", desc("id")),
    # an order takes each product once and gives it back once, whatever happens
    Index(
        "uq_stock_movements_order_id_product_id_reason",
        "order_id",
        "product_id",
        "reason",
        unique=True,
        postgresql_where=text("order_id IS NOT NULL"),
    ),
)

orders = Table(
    "orders",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("customer_id", Id, ForeignKey("users.id"), nullable=False),
    # no reference: orders outlive the jobs that placed them
    Column("job_id", Id, nullable=False, unique=True),
    Column("ship_job_id", Id),
    Column("status", Text, nullable=False),
    Column("total_amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("ship_to", JSON),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Column("shipped_at", Moment),
    Column("cancelled_at", Moment),
    CheckConstraint(_one_of("status", [status.value for status in Status]), name="status"),
    CheckConstraint("(shipped_at IS NOT NULL) = (status = 'shipped')", name="shipped_at_when_shipped"),
    CheckConstraint("(cancelled_at IS NOT NULL) = (status = 'cancelled')", name="cancelled_at_when_cancelled"),
    CheckConstraint("total_amount >= 0", name="total_amount"),
    Index("ix_orders_tenant_id_id", "tenant_id", desc("id")),
    Index("ix_orders_customer_id_id", "customer_id", desc("id")),
)

order_lines = Table(
    "order_lines",
    METADATA,
    Column("order_id", Id, ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True),
    Column("line", SmallInteger, primary_key=True, autoincrement=False),
    Column("product_id", Id, ForeignKey("products.id"), nullable=False),
    # name and price as they were when it was bought
    Column("name", Text, nullable=False),
    Column("unit_amount", BigInteger, nullable=False),
    Column("quantity", Integer, nullable=False),
    CheckConstraint("quantity > 0", name="quantity"),
    Index("ix_order_lines_product_id", "product_id"),
)

balances = Table(
    "balances",
    METADATA,
    Column("tenant_id", Id, nullable=False),
    Column("customer_id", Id, ForeignKey("users.id"), primary_key=True),
    Column("currency", Text, primary_key=True),
    # the sum of the customer's ledger entries; written only together with them
    Column("amount", BigInteger, nullable=False),
    CheckConstraint("amount BETWEEN 0 AND 1000000000000000", name="amount"),
)

ledger_entries = Table(
    "ledger_entries",
    METADATA,
    # a transfer writes two entries, which sum to zero; its id is made from what caused it, so it is written once
    Column("transfer_id", Id, primary_key=True),
    Column("account", Id, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("order_id", Id),
    Column("job_id", Id),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    CheckConstraint("amount <> 0", name="amount"),
    CheckConstraint(_one_of("reason", [reason.value for reason in TransferReason]), name="reason"),
    Index("ix_ledger_entries_tenant_id_account", "tenant_id", "account", "currency"),
)

# --- schedules --------------------------------------------------------------------------------------------------------

schedules = Table(
    "schedules",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id"), nullable=False),
    Column("caller_id", Id, nullable=False),
    Column("name", Text, nullable=False),
    Column("cron", Text),
    Column("every_seconds", Float),
    Column("timezone", Text, nullable=False),
    # what intervals are counted from
    Column("anchor", Moment, nullable=False),
    Column("starts_at", Moment),
    Column("ends_at", Moment),
    Column("kind", Text, nullable=False),
    Column("input", JSON, nullable=False),
    Column("options", JSON, nullable=False),
    Column("overlap", Text, nullable=False),
    Column("catch_up", Text, nullable=False),
    Column("jitter_seconds", Float, nullable=False, server_default="0"),
    Column("paused", Boolean, nullable=False, server_default="false"),
    # the firing to come; null: there is none any more
    Column("next_at", Moment),
    Column("last_at", Moment),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Column("updated_at", Moment, nullable=False, server_default=text("now()")),
    CheckConstraint("(cron IS NULL) <> (every_seconds IS NULL)", name="cron_or_every"),
    CheckConstraint("every_seconds > 0", name="every_seconds"),
    CheckConstraint("jitter_seconds >= 0", name="jitter_seconds"),
    CheckConstraint(_one_of("overlap", [overlap.value for overlap in Overlap]), name="overlap"),
    CheckConstraint(_one_of("catch_up", [catch_up.value for catch_up in CatchUp]), name="catch_up"),
    Index("ix_schedules_tenant_id_id", "tenant_id", desc("id")),
    Index("ix_schedules_next_at", "next_at", postgresql_where=text("NOT paused")),
)

schedule_runs = Table(
    "schedule_runs",
    METADATA,
    # the key is what makes a firing happen once, however many beats see it due
    Column("schedule_id", Id, ForeignKey("schedules.id", ondelete="CASCADE"), primary_key=True),
    Column("fire_at", Moment, primary_key=True),
    Column("outcome", Text, nullable=False),
    # no reference: the record outlives the job
    Column("job_id", Id),
    Column("by_hand", Boolean, nullable=False),
    # run by hand when its time was past; its job stands apart from the clock's
    Column("backfilled", Boolean, nullable=False, server_default="false"),
    Column("detail", Text),
    Column("recorded_at", Moment, nullable=False, server_default=text("now()")),
    CheckConstraint(_one_of("outcome", [outcome.value for outcome in RunOutcome]), name="outcome"),
    CheckConstraint("(job_id IS NOT NULL) = (outcome = 'submitted')", name="job_id_when_submitted"),
    Index("ix_schedule_runs_recorded_at", "recorded_at"),
    Index("ix_schedule_runs_job_id", "job_id", postgresql_where=text("backfilled")),
)

# the live jobs of a schedule, for its overlap: a handful, however long its history
Index(
    "ix_jobs_live_schedule_id",
    jobs.c.schedule_id,
    postgresql_where=text("schedule_id IS NOT NULL AND state IN ('scheduled', 'queued', 'running')"),
)

# --- chat -------------------------------------------------------------------------------------------------------------

conversations = Table(
    "conversations",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id"), nullable=False),
    Column("caller_id", Id, nullable=False),
    # null until the first message gives it one
    Column("title", Text),
    # how many messages it has had: the position of the next is one more, given out under the row's lock
    Column("messages", Integer, nullable=False, server_default="0"),
    Column("prompt_tokens", BigInteger, nullable=False, server_default="0"),
    Column("output_tokens", BigInteger, nullable=False, server_default="0"),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Column("updated_at", Moment, nullable=False, server_default=text("now()")),
    Index("ix_conversations_caller_id_id", "tenant_id", "caller_id", desc("id")),
)

messages = Table(
    "messages",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("conversation_id", Id, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("role", Text, nullable=False),
    Column("text", Text, nullable=False),
    # which message this one answers; of the answers to a message one is current
    Column("reply_to", Id),
    Column("engine", Text),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    # null while it is part of the conversation as it stands; set where an edit or another answer took its place
    Column("superseded_at", Moment),
    # an answer that was cancelled while it was written
    Column("partial", Boolean, nullable=False, server_default=text("false")),
    # of a user's message: the one it was written in place of, and the job that replies to it
    Column("edit_of", Id),
    Column("reply_job_id", Id),
    # and the code of why it was blocked, if it was: it is shown, and no later reply sees it
    Column("blocked", Text),
    CheckConstraint(_one_of("role", ["user", "assistant"]), name="role"),
    CheckConstraint("(reply_to IS NOT NULL) = (role = 'assistant')", name="reply_to_when_assistant"),
    UniqueConstraint("conversation_id", "position"),
    Index("uq_messages_reply_to_current", "reply_to", unique=True, postgresql_where=text("superseded_at IS NULL")),
)

conversation_summaries = Table(
    "conversation_summaries",
    METADATA,
    Column("conversation_id", Id, ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True),
    # all turns up to this one: the position of its user's message
    Column("covers", Integer, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    Column("engine", Text, nullable=False),
    # how many messages those turns had
    Column("messages", Integer, nullable=False),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
)

# --- webhooks ---------------------------------------------------------------------------------------------------------

webhook_endpoints = Table(
    "webhook_endpoints",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id"), nullable=False),
    Column("caller_id", Id, nullable=False),
    Column("url", Text, nullable=False),
    Column("events", ARRAY(Text), nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("state", Text, nullable=False, server_default="active"),
    # why it is not active
    Column("reason", Text),
    # sealed under the platform's secret key; the one before is valid for a day after the rotation
    Column("secret", LargeBinary, nullable=False),
    Column("secret_before", LargeBinary),
    Column("rotated_at", Moment),
    # since when nothing was taken; null: the last try was
    Column("failing_since", Moment),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    Column("updated_at", Moment, nullable=False, server_default=text("now()")),
    CheckConstraint(_one_of("state", [state.value for state in EndpointState]), name="state"),
    CheckConstraint("(secret_before IS NULL) = (rotated_at IS NULL)", name="rotated_at_when_rotated"),
    Index("ix_webhook_endpoints_tenant_id_id", "tenant_id", desc("id")),
)

# what receivers of single jobs verify with: derived from the platform's secret key, this number and the tenant
webhook_signers = Table(
    "webhook_signers",
    METADATA,
    Column("tenant_id", Id, ForeignKey("tenants.id"), primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("rotated_at", Moment, nullable=False, server_default=text("now()")),
)

domain_events = Table(
    "domain_events",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    # bytes, not json: what is listed is what was told
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
    # whether its tenant's stream in Redis has it
    Column("is_published", Boolean, nullable=False, server_default=text("false")),
    Index("ix_domain_events_tenant_id_id", "tenant_id", desc("id")),
    Index("ix_domain_events_unpublished", "id", postgresql_where=text("NOT is_published")),
)

# no references from here on: what is told outlives what it tells of, and whom it was told
webhook_notices = Table(
    "webhook_notices",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("type", Text, nullable=False),
    Column("subject", Text, nullable=False),
    # bytes, not json: what is sent again is what was signed
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("notice_id", Id, nullable=False),
    # to whom: an endpoint, or the URL that came with a job
    Column("endpoint_id", Id),
    Column("url", Text),
    # the job that delivers it, which knows how far it is
    Column("job_id", Id, nullable=False),
    # which delivery was sent again by this one, by hand
    Column("again_of", Id),
    # how the last try went
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("tried_at", Moment),
    Column("status_code", Integer),
    Column("duration_ms", Integer),
    Column("answer", Text),
    Column("code", Text),
    Column("created_at", Moment, nullable=False, server_default=text("now()")),
    CheckConstraint("(endpoint_id IS NULL) <> (url IS NULL)", name="to_one"),
    Index("ix_webhook_deliveries_endpoint_id_id", "endpoint_id", desc("id")),
    Index("ix_webhook_deliveries_notice_id", "notice_id"),
    # every try updates what no index holds
    postgresql_with={"fillfactor": "80"},
)

# what was used up at text providers, added up; outlives the jobs
usage = Table(
    "usage",
    METADATA,
    Column("tenant_id", Id, ForeignKey("tenants.id"), primary_key=True),
    Column("day", Date, primary_key=True),  # of UTC
    Column("kind", Text, primary_key=True),
    Column("engine", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("calls", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    # in millionths of the currency; what has no price counts as nothing
    Column("cost_micros", BigInteger, nullable=False),
    # every call updates what no index holds
    postgresql_with={"fillfactor": "80"},
)

# batches of a text provider's: made here, then there, then ended; their ids are how the provider knows them before we
# know its names for them
provider_batches = Table(
    "provider_batches",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id"), nullable=False),
    Column("batch_id", Id, nullable=False),
    Column("model", Text, nullable=False),
    # what stands in its prompts, and must not stand in its answers
    Column("fence", Text, nullable=False),
    Column("canary", Text, nullable=False),
    # the sorts of personal values that are placeholders there, with commas; NULL: made before they were kept
    Column("sorts", Text),
    Column("name", Text),
    Column("made_at", Moment, nullable=False, server_default=text("now()")),
    Column("sent_at", Moment),
    Column("ended_at", Moment),
    Column("outcome", Text),
    CheckConstraint("(sent_at IS NULL) = (name IS NULL)", name="named_when_sent"),
    CheckConstraint("(ended_at IS NULL) = (outcome IS NULL)", name="outcome_when_ended"),
    Index("ix_provider_batches_batch_id", "batch_id"),
    # what somebody has to see to
    Index("ix_provider_batches_open", "batch_id", postgresql_where=text("ended_at IS NULL")),
)

# the jobs that wait for one, to be gathered yet or gathered, and what they were answered, with placeholders for
# personal values
provider_answers = Table(
    "provider_answers",
    METADATA,
    Column("job_id", Id, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("batch_id", Id, nullable=False),
    Column("provider_batch_id", Id),
    Column("answer", Text),
    Column("prompt_version", Text),
    # a digest of what they stand for
    Column("placeholders", Text),
    Column("prompt_tokens", Integer),
    Column("output_tokens", Integer),
    Index("ix_provider_answers_batch_id", "batch_id"),
    Index("ix_provider_answers_waiting", "batch_id", postgresql_where=text("provider_batch_id IS NULL")),
)

# how much of it may be in a day; kind '' is all of them
budgets = Table(
    "budgets",
    METADATA,
    Column("tenant_id", Id, ForeignKey("tenants.id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("tokens", BigInteger),
    Column("cost_micros", BigInteger),
    Column("updated_at", Moment, nullable=False, server_default=text("now()")),
    CheckConstraint("tokens IS NOT NULL OR cost_micros IS NOT NULL", name="bounds_something"),
)

# what questions under way will probably use up; counts while the job is still under the same lease
reservations = Table(
    "reservations",
    METADATA,
    Column("job_id", Id, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("kind", Text, nullable=False),
    Column("lease", Text, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    Column("made_at", Moment, nullable=False, server_default=text("now()")),
    Index("ix_reservations_tenant_id", "tenant_id"),
)
