"""What may be permitted, and what the tenant's roles bundle of it."""

from typing import Final

from litestar import Router, get, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Response
from msgspec import Struct

from api.acts import act, actor_of, audited
from api.auth import needs
from api.bodies import ApiRequest, BodyInvalid
from api.context import Use
from api.fields import FieldError
from api.paging import MOST, Cursor, Limit, Page, answer_short
from domain.accounts.permissions import KEEPS_THE_KEYS, PERMISSIONS, Role, RoleNeeded, role_named
from domain.accounts.user import Caller
from storage.audit import audit
from storage.roles import held_by_others, read_role, set_role

RolePath = FromPath[str]


class PermissionView(Struct, frozen=True, kw_only=True):
    """Something that may be permitted."""

    name: str
    description: str


class RoleView(Struct, frozen=True, kw_only=True):
    """A role of the tenant, and what it bundles."""

    role: Role
    permissions: tuple[str, ...]


class RoleBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a role is to bundle."""

    permissions: tuple[str, ...]


@get("/permissions", guards=[needs("users:read")])
async def list_permissions(
    request: ApiRequest, limit: Limit = MOST, cursor: Cursor = None
) -> Response[Page[PermissionView]]:
    """All there is to be permitted, by name."""
    views = (PermissionView(name=name, description=line) for name, line in PERMISSIONS.items())
    return answer_short(request, views, limit, cursor, name=lambda permission: permission.name)


@get("/roles", guards=[needs("users:read")])
async def list_roles(
    request: ApiRequest,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    limit: Limit = MOST,
    cursor: Cursor = None,
) -> Response[Page[RoleView]]:
    """The roles there are, each with what it bundles in the tenant, by name."""
    async with use.database.read() as tx:
        views = [_view(role, await read_role(tx, caller.tenant_id, role)) for role in Role]
    return answer_short(request, views, limit, cursor, name=lambda view: view.role)


@get("/roles/{role:str}/permissions", guards=[needs("users:read")])
async def show(role: RolePath, use: NamedDependency[Use], caller: NamedDependency[Caller]) -> RoleView:
    """What a role bundles: what the tenant has said, or else what it does everywhere."""
    named = role_named(role)
    async with use.database.read() as tx:
        return _view(named, await read_role(tx, caller.tenant_id, named))


@put("/roles/{role:str}/permissions", guards=[needs("users:manage")], opt=audited("role.changed"))
async def change(
    request: ApiRequest,
    role: RolePath,
    data: JSONBody[RoleBody],
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
) -> RoleView:
    """Say what a role bundles in the tenant, in place of what it did. It holds within seconds, for keys too."""
    named = role_named(role)
    wanted = frozenset(data.permissions)
    errors = [
        FieldError(f"/permissions/{index}", "There is no such permission. GET /v1/permissions lists them.")
        for index, permission in enumerate(data.permissions)
        if permission not in PERMISSIONS
    ]
    if errors:
        raise BodyInvalid(errors)
    if named is Role.ADMIN and KEEPS_THE_KEYS not in wanted:
        raise RoleNeeded(f"The role admin keeps {KEEPS_THE_KEYS}: without it nobody could give anything back.")
    async with use.database.begin() as tx:
        before = await read_role(tx, caller.tenant_id, named, lock=True)
        caller.demand_over(before ^ wanted)
        if KEEPS_THE_KEYS in before:
            _check_still_held(before - wanted, await held_by_others(tx, caller.tenant_id, named))
        if before != wanted:
            await set_role(tx, caller.tenant_id, named, wanted)
            told = act("role.changed", named, before=_view(named, before), after=_view(named, wanted))
            await audit(tx, actor_of(request), told)
    use.ring.forget()
    return _view(named, wanted)


router: Final = Router("/v1", route_handlers=[list_permissions, list_roles, show, change], tags=["Access"])


def _check_still_held(lost: frozenset[str], held: frozenset[str]) -> None:
    """Go on only if of what a role loses nothing is lost to the tenant: nobody gives what they have not.

    Raises:
        RoleNeeded: something is.
    """
    if gone := sorted(lost - held):
        raise RoleNeeded(
            f"Nobody else who manages users has {', '.join(gone)}, so nobody could give it back. "
            "Give another role users:manage and these first, and a user that role."
        )


def _view(role: Role, permissions: frozenset[str]) -> RoleView:
    return RoleView(role=role, permissions=tuple(sorted(permissions)))
