"""A database that answers, and one that does not."""

import pytest

from storage.database import DatabaseDown, open_database


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
