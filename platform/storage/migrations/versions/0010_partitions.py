"""Jobs, events and attempts in partitions by the job's id, which begins with its time; how far retention has come.

Goes before the deploy: the release before reads and writes the same names. What is there becomes the first partition,
without being rewritten: it is checked, and an index is built, while everything goes on; then the tables change places,
for which the migration waits up to 5 s to have them for itself. A relay of the new release must run within two days.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | Sequence[str] | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TABLES = (("jobs", "id"), ("events", "job_id"), ("attempts", "job_id"))
_WAIT = "SET LOCAL lock_timeout = '5s'"

# Who owns the tables may change them, and the relay's role does not: these three are run with the owner's rights.
_ADD = """
CREATE FUNCTION partitions.add(label text, low text, high text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    whole text;
BEGIN
    FOREACH whole IN ARRAY ARRAY['jobs', 'events', 'attempts'] LOOP
        EXECUTE format('CREATE TABLE partitions.%I (LIKE public.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)',
            whole || '_' || label, whole);
        -- Most updates of jobs touch no indexed column; room on the page lets Postgres make them in place. And until a
        -- partition is worth an index, its size is not looked at: a plan made for a few rows would read all of them
        -- when they are many.
        IF whole = 'jobs' THEN
            EXECUTE format('ALTER TABLE partitions.%I SET (fillfactor = 85, autovacuum_analyze_threshold = 5000, '
                'autovacuum_vacuum_threshold = 1000)', whole || '_' || label);
        END IF;
        EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION partitions.%I FOR VALUES FROM (%L) TO (%L)',
            whole, whole || '_' || label, low, high);
    END LOOP;
END $$
"""

# What stays is written again while nobody else can look: to everybody it was there all the time.
_DETACH = """
CREATE FUNCTION partitions.detach(label text, staying text[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    whole text;
    kept text[];
    low text;
    high text;
BEGIN
    LOCK TABLE ONLY public.jobs, ONLY public.events, ONLY public.attempts IN ACCESS EXCLUSIVE MODE;
    SELECT parts[1], parts[2] INTO STRICT low, high
    FROM pg_class, regexp_match(pg_get_expr(relpartbound, oid), $re$FROM \\((.*)\\) TO \\('(.*)'\\)$re$) AS parts
    WHERE relispartition AND oid = to_regclass(format('partitions.%I', 'jobs_' || label));
    low := CASE WHEN low = 'MINVALUE' THEN '' ELSE trim(low, '''') END;
    EXECUTE format('SELECT array_agg(DISTINCT id) FROM (
        SELECT unnest($1)
        UNION ALL SELECT job_id FROM public.outbox WHERE job_id >= $2 AND job_id < $3
        UNION ALL SELECT id FROM partitions.%I WHERE state = ''running'') AS live (id)', 'jobs_' || label)
    INTO kept USING staying, low, high;
    FOREACH whole IN ARRAY ARRAY['jobs', 'events', 'attempts'] LOOP
        EXECUTE format('ALTER TABLE public.%I DETACH PARTITION partitions.%I', whole, whole || '_' || label);
        EXECUTE format('INSERT INTO public.%I OVERRIDING SYSTEM VALUE SELECT * FROM partitions.%I WHERE %I = ANY($1)',
            whole, whole || '_' || label, CASE whole WHEN 'jobs' THEN 'id' ELSE 'job_id' END)
        USING kept;
    END LOOP;
    RETURN (SELECT count(*) FROM public.jobs WHERE id = ANY(kept));
END $$
"""

# The reference to tenants goes first: a table dropped with one would hold up everybody who reads tenants until its
# files are gone.
_DROP = """
CREATE FUNCTION partitions.drop(name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reference text;
BEGIN
    PERFORM FROM pg_class
    WHERE oid = to_regclass(format('partitions.%I', name)) AND relkind = 'r' AND NOT relispartition;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT conname INTO reference FROM pg_constraint
    WHERE conrelid = to_regclass(format('partitions.%I', name)) AND contype = 'f' LIMIT 1;
    IF reference IS NOT NULL THEN
        EXECUTE format('ALTER TABLE partitions.%I DROP CONSTRAINT %I', name, reference);
    ELSE
        EXECUTE format('DROP TABLE partitions.%I', name);
    END IF;
END $$
"""


def upgrade() -> None:
    bound = _bound()
    with op.get_context().autocommit_block():
        for table, key in _TABLES:
            op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS in_partition")
            op.execute(f"ALTER TABLE {table} ADD CONSTRAINT in_partition CHECK ({key} < '{bound}') NOT VALID")
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT in_partition")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS uq_attempts_job_id_id")
        op.execute("CREATE UNIQUE INDEX CONCURRENTLY uq_attempts_job_id_id ON attempts (job_id, id)")
    op.execute(_WAIT)
    op.execute("LOCK TABLE jobs, events, attempts IN ACCESS EXCLUSIVE MODE")
    # the key of a partitioned table holds what it is divided by; attempts are found by their job through it, too
    op.execute("ALTER TABLE attempts DROP CONSTRAINT pk_attempts")
    op.execute("ALTER TABLE attempts ADD CONSTRAINT pk_attempts PRIMARY KEY USING INDEX uq_attempts_job_id_id")
    op.drop_index("ix_attempts_job_id", table_name="attempts")
    last = op.get_bind().scalar(sa.text("SELECT coalesce(max(id), 0) + 1 FROM attempts"))
    op.execute("ALTER TABLE attempts ALTER COLUMN id DROP IDENTITY")
    op.execute("CREATE SCHEMA partitions")
    op.execute("GRANT USAGE ON SCHEMA partitions TO PUBLIC")
    for table, key in _TABLES:
        _divide(table, key, bound)
    op.execute(f"ALTER TABLE attempts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (START {last})")
    op.create_table(
        "retention",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("pruned_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kept_seconds", sa.Float(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_retention_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention")),
    )
    for function in (_ADD, _DETACH, _DROP):
        op.execute(function)


def downgrade() -> None:
    op.execute(_WAIT)
    op.drop_table("retention")
    for table, key in _TABLES:
        _unite(table, key)
    op.execute("ALTER TABLE attempts DROP CONSTRAINT pk_attempts")
    op.execute("ALTER TABLE attempts ADD CONSTRAINT pk_attempts PRIMARY KEY (id)")
    op.create_index("ix_attempts_job_id", "attempts", ["job_id"], unique=False)
    last = op.get_bind().scalar(sa.text("SELECT coalesce(max(id), 0) + 1 FROM attempts"))
    op.execute(f"ALTER TABLE attempts ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (START {last})")
    op.execute("DROP SCHEMA partitions CASCADE")


def _bound() -> str:
    """The first id past the first partition: a midnight at least a day ahead, for jobs go on being submitted."""
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=2)
    return f"job_{int(day.timestamp() * 1000):012x}"


def _divide(table: str, key: str, bound: str) -> None:
    """Make `table` the first partition of one of its name, which has its indexes and references, too."""
    indexes, references = _indexes(table), _constraints(table, "f")
    [(primary, primary_key)] = _constraints(table, "p")
    op.execute(f"ALTER TABLE {table} SET SCHEMA partitions")
    op.execute(f"ALTER TABLE partitions.{table} RENAME TO {table}_first")
    op.execute(
        f"CREATE TABLE {table} (LIKE partitions.{table}_first INCLUDING DEFAULTS INCLUDING CONSTRAINTS) "
        f"PARTITION BY RANGE ({key})"
    )
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT in_partition")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {primary} {primary_key}")
    for name, definition in references:
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    for definition in indexes:
        op.execute(definition)
    op.execute(
        f"ALTER TABLE {table} ATTACH PARTITION partitions.{table}_first FOR VALUES FROM (MINVALUE) TO ('{bound}')"
    )
    op.execute(f"ALTER TABLE partitions.{table}_first DROP CONSTRAINT in_partition")
    op.execute(f"CREATE TABLE partitions.{table}_default PARTITION OF {table} DEFAULT")
    if table == "jobs":
        op.execute("ALTER TABLE partitions.jobs_default SET (fillfactor = 85)")


def _unite(table: str, key: str) -> None:
    """Write what is in the partitions of `table` into one table of its name."""
    indexes, references = _indexes(table), _constraints(table, "f")
    [(primary, primary_key)] = _constraints(table, "p")
    op.execute(f"ALTER TABLE {table} RENAME TO {table}_divided")
    op.execute(f"CREATE TABLE {table} (LIKE {table}_divided INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    op.execute(f"INSERT INTO {table} SELECT * FROM {table}_divided ORDER BY {key}")
    op.execute(f"DROP TABLE {table}_divided")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {primary} {primary_key}")
    for name, definition in references:
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    for definition in indexes:
        op.execute(definition.replace(" ON ONLY ", " ON "))
    if table == "jobs":
        op.execute("ALTER TABLE jobs SET (fillfactor = 85)")


def _indexes(table: str) -> list[str]:
    """How the indexes of `table` are made, but for the one of its key."""
    return list(
        op.get_bind().scalars(
            sa.text("""
            SELECT pg_get_indexdef(indexrelid) FROM pg_index
            WHERE indrelid = to_regclass(:table) AND NOT indisprimary ORDER BY indexrelid
            """),
            {"table": table},
        )
    )


def _constraints(table: str, sort: str) -> list[tuple[str, str]]:
    """Names and definitions of the constraints of one sort."""
    found = op.get_bind().execute(
        sa.text("""
        SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid = to_regclass(:table) AND contype = CAST(:sort AS "char") ORDER BY oid
        """),
        {"table": table, "sort": sort},
    )
    return [(name, definition) for name, definition in found]
