"""`headrace keys`: the first API key of a new installation, written straight into the database."""

import asyncio

import click

from cli.migrate import fresh_key
from domain.accounts.permissions import ROLE_PERMISSIONS, Role
from runtime.embedded.places import find_places
from runtime.embedded.postgres import postgres_url
from runtime.resources import needed
from runtime.settings import read_settings
from runtime.unique_ids import new_id
from storage.accounts import NewKey, add_key, get_or_add_tenant, get_or_add_user
from storage.database import open_database


@click.group()
def keys() -> None:
    """Make API keys."""


@keys.command()
@click.option("--tenant", required=True, help="The tenant's name; made if there is none.")
@click.option("--email", required=True, help="Whose key it is; the user is made if there is none.")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.USER.value,
    show_default=True,
    help="The role whose permissions the key carries, and of the user if new.",
)
@click.option("--name", default="command line", show_default=True, help="What the key is for.")
@click.option("--requests-per-minute", type=click.IntRange(1, 10_000_000), default=600, show_default=True)
def create(*, tenant: str, email: str, role: str, name: str, requests_per_minute: int) -> None:
    """Make an API key and print it, this once.

    For the database of HEADRACE_DATABASE_URL, after `headrace migrate`; without that, for the one of a running `up`.
    """
    key = make_key_for(tenant, email=email, role=Role(role), name=name, requests_per_minute=requests_per_minute)
    click.echo("Keep it: it is stored only as a hash, and cannot be shown again.", err=True)
    click.echo(key)


def make_key_for(tenant: str, *, email: str, role: Role, name: str, requests_per_minute: int) -> str:
    """An API key of the tenant and the user, who are made if there are none; written straight into the database."""
    settings = read_settings()
    is_here = settings.database_url is None and settings.data_dir.exists()
    url = postgres_url(find_places(settings.data_dir)) if is_here else needed(settings, "database_url")
    return asyncio.run(_create(url, tenant=tenant, email=email, role=role, name=name, limit=requests_per_minute))


async def _create(url: str, *, tenant: str, email: str, role: Role, name: str, limit: int) -> str:  # noqa: PLR0913 - the options
    database = open_database(url, name="keys", size=1)
    try:
        async with database.begin() as tx:
            tenant_id = await get_or_add_tenant(tx, new_id("tenant"), tenant)
            user_id = await get_or_add_user(tx, new_id("user"), tenant_id=tenant_id, email=email, role=role.value)
            key = fresh_key()
            await add_key(
                tx,
                NewKey(
                    id=new_id("key"),
                    tenant_id=tenant_id,
                    user_id=user_id,
                    name=name,
                    public_id=key.public_id,
                    secret_sha256=key.secret_sha256,
                    permissions=ROLE_PERMISSIONS[role],
                    requests_per_minute=limit,
                ),
            )
    finally:
        await database.close()
    return str(key)
