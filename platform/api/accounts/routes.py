"""What the API knows of its caller, and the caller's own password."""

from typing import Annotated, Final

from litestar import Router, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta, Struct

from api.acts import act, actor_of, audited
from api.auth import address_of
from api.bodies import ApiRequest
from api.context import Use
from api.logins import count_login, count_success, count_untried
from api.user_view import Password
from domain.accounts.password import check_password, spell_password
from domain.accounts.permissions import Role
from domain.accounts.session import SessionEnd
from domain.accounts.user import Caller, User, UserNotFound
from domain.errors import Forbidden
from domain.unspoken import Unspoken
from runtime.passwords import LoginsBusy
from storage.audit import audit
from storage.database import Tx
from storage.sessions import end_sessions
from storage.users import find_password, find_user, replace_password


class PasswordWrong(Forbidden):
    """The password is not the user's."""

    code = "password_wrong"
    title = "The password is wrong"


class LimitsView(Struct, frozen=True, kw_only=True):
    """How much the caller may ask; RateLimit on every answer tells what is left."""

    requests_per_minute: int


class CallerView(Struct, frozen=True, kw_only=True):
    """The user a request is made for, with what the key or the token that made it may do."""

    user_id: Annotated[str, Meta(pattern="^user_[0-9a-f]{32}$")]
    tenant_id: Annotated[str, Meta(pattern="^tenant_[0-9a-f]{32}$")]
    email: str
    name: str
    role: Role
    key_id: str | None
    session_id: str | None
    permissions: tuple[str, ...]
    limits: LimitsView


class PasswordChange(Unspoken, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The password there is, and the one that is to be."""

    current_password: Password
    new_password: Password


@get("/me")
async def get_me(use: NamedDependency[Use], caller: NamedDependency[Caller]) -> CallerView:
    """Who calls: the user, the tenant, and what the key or token may do."""
    async with use.database.read() as tx:
        user = await _found(tx, caller)
    return CallerView(
        user_id=caller.user_id,
        tenant_id=caller.tenant_id,
        email=user.email,
        name=user.name,
        role=user.role,
        key_id=caller.key_id,
        session_id=caller.session_id,
        permissions=tuple(sorted(caller.permissions)),
        limits=LimitsView(requests_per_minute=caller.requests_per_minute),
    )


@put(
    "/me/password",
    status_code=204,
    opt=audited("user.password_changed"),
    operation_id="change_password",
)
async def change_password(
    request: ApiRequest, data: JSONBody[PasswordChange], use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> None:
    """Change one's own password. All sessions of the user end, this one too: log in again. Keys stay."""
    async with use.platform.begin() as tx:
        user = await _found(tx, caller)
        # before anything is counted: a password that will not do is no failed login
        fresh = check_password(data.new_password, pointer="/new_password", own_words=(user.email, user.name))
        tried = await count_login(tx, use.settings, email=user.email, address=address_of(request))
        password_hash = await find_password(tx, caller.user_id)
    try:
        verified = await use.passwords.verify(spell_password(data.current_password), password_hash)
        new_hash = await use.passwords.hash(fresh) if verified.matches else ""
    except LoginsBusy:
        async with use.platform.begin() as tx:
            await count_untried(tx, tried)
        raise
    if password_hash is None or not verified.matches:
        raise PasswordWrong("The current password is wrong.")
    async with use.platform.begin() as tx:
        await count_success(tx, tried)
        if not await replace_password(tx, caller.user_id, password_hash=password_hash, fresh=new_hash):
            raise PasswordWrong("The current password is wrong: it was changed meanwhile.")
        await end_sessions(tx, caller.user_id, SessionEnd.PASSWORD)
        await audit(tx, actor_of(request), act("user.password_changed", caller.user_id))
    use.ring.forget()


router: Final = Router("/v1", route_handlers=[get_me, change_password], tags=["Access"])
"""Who calls."""


async def _found(tx: Tx, caller: Caller) -> User:
    user = await find_user(tx, caller.tenant_id, caller.user_id)
    if user is None:
        raise UserNotFound("There is no such user any more.")
    return user
