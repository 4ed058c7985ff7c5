"""The audit log over HTTP: read, and nothing else."""

import re
from typing import Annotated, Final

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Response
from msgspec import Meta, Raw, Struct

from api.auth import needs
from api.bodies import ApiRequest
from api.context import Use
from api.job_view import Time
from api.paging import DEFAULT, Cursor, Limit, Page, answer_page, read_cursor
from api.parameters import zoned
from domain.accounts.audit import AuditEntry
from domain.accounts.user import Caller
from domain.errors import NotFound
from storage.audit import AuditFilter, find_entry, list_entries

_LAST: Final = 2**63 - 1
_SEQ: Final = re.compile(r"[1-9][0-9]{0,17}")

When = Annotated[Time | None, QueryParameter()]


class AuditEntryNotFound(NotFound):
    """The tenant's audit log has no entry of this number."""

    code = "audit_entry_not_found"
    title = "No such entry"


class AuditEntryView(Struct, frozen=True, kw_only=True):
    """A privileged act. `hash` covers all that is said here and `previous_hash`, that of the entry before."""

    seq: Annotated[int, Meta(description="counts the tenant's entries from 1")]
    at: Time
    action: str
    target: str
    user_id: str | None
    key_id: str | None
    session_id: str | None
    address: str | None
    request_id: str | None
    before: Raw | None
    after: Raw | None
    previous_hash: str
    hash: str


@get("/audit", guards=[needs("audit:read")])
async def list_(  # noqa: PLR0913, PLR0917 - a list has these parameters
    request: ApiRequest,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    user_id: Annotated[str | None, QueryParameter(max_length=200, description="who did it")] = None,
    action: Annotated[
        str | None, QueryParameter(max_length=200, description="`user.banned`, or `user` for all")
    ] = None,
    target: Annotated[str | None, QueryParameter(max_length=200, description="to what it was done")] = None,
    created_after: When = None,
    created_before: When = None,
    limit: Limit = DEFAULT,
    cursor: Cursor = None,
) -> Response[Page[AuditEntryView]]:
    """What was done in the tenant with a privilege, newest first."""
    spelled = read_cursor(cursor, "at")
    before = None if spelled is None else min(int(spelled.removeprefix("at_"), 16), _LAST)
    wanted = AuditFilter(
        user_id=user_id,
        action=action,
        target=target,
        after=zoned("created_after", created_after),
        before=zoned("created_before", created_before),
    )
    async with use.database.read() as tx:
        found = await list_entries(tx, caller.tenant_id, wanted, limit=limit + 1, before=before)
    return answer_page(request, found, limit, view=_view, mark=lambda one: f"at_{one.seq:032x}")


@get("/audit/{seq:str}", guards=[needs("audit:read")], operation_id="get_audit_entry")
async def show(seq: FromPath[str], use: NamedDependency[Use], caller: NamedDependency[Caller]) -> AuditEntryView:
    """An entry of the audit log, by its `seq`."""
    entry = None
    if _SEQ.fullmatch(seq):
        async with use.database.read() as tx:
            entry = await find_entry(tx, caller.tenant_id, int(seq))
    if entry is None:
        raise AuditEntryNotFound("The audit log has no such entry.")
    return _view(entry)


router: Final = Router("/v1", route_handlers=[list_, show], tags=["Access"])


def _view(entry: AuditEntry) -> AuditEntryView:
    return AuditEntryView(
        seq=entry.seq,
        at=entry.at,
        action=entry.act.action,
        target=entry.act.target,
        user_id=entry.actor.user_id,
        key_id=entry.actor.key_id,
        session_id=entry.actor.session_id,
        address=entry.actor.address,
        request_id=entry.actor.request_id,
        before=_raw(entry.act.before),
        after=_raw(entry.act.after),
        previous_hash=entry.previous_hash.hex(),
        hash=entry.hash.hex(),
    )


def _raw(json: str | None) -> Raw | None:
    return None if json is None else msgspec.Raw(json)
