"""The whole API over one database, called in process as HTTP calls it, by whom is wanted."""

import hashlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import httpx

from api.app import make_app
from domain.accounts.api_key import make_key
from domain.accounts.permissions import ROLE_PERMISSIONS, Role
from runtime.cache import AnswerCache
from runtime.settings import Settings
from runtime.wakeups import open_wakeups
from storage.accounts import NewKey, add_key, add_tenant, add_user
from storage.database import Database, Tx, open_database

ADMIN: Final = "user_" + "a" * 32
USER: Final = "user_" + "b" * 32
VIEWER: Final = "user_" + "c" * 32
STRANGER: Final = "user_" + "d" * 32
"""An admin, of another tenant."""

TENANT: Final = "tenant_" + "1" * 32
OTHER_TENANT: Final = "tenant_" + "2" * 32

_ROLES: Final = {ADMIN: Role.ADMIN, USER: Role.USER, VIEWER: Role.VIEWER, STRANGER: Role.ADMIN}
_KEYS: Final = {user_id: make_key(hashlib.sha512(user_id.encode()).digest()) for user_id in _ROLES}


class CalledApi:
    """Calls the API with the key of a user; the admin's unless another is named."""

    def __init__(self, client: httpx.AsyncClient, database: Database) -> None:
        self._client = client
        self.database = database

    async def call(  # noqa: PLR0913 - what a request is made of
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        by: str = ADMIN,
        prefer: str | None = None,
        more: Mapping[str, str] | None = None,
        **query: Any,  # noqa: ANN401 - a query's values
    ) -> httpx.Response:
        """Send a request; `body` as JSON, unless it is None; `more` are headers besides."""
        headers = {"Authorization": f"Bearer {_KEYS[by]}"} | ({} if prefer is None else {"Prefer": prefer})
        headers.update(more or {})
        given = {} if body is None else {"json": body}
        return await self._client.request(method, path, params=query, headers=headers, **given)  # type: ignore[arg-type]


@asynccontextmanager
async def open_api(
    database_url: str, redis_url: str, *, answers: AnswerCache | None = None
) -> AsyncGenerator[CalledApi]:
    """The API over a database with two tenants and a user of each sort."""
    database = open_database(database_url, name="tests")
    async with database.begin() as tx:
        await add_tenant(tx, TENANT, "tests")
        await add_tenant(tx, OTHER_TENANT, "others")
        for user_id in _ROLES:
            await _add(tx, user_id)
    wakeups = open_wakeups(redis_url)
    # both mean ASGI, and type it each in its own way
    transport = httpx.ASGITransport(cast("Any", make_app(database, wakeups, Settings(), answers=answers)))
    async with httpx.AsyncClient(transport=transport, base_url="http://headrace.example") as client:
        yield CalledApi(client, database)
    await wakeups.close()
    await database.close()


async def _add(tx: Tx, user_id: str) -> None:
    tenant_id = OTHER_TENANT if user_id == STRANGER else TENANT
    role, key = _ROLES[user_id], _KEYS[user_id]
    await add_user(tx, user_id, tenant_id=tenant_id, email=f"{user_id}@example.com", name=user_id[-1], role=role.value)
    await add_key(
        tx,
        NewKey(
            id="key_" + user_id.removeprefix("user_"),
            tenant_id=tenant_id,
            user_id=user_id,
            name="for tests",
            public_id=key.public_id,
            secret_sha256=key.secret_sha256,
            permissions=ROLE_PERMISSIONS[role],
            requests_per_minute=1_000_000,
        ),
    )
