"""Bring a database to the newest schema."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from storage.database import driver_url

_LOCK: Final = 0x6865616472616365  # "headrace": two processes migrating at once take turns
_LOOK_SECONDS: Final = 0.1


def migrate(url: str, *, to: str = "head", on_step: Callable[[], None] = lambda: None) -> None:
    """Apply what is missing up to revision `to`, under an advisory lock, each migration in a transaction of its own.

    `on_step` is called after each, before its commit.
    """
    # in no transaction: an index that is built beside everything else waits for those that were open before
    engine = create_engine(driver_url(url), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as guard:
            # asked again and again: a statement that waits keeps its snapshot, for whose end an index being built waits
            while not guard.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}).scalar_one():
                time.sleep(_LOOK_SECONDS)
            try:
                command.upgrade(alembic_config(url, on_step=on_step), to)
            finally:
                guard.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
    finally:
        engine.dispose()


def alembic_config(url: str, *, on_step: Callable[[], None] = lambda: None) -> Config:
    """Alembic's settings for `url`, without a file."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["url"] = driver_url(url)
    config.attributes["on_step"] = on_step
    return config
