"""The one place that knows the driver: an engine over Postgres, whose transactions the rest of storage is given."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from psycopg import OperationalError as DriverOperationalError
from psycopg.adapt import Loader
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from domain.errors import Unavailable

Tx = AsyncConnection
"""A transaction opened where a story begins; every function of storage takes it first."""

_STATEMENT_TIMEOUT_MS: Final = 10_000
_LOCK_TIMEOUT_MS: Final = 5_000
_IDLE_IN_TRANSACTION_MS: Final = 60_000


class DatabaseDown(Unavailable):
    """Postgres does not answer, or not in time."""

    code = "database_unavailable"
    title = "The database does not answer"


class Database:
    """A pool of connections. Open one a process; `begin()` is a transaction, `read()` single statements."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Tx]:
        """A transaction: committed at the end of the block, rolled back if it raises.

        Raises:
            DatabaseDown: no connection could be had, or it broke.
        """
        try:
            async with self._engine.begin() as tx:
                yield tx
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise _down(error) from error

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        """A connection on which every statement stands alone.

        Raises:
            DatabaseDown: no connection could be had, or it broke.
        """
        try:
            async with self._autocommit.connect() as connection:
                yield connection
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise _down(error) from error

    async def ping(self) -> None:
        """Hear from Postgres.

        Raises:
            DatabaseDown: it does not answer.
        """
        async with self.read() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()


def open_database(url: str, *, name: str, size: int = 8, wait_seconds: float = 5.0) -> Database:
    """A database at `url` (`postgresql://…`), for the process called `name`, with at most `size` connections.

    A caller waits up to `wait_seconds` for a free one. Nothing is connected until the first transaction.
    """
    engine = create_async_engine(
        driver_url(url),
        pool_size=size,
        max_overflow=0,
        pool_timeout=wait_seconds,
        # Postgres may have been restarted since the connection was last used; one ping beats a failed job
        pool_pre_ping=True,
        pool_use_lifo=True,
        connect_args={
            "application_name": f"headrace-{name}",
            "connect_timeout": 5,
            "options": (
                f"-c statement_timeout={_STATEMENT_TIMEOUT_MS} -c lock_timeout={_LOCK_TIMEOUT_MS} "
                f"-c idle_in_transaction_session_timeout={_IDLE_IN_TRANSACTION_MS} -c TimeZone=UTC"
            ),
        },
    )
    event.listen(engine.sync_engine, "connect", _pass_json_through)
    return Database(engine)


def driver_url(url: str) -> str:
    """`url` with the scheme SQLAlchemy wants for psycopg 3."""
    parts = urlsplit(url)
    return (
        urlunsplit(parts._replace(scheme="postgresql+psycopg"))
        if parts.netloc
        else url.replace(f"{parts.scheme}:", "postgresql+psycopg:", 1)
    )


class _JsonAsBytes(Loader):
    """Stored JSON leaves the driver as the bytes that were stored."""

    def load(self, data: bytes | bytearray | memoryview) -> bytes:
        return bytes(data)


def _pass_json_through(connection: Any, _record: object) -> None:  # noqa: ANN401 - SQLAlchemy's own adapter class
    adapters = connection.driver_connection.adapters
    adapters.register_loader("json", _JsonAsBytes)
    adapters.register_loader("jsonb", _JsonAsBytes)


def _down(error: Exception) -> DatabaseDown:
    cause = error.orig if isinstance(error, DBAPIError) else error
    kind = type(cause).__name__ if isinstance(cause, DriverOperationalError) else type(error).__name__
    return DatabaseDown(
        f"Postgres did not answer ({kind}). What was not answered may be tried again.", retry_after_seconds=1.0
    )
