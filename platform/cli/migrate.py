"""`headrace migrate`: the newest schema and, in development, what a newcomer needs to see something happen."""

import asyncio
import secrets
from typing import Final

import click
from msgspec import Struct

from domain.accounts.api_key import ApiKey, make_key, parse_key
from domain.accounts.permissions import ROLE_PERMISSIONS, Role
from domain.errors import Invalid
from domain.ids import derived_id
from runtime.kill_points import KillPoints
from runtime.logs import configure_logs
from runtime.resources import needed
from runtime.settings import DEVELOPMENT_TENANT, Settings, read_settings
from schedules.seed import seed_schedules
from storage.accounts import NewKey, add_key, add_tenant, add_user
from storage.api_keys import permit_key
from storage.database import Tx, open_database
from storage.migrations.run import migrate as migrate_database
from storage.sample_catalogue import seed_catalog, seed_credit

_RANDOMNESS: Final = 40
_ADMIN_REQUESTS_PER_MINUTE: Final = 1_000_000
_ORIGIN: Final = "tenant_" + "0" * 12 + "7" + "0" * 3 + "8" + "0" * 15
"""What seeded ids derive from: the same on every machine, so that seeding twice adds nothing."""

ADMIN_EMAIL: Final = "admin@headrace.example"


class KeyMisspelt(Invalid):
    """HEADRACE_API_KEY is not shaped like an API key."""

    code = "api_key_misspelt"
    title = "The API key is misspelt"


class Seeded(Struct, frozen=True, kw_only=True):
    """What a development database starts with."""

    tenant_id: str
    user_id: str
    api_key: str


@click.command()
def migrate() -> None:
    """Bring the database's tables up to date. Run it once before a deploy's new processes start."""
    settings = read_settings()
    configure_logs(settings, process="migrate")
    _migrate(settings)
    click.echo("The database is up to date.", err=True)


def migrate_and_seed(settings: Settings, *, api_key: str | None = None) -> Seeded | None:
    """Migrate and, except in production, seed a tenant, an admin with `api_key` (or a fresh one) and their things.

    Raises:
        KeyMisspelt: the key given is none.
    """
    _migrate(settings)
    if settings.is_production:
        return None
    return asyncio.run(_seed(needed(settings, "database_url"), _key(api_key or settings.api_key)))


def _migrate(settings: Settings) -> None:
    points = KillPoints(settings.kill_points)
    migrate_database(needed(settings, "database_url"), on_step=lambda: points.reach("migrate.mid_batch"))


def fresh_key() -> ApiKey:
    """A new API key, from the system's randomness."""
    return make_key(secrets.token_bytes(_RANDOMNESS))


def _key(text: str | None) -> ApiKey:
    key = fresh_key() if text is None else parse_key(text)
    if key is None:
        raise KeyMisspelt("HEADRACE_API_KEY must be spelled hr_<8 characters>_<secret>, as `headrace up` prints it.")
    return key


async def _seed(url: str, key: ApiKey) -> Seeded:
    database = open_database(url, name="seed", size=1)
    try:
        async with database.begin() as tx:
            return await _seed_all(tx, key)
    finally:
        await database.close()


async def _seed_all(tx: Tx, key: ApiKey) -> Seeded:
    tenant_id = derived_id("tenant", _ORIGIN)
    user_id = derived_id("user", _ORIGIN, "admin")
    await add_tenant(tx, tenant_id, DEVELOPMENT_TENANT)
    await add_user(tx, user_id, tenant_id=tenant_id, email=ADMIN_EMAIL, name="Admin", role=Role.ADMIN.value)
    key_id = derived_id("key", _ORIGIN, key.public_id)
    await add_key(
        tx,
        NewKey(
            id=key_id,
            tenant_id=tenant_id,
            user_id=user_id,
            name="development",
            public_id=key.public_id,
            secret_sha256=key.secret_sha256,
            permissions=ROLE_PERMISSIONS[Role.ADMIN],
            requests_per_minute=_ADMIN_REQUESTS_PER_MINUTE,
        ),
    )
    # the release that made the key may have had fewer permissions
    await permit_key(tx, key_id, ROLE_PERMISSIONS[Role.ADMIN])
    await seed_catalog(tx, tenant_id)
    await seed_credit(tx, tenant_id, user_id)
    await seed_schedules(tx, tenant_id=tenant_id, caller_id=user_id, email=ADMIN_EMAIL)
    return Seeded(tenant_id=tenant_id, user_id=user_id, api_key=str(key))
