"""A migration that is killed on its way leaves whole steps behind, and the next one goes on from there."""

import subprocess

from alembic import command as alembic
from sqlalchemy import create_engine, text

from storage.database import driver_url
from storage.migrations.run import alembic_config
from tests.support.running_up import command, environ_of_command


def test_a_killed_migration_is_finished_by_the_next(empty_database_url: str) -> None:
    alembic.upgrade(alembic_config(empty_database_url), "0003")
    assert _migrate(empty_database_url, HEADRACE_KILL_POINTS="migrate.mid_batch=kill").returncode == -9
    assert _version(empty_database_url) == "0003"  # it died before its commit, and the lock went with it
    assert _migrate(empty_database_url).returncode == 0
    alembic.check(alembic_config(empty_database_url))


def _migrate(url: str, **settings: str) -> subprocess.CompletedProcess[bytes]:
    environ = environ_of_command(HEADRACE_DATABASE_URL=url, **settings)
    return subprocess.run(command("migrate"), env=environ, check=False, capture_output=True, timeout=60)  # noqa: S603 - our own


def _version(url: str) -> str:
    engine = create_engine(driver_url(url))
    with engine.connect() as connection:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    engine.dispose()
    return str(found)
