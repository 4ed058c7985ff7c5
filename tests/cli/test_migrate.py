"""What a development database starts with, and what it is given by a newer release."""

import asyncio

import psycopg
from sqlalchemy import text

from cli.migrate import migrate_and_seed
from domain.accounts.api_key import parse_key
from domain.accounts.permissions import PERMISSIONS
from runtime.settings import Settings
from storage.accounts import find_key
from storage.database import open_database


def test_a_development_key_may_do_what_a_newer_release_permits(empty_database_url: str) -> None:
    settings = Settings(database_url=empty_database_url)
    first = migrate_and_seed(settings)
    assert first is not None
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("UPDATE api_keys SET permissions = '{jobs:read}'")
    again = migrate_and_seed(settings, api_key=first.api_key)
    assert again == first
    assert asyncio.run(permitted(empty_database_url, first.api_key)) == (set(PERMISSIONS), 1)


async def permitted(url: str, spelled: str) -> tuple[set[str], int]:
    """What the key may do, and how many keys there are."""
    key = parse_key(spelled)
    assert key is not None
    database = open_database(url, name="tests", size=1)
    async with database.read() as tx:
        found = await find_key(tx, key.public_id)
        count = (await tx.execute(text("SELECT count(*) FROM api_keys"))).scalar_one()
    await database.close()
    assert found is not None
    return set(found.caller.permissions), int(count)
