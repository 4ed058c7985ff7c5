"""Databases for tests: each looks untouched to whoever is lent it, and most were another test's before.

Copying a database and removing it again costs more than most tests do, nearly all of it in the kernel, which makes and
unlinks hundreds of files. So one that was used is emptied instead. What makes that safe: every session in it is ended;
it is lent under another address each time, and the old one leads nowhere; and if anything but rows of our tables
differs from the template, or it has grown large, it is dropped after all.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final, LiteralString
from urllib.parse import quote

import psycopg
from msgspec import Struct
from psycopg import sql

from runtime.embedded.postgres import postgres_url
from runtime.embedded.servers import Server

_MOST_BYTES: Final = 2 * 1024**2
"""Of dead rows, whose pages are read on the way to living ones."""

_OTHERS: Final = """
SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_POLL_SECONDS: Final = 0.001

# Every change to one of these writes a row whose xmin is higher than any was; what is removed is missed in the count.
_CATALOGS: Final = (
    *("alembic_version", "pg_attrdef", "pg_attribute", "pg_cast", "pg_collation", "pg_constraint", "pg_default_acl"),
    *("pg_depend", "pg_description", "pg_enum", "pg_event_trigger", "pg_extension", "pg_index", "pg_inherits"),
    *("pg_largeobject_metadata", "pg_namespace", "pg_operator", "pg_policy", "pg_proc", "pg_publication", "pg_rewrite"),
    *("pg_sequence", "pg_statistic", "pg_statistic_ext", "pg_trigger", "pg_type"),
)
# What the planner knows of a table is changed in place. A database's own row is of another transaction in each.
_LIKENESS: Final = f"""
SELECT ARRAY[
    {", ".join(f"(SELECT (count(*), max(xmin::text::int8))::text FROM {catalog})" for catalog in _CATALOGS)},
    (SELECT (count(*), max(xmin::text::int8), sum(relpages), sum(reltuples))::text FROM pg_class),
    (SELECT (datallowconn, datconnlimit, datacl, datdba)::text FROM pg_database WHERE datname = current_database()),
    (SELECT array_agg(setconfig::text)::text FROM pg_db_role_setting
        WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()))
]
"""  # noqa: S608 - names written above

# What was never written to has no pages. Triggers and references stay asleep: one forbids what is done here, and order
# would matter to the others.
_EMPTY: Final = """
DO $$
DECLARE one regclass;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR one IN
        SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
            AND relname <> 'alembic_version' AND pg_relation_size(oid) > 0
    LOOP
        EXECUTE format('DELETE FROM %s', one);
    END LOOP;
    PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence WHERE pg_sequence_last_value(seqrelid) IS NOT NULL;
END $$
"""
_BYTES: Final = """
SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace
"""


class _Copy(Struct):
    """A database, and a session in it that stays."""

    name: str
    session: psycopg.Connection[Any]


class Databases:
    """Copies of one migrated database, made when there is none to lend again. One test process has one of these."""

    def __init__(self, server: Server, template: str, *, called: str = "test") -> None:
        self._server = server
        self._template = template
        self._called = called
        self._numbers = count(1)
        self._spare: list[_Copy] = []
        with self._connected(template) as session:
            self._likeness = _asked(session, _LIKENESS)
            self._most_bytes = _asked(session, _BYTES) + _MOST_BYTES

    @contextmanager
    def lend(self) -> Iterator[str]:
        """The address of a database that is as the template; at the end whoever is connected to it is cut off."""
        copy = self._spare.pop() if self._spare else self._copied()
        way = self._server.places.home / f"{self._called}{next(self._numbers)}"
        way.symlink_to(self._server.places.sockets)
        try:
            yield self._url(copy.name, way)
        finally:
            way.unlink()
            if self._is_as_new(copy):
                self._spare.append(copy)
            else:
                self._drop(copy)

    @contextmanager
    def lend_new(self) -> Iterator[str]:
        """The address of one that nobody ever wrote to: for who cares how many pages its tables have."""
        copy = self._copied()
        try:
            yield self._url(copy.name)
        finally:
            self._drop(copy)

    def close(self) -> None:
        """Drop those that are not lent."""
        while self._spare:
            self._drop(self._spare.pop())

    def _copied(self) -> _Copy:
        name = f"{self._called}_{next(self._numbers)}"
        # Copying files beats writing the copy to the log, as long as nothing waits for a disk.
        self._run("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name, self._template)
        return _Copy(name, self._connected(name))

    def _drop(self, copy: _Copy) -> None:
        copy.session.close()
        self._run("DROP DATABASE {} WITH (FORCE)", copy.name)

    def _is_as_new(self, copy: _Copy) -> bool:
        """End all sessions in it, and empty it; False if that is not enough, or our own session was ended as well."""
        try:
            while copy.session.execute(_OTHERS).fetchall():
                time.sleep(_POLL_SECONDS)  # rows of Postgres are waited for; nothing tells of them
            if _asked(copy.session, _LIKENESS) != self._likeness:
                return False
            copy.session.execute(_EMPTY)
            return bool(_asked(copy.session, _BYTES) <= self._most_bytes)
        except psycopg.OperationalError:
            return False

    def _run(self, statement: LiteralString, *names: str) -> None:
        with self._connected("postgres") as session:
            session.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def _connected(self, name: str) -> psycopg.Connection[Any]:
        return psycopg.connect(self._url(name), autocommit=True, prepare_threshold=2)

    def _url(self, name: str, way: Path | None = None) -> str:
        url = postgres_url(self._server.places, name)
        return url.replace(quote(str(self._server.places.sockets), safe=""), quote(str(way), safe="")) if way else url


def _asked(session: psycopg.Connection[Any], question: str) -> Any:  # noqa: ANN401 - whatever was asked for
    row = session.execute(question.encode()).fetchone()
    assert row is not None
    return row[0]
