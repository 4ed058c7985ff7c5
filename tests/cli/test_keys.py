"""The first key of an installation: made once, printed once, good at once."""

import asyncio
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner, Result

from api.user_view import EmailInvalid
from cli.keys import keys
from domain.accounts.api_key import parse_key
from domain.accounts.audit import AuditEntry
from domain.accounts.session import EmailTaken
from storage.accounts import find_key
from storage.audit import AuditFilter, list_entries
from storage.database import open_database


def create(*options: str) -> Result:
    return CliRunner().invoke(keys, ["create", *options])


@pytest.fixture(autouse=True)
def _here(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_DATABASE_URL", database_url)


def test_a_key_that_was_made_is_found_with_its_roles_permissions(database_url: str) -> None:
    made = create("--tenant", "acme", "--email", "ops@acme.example", "--role", "viewer")
    assert made.exit_code == 0
    key = parse_key(made.stdout.strip())
    assert key is not None

    async def look() -> None:
        database = open_database(database_url, name="tests", size=1)
        async with database.read() as tx:
            found = await find_key(tx, key.public_id)
        await database.close()
        assert found is not None
        assert key.matches(found.secret_sha256)
        assert found.caller.may("jobs:read")
        assert not found.caller.may("jobs:submit")

    asyncio.run(look())


def test_a_second_key_of_the_same_user_joins_the_first() -> None:
    first = create("--tenant", "acme", "--email", "ops@acme.example")
    second = create("--tenant", "acme", "--email", "OPS@acme.example")
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.stdout != second.stdout


def test_an_address_of_another_tenant_is_refused() -> None:
    create("--tenant", "acme", "--email", "ops@acme.example")
    assert isinstance(create("--tenant", "other", "--email", "ops@acme.example").exception, EmailTaken)


def test_what_is_no_address_or_no_name_of_a_tenant_is_refused() -> None:
    assert isinstance(create("--tenant", "acme", "--email", "no mail").exception, EmailInvalid)
    assert create("--tenant", " ", "--email", "ops@acme.example").exit_code == 2


def test_a_database_without_tables_is_told_what_it_lacks(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_DATABASE_URL", urlsplit(database_url)._replace(path="/postgres").geturl())
    refused = create("--tenant", "acme", "--email", "ops@acme.example")
    assert refused.exit_code == 1
    assert "headrace migrate" in refused.output


def test_the_audit_log_tells_of_a_key_that_was_written_past_the_api(database_url: str) -> None:
    key = parse_key(create("--tenant", "acme", "--email", "ops@acme.example").stdout.strip())
    assert key is not None

    async def look() -> AuditEntry:
        database = open_database(database_url, name="tests", size=1)
        async with database.read() as tx:
            found = await find_key(tx, key.public_id)
            assert found is not None
            [entry] = await list_entries(tx, found.caller.tenant_id, AuditFilter(target=found.caller.key_id), limit=10)
        await database.close()
        return entry

    entry = asyncio.run(look())
    assert (entry.act.action, entry.actor.user_id, entry.actor.key_id) == ("key.created", None, None)
    assert key.public_id in (entry.act.after or "")
    assert key.secret not in (entry.act.after or "")
