"""The users of a tenant, for those who manage them.

Nobody gives, or rules over, more than they have themselves: who manages users with few permissions of their own makes
no administrators, and locks none out.
"""

from collections.abc import Callable
from typing import Annotated, Final

import msgspec
from litestar import Router, get, patch, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Response
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from api.acts import act, actor_of, audited
from api.auth import needs
from api.bodies import ApiRequest
from api.context import Use
from api.idempotency import ONCE, find_answer, keep_response, read_key, replay
from api.paging import DEFAULT, Cursor, Limit, Page, answer_page, read_cursor
from api.user_view import Email, Name, Password, UserView, read_email, view_user
from domain.accounts.password import check_password
from domain.accounts.permissions import KEEPS_THE_KEYS, Role
from domain.accounts.session import SessionEnd
from domain.accounts.told import user_event
from domain.accounts.user import Caller, OwnAccount, User, UserNotFound, UserState, UserStateConflict
from domain.ids import is_id
from domain.jobs.job import NewJob
from domain.unspoken import Unspoken
from runtime.unique_ids import new_id
from storage.audit import audit
from storage.database import Tx
from storage.domain_events import tell
from storage.roles import read_role
from storage.sessions import end_sessions
from storage.users import NewUser, UserFilter, add_new_user, find_user, list_users, save_user, set_password

BAN: Final = "users:ban"

UserPath = FromPath[str]
EmailParameter = Annotated[str | None, QueryParameter(max_length=254, description="exactly this one")]


class UserBody(Unspoken, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user to be made. Without a password they enter by API keys alone."""

    email: Email
    name: Name = ""
    role: Role = Role.USER
    password: Password | None = None


class UserChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to change of a user."""

    name: Name | UnsetType = UNSET
    role: Role | UnsetType = UNSET


class PasswordBody(Unspoken, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A password to be set."""

    password: Password


class ReasonBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why somebody is shut out; they are not told."""

    reason: Annotated[str, Meta(max_length=500)] | None = None


NO_REASON: Final = ReasonBody()


@post("/users", status_code=201, guards=[needs("users:manage")], opt={**ONCE, **audited("user.created")})
async def create(
    request: ApiRequest, data: JSONBody[UserBody], use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[UserView]:
    """Make a user of the tenant."""
    email = read_email(data.email)
    told = msgspec.json.encode((data.email, data.name, data.role, data.password is None))
    key = await read_key(request, told=told)
    password_hash = None
    if data.password is not None:
        password = check_password(data.password, pointer="/password", own_words=(email, data.name))
        password_hash = await use.passwords.hash(password)
    async with use.database.begin() as tx:
        if kept := await find_answer(tx, key):
            return replay(kept)
        caller.demand_over(await read_role(tx, caller.tenant_id, data.role))
        new = NewUser(
            id=new_id("user"),
            tenant_id=caller.tenant_id,
            email=email,
            name=data.name,
            role=data.role,
            password_hash=password_hash,
        )
        view = view_user(await add_new_user(tx, new))
        response = Response(view, status_code=201, headers={"Location": f"/v1/users/{view.id}"})
        await keep_response(tx, key, response)
        await audit(tx, actor_of(request), act("user.created", view.id, after=view))
    return response


@get("/users", guards=[needs("users:read")])
async def list_(  # noqa: PLR0913, PLR0917 - a list has these parameters
    request: ApiRequest,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    role: Annotated[Role | None, QueryParameter()] = None,
    in_state: Annotated[UserState | None, QueryParameter(name="state")] = None,
    email: EmailParameter = None,
    limit: Limit = DEFAULT,
    cursor: Cursor = None,
) -> Response[Page[UserView]]:
    """The tenant's users, newest first."""
    before = read_cursor(cursor, "user")
    wanted = UserFilter(role=role, state=in_state, email=email)
    async with use.database.read() as tx:
        found = await list_users(tx, caller.tenant_id, wanted, limit=limit + 1, before=before)
    return answer_page(request, found, limit, view=view_user, mark=lambda one: one.id)


@get("/users/{user_id:str}", guards=[needs("users:read")])
async def show(user_id: UserPath, use: NamedDependency[Use], caller: NamedDependency[Caller]) -> UserView:
    """A user."""
    async with use.database.read() as tx:
        return view_user(await _found(tx, caller, user_id))


@patch(
    "/users/{user_id:str}",
    guards=[needs("users:manage")],
    opt={**audited("user.changed"), "example": {"name": "Ada Lovelace", "role": "operator"}},
)
async def change(
    request: ApiRequest,
    user_id: UserPath,
    data: JSONBody[UserChanges],
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
) -> UserView:
    """Change a user's name or role. A new role holds within seconds, for keys too, which carry no more than it."""
    async with use.database.begin() as tx:
        user = await _found(tx, caller, user_id, lock=True)
        changed = replace(
            user,
            name=user.name if data.name is UNSET else data.name,
            role=user.role if data.role is UNSET else data.role,
        )
        if changed.role is not user.role:
            _check_not_own(caller, user)
        if user.id != caller.user_id:
            caller.demand_over(await read_role(tx, caller.tenant_id, user.role))
        if changed.role is not user.role:
            caller.demand_over(await read_role(tx, caller.tenant_id, changed.role))
        if changed != user:
            await _save(tx, request, "user.changed", user, changed)
    use.ring.forget()
    return view_user(changed)


@post("/users/{user_id:str}/disable", status_code=200, guards=[needs("users:manage")], opt=audited("user.disabled"))
async def disable(
    request: ApiRequest,
    user_id: UserPath,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    data: JSONBody[ReasonBody] = NO_REASON,
) -> UserView:
    """Let a user in no more, by password, token or key. Jobs they submitted run on."""
    return await _shut_out(use, request, caller, user_id, UserState.DISABLED, data.reason)


@post("/users/{user_id:str}/enable", status_code=200, guards=[needs("users:manage")], opt=audited("user.enabled"))
async def enable(
    request: ApiRequest, user_id: UserPath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> UserView:
    """Let a disabled user in again. Keys open as before; sessions have ended."""
    return await _let_in(use, request, caller, user_id, UserState.DISABLED)


@post("/users/{user_id:str}/ban", status_code=200, guards=[needs(BAN)], opt=audited("user.banned"))
async def ban(
    request: ApiRequest,
    user_id: UserPath,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    data: JSONBody[ReasonBody] = NO_REASON,
) -> UserView:
    """Let a user in no more, for what they did. Who manages users, or bans, is banned by those who manage them."""
    return await _shut_out(use, request, caller, user_id, UserState.BANNED, data.reason)


@post("/users/{user_id:str}/unban", status_code=200, guards=[needs(BAN)], opt=audited("user.unbanned"))
async def unban(
    request: ApiRequest, user_id: UserPath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> UserView:
    """Lift a ban."""
    return await _let_in(use, request, caller, user_id, UserState.BANNED)


@put(
    "/users/{user_id:str}/password",
    status_code=204,
    guards=[needs("users:manage")],
    opt=audited("user.password_reset"),
)
async def reset_password(
    request: ApiRequest,
    user_id: UserPath,
    data: JSONBody[PasswordBody],
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
) -> None:
    """Set another user's password. Their sessions end."""
    async with use.database.read() as tx:
        user = await _found(tx, caller, user_id)
        _check_not_own(caller, user)
        caller.demand_over(await read_role(tx, caller.tenant_id, user.role))
    password = check_password(data.password, pointer="/password", own_words=(user.email, user.name))
    password_hash = await use.passwords.hash(password)
    async with use.database.begin() as tx:
        user = await _found(tx, caller, user_id, lock=True)
        caller.demand_over(await read_role(tx, caller.tenant_id, user.role))
        await set_password(tx, user.id, password_hash)
        await end_sessions(tx, user.id, SessionEnd.PASSWORD)
        await audit(tx, actor_of(request), act("user.password_reset", user.id))
    use.ring.forget()


router: Final = Router(
    "/v1",
    route_handlers=[create, list_, show, change, disable, enable, ban, unban, reset_password],
    tags=["Access"],
)


async def _shut_out(  # noqa: PLR0913, PLR0917 - whom, how and why
    use: Use, request: ApiRequest, caller: Caller, user_id: str, state: UserState, reason: str | None
) -> UserView:
    def changed(user: User) -> User:
        if user.state not in {UserState.ACTIVE, state}:
            raise UserStateConflict(f"The user is {user.state} already.")
        return replace(user, state=state, state_reason=reason)

    return await _move(use, request, caller, user_id, f"user.{state}", changed)


async def _let_in(use: Use, request: ApiRequest, caller: Caller, user_id: str, was: UserState) -> UserView:
    def changed(user: User) -> User:
        if user.state not in {UserState.ACTIVE, was}:
            raise UserStateConflict(f"The user is {user.state}, not {was}.")
        return replace(user, state=UserState.ACTIVE, state_reason=None)

    action = "user.unbanned" if was is UserState.BANNED else "user.enabled"
    return await _move(use, request, caller, user_id, action, changed)


async def _move(  # noqa: PLR0913, PLR0917 - whom, and how
    use: Use, request: ApiRequest, caller: Caller, user_id: str, action: str, changed: Callable[[User], User]
) -> UserView:
    """Change whether a user may enter; doing so twice changes nothing more."""
    told: list[NewJob] = []
    async with use.database.begin() as tx:
        user = await _found(tx, caller, user_id, lock=True)
        _check_not_own(caller, user)
        held = await read_role(tx, caller.tenant_id, user.role)
        if caller.may(KEEPS_THE_KEYS) or held & {BAN, KEEPS_THE_KEYS}:
            caller.demand(KEEPS_THE_KEYS)
            caller.demand_over(held)
        moved = changed(user)
        if moved.state is not user.state:
            await _save(tx, request, action, user, moved)
            if moved.state is UserState.BANNED:
                told = await tell(tx, [user_event("user.banned", moved)])
        if moved.state is not UserState.ACTIVE:
            await end_sessions(tx, user.id, SessionEnd.SHUT_OUT)
    use.ring.forget()
    if told:
        use.wakeups.ring_relay()
    return view_user(moved)


async def _save(tx: Tx, request: ApiRequest, action: str, user: User, changed: User) -> None:
    await save_user(tx, changed)
    await audit(tx, actor_of(request), act(action, user.id, before=view_user(user), after=view_user(changed)))


def _check_not_own(caller: Caller, user: User) -> None:
    if user.id == caller.user_id:
        raise OwnAccount("Ask somebody else who manages users: nobody does this to their own account.")


async def _found(tx: Tx, caller: Caller, user_id: str, *, lock: bool = False) -> User:
    user = await find_user(tx, caller.tenant_id, user_id, lock=lock) if is_id("user", user_id) else None
    if user is None:
        raise UserNotFound("There is no such user.")
    return user
