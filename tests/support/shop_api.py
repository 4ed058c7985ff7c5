"""The whole API over a shop, called in process as HTTP calls it, by whom is wanted."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import httpx

from api.app import make_app
from domain.accounts.api_key import ApiKey, make_key
from domain.accounts.permissions import ROLE_PERMISSIONS, Role
from runtime.settings import Settings
from runtime.wakeups import open_wakeups
from storage.accounts import NewKey, add_key
from storage.database import Database
from tests.support.shop import ADA, ADMIN, BOB, OTHER_TENANT, STRANGER, TENANT

_KEYS: Final[dict[str, ApiKey]] = {
    user_id: make_key(hashlib.sha512(user_id.encode()).digest()) for user_id in (ADMIN, ADA, BOB, STRANGER)
}
_ADMINS: Final = {ADMIN, STRANGER}


class ShopApi:
    """Calls the API with the key of a user; Ada's unless another is named."""

    def __init__(self, client: httpx.AsyncClient, database: Database) -> None:
        self._client = client
        self.database = database

    async def get(self, path: str, *, by: str = ADA, **query: Any) -> httpx.Response:  # noqa: ANN401 - a query's values
        return await self._client.get(path, params=query, headers=_headers(by))

    async def post(self, path: str, body: object, *, by: str = ADA) -> httpx.Response:
        return await self._client.post(path, json=body, headers=_headers(by))

    async def send(
        self, method: str, path: str, body: object = None, *, by: str = ADA, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Any request; `body` as JSON, unless it is None; `headers` are some besides."""
        given: dict[str, Any] = {} if body is None else {"json": body}
        return await self._client.request(method, path, headers={**_headers(by), **(headers or {})}, **given)


@asynccontextmanager
async def open_shop_api(database: Database, redis_url: str) -> AsyncIterator[ShopApi]:
    """The API over a shop that is open already."""
    async with database.begin() as tx:
        for user_id, key in _KEYS.items():
            await add_key(tx, _stored(user_id, key))
    wakeups = open_wakeups(redis_url)
    settings = Settings(secret_key="a secret key of the tests")
    transport = httpx.ASGITransport(cast("Any", make_app(database, wakeups, settings)))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
        yield ShopApi(client, database)
    await wakeups.close()


def _headers(user_id: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {_KEYS[user_id]}"}


def _stored(user_id: str, key: ApiKey) -> NewKey:
    return NewKey(
        id="key_" + user_id.removeprefix("user_"),
        tenant_id=OTHER_TENANT if user_id == STRANGER else TENANT,
        user_id=user_id,
        name="for tests",
        public_id=key.public_id,
        secret_sha256=key.secret_sha256,
        permissions=ROLE_PERMISSIONS[Role.ADMIN if user_id in _ADMINS else Role.USER],
        requests_per_minute=1_000_000,
    )
