"""A throwaway Postgres and Redis for tests, started when first asked for; a database for each test."""

import itertools
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import psycopg
import pytest
import redis

from runtime.embedded.postgres import postgres_url
from runtime.embedded.redis import redis_url as numbered_url
from runtime.embedded.servers import Server, start_postgres, start_redis
from storage.migrations.run import migrate
from tests.support.databases import Databases

_TEMPLATE = "migrated"
_ROOM_BYTES = 2 * 1024**3
_NUMBERS = itertools.count(1)


def memory_folder() -> str | None:
    """Where files are kept in memory, if there is room: databases are made and copied ten times faster there."""
    memory = "/dev/shm"  # noqa: S108 # a private folder is made in it
    has_room = Path(memory).is_dir() and shutil.disk_usage(memory).free > _ROOM_BYTES
    return memory if has_room else None


@pytest.fixture(scope="session")
def servers_dir() -> Generator[Path]:
    """A folder that the servers' account can reach when root runs the tests, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="headrace-tests-", dir=memory_folder()))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server(servers_dir: Path) -> Generator[Server]:
    """A Postgres of this test process alone: fast, and gone with it."""
    with start_postgres(servers_dir, durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(servers_dir: Path) -> Generator[Server]:
    """A Redis of this test process alone: fast, and gone with it."""
    with start_redis(servers_dir, durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres_server: Server) -> str:
    """The name of a database with every migration applied, for copying."""
    _run(postgres_server, f"CREATE DATABASE {_TEMPLATE} TEMPLATE template1")
    migrate(postgres_url(postgres_server.places, _TEMPLATE))
    return _TEMPLATE


@pytest.fixture(scope="session")
def databases(postgres_server: Server, migrated_template: str) -> Generator[Databases]:
    """Migrated databases, to be lent."""
    databases = Databases(postgres_server, migrated_template)
    yield databases
    databases.close()


@pytest.fixture
def database_url(databases: Databases) -> Generator[str]:
    """A migrated database for one test, with nothing in it; afterwards nobody finds it under this address."""
    with databases.lend() as url:
        yield url


@pytest.fixture
def new_database_url(databases: Databases) -> Generator[str]:
    """A migrated database that no other test had before, for tests of what the planner makes of its pages."""
    with databases.lend_new() as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_server: Server) -> Generator[str]:
    """A fresh database with nothing in it, for tests of the migrations themselves."""
    name = f"empty_{next(_NUMBERS)}"
    _run(postgres_server, f"CREATE DATABASE {name} TEMPLATE template1 STRATEGY file_copy")
    yield postgres_url(postgres_server.places, name)
    _run(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def redis_url(redis_server: Server) -> str:
    """An empty Redis for one test."""
    url = numbered_url(redis_server.places)
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return url


def _run(server: Server, statement: str) -> None:
    with psycopg.connect(postgres_url(server.places, "postgres"), autocommit=True) as connection:
        connection.execute(statement.encode())
