"""What row-level security would cost a read of a job: by the table's owner, as now, and under a policy, set three ways.

On a Postgres of its own. Each read is one job by its id, on one connection, as the API reads it. Under the policy the
role is not the owner, and a setting says which tenant's rows there are: set in a transaction around each read, set in
such a transaction sent as one piece (pipelined), or set for the connection when another tenant's turn comes, with each
read another tenant's. Prints one line of JSON. Run by `headrace bench isolation`.
"""

# ruff: noqa: INP001, T201 - run by its path, never imported

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import msgspec
import psycopg
from msgspec import Struct

from runtime.embedded.servers import start_postgres
from storage.migrations.run import migrate

JOBS = 2_000
_FILL = """
INSERT INTO tenants (id, name) SELECT 'tenant_' || n, n FROM generate_series(0, 1) AS n;
INSERT INTO jobs (id, tenant_id, caller_id, kind, queue, state, priority, tags, metadata, max_attempts, input,
    timeout_seconds, created_at, run_at, seq)
SELECT 'job_' || n, 'tenant_' || n % 2, 'user_1', 'text.moderate', 'text', 'queued', 0, '{}', '{}', 5, '{}', 30, now(),
    now(), 1
FROM generate_series(0, :jobs - 1) AS n;
ANALYZE jobs;
CREATE ROLE api LOGIN;
GRANT SELECT ON jobs TO api;
ALTER TABLE jobs ENABLE ROW LEVEL SECURITY;
CREATE POLICY of_tenant ON jobs TO api USING (tenant_id = current_setting('headrace.tenant'));
"""
_READ = "SELECT * FROM jobs WHERE id = %s AND tenant_id = %s"
_SET = "SELECT set_config('headrace.tenant', %s, %s)"

Read = Callable[[str, str], None]


class Figures(Struct, frozen=True, kw_only=True):
    """Microseconds a read takes, at the median of all rounds, and how much more than without a policy, as a share."""

    reads: int
    without_us: float
    transaction_us: float
    pipelined_us: float
    connection_us: float
    transaction_more: float
    pipelined_more: float
    connection_more: float


def measure(url: str, reads: int) -> Figures:
    """Time each way in turns, so that all have the machine alike."""
    with psycopg.connect(url, autocommit=True) as owner:
        for statement in _FILL.replace(":jobs", str(JOBS)).strip().split(";\n"):
            owner.execute(statement.encode())
        with psycopg.connect(url.replace("postgres@", "api@"), autocommit=True) as api:
            ways: dict[str, Read] = {
                "without": lambda job, tenant: _plain(owner, job, tenant),
                "transaction": lambda job, tenant: _in_transaction(api, job, tenant),
                "pipelined": lambda job, tenant: _pipelined(api, job, tenant),
                "connection": lambda job, tenant: _on_connection(api, job, tenant),
            }
            _check(api)
            took: dict[str, list[float]] = {name: [] for name in ways}
            for n in range(reads):
                job, tenant = f"job_{n % JOBS}", f"tenant_{n % 2}"
                for name, way in ways.items():
                    began = time.perf_counter()
                    way(job, tenant)
                    took[name].append((time.perf_counter() - began) * 1e6)
    us = {name: round(median(each), 1) for name, each in took.items()}
    more = {name: round(us[name] / us["without"] - 1, 2) for name in us}
    return Figures(
        reads=reads,
        without_us=us["without"],
        transaction_us=us["transaction"],
        pipelined_us=us["pipelined"],
        connection_us=us["connection"],
        transaction_more=more["transaction"],
        pipelined_more=more["pipelined"],
        connection_more=more["connection"],
    )


def _plain(connection: psycopg.Connection, job: str, tenant: str) -> None:
    assert connection.execute(_READ, (job, tenant)).fetchone()  # noqa: S101 - a read of nothing times nothing


def _in_transaction(connection: psycopg.Connection, job: str, tenant: str) -> None:
    with connection.transaction():
        connection.execute(_SET, (tenant, True))
        _plain(connection, job, tenant)


def _pipelined(connection: psycopg.Connection, job: str, tenant: str) -> None:
    with connection.pipeline(), connection.transaction():
        connection.execute(_SET, (tenant, True))
        cursor = connection.execute(_READ, (job, tenant))
    assert cursor.fetchone()  # noqa: S101 - as above


def _on_connection(connection: psycopg.Connection, job: str, tenant: str) -> None:
    connection.execute(_SET, (tenant, False))
    _plain(connection, job, tenant)


def _check(api: psycopg.Connection) -> None:
    """See that the policy hides what it should, or nothing of this says anything."""
    api.execute(_SET, ("tenant_1", False))
    count = api.execute("SELECT count(*) FROM jobs WHERE tenant_id = 'tenant_0'").fetchone()
    assert count == (0,)  # noqa: S101 - as above


def main() -> None:
    """Measure as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reads", type=int, default=5000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        Path(folder).chmod(0o711)
        with start_postgres(Path(folder), durable=False) as server:
            migrate(server.url)
            print(msgspec.json.encode(measure(server.url, given.reads)).decode())


if __name__ == "__main__":
    main()
