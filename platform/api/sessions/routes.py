"""Registering, logging in and out, in the words of OAuth 2.0: for those who have nothing to show yet."""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated, Final

from litestar import Router, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from litestar.response import Response
from msgspec import Meta, Struct

from api.acts import act, audited
from api.auth import address_of
from api.bodies import ApiRequest
from api.context import Use, notes_of
from api.logins import Tried, count_login, count_registration, count_success, count_untried
from api.sessions.form import MEDIA_TYPE, MOST_BYTES, RevokeForm, TokenForm, read_form
from api.user_view import Email, Name, Password, UserView, read_email, view_user
from domain.accounts.audit import Actor
from domain.accounts.password import check_password, spell_password
from domain.accounts.permissions import PERMISSIONS, Role
from domain.accounts.session import (
    GrantInvalid,
    GrantMalformed,
    GrantUnsupported,
    Refresh,
    RegistrationClosed,
    ScopeInvalid,
    SessionEnd,
)
from domain.accounts.token import ACCESS_KEPT, LENGTH, TokenUse, make_token, parse_token
from domain.accounts.told import user_event
from domain.unspoken import Unspoken
from runtime.passwords import LoginsBusy, Verified
from runtime.unique_ids import new_id
from storage.audit import audit
from storage.database import Tx
from storage.domain_events import tell
from storage.roles import read_role
from storage.sessions import Shown, add_tokens, end_session, end_session_of, open_session, spend_refresh
from storage.users import Login, NewUser, add_new_user, find_login, find_tenant_named, replace_password

_LOGIN: Final = {"grant_type": "password", "username": "ada@example.com", "password": "correct horse battery staple"}
_FORM: Final = {"bodies": {MEDIA_TYPE: TokenForm}, "example": _LOGIN}
_REVOKE: Final = {"bodies": {MEDIA_TYPE: RevokeForm}}
_REGISTRATION: Final = {"email": "ada@example.com", "password": "a heron waits for the rain", "name": "Ada Lovelace"}
_BEARER: Final = "Bearer"
_NOT_KEPT: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_WRONG: Final = "The e-mail address or the password is wrong, or this account may not log in."
_SPENT: Final = "The refresh token is unknown, expired or used. Log in again."


class Registration(Unspoken, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who registers."""

    email: Email
    password: Password
    name: Name = ""


class TokensView(Unspoken, frozen=True, kw_only=True):
    """A pair of tokens, shown once. The refresh token is changed for the next pair within 7 days, once."""

    access_token: str
    refresh_token: str
    token_type: str
    expires_in: Annotated[int, Meta(description="seconds that the access token opens")]
    scope: Annotated[str, Meta(description="what it may do, with spaces between")]


class Revoked(Struct, frozen=True):
    """The token opens nothing; whether it did is not said."""


@post(
    "/auth/register",
    status_code=201,
    opt={**audited("user.registered"), "fails": (403, 409, 422), "example": _REGISTRATION},
    operation_id="register_user",
)
async def register(request: ApiRequest, data: JSONBody[Registration], use: NamedDependency[Use]) -> Response[UserView]:
    """Become a user of the tenant that is open to everybody, if one is. Log in next."""
    email = read_email(data.email)
    if use.settings.open_to is None:
        raise RegistrationClosed("Nobody may register here. Ask an administrator for an account.")
    password = check_password(data.password, pointer="/password", own_words=(email, data.name))
    use.passwords.demand_room()
    async with use.logins, use.platform.begin() as tx:
        tried = await count_registration(tx, use.settings, address=address_of(request))
        tenant_id = await find_tenant_named(tx, use.settings.open_to)
    if tenant_id is None:
        raise RegistrationClosed("Nobody may register here yet: the tenant that is to be open does not exist.")
    new = NewUser(
        id=new_id("user"),
        tenant_id=tenant_id,
        email=email,
        name=data.name,
        role=Role.USER,
        password_hash=await _hash(use, tried, password),
    )
    async with use.logins, use.platform.begin() as tx:
        user = await add_new_user(tx, new)
        await count_success(tx, tried)
        view = view_user(user)
        await audit(tx, _stranger(request, tenant_id, user.id), act("user.registered", user.id, after=view))
        told = await tell(tx, [user_event("user.registered", user)])
    if told:
        use.wakeups.ring_relay()
    return Response(view, status_code=201, headers={"Location": "/v1/me"})


@post("/auth/token", status_code=200, opt=_FORM, request_max_body_size=MOST_BYTES, operation_id="create_token")
async def make_tokens(request: ApiRequest, use: NamedDependency[Use]) -> Response[TokensView]:
    """Log in with `grant_type=password`, or have the next pair of tokens with `grant_type=refresh_token`.

    Errors carry `error` as RFC 6749 names it. A refresh token that is shown again after its use ends the session:
    somebody else may have it.
    """
    form = await read_form(request, TokenForm)
    match form:
        case TokenForm(grant_type="password", username=str(), password=str()):
            tokens = await _log_in(request, use, form)
        case TokenForm(grant_type="refresh_token", refresh_token=str()):
            tokens = await _refresh(request, use, form)
        case TokenForm(grant_type="password"):
            raise GrantMalformed("grant_type=password takes username, the e-mail address, and password.")
        case TokenForm(grant_type="refresh_token"):
            raise GrantMalformed("grant_type=refresh_token takes refresh_token.")
        case _:
            raise GrantUnsupported("Grant types are password and refresh_token.")
    return Response(tokens, headers=_NOT_KEPT)


@post("/auth/revoke", status_code=200, opt=_REVOKE, request_max_body_size=MOST_BYTES, operation_id="revoke_token")
async def revoke(request: ApiRequest, use: NamedDependency[Use]) -> Revoked:
    """End the session that a token is of, whichever of its tokens that is. Also 200 where there is none (RFC 7009)."""
    form = await read_form(request, RevokeForm)
    token = parse_token(form.token)
    if token is not None:
        async with use.logins, use.platform.begin() as tx:
            ended = await end_session_of(tx, token, SessionEnd.LOGOUT)
        if ended is not None:
            use.ring.forget()
    return Revoked()


router: Final = Router("/v1", route_handlers=[register, make_tokens, revoke], tags=["Access"])


async def _log_in(request: ApiRequest, use: Use, form: TokenForm) -> TokensView:
    email, password = form.username or "", spell_password(form.password or "")
    asked = _scope(form.scope)
    use.passwords.demand_room()
    async with use.logins, use.platform.begin() as tx:
        login = await find_login(tx, email)
        # by the address as it is kept: in whatever spelling it was found, it is one account
        of = email if login is None else login.user.email
        tried = await count_login(tx, use.settings, email=of, address=address_of(request))
    verified = await _verify(use, tried, password, login)
    if login is None or login.password_hash is None or not verified.matches:
        raise GrantInvalid(_WRONG)
    session_id = new_id("session")
    async with use.logins, use.platform.begin() as tx:
        await count_success(tx, tried)
        is_open = await open_session(
            tx,
            session_id,
            user_id=login.user.id,
            password_hash=login.password_hash,
            scope=asked,
            address=address_of(request),
        )
        if not is_open:
            raise GrantInvalid(_WRONG)
        if verified.fresh is not None:
            await replace_password(tx, login.user.id, password_hash=login.password_hash, fresh=verified.fresh)
        held = await read_role(tx, login.user.tenant_id, login.user.role)
        if asked is not None and asked - held:
            raise ScopeInvalid(f"You do not have: {', '.join(sorted(asked - held))}.")
        return await _next_pair(tx, session_id, held if asked is None else asked)


async def _verify(use: Use, tried: Tried, password: str, login: Login | None) -> Verified:
    """Whether the password opens: as slow for an address that is nobody's."""
    is_welcome = login is not None and login.may_enter
    async with _untried_if_busy(use, tried):
        return await use.passwords.verify(password, login.password_hash if login is not None and is_welcome else None)


async def _hash(use: Use, tried: Tried, password: str) -> str:
    async with _untried_if_busy(use, tried):
        return await use.passwords.hash(password)


@asynccontextmanager
async def _untried_if_busy(use: Use, tried: Tried) -> AsyncIterator[None]:
    """Count nothing if no password can be hashed: it was not tried then."""
    try:
        yield
    except LoginsBusy:
        async with use.logins, use.platform.begin() as tx:
            await count_untried(tx, tried)
        raise


async def _refresh(request: ApiRequest, use: Use, form: TokenForm) -> TokensView:
    token, asked = parse_token(form.refresh_token or ""), _scope(form.scope)
    if token is None:
        raise GrantInvalid(_SPENT)
    async with use.logins, use.platform.begin() as tx:
        came = notes_of(request.scope).came
        shown = await spend_refresh(tx, token, under_way_seconds=lambda: time.monotonic() - came)
        if shown.outcome is Refresh.GOOD and shown.holder is not None:
            held = shown.holder.caller.permissions
            if asked is not None and asked != held:
                raise ScopeInvalid("A refresh keeps the scope that the login asked for. Log in again for another.")
            return await _next_pair(tx, shown.holder.caller.session_id or "", held)
        if shown.outcome is Refresh.REUSED:
            await _end_reused(tx, request, shown)
    if shown.outcome is Refresh.REUSED:
        use.ring.forget()
    raise GrantInvalid(_SPENT)


async def _end_reused(tx: Tx, request: ApiRequest, shown: Shown) -> None:
    ended = await end_session(tx, shown.session_id or "", SessionEnd.REUSE)
    if ended is not None:
        actor = _stranger(request, ended.tenant_id, None)
        await audit(tx, actor, act("session.reuse_detected", ended.session_id or ""))


async def _next_pair(tx: Tx, session_id: str, held: frozenset[str]) -> TokensView:
    access, refresh = (make_token(use, secrets.token_bytes(LENGTH)) for use in (TokenUse.ACCESS, TokenUse.REFRESH))
    await add_tokens(tx, session_id, access=access, refresh=refresh)
    return TokensView(
        access_token=str(access),
        refresh_token=str(refresh),
        token_type=_BEARER,
        expires_in=ACCESS_KEPT // timedelta(seconds=1),
        scope=" ".join(sorted(held)),
    )


def _scope(spelled: str | None) -> frozenset[str] | None:
    if spelled is None:
        return None
    asked = frozenset(spelled.split())
    unknown = sorted(asked - PERMISSIONS.keys())
    if unknown:
        raise ScopeInvalid(f"There is no such permission: {unknown[0][:64]!r}. GET /v1/permissions lists them.")
    return asked


def _stranger(request: ApiRequest, tenant_id: str, user_id: str | None) -> Actor:
    """Who does something that takes no key."""
    return Actor(
        tenant_id=tenant_id,
        user_id=user_id,
        address=address_of(request),
        request_id=notes_of(request.scope).request_id,
    )
