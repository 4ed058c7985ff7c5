"""The databases of the tests themselves: whatever one test did to its own, the next finds nothing of it."""

from collections.abc import Iterator

import psycopg
import pytest

from runtime.embedded.servers import Server
from tests.support.databases import Databases
from tests.support.jobs import claim, make_job, open_store, submit

TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
BEGUN = "SELECT sequencename FROM pg_sequences WHERE last_value IS NOT NULL"
OID = "SELECT oid FROM pg_database WHERE datname = current_database()"
# that nobody may take back, and that belongs to nobody
ENTRY = """
INSERT INTO audit_log (tenant_id, seq, at, action, target, previous_hash, hash) VALUES ('t', 1, now(), 'x', 'y', '', '')
"""


@pytest.fixture(scope="module")
def own(postgres_server: Server, migrated_template: str) -> Iterator[Databases]:
    """Databases lent to nobody else, so that the one that was given back is the next."""
    own = Databases(postgres_server, migrated_template, called="own")
    yield own
    own.close()


def do(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def asked(url: str, question: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [str(row[0]) for row in connection.execute(question.encode())]


def filled(url: str) -> set[str]:
    """Tables with rows in them, and sequences that have begun."""
    tables = asked(url, TABLES)
    assert len(tables) > 40
    return {name for name in tables if asked(url, f"TABLE {name} LIMIT 1")} | set(asked(url, BEGUN))


async def test_a_database_lent_again_has_no_row_of_the_last_test_and_counts_from_the_beginning(own: Databases) -> None:
    with own.lend() as url:
        first = asked(url, OID)
        async with open_store(url) as store, store.begin() as tx:
            await claim(tx, *await submit(tx, make_job(), make_job(concurrency_key="key")))
        do(url, ENTRY)
        assert {"jobs", "events", "tenants", "audit_log", "event_numbers"} <= filled(url)
    with own.lend() as again:
        assert asked(again, OID) == first
        assert filled(again) == {"alembic_version"}


def test_what_a_transaction_took_back_leaves_nothing_either(own: Databases) -> None:
    with own.lend() as url, psycopg.connect(url) as connection:
        connection.execute("INSERT INTO tenants (id, name) SELECT 't', 'of one' WHERE nextval('event_numbers') > 0")
        connection.rollback()
        assert filled(url) == {"alembic_version", "event_numbers"}
    with own.lend() as again:
        assert filled(again) == {"alembic_version"}


@pytest.mark.parametrize(
    "change",
    [
        "CREATE TABLE more ()",
        "CREATE SCHEMA more",
        "CREATE INDEX ON jobs (kind)",
        "DROP INDEX ix_outbox_lanes",
        "ALTER TABLE jobs ADD more text",
        "ALTER TABLE audit_log DISABLE TRIGGER USER",
        "ALTER TABLE jobs NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE jobs ALTER state SET DEFAULT 'queued'",
        "ALTER TABLE jobs SET (fillfactor = 50)",
        "DROP POLICY of_tenant ON jobs",
        "GRANT SELECT ON alembic_version TO PUBLIC",
        "GRANT USAGE ON SCHEMA public TO headrace_api",
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        "CREATE FUNCTION more() RETURNS int RETURN 1",
        "COMMENT ON TABLE jobs IS 'more'",
        "UPDATE alembic_version SET version_num = 'none'",
        "TRUNCATE tenants CASCADE",
        "ANALYZE outbox",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 65', current_database()); END $$",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 3', current_database()); END $$",
        "DO $$ BEGIN EXECUTE format('GRANT TEMP ON DATABASE %I TO PUBLIC', current_database()); END $$",
        "INSERT INTO tenants (id, name) SELECT n, n || repeat('x', 99) FROM generate_series(1, 20000) AS n",
    ],
)
def test_a_database_in_which_more_than_some_rows_was_changed_is_lent_to_nobody_again(
    own: Databases, change: str
) -> None:
    with own.lend() as url:
        first = asked(url, OID)
        do(url, change)
    with own.lend() as another:
        assert asked(another, OID) != first
        assert filled(another) == {"alembic_version"}


def test_who_has_not_left_is_cut_off_and_finds_nothing_where_it_was(own: Databases) -> None:
    with own.lend() as url:
        first = asked(url, OID)
        lingering = psycopg.connect(url, autocommit=True)
    with own.lend() as again:
        assert asked(again, OID) == first
        with pytest.raises(psycopg.OperationalError, match="terminating connection"), lingering:
            lingering.execute("INSERT INTO tenants (id, name) VALUES ('t', 'of another test')")
        with pytest.raises(psycopg.OperationalError, match="No such file"):
            psycopg.connect(url)
        assert filled(again) == {"alembic_version"}
