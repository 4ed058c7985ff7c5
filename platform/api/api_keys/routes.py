"""API keys: everybody's own, and everybody's for those who manage users."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from litestar import Router, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Response
from msgspec.structs import replace

from api.acts import act, actor_of, audited
from api.api_keys.views import KeyBody, KeyView, NewKeyView, RotateBody, view_key, view_new_key, without_key
from api.auth import needs
from api.bodies import ApiRequest, BodyInvalid
from api.context import Use
from api.fields import FieldError
from api.idempotency import ONCE, find_answer, keep_response, read_key, replay
from api.paging import DEFAULT, Cursor, Limit, Page, answer_page, read_cursor
from domain.accounts.api_key import (
    LONGEST_OVERLAP,
    MOST_LIVE,
    ApiKey,
    ApiKeyDead,
    ApiKeyNotFound,
    ApiKeysFull,
    make_key,
)
from domain.accounts.permissions import KEEPS_THE_KEYS, PERMISSIONS
from domain.accounts.user import Caller, UserNotFound
from domain.durations import parse_duration, spell_duration
from domain.ids import is_id
from runtime.unique_ids import new_id
from storage.accounts import NewKey, add_key
from storage.api_keys import KeptKey, count_live_keys, end_key, find_kept_key, list_keys, revoke_key
from storage.audit import audit
from storage.database import Tx
from storage.roles import read_role
from storage.users import find_user

MANAGE: Final = "keys:manage"
PER_MINUTE: Final = 600
"""How many requests a key may make that says nothing else."""

USUAL: Final = RotateBody()

_RANDOMNESS: Final = 40
_LONGEST: Final = timedelta(days=3650)

KeyPath = FromPath[str]
UserParameter = Annotated[str | None, QueryParameter(pattern="^user_[0-9a-f]{32}$", description="whose keys")]


@post("/api-keys", status_code=201, guards=[needs(MANAGE)], opt={**ONCE, **audited("key.created")})
async def create(
    request: ApiRequest, data: JSONBody[KeyBody], use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[NewKeyView]:
    """Make a key, and show it this once. It may do what its scopes name, and nothing that its maker may not.

    A request sent again with its Idempotency-Key is answered without the key, which is kept nowhere.
    """
    _check_body(data)
    scopes = frozenset(data.scopes)
    caller.demand_over(scopes)
    per_minute = data.requests_per_minute or min(PER_MINUTE, caller.requests_per_minute)
    if per_minute > caller.requests_per_minute:
        caller.demand(KEEPS_THE_KEYS)
    idempotency = await read_key(request)
    async with use.database.begin() as tx:
        if kept := await find_answer(tx, idempotency):
            return replay(kept)
        owner_id = await _owner(tx, caller, data.user_id)
        key, new = _fresh(caller.tenant_id, owner_id, data.name, scopes, per_minute, data.expires_at)
        view = view_new_key(await _add(tx, new), key)
        response = Response(without_key(view), status_code=201, headers={"Location": f"/v1/api-keys/{view.id}"})
        await keep_response(tx, idempotency, response)
        await audit(tx, actor_of(request), act("key.created", view.id, after=without_key(view)))
    return _shown(response, view)


@get("/api-keys", guards=[needs(MANAGE)])
async def list_(  # noqa: PLR0913, PLR0917 - a list has these parameters
    request: ApiRequest,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    user_id: UserParameter = None,
    limit: Limit = DEFAULT,
    cursor: Cursor = None,
) -> Response[Page[KeyView]]:
    """The caller's keys, newest first, the revoked and expired too; for who manages users, those of everybody."""
    before = read_cursor(cursor, "key")
    if user_id not in {None, caller.user_id}:
        caller.demand(KEEPS_THE_KEYS)
    async with use.database.read() as tx:
        found = await list_keys(tx, caller.tenant_id, of=user_id or _only(caller), limit=limit + 1, before=before)
    return answer_page(request, found, limit, view=view_key, mark=lambda one: one.id)


@get("/api-keys/{key_id:str}", guards=[needs(MANAGE)])
async def show(key_id: KeyPath, use: NamedDependency[Use], caller: NamedDependency[Caller]) -> KeyView:
    """A key, without what opens."""
    async with use.database.read() as tx:
        return view_key(await _found(tx, caller, key_id))


@post("/api-keys/{key_id:str}/rotate", status_code=201, guards=[needs(MANAGE)], opt={**ONCE, **audited("key.rotated")})
async def rotate(
    request: ApiRequest,
    key_id: KeyPath,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    data: JSONBody[RotateBody] = USUAL,
) -> Response[NewKeyView]:
    """Make a key in place of this one, with its name, scopes, limit and end. Both open until the overlap is over.

    Who has as many keys as may be rotates one at a time: the next when the overlap of the last is over.
    """
    overlap = _read_overlap(data.overlap)
    idempotency = await read_key(request)
    async with use.database.begin() as tx:
        if kept := await find_answer(tx, idempotency):
            return replay(kept)
        old = await _found(tx, caller, key_id, lock=True)
        if not old.is_live:
            raise ApiKeyDead("The key is revoked or expired. Make a new one.")
        await _demand_over_owner(tx, caller, old.user_id)
        scopes = frozenset(old.permissions)
        caller.demand_over(scopes & PERMISSIONS.keys())
        if old.requests_per_minute > caller.requests_per_minute:
            caller.demand(KEEPS_THE_KEYS)
        key, new = _fresh(caller.tenant_id, old.user_id, old.name, scopes, old.requests_per_minute, old.expires_at)
        made = await _add(tx, new, ends=1)
        ends = await end_key(tx, old.id, seconds=overlap.total_seconds())
        view = view_new_key(made, key, replaces=old.id, replaced_expires_at=ends)
        response = Response(without_key(view), status_code=201, headers={"Location": f"/v1/api-keys/{view.id}"})
        await keep_response(tx, idempotency, response)
        told = act("key.rotated", old.id, before=view_key(old), after=without_key(view))
        await audit(tx, actor_of(request), told)
    use.ring.forget()
    return _shown(response, view)


@delete("/api-keys/{key_id:str}", status_code=204, guards=[needs(MANAGE)], opt=audited("key.revoked"))
async def revoke(
    request: ApiRequest, key_id: KeyPath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> None:
    """Revoke a key: within 5 s it opens nothing. Doing so twice changes nothing."""
    async with use.database.begin() as tx:
        key = await _found(tx, caller, key_id)
        await _demand_over_owner(tx, caller, key.user_id)
        if await revoke_key(tx, key.id):
            await audit(tx, actor_of(request), act("key.revoked", key.id, before=view_key(key)))
    use.ring.forget()


router: Final = Router("/v1", route_handlers=[create, list_, show, rotate, revoke], tags=["Access"])


def _check_body(data: KeyBody) -> None:
    errors = [
        FieldError(f"/scopes/{index}", "There is no such permission. GET /v1/permissions lists them.")
        for index, scope in enumerate(data.scopes)
        if scope not in PERMISSIONS
    ]
    now = datetime.now(UTC)
    if data.expires_at is not None and not now < data.expires_at < now + _LONGEST:
        errors.append(FieldError("/expires_at", f"Expected a time to come, within {_LONGEST.days} days."))
    if errors:
        raise BodyInvalid(errors)


def _read_overlap(spelled: str) -> timedelta:
    try:
        overlap = parse_duration(spelled)
    except ValueError as error:
        raise BodyInvalid([FieldError("/overlap", f"{error}.")]) from None
    if overlap > LONGEST_OVERLAP:
        raise BodyInvalid(
            [FieldError("/overlap", f"Expected a duration of at most {spell_duration(LONGEST_OVERLAP)}.")]
        )
    return overlap


async def _owner(tx: Tx, caller: Caller, user_id: str | None) -> str:
    """Whose key it is to be."""
    if user_id in {None, caller.user_id}:
        return caller.user_id
    caller.demand(KEEPS_THE_KEYS)
    await _demand_over_owner(tx, caller, user_id or "")
    return user_id or ""


async def _demand_over_owner(tx: Tx, caller: Caller, user_id: str) -> None:
    """Go on only if the caller may do all that the user may: who holds a key of theirs acts in their name.

    Raises:
        UserNotFound: there is no such user.
        PermissionBeyond: the user may do more.
    """
    if user_id == caller.user_id:
        return
    user = await find_user(tx, caller.tenant_id, user_id)
    if user is None:
        raise UserNotFound("There is no such user.")
    caller.demand_over(await read_role(tx, caller.tenant_id, user.role))


def _fresh(  # noqa: PLR0913, PLR0917 - what a key has
    tenant_id: str, user_id: str, name: str, scopes: frozenset[str], per_minute: int, expires_at: datetime | None
) -> tuple[ApiKey, NewKey]:
    key = make_key(secrets.token_bytes(_RANDOMNESS))
    return key, NewKey(
        id=new_id("key"),
        tenant_id=tenant_id,
        user_id=user_id,
        name=name,
        public_id=key.public_id,
        secret_sha256=key.secret_sha256,
        permissions=scopes,
        requests_per_minute=per_minute,
        expires_at=expires_at,
    )


async def _add(tx: Tx, new: NewKey, *, ends: int = 0) -> KeptKey:
    """Make a key; `ends` of the user's live ones are given an end in the same transaction, and do not count."""
    if await count_live_keys(tx, new.user_id) - ends >= MOST_LIVE:
        raise ApiKeysFull(f"A user has at most {MOST_LIVE} live keys. Revoke some first.")
    await add_key(tx, new)
    kept = await find_kept_key(tx, new.tenant_id, new.id, of=None)
    assert kept is not None  # noqa: S101 - this transaction wrote it
    return kept


def _shown(response: Response[NewKeyView], view: NewKeyView) -> Response[NewKeyView]:
    """What was kept, with the key put in: the only time."""
    response.content = replace(view)
    response.headers["Cache-Control"] = "no-store"
    return response


def _only(caller: Caller) -> str | None:
    """Whose keys the caller sees: their own, or with `users:manage` everybody's."""
    return None if caller.may(KEEPS_THE_KEYS) else caller.user_id


async def _found(tx: Tx, caller: Caller, key_id: str, *, lock: bool = False) -> KeptKey:
    key = (
        await find_kept_key(tx, caller.tenant_id, key_id, of=_only(caller), lock=lock) if is_id("key", key_id) else None
    )
    if key is None:
        raise ApiKeyNotFound("There is no such key.")
    return key
