"""`headrace users`, `keys` and `audit`, as an operator types them, against a real API."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from cli.main import headrace
from domain.accounts.permissions import Role
from tests.api.conftest import House
from tests.support.people import PASSWORD


class Operator:
    """Types commands, with the key of an admin."""

    def __init__(self, url: str, key: str, folder: Path) -> None:
        self._environ = {"HEADRACE_URL": url, "HEADRACE_API_KEY": key, "HEADRACE_DATA_DIR": str(folder)}

    async def type(self, *words: str, stdin: str | None = None) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, headrace, words, input=stdin, env=self._environ)

    async def done(self, *words: str, stdin: str | None = None) -> str:
        result = await self.type(*words, stdin=stdin)
        assert result.exit_code == 0, (words, result.output)
        return str(result.stdout)


@pytest.fixture
def operator(house: House, address: str, tmp_path: Path) -> Iterator[Operator]:
    # the API is of this process too, and what it logs is not what the command prints
    with capture_logs():
        yield Operator(address, house.admin_key, tmp_path)


async def test_users_are_made_changed_and_shut_out(house: House, operator: Operator) -> None:
    made = json.loads(
        await operator.done(
            *("users", "create", "anne@example.com", "--role", "operator", "--with-password", "-o", "json"),
            stdin=f"{PASSWORD}\n",
        )
    )
    assert (made["role"], made["has_password"]) == ("operator", True)
    listed = await operator.done("users", "list", "--email", "anne@example.com", "-o", "jsonl")
    assert [json.loads(line)["id"] for line in listed.splitlines()] == [made["id"]]
    assert "viewer" in await operator.done("users", "role", made["id"], "viewer")
    for how, state in (("disable", "disabled"), ("enable", "active"), ("ban", "banned"), ("unban", "active")):
        shown = json.loads(await operator.done("users", how, made["id"], "-o", "json"))
        assert shown["state"] == state
    assert "anne@example.com" in await operator.done("users", "show", made["id"])
    fresh = "a heron waits for rain"
    await operator.done("users", "password", made["id"], stdin=f"{fresh}\n")
    answer = await house.ask_tokens(grant_type="password", username="anne@example.com", password=fresh)
    assert answer.status_code == 200
    assert (await operator.type("users", "show", "user_x")).exit_code == 3
    assert (await operator.type("users", "create", "nobody")).exit_code == 2


async def test_keys_are_made_listed_rotated_and_revoked(house: House, operator: Operator) -> None:
    key = (await operator.done("keys", "create", "--name", "reports", "--scope", "jobs:read")).strip()
    assert (await house.as_(key, "GET", "/v1/jobs")).status_code == 200
    listed = json.loads(await operator.done("keys", "list", "-o", "json"))
    [made] = [one for one in listed if one["name"] == "reports"]
    rotated = (await operator.done("keys", "rotate", made["id"], "--overlap", "0s")).strip()
    assert (await house.as_(rotated, "GET", "/v1/jobs")).status_code == 200
    assert (await house.as_(key, "GET", "/v1/jobs")).status_code == 401
    listed = json.loads(await operator.done("keys", "list", "-o", "json"))
    await operator.done("keys", "revoke", *(one["id"] for one in listed if one["name"] == "reports"))
    assert (await house.as_(rotated, "GET", "/v1/jobs")).status_code == 401


async def test_the_audit_log_is_verified_by_whoever_may_read_it(
    house: House, operator: Operator, database_url: str
) -> None:
    ada = await house.person(Role.USER)
    await operator.done("users", "ban", ada.id, "--reason", "écrit \x1f 1.0")
    await operator.done("queues", "limit", "text", "--max-running", "3")
    assert "user.banned" in await operator.done("audit", "list")
    noted = json.loads(await operator.done("audit", "verify", "-o", "json"))
    assert noted["entries"] == 2
    await operator.done("queues", "pause", "text")
    await operator.done("audit", "verify", "--hash", noted["hash"])
    assert (await operator.type("audit", "verify", "--hash", "00")).exit_code == 1
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(b"ALTER TABLE audit_log DISABLE TRIGGER USER")
        connection.execute(b"UPDATE audit_log SET target = 'emails' WHERE seq = 3")
    broken = await operator.type("audit", "verify")
    assert broken.exit_code == 1
    assert "entry 3 is not as it was written" in broken.output
