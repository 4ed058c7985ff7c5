"""The migrations and the tables say the same."""

import re

import psycopg
from alembic import command

from storage.migrations.run import alembic_config, migrate

_OLD_ROWS = """
INSERT INTO tenants (id, name) VALUES ('tenant_1', 'one');
INSERT INTO jobs (id, tenant_id, caller_id, kind, queue, state, priority, tags, metadata, max_attempts, input,
    timeout_seconds, created_at, run_at, finished_at, seq)
SELECT 'job_' || n, 'tenant_1', 'user_1', 'text.moderate', 'text', CASE n % 2 WHEN 0 THEN 'queued' ELSE 'failed' END, 0,
    '{}', '{}', 5, '{}', 30, now(), now(), CASE n % 2 WHEN 1 THEN now() - interval '5 years' END, 1
FROM generate_series(1, 100) AS n;
INSERT INTO batches (id, tenant_id, caller_id, total) VALUES ('batch_1', 'tenant_1', 'user_1', 2);
"""

_SAID = """
INSERT INTO tenants (id, name) VALUES ('tenant_1', 'one');
INSERT INTO conversations (id, tenant_id, caller_id, title) VALUES ('conv_1', 'tenant_1', 'user_1', '');
INSERT INTO jobs (id, tenant_id, caller_id, kind, queue, state, priority, tags, metadata, max_attempts, input,
    timeout_seconds, created_at, run_at, finished_at, seq, error)
SELECT 'job_' || code, 'tenant_1', 'user_1', 'chat.reply', 'chat', 'failed', 0, '{}', '{}', 5, '{}', 30, now(), now(),
    now(), 1, json_build_object('code', code)
FROM unnest(ARRAY['input_blocked', 'ai_blocked', 'ai_refused']) AS code;
INSERT INTO messages (id, conversation_id, position, role, text, reply_job_id)
SELECT 'msg_' || number, 'conv_1', number, 'user', 'Said.', id
FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM jobs) AS asked;
"""

_MOVED = """
INSERT INTO tenants (id, name) VALUES ('tenant_1', 'one');
INSERT INTO products (id, tenant_id, sku, name, description, price_amount, currency, stock)
VALUES ('product_1', 'tenant_1', 'A', 'A', '', 1, 'USD', 6), ('product_2', 'tenant_1', 'B', 'B', '', 1, 'USD', 1);
INSERT INTO stock_movements (product_id, change, reason, created_at) VALUES
    ('product_1', 1, 'received', '2026-01-02 03:04:05.678901Z'),
    ('product_1', 2, 'received', '2026-01-02 03:04:05.678901Z'),
    ('product_2', 1, 'received', '2026-01-02 03:04:05.678901Z'), ('product_1', 3, 'received', '2026-02-03 00:00:00Z');
"""


def test_a_migrated_database_has_exactly_the_tables_of_the_code(empty_database_url: str) -> None:
    migrate(empty_database_url)
    command.check(alembic_config(empty_database_url))


def test_migrating_twice_changes_nothing(empty_database_url: str) -> None:
    migrate(empty_database_url)
    migrate(empty_database_url)


def test_the_newest_migration_can_be_taken_back_and_applied_again(empty_database_url: str) -> None:
    migrate(empty_database_url)
    command.downgrade(alembic_config(empty_database_url), "-1")
    migrate(empty_database_url)
    command.check(alembic_config(empty_database_url))


def test_what_was_there_before_retention_stays_and_is_found_by_its_end(empty_database_url: str) -> None:
    migrate(empty_database_url, to="0009")
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(_OLD_ROWS.encode())
        before = connection.execute("SELECT * FROM jobs ORDER BY id").fetchall()
    migrate(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        after = connection.execute("SELECT * FROM jobs ORDER BY id").fetchall()
        assert [row[: len(before[0])] for row in after] == before  # later migrations add columns
        assert connection.execute("SELECT count(*) FROM batches").fetchone() == (1,)
        assert connection.execute("SELECT count(*) FROM pg_index WHERE NOT indisvalid").fetchone() == (0,)


def test_an_index_whose_building_broke_off_is_built_anew(empty_database_url: str) -> None:
    migrate(empty_database_url, to="0009")
    with psycopg.connect(empty_database_url) as connection:
        # what is left of it has the name, and is of no use
        connection.execute("CREATE INDEX ix_jobs_finished_at ON jobs (id)")
    migrate(empty_database_url)
    command.check(alembic_config(empty_database_url))


def test_migrations_that_broke_off_before_they_were_noted_are_run_again(empty_database_url: str) -> None:
    migrate(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        # a wall that somebody's lock kept from being raised is the last step, and the steps before it are committed
        connection.execute("UPDATE alembic_version SET version_num = '0021'")
    migrate(empty_database_url)
    command.check(alembic_config(empty_database_url))


def test_messages_that_were_blocked_before_there_was_a_mark_for_it_are_marked(empty_database_url: str) -> None:
    migrate(empty_database_url, to="0028")
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(_SAID.encode())
    migrate(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        marks = connection.execute("SELECT blocked FROM messages ORDER BY reply_job_id").fetchall()
    assert marks == [("ai_blocked",), (None,), ("input_blocked",)]


def test_movements_that_were_there_get_ids_by_their_own_times(empty_database_url: str) -> None:
    migrate(empty_database_url, to="0029")
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(_MOVED.encode())
    migrate(empty_database_url)
    with psycopg.connect(empty_database_url) as connection:
        query = """
            SELECT change, movement_id FROM stock_movements
            WHERE product_id = 'product_1' ORDER BY movement_id
        """
        found = connection.execute(query).fetchall()
        # and with the release before, which knows nothing of ids
        connection.execute(
            "INSERT INTO stock_movements (product_id, change, reason) VALUES ('product_2', 4, 'received')"
        )
        written = connection.execute("SELECT movement_id FROM stock_movements ORDER BY id").fetchall()
    assert [change for change, _ in found] == [1, 2, 3]
    assert [int(movement_id[9:21], 16) for _, movement_id in found] == [1767323045678] * 2 + [1770076800000]
    assert len({movement_id for (movement_id,) in written}) == 5
    assert all(re.fullmatch("movement_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}", one) for (one,) in written)
