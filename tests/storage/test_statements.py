"""Statements as the driver takes them."""

import importlib
import pkgutil
from collections.abc import Iterator

from psycopg._queries import MAX_CACHED_STATEMENT_LENGTH
from sqlalchemy import TextClause
from sqlalchemy.dialects.postgresql.psycopg import dialect

import storage


def statements() -> Iterator[tuple[str, str]]:
    psycopg = dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy has no type for it
    for module in pkgutil.iter_modules(storage.__path__):
        if not module.ispkg:
            named = vars(importlib.import_module(f"storage.{module.name}"))
            for name, value in named.items():
                if isinstance(value, TextClause):
                    yield f"{module.name}.{name}", str(value.compile(dialect=psycopg))


def test_no_statement_is_so_long_that_the_driver_reads_it_anew_each_time() -> None:
    found = dict(statements())
    assert len(found) > 100
    assert [name for name, spelled in found.items() if len(spelled) > MAX_CACHED_STATEMENT_LENGTH] == []
