"""How Alembic reaches the database: through the URL `run.migrate` hands over."""

from typing import Any

from alembic import context
from sqlalchemy import create_engine

from storage.tables import METADATA


def _step(*_: Any, **_more: Any) -> None:  # noqa: ANN401 - Alembic's, which tells what was applied
    context.config.attributes["on_step"]()


def _run() -> None:
    engine = create_engine(context.config.attributes["url"])
    try:
        with engine.connect() as connection:
            context.configure(
                connection=connection,
                target_metadata=METADATA,
                transaction_per_migration=True,
                compare_type=True,
                compare_server_default=True,
                on_version_apply=_step,
            )
            with context.begin_transaction():
                context.run_migrations()
    finally:
        engine.dispose()


_run()
