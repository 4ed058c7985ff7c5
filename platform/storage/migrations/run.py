"""Bring a database to the newest schema."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from storage.database import driver_url

_LOCK: Final = 0x6865616472616365  # "headrace": two processes migrating at once take turns


def migrate(url: str, *, to: str = "head") -> None:
    """Apply what is missing up to revision `to`, under an advisory lock, each migration in a transaction of its own."""
    # in no transaction: an index that is built beside everything else waits for those that were open before
    engine = create_engine(driver_url(url), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as guard:
            guard.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            try:
                command.upgrade(alembic_config(url), to)
            finally:
                guard.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
    finally:
        engine.dispose()


def alembic_config(url: str) -> Config:
    """Alembic's settings for `url`, without a file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["url"] = driver_url(url)
    return config
