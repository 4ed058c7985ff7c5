"""`headrace audit`."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import click
import msgspec
from msgspec import Raw, Struct

from cli.exits import CommandFailed
from cli.options import ApiGroup, Use, pass_use
from domain.accounts.audit import Act, Actor, AuditEntry, breaks

_COLUMNS: Final = ("seq", "at", "action", "target", "user_id", "address")
_ALL: Final = 2**31


class EntryReply(Struct, frozen=True):
    """An entry as the API tells it; what was before and after is taken as it was sent, byte for byte."""

    seq: int
    at: datetime
    action: str
    target: str
    user_id: str | None
    key_id: str | None
    session_id: str | None
    address: str | None
    request_id: str | None
    before: Raw
    after: Raw
    previous_hash: str
    hash: str


class Tenant(Struct, frozen=True):
    """Of who calls, the tenant."""

    tenant_id: str


@click.group(cls=ApiGroup)
def audit() -> None:
    """Read the audit log of your tenant, and check that nobody has changed it."""


@audit.command("list")
@click.option("--action", help="As in user.banned; or user, for all of them.")
@click.option("--target", help="To what it was done.")
@click.option("--user", "user_id", metavar="ID", help="Who did it.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
@pass_use
def list_entries(use: Use, *, action: str | None, target: str | None, user_id: str | None, limit: int) -> None:
    """List what was done with a privilege, newest first."""
    query = {"action": action, "target": target, "user_id": user_id}
    use.output.things(use.client.items("/v1/audit", query, at_most=limit), _COLUMNS)


@audit.command()
@click.option("--hash", "noted", help="A hash you noted before: it must still be in the log.")
@pass_use
def verify(use: Use, noted: str | None) -> None:
    """Recompute every entry's hash, and print the newest: note it elsewhere, and give it by --hash the next time."""
    tenant_id = use.client.get("/v1/me").into(Tenant).tenant_id
    told = [msgspec.json.decode(item, type=EntryReply) for item in use.client.items("/v1/audit", at_most=_ALL)][::-1]
    found = list(breaks(_entries(told, tenant_id)))
    if noted is not None and noted not in {entry.hash for entry in told}:
        found.append(f"{tenant_id}: the hash that was noted is not in the log")
    if found:
        raise CommandFailed("The audit log was changed. " + "; ".join(found))
    summary = {"entries": len(told), "hash": told[-1].hash if told else None}
    use.output.thing(msgspec.json.encode(summary))


def _entries(told: list[EntryReply], tenant_id: str) -> Iterator[AuditEntry]:
    for one in told:
        yield AuditEntry(
            actor=Actor(
                tenant_id=tenant_id,
                user_id=one.user_id,
                key_id=one.key_id,
                session_id=one.session_id,
                address=one.address,
                request_id=one.request_id,
            ),
            act=Act(action=one.action, target=one.target, before=_json(one.before), after=_json(one.after)),
            seq=one.seq,
            at=one.at,
            previous_hash=bytes.fromhex(one.previous_hash),
            hash=bytes.fromhex(one.hash),
        )


def _json(raw: Raw) -> str | None:
    spelled = bytes(raw).decode()
    return None if spelled == "null" else spelled
