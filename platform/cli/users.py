"""`headrace users`."""

import sys
from typing import Final

import click
import msgspec

from cli.client import segment
from cli.options import ApiGroup, Use, pass_use
from cli.output import note
from domain.accounts.permissions import Role
from domain.accounts.user import UserState

_COLUMNS: Final = ("id", "email", "name", "role", "state", "has_password", "last_login_at", "created_at")
_ROLES: Final = click.Choice([role.value for role in Role])


@click.group(cls=ApiGroup)
def users() -> None:
    """List, show, make, change and shut out the users of your tenant."""


@users.command("list")
@click.option("--role", type=_ROLES, help="Only those of a role.")
@click.option("--state", type=click.Choice([state.value for state in UserState]), help="Only those in a state.")
@click.option("--email", help="Only the one of this address.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@pass_use
def list_users(use: Use, *, role: str | None, state: str | None, email: str | None, limit: int) -> None:
    """List users, newest first."""
    query = {"role": role, "state": state, "email": email}
    use.output.things(use.client.items("/v1/users", query, at_most=limit), _COLUMNS)


@users.command()
@click.argument("user_id")
@pass_use
def show(use: Use, user_id: str) -> None:
    """Show a user."""
    use.output.thing(use.client.get(f"/v1/users/{segment(user_id)}").body)


@users.command()
@click.argument("email")
@click.option("--name", default="", help="What they are called.")
@click.option("--role", type=_ROLES, default=Role.USER.value, show_default=True)
@click.option("--with-password", is_flag=True, help="Ask for a password, or read it from standard input.")
@pass_use
def create(use: Use, *, email: str, name: str, role: str, with_password: bool) -> None:
    """Make a user; without a password they enter by API keys alone."""
    body = {"email": email, "name": name, "role": role, "password": _password() if with_password else None}
    use.output.thing(use.client.create("/v1/users", msgspec.json.encode(body)).body)


@users.command()
@click.argument("user_id")
@click.argument("role", type=_ROLES)
@pass_use
def role(use: Use, user_id: str, role: str) -> None:
    """Give a user another role; it holds within seconds, for their keys too."""
    use.output.thing(use.client.patch(f"/v1/users/{segment(user_id)}", msgspec.json.encode({"role": role})).body)


@users.command()
@click.argument("user_id")
@pass_use
def password(use: Use, user_id: str) -> None:
    """Set a user's password, asked for or read from standard input. Their sessions end."""
    body = msgspec.json.encode({"password": _password()})
    use.client.put(f"/v1/users/{segment(user_id)}/password", body)
    note("The password is set.")


@users.command()
@click.argument("user_id")
@click.option("--reason", help="Why; they are not told.")
@pass_use
def disable(use: Use, user_id: str, reason: str | None) -> None:
    """Let a user in no more, by password, token or key."""
    _move(use, user_id, "disable", {"reason": reason})


@users.command()
@click.argument("user_id")
@pass_use
def enable(use: Use, user_id: str) -> None:
    """Let a disabled user in again."""
    _move(use, user_id, "enable")


@users.command()
@click.argument("user_id")
@click.option("--reason", help="Why; they are not told.")
@pass_use
def ban(use: Use, user_id: str, reason: str | None) -> None:
    """Let a user in no more, for what they did."""
    _move(use, user_id, "ban", {"reason": reason})


@users.command()
@click.argument("user_id")
@pass_use
def unban(use: Use, user_id: str) -> None:
    """Lift a ban."""
    _move(use, user_id, "unban")


def _move(use: Use, user_id: str, how: str, body: dict[str, str | None] | None = None) -> None:
    encoded = b"" if body is None else msgspec.json.encode(body)
    use.output.thing(use.client.post(f"/v1/users/{segment(user_id)}/{how}", encoded).body)


def _password() -> str:
    """Never an option: those stand in the shell's history and in the list of processes."""
    if sys.stdin.isatty():
        given: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return given
    return sys.stdin.readline().rstrip("\n")
