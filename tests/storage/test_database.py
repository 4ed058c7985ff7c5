"""A database that answers, and one that does not."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from storage import database as module
from storage.database import Database, DatabaseDown, open_database


@pytest.fixture
async def cut_off(database_url: str) -> AsyncIterator[Database]:
    """A database whose one connection rests, and was cut meanwhile."""
    database, other = (open_database(database_url, name="tests", size=1) for _ in range(2))
    async with database.read() as tx:
        pid = (await tx.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    async with other.read() as tx:
        assert (await tx.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})).scalar_one()
    yield database
    await database.close()
    await other.close()


async def test_a_database_that_stands_answers_a_ping(database_url: str) -> None:
    database = open_database(database_url, name="tests", size=1)
    try:
        await database.ping()
    finally:
        await database.close()


async def test_a_ping_to_nobody_says_that_the_database_is_down() -> None:
    database = open_database("postgresql://nobody@127.0.0.1:1/none", name="tests", size=1)
    try:
        with pytest.raises(DatabaseDown, match="did not do what it was asked"):
            await database.ping()
    finally:
        await database.close()


async def test_a_connection_that_was_cut_while_it_rested_is_replaced_and_nobody_notices(
    cut_off: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RESTED_SECONDS", 0.0)
    await cut_off.ping()


async def test_one_that_was_used_a_moment_ago_is_believed_in_and_replaced_once_it_fails(
    cut_off: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RESTED_SECONDS", 3600.0)
    with pytest.raises(DatabaseDown):
        await cut_off.ping()
    await cut_off.ping()


async def test_closing_waits_for_a_connection_that_is_being_given_back(database_url: str) -> None:
    closing = open_database(database_url, name="closing", size=1)
    is_taken = asyncio.Event()

    async def work() -> None:
        async with closing.read() as connection:
            is_taken.set()
            await connection.execute(text("SELECT pg_sleep(0.1)"))

    working = asyncio.create_task(work())
    await is_taken.wait()
    await closing.close()
    await working
    looking = open_database(database_url, name="looking", size=1)
    async with looking.read() as connection:
        left = await connection.execute(
            text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'headrace-closing'")
        )
        assert left.scalar_one() == 0
    await looking.close()


async def test_closing_leaves_a_connection_that_nobody_gives_back(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_GIVEN_BACK_WITHIN_SECONDS", 0.0)
    closing = open_database(database_url, name="tests", size=1)
    async with closing.read() as connection:
        await closing.close()
        await connection.invalidate()


async def test_where_statements_are_planned_once_postgres_is_told_so(database_url: str) -> None:
    for plans_once, told in ((True, "force_generic_plan"), (False, "auto")):
        database = open_database(database_url, name="tests", size=1, plans_once=plans_once)
        async with database.read() as connection:
            assert (await connection.execute(text("SHOW plan_cache_mode"))).scalar_one() == told
        await database.close()
