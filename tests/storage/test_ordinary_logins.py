"""A Postgres as others run it: an owner that may make no roles, and a login that owns nothing.

On a server of its own: roles are the whole server's.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from runtime.embedded.servers import start_postgres
from storage.accounts import add_tenant, add_user
from storage.database import API_ROLE, open_database
from storage.migrations.run import migrate
from storage.migrations.walls import WallRefused
from tests.support.servers import memory_folder

_ROLES = """
CREATE ROLE owner LOGIN;
CREATE ROLE app LOGIN;
CREATE DATABASE theirs OWNER owner;
"""
_RIGHTS = """
ALTER SCHEMA public OWNER TO owner;
GRANT USAGE ON SCHEMA public TO app;
ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO app;
ALTER DEFAULT PRIVILEGES FOR ROLE owner IN SCHEMA public GRANT USAGE ON SEQUENCES TO app;
"""


@pytest.fixture
def server_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="headrace-tests-", dir=memory_folder()) as folder:
        Path(folder).chmod(0o711)
        with start_postgres(Path(folder), durable=False) as server:
            yield server.url


async def test_an_owner_that_makes_no_roles_is_told_what_is_to_be_done_and_then_the_wall_stands(
    server_url: str,
) -> None:
    _run(server_url, _ROLES)
    theirs = server_url.replace("/headrace?", "/theirs?")
    assert theirs != server_url
    _run(theirs, _RIGHTS)
    owner, app = (theirs.replace("postgres@", f"{role}@") for role in ("owner", "app"))
    with pytest.raises(WallRefused, match=f"owner may not make the role {API_ROLE}"):
        migrate(owner)
    _run(theirs, f"CREATE ROLE {API_ROLE} NOLOGIN;")
    with pytest.raises(WallRefused, match=f"GRANT {API_ROLE} TO (app, owner|owner, app)"):
        migrate(owner)
    _run(theirs, f"GRANT {API_ROLE} TO owner, app;")
    migrate(owner)
    database = open_database(app, name="tests", size=1)
    async with database.begin() as tx:
        for tenant in ("tenant_one", "tenant_other"):
            await add_tenant(tx, tenant, tenant)
            await add_user(tx, f"user_{tenant}", tenant_id=tenant, email=f"{tenant}@x.org", name="", role="admin")
    seen = []
    for one in (database, database.of("tenant_one")):
        async with one.read() as tx:
            seen.append((await tx.execute(text("SELECT count(*) FROM users"))).scalar_one())
    await database.close()
    assert seen == [2, 1]


async def test_an_owner_that_makes_roles_needs_no_help(server_url: str) -> None:
    _run(server_url, "CREATE ROLE owner LOGIN CREATEROLE;\nCREATE DATABASE theirs OWNER owner;")
    theirs = server_url.replace("/headrace?", "/theirs?").replace("postgres@", "owner@")
    migrate(theirs)
    database = open_database(theirs, name="tests", size=1)
    await database.of("tenant_one").ping()
    await database.close()


def _run(url: str, statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements.strip().split(";\n"):
            connection.execute(statement.encode())
