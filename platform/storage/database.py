"""The one place that knows the driver: an engine over Postgres, whose transactions the rest of storage is given."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from copy import copy
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg.adapt import Loader
from sqlalchemy import Engine, ExceptionContext, event, text
from sqlalchemy.exc import InterfaceError, InternalError, InvalidatePoolError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from domain.errors import Unavailable

Tx = AsyncConnection
"""A transaction opened where a story begins; every function of storage takes it first."""

API_ROLE: Final = "headrace_api"
"""What connections for a tenant's work run as: it sees the rows of one tenant (migrations/walls.py)."""

TENANT_SETTING: Final = "headrace.tenant"
"""The setting of a connection that says which tenant's."""

_WORK_FOR: Final = f"SELECT set_config('{TENANT_SETTING}', %s, false), current_user"
_TENANT: Final[ContextVar[str]] = ContextVar("tenant")
_ROLE: Final = "role"  # what a connection was found to run as, kept with it
_RESTS_SINCE: Final = "rests_since"
_RESTED_SECONDS: Final = 0.5

_STATEMENT_TIMEOUT_MS: Final = 10_000
_LOCK_TIMEOUT_MS: Final = 5_000
_IDLE_IN_TRANSACTION_MS: Final = 60_000
_WITHIN_SECONDS: Final = 10.0  # a Postgres that hangs answers nothing, its own timeouts included
# told to stop, the driver first tries to tell Postgres, for up to 10 s; told again, it drops the connection
_TOLD_AGAIN_SECONDS: Final = 0.25
_GIVEN_BACK_WITHIN_SECONDS: Final = 2.0
_LOOK_AGAIN_SECONDS: Final = 0.005


_NO_WALL: Final = f"The wall between tenants does not stand: this login cannot work as {API_ROLE}."


class DatabaseDown(Unavailable):
    """Postgres does not answer, or not in time."""

    code = "database_unavailable"
    title = "The database does not answer"


class DatabaseBusy(DatabaseDown):
    """No connection was free for too long: nothing was asked of Postgres, so asking again does nothing twice."""


class _Engine:
    """Connections of one sort, in transactions or with every statement standing alone."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.transactions = engine.execution_options(isolation_level="READ COMMITTED")
        self.autocommit = engine  # as it is opened: to say so again is said to each connection, and taken back


class Database:
    """Two pools of connections, one that sees all and one behind the wall between tenants.

    Open one a process; `begin()` is a transaction, `read()` single statements. It is the whole platform's; `of(tenant)`
    is the same database with nothing in it but the tenant's.
    """

    def __init__(self, everything: AsyncEngine, walled: AsyncEngine) -> None:
        self._engine = everything
        self._walled_engine = walled
        self._everything = _Engine(everything)
        self._walled = _Engine(walled)
        self._tenant_id: str | None = None

    def of(self, tenant_id: str) -> "Database":
        """The database as the tenant's own work sees it: rows of others are not there, whatever a statement asks.

        Nothing is opened, and nothing is to be closed. Of a tenant that is none, it is empty.
        """
        tenants = copy(self)
        tenants._tenant_id = tenant_id  # noqa: SLF001 - a Database's own
        return tenants

    @asynccontextmanager
    async def begin(self, *, within_seconds: float | None = _WITHIN_SECONDS) -> AsyncIterator[Tx]:
        """A transaction: committed at the end of the block, rolled back if it raises, or takes longer than it may.

        Raises:
            DatabaseDown: no connection could be had, it broke, or Postgres did not answer in time.
        """
        async with _patient(within_seconds), self._whose().transactions.begin() as tx:
            yield tx

    @asynccontextmanager
    async def read(self, *, within_seconds: float | None = _WITHIN_SECONDS) -> AsyncIterator[Tx]:
        """A connection on which every statement stands alone.

        Raises:
            DatabaseDown: as `begin`.
        """
        async with _patient(within_seconds), self._whose().autocommit.connect() as connection:
            yield connection

    @asynccontextmanager
    async def alone(self, *, within_seconds: float | None = _WITHIN_SECONDS) -> AsyncIterator[Tx]:
        """A connection for writes that are one statement each: it commits by itself, two round trips sooner.

        Raises:
            DatabaseDown: as `begin`.
        """
        async with self.read(within_seconds=within_seconds) as connection:
            yield connection

    async def ping(self, *, within_seconds: float | None = _WITHIN_SECONDS) -> None:
        """Hear from Postgres.

        Raises:
            DatabaseDown: it does not answer.
        """
        async with self.read(within_seconds=within_seconds) as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection, those in use when they are given back: who was told to stop may be at that still."""
        engines = (self._engine, self._walled_engine)
        await asyncio.gather(*map(_see_given_back, engines))
        for engine in engines:
            await engine.dispose()

    def _whose(self) -> _Engine:
        """Whose connections to take, from now on by whoever takes one in this task."""
        if self._tenant_id is None:
            return self._everything
        _TENANT.set(self._tenant_id)
        return self._walled


def open_database(
    url: str, *, name: str, size: int = 8, wait_seconds: float = 5.0, plans_once: bool = False
) -> Database:
    """A database at `url` (`postgresql://…`), for the process called `name`.

    At most `size` connections see all of it, and as many one tenant's. A caller waits up to `wait_seconds` for a free
    one. Nothing is connected until the first transaction. `plans_once`: a statement is planned once for all values, as
    it should be where that takes longer than to do what it says, whatever the values are.
    """
    everything = _open(url, name=name, size=size, wait_seconds=wait_seconds, plans_once=plans_once)
    walled = _open(url, name=name, size=size, wait_seconds=wait_seconds, plans_once=plans_once, role=API_ROLE)
    event.listen(walled.sync_engine, "checkout", _work_for_tenant)
    return Database(everything, walled)


def _open(  # noqa: PLR0913 - what `open_database` is told, and a role
    url: str, *, name: str, size: int, wait_seconds: float, plans_once: bool, role: str | None = None
) -> AsyncEngine:
    engine = create_async_engine(
        driver_url(url),
        pool_size=size,
        max_overflow=0,
        pool_timeout=wait_seconds,
        pool_use_lifo=True,
        isolation_level="AUTOCOMMIT",
        # what was being written is nobody's business who reads a log
        hide_parameters=True,
        connect_args={
            "application_name": f"headrace-{name}",
            "connect_timeout": 5,
            "options": (
                f"-c statement_timeout={_STATEMENT_TIMEOUT_MS} -c lock_timeout={_LOCK_TIMEOUT_MS} "
                f"-c idle_in_transaction_session_timeout={_IDLE_IN_TRANSACTION_MS} -c TimeZone=UTC"
                # from its first moment on: RESET ROLE comes back to it
                f"{f' -c role={role}' if role else ''}"
                f"{' -c plan_cache_mode=force_generic_plan' if plans_once else ''}"
            ),
        },
    )
    event.listen(engine.sync_engine, "connect", _pass_json_through)
    if role is None:  # who says which tenant it works for hears by that whether Postgres is there
        event.listen(engine.sync_engine, "checkin", _note_rest)
        event.listen(engine.sync_engine, "checkout", partial(_ping_rested, engine.sync_engine))
    event.listen(engine.sync_engine, "handle_error", _say_down)
    return engine


def driver_url(url: str) -> str:
    """`url` with the scheme SQLAlchemy wants for psycopg 3."""
    parts = urlsplit(url)
    return (
        urlunsplit(parts._replace(scheme="postgresql+psycopg"))
        if parts.netloc
        else url.replace(f"{parts.scheme}:", "postgresql+psycopg:", 1)
    )


async def _see_given_back(engine: AsyncEngine) -> None:
    """Wait for the connections in use, a while: one given back to a pool that is no more is closed by nobody."""
    pool = engine.pool
    assert isinstance(pool, AsyncAdaptedQueuePool)  # noqa: S101 - what `_open` makes
    ends = time.monotonic() + _GIVEN_BACK_WITHIN_SECONDS
    while pool.checkedout() and time.monotonic() < ends:
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


@asynccontextmanager
async def _patient(seconds: float | None) -> AsyncIterator[None]:
    """Turn the end of our patience into `DatabaseDown`; a timeout of the block's own stays what it is."""
    limit = asyncio.timeout(seconds)
    last = asyncio.timeout(None if seconds is None else seconds + _TOLD_AGAIN_SECONDS)
    try:
        async with last, limit:
            yield
    except PoolTimeout as error:
        raise DatabaseBusy("Every connection to Postgres is in use.", retry_after_seconds=1.0) from error
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise _down(error) from error


def _note_rest(_connection: object, record: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own
    record.info[_RESTS_SINCE] = time.monotonic()


def _ping_rested(engine: Engine, connection: Any, record: Any, _proxy: object) -> None:  # noqa: ANN401 - as above
    """Hear from Postgres first where the connection was not used for a while.

    It may have been restarted since, and a ping beats a failed job. It takes longer than this to do so; and of the
    statements between a message and a reply, nearly each would have a ping in front.
    """
    rests_since: float | None = record.info.get(_RESTS_SINCE)
    if rests_since is None or time.monotonic() - rests_since < _RESTED_SECONDS:
        return
    try:
        engine.dialect.do_ping(connection)
    except psycopg.Error as error:
        # the pool opens others in the place of all it has
        raise InvalidatePoolError(str(error)) from error


def _work_for_tenant(connection: Any, record: Any, _proxy: object) -> None:  # noqa: ANN401 - SQLAlchemy's own
    """Say which tenant the connection works for, each time it is taken from the pool, and see that the wall stands."""
    cursor = connection.cursor()
    try:
        cursor.execute(_WORK_FOR, (_TENANT.get(),))
        [(_, role)] = cursor.fetchall()
    except psycopg.OperationalError as error:
        if connection.driver_connection.closed and record.info.get(_ROLE):
            # the pool opens another in its place
            raise InvalidatePoolError(str(error)) from error
        raise
    finally:
        cursor.close()
    if role != API_ROLE:
        raise DatabaseDown(f"{_NO_WALL} A pooler between us and Postgres may have dropped the role.")
    record.info[_ROLE] = role


def _say_down(context: ExceptionContext) -> DatabaseDown | None:
    """Postgres away, read-only, full, out of locks or time: ours to say, at the statement that met it."""
    if not isinstance(context.original_exception, Exception):
        return None  # a cancellation stays one
    error = context.sqlalchemy_exception
    if context.is_disconnect or isinstance(error, OperationalError | InterfaceError | InternalError):
        return _down(context.original_exception)
    return None


class _JsonAsBytes(Loader):
    """Stored JSON leaves the driver as the bytes that were stored."""

    def load(self, data: bytes | bytearray | memoryview) -> bytes:
        return bytes(data)


def _pass_json_through(connection: Any, _record: object) -> None:  # noqa: ANN401 - SQLAlchemy's own adapter class
    adapters = connection.driver_connection.adapters
    adapters.register_loader("json", _JsonAsBytes)
    adapters.register_loader("jsonb", _JsonAsBytes)


def _down(error: BaseException) -> DatabaseDown:
    if API_ROLE in str(error):
        return DatabaseDown(_NO_WALL, retry_after_seconds=1.0)
    return DatabaseDown(
        f"Postgres did not do what it was asked ({type(error).__name__}). Whether it was done may be unknown.",
        retry_after_seconds=1.0,
    )
