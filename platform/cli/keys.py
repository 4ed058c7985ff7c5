"""`headrace keys`: by the API; and the first key of a new installation, straight into the database."""

import asyncio
from typing import Final

import click
import msgspec
from msgspec import Struct

from api.acts import act
from api.api_keys.views import view_key
from api.user_view import read_email
from cli.client import Reply, segment
from cli.migrate import fresh_key
from cli.options import ApiGroup, Use, pass_use
from cli.output import Format, note
from domain.accounts.audit import Actor
from domain.accounts.permissions import ROLE_PERMISSIONS, Role
from domain.errors import Conflict
from runtime.embedded.places import find_places
from runtime.embedded.postgres import postgres_url
from runtime.resources import needed
from runtime.settings import read_settings
from runtime.unique_ids import new_id
from storage.accounts import NewKey, add_key, get_or_add_tenant, get_or_add_user, has_tables
from storage.api_keys import find_kept_key
from storage.audit import audit
from storage.database import open_database
from storage.users import find_user

_COLUMNS: Final = (
    "id", "name", "user_id", "public_id", "scopes", "is_live", "expires_at", "last_used_at"
)  # fmt: skip
_PER_MINUTE: Final = 600
_KEEP_IT: Final = "Keep it: it is stored only as a hash, and cannot be shown again."


class RoleDiffers(Conflict):
    """The user is there with another role, beyond which a key of theirs does nothing."""

    code = "role_differs"
    title = "The user has another role"


class MadeKey(Struct, frozen=True):
    """Of the answer, what opens."""

    key: str


@click.group(cls=ApiGroup)
def keys() -> None:
    """Make, list, rotate and revoke API keys."""


@keys.command("list")
@click.option("--user", "user_id", metavar="ID", help="Whose; everybody's if you manage users, else your own.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@pass_use
def list_keys(use: Use, *, user_id: str | None, limit: int) -> None:
    """List keys, the revoked and expired too; never what opens."""
    use.output.things(use.client.items("/v1/api-keys", {"user_id": user_id}, at_most=limit), _COLUMNS)


@keys.command()
@click.option("--tenant", help="Write straight into the database, for the tenant of this name, made if there is none.")
@click.option("--email", help="With --tenant: whose key it is; the user is made if there is none.")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    help="With --tenant: the role whose permissions the key carries, and of the user if new.  [default: user]",
)
@click.option("--name", default="command line", show_default=True, help="What the key is for.")
@click.option("--requests-per-minute", type=click.IntRange(1, 10_000_000), help="The key's limit.  [default: 600]")
@click.option("--scope", "scopes", multiple=True, help="What the key may do, of what you may; again for each.")
@click.option("--expires-at", metavar="TIME", help="When it opens no more, as in 2030-01-01T00:00:00Z.")
@click.option("--user", "user_id", metavar="ID", help="Whose it is, if you manage users.")
@pass_use
def create(  # noqa: PLR0913 - one an option
    use: Use,
    *,
    tenant: str | None,
    email: str | None,
    role: str | None,
    name: str,
    requests_per_minute: int | None,
    scopes: tuple[str, ...],
    expires_at: str | None,
    user_id: str | None,
) -> None:
    """Make an API key and print it, this once.

    Through the API, with the scopes you name. Or, for an installation's first key, with --tenant and --email: into the
    database of HEADRACE_DATABASE_URL, after `headrace migrate`; without that, into the one of a running `up`.
    """
    if tenant is None and email is None and role is None:
        given: dict[str, object] = {"name": name, "scopes": scopes, "expires_at": expires_at, "user_id": user_id}
        if requests_per_minute is not None:
            given["requests_per_minute"] = requests_per_minute
        _show(use, use.client.create("/v1/api-keys", msgspec.json.encode(given)))
        return
    if tenant is None or email is None or scopes or expires_at or user_id:
        raise click.UsageError("Into the database go --tenant and --email, with --role; all else goes by the API.")
    if not tenant.strip():
        raise click.UsageError("A tenant has a name.")
    limit = requests_per_minute or _PER_MINUTE
    key = make_key_for(tenant, email=email, role=Role(role or Role.USER), name=name, requests_per_minute=limit)
    note(_KEEP_IT)
    click.echo(key)


@keys.command()
@click.argument("key_id")
@click.option("--overlap", default="24h", show_default=True, help="How long the old key opens beside the new one.")
@pass_use
def rotate(use: Use, key_id: str, overlap: str) -> None:
    """Make a key in place of another, and print it, this once."""
    body = msgspec.json.encode({"overlap": overlap})
    _show(use, use.client.post(f"/v1/api-keys/{segment(key_id)}/rotate", body))


@keys.command()
@click.argument("key_ids", nargs=-1, required=True)
@pass_use
def revoke(use: Use, key_ids: tuple[str, ...]) -> None:
    """Revoke keys: within seconds they open nothing."""
    for key_id in key_ids:
        use.client.delete(f"/v1/api-keys/{segment(key_id)}")
        note(f"{key_id} is revoked.")


def _show(use: Use, reply: Reply) -> None:
    """The key alone for people and shells; all that was said for programs that ask for JSON."""
    note(_KEEP_IT)
    if use.output.format is Format.TABLE:
        click.echo(msgspec.json.decode(reply.body, type=MadeKey).key)
    else:
        use.output.thing(reply.body)


def make_key_for(tenant: str, *, email: str, role: Role, name: str, requests_per_minute: int) -> str:
    """An API key of the tenant and the user, who are made if there are none; written straight into the database."""
    read_email(email)
    settings = read_settings()
    is_here = settings.database_url is None and settings.data_dir.exists()
    url = postgres_url(find_places(settings.data_dir)) if is_here else needed(settings, "database_url")
    return asyncio.run(_create(url, tenant=tenant, email=email, role=role, name=name, limit=requests_per_minute))


async def _create(url: str, *, tenant: str, email: str, role: Role, name: str, limit: int) -> str:  # noqa: PLR0913 - the options
    database = open_database(url, name="keys", size=1)
    try:
        async with database.begin() as tx:
            if not await has_tables(tx):
                raise click.ClickException("The database has no tables yet. Run `headrace migrate` first.")
            tenant_id = await get_or_add_tenant(tx, new_id("tenant"), tenant)
            user_id = await get_or_add_user(tx, new_id("user"), tenant_id=tenant_id, email=email, role=role.value)
            user = await find_user(tx, tenant_id, user_id)
            if user is not None and user.role is not role:
                raise RoleDiffers(f"{email} is there with the role {user.role}: take --role {user.role}, or change it.")
            key, key_id = fresh_key(), new_id("key")
            await add_key(
                tx,
                NewKey(
                    id=key_id,
                    tenant_id=tenant_id,
                    user_id=user_id,
                    name=name,
                    public_id=key.public_id,
                    secret_sha256=key.secret_sha256,
                    permissions=ROLE_PERMISSIONS[role],
                    requests_per_minute=limit,
                ),
            )
            made = await find_kept_key(tx, tenant_id, key_id, of=None)
            # by whoever has the database's password: nobody the platform knows
            told = act("key.created", key_id, after=None if made is None else view_key(made))
            await audit(tx, Actor(tenant_id=tenant_id, user_id=None), told)
    finally:
        await database.close()
    return str(key)
