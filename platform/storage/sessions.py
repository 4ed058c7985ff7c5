"""Sessions and their tokens in SQL. A refresh token is spent by one statement, whose answer says who won."""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import text

from domain.accounts.permissions import Role, permissions_of
from domain.accounts.session import Refresh, SessionEnd
from domain.accounts.token import ACCESS_KEPT, REFRESH_KEPT, Token, TokenUse
from domain.accounts.user import Caller
from storage.database import Tx

_OPEN: Final = text("""
WITH entered AS (
    UPDATE users SET last_login_at = now()
    WHERE id = :user_id AND state = 'active' AND password_hash = :password_hash RETURNING id, tenant_id
)
INSERT INTO sessions (id, tenant_id, user_id, scope, address)
SELECT :id, entered.tenant_id, entered.id, CAST(:scope AS text[]), :address FROM entered
""")

_ADD_TOKENS: Final = text("""
INSERT INTO tokens (sha256, session_id, use, expires_at)
VALUES (:access, :session_id, 'access', now() + make_interval(secs => :access_seconds)),
    (:refresh, :session_id, 'refresh', now() + make_interval(secs => :refresh_seconds))
""")

_WHO: Final = """
    sessions.id AS session_id, sessions.tenant_id, sessions.user_id, sessions.scope, users.role,
    role_permissions.permissions AS told
"""

_FROM: Final = """
    tokens JOIN sessions ON sessions.id = tokens.session_id JOIN users ON users.id = sessions.user_id
    LEFT JOIN role_permissions ON role_permissions.tenant_id = users.tenant_id AND role_permissions.role = users.role
"""

_FIND_ACCESS: Final = text(f"""
SELECT {_WHO} FROM {_FROM}
WHERE tokens.sha256 = :sha256 AND tokens.use = 'access' AND tokens.expires_at > now()
    AND sessions.ended_at IS NULL AND users.state = 'active'
""")  # noqa: S608 - only constants are formatted in

# Whoever finds the row locked is late by less than the other's transaction lasts.
_TAKE: Final = text("""
SELECT session_id, spent_at, expires_at > now() AS is_fresh,
    extract(epoch FROM statement_timestamp() - spent_at)::float8 AS spent_ago_seconds
FROM tokens WHERE sha256 = :sha256 AND use = 'refresh' FOR UPDATE SKIP LOCKED
""")

_IS_THERE: Final = text("SELECT true FROM tokens WHERE sha256 = :sha256 AND use = 'refresh'")

_SPEND: Final = text("UPDATE tokens SET spent_at = clock_timestamp() WHERE sha256 = :sha256")

_OF_REFRESH: Final = text(f"""
SELECT {_WHO} FROM {_FROM}
WHERE tokens.sha256 = :sha256 AND sessions.ended_at IS NULL AND users.state = 'active'
""")  # noqa: S608 - as above

_END: Final = text("""
UPDATE sessions SET ended_at = now(), ended_why = :why
WHERE id = :id AND ended_at IS NULL RETURNING tenant_id, user_id
""")

_END_BY_TOKEN: Final = text("""
UPDATE sessions SET ended_at = now(), ended_why = :why
WHERE id = (SELECT session_id FROM tokens WHERE sha256 = :sha256) AND ended_at IS NULL RETURNING id
""")

_END_ALL: Final = text("""
UPDATE sessions SET ended_at = now(), ended_why = :why WHERE user_id = :user_id AND ended_at IS NULL RETURNING id
""")

# A spent token is kept until it would have expired: until then, showing it again means that somebody else may have it.
_PRUNE_TOKENS: Final = text("""
DELETE FROM tokens WHERE sha256 = ANY (ARRAY(
    SELECT sha256 FROM tokens WHERE expires_at < now() ORDER BY expires_at LIMIT :limit FOR UPDATE SKIP LOCKED
))
""")

_PRUNE_SESSIONS: Final = text("""
DELETE FROM sessions WHERE id = ANY (ARRAY(
    SELECT id FROM sessions
    WHERE created_at < now() - make_interval(secs => :refresh_seconds)
        AND NOT EXISTS (SELECT FROM tokens WHERE tokens.session_id = sessions.id)
    LIMIT :limit FOR UPDATE SKIP LOCKED
))
""")


class SessionUser(Struct, frozen=True, kw_only=True):
    """Whose session it is, and what it was narrowed to; None: to nothing."""

    caller: Caller
    scope: frozenset[str] | None


class Shown(Struct, frozen=True, kw_only=True):
    """What became of a refresh token that was shown."""

    outcome: Refresh
    session_id: str | None = None
    holder: SessionUser | None = None


async def open_session(  # noqa: PLR0913 - a row
    tx: Tx, session_id: str, *, user_id: str, password_hash: str, scope: frozenset[str] | None, address: str
) -> bool:
    """Write a session; False if the user may not enter any more, or not with the password of that hash."""
    given = {
        "id": session_id,
        "user_id": user_id,
        "password_hash": password_hash,
        "scope": None if scope is None else sorted(scope),
        "address": address,
    }
    return bool((await tx.execute(_OPEN, given)).rowcount)


async def add_tokens(tx: Tx, session_id: str, *, access: Token, refresh: Token) -> None:
    """Write the hashes of a session's next pair."""
    given = {
        "session_id": session_id,
        "access": access.sha256,
        "refresh": refresh.sha256,
        "access_seconds": ACCESS_KEPT.total_seconds(),
        "refresh_seconds": REFRESH_KEPT.total_seconds(),
    }
    await tx.execute(_ADD_TOKENS, given)


async def find_session_user(tx: Tx, token: Token) -> SessionUser | None:
    """Whose access token it is, if it opens."""
    if token.use is not TokenUse.ACCESS:
        return None
    row = (await tx.execute(_FIND_ACCESS, {"sha256": token.sha256})).one_or_none()
    return (
        None if row is None else _as_holder(row.tenant_id, row.user_id, row.session_id, row.scope, row.role, row.told)
    )


async def spend_refresh(tx: Tx, token: Token, *, under_way_seconds: Callable[[], float]) -> Shown:
    """Spend a refresh token, which can be done once.

    `under_way_seconds` tells how long the request has been here: a token that was spent within that time was sent by
    two requests at once, and whoever sent the second cannot have known. It is asked once Postgres has answered: asked
    before, it would leave out how long the question was on its way, and two at once would pass for reuse.
    """
    if token.use is not TokenUse.REFRESH:
        return Shown(outcome=Refresh.UNKNOWN)
    row = (await tx.execute(_TAKE, {"sha256": token.sha256})).one_or_none()
    if row is None:
        is_there = (await tx.execute(_IS_THERE, {"sha256": token.sha256})).scalar_one_or_none()
        return Shown(outcome=Refresh.TWICE if is_there else Refresh.UNKNOWN)
    if row.spent_at is not None:
        is_twice = row.spent_ago_seconds < under_way_seconds()
        return Shown(outcome=Refresh.TWICE if is_twice else Refresh.REUSED, session_id=row.session_id)
    found = (await tx.execute(_OF_REFRESH, {"sha256": token.sha256})).one_or_none()
    if found is None or not row.is_fresh:
        return Shown(outcome=Refresh.UNKNOWN)
    await tx.execute(_SPEND, {"sha256": token.sha256})
    holder = _as_holder(found.tenant_id, found.user_id, found.session_id, found.scope, found.role, found.told)
    return Shown(outcome=Refresh.GOOD, session_id=row.session_id, holder=holder)


async def end_session(tx: Tx, session_id: str, why: SessionEnd) -> Caller | None:
    """End a session, whose tokens then open nothing; answers with whose it was, None if it had ended."""
    row = (await tx.execute(_END, {"id": session_id, "why": why})).one_or_none()
    if row is None:
        return None
    return Caller(tenant_id=row.tenant_id, user_id=row.user_id, permissions=frozenset(), session_id=session_id)


async def end_session_of(tx: Tx, token: Token, why: SessionEnd) -> str | None:
    """End the session that a token is of; answers with its id, None if there was none to end."""
    ended: str | None = (await tx.execute(_END_BY_TOKEN, {"sha256": token.sha256, "why": why})).scalar_one_or_none()
    return ended


async def end_sessions(tx: Tx, user_id: str, why: SessionEnd) -> int:
    """End all sessions of a user; answers with how many there were."""
    return len((await tx.execute(_END_ALL, {"user_id": user_id, "why": why})).all())


async def prune_tokens(tx: Tx, *, days: int, limit: int) -> int:  # noqa: ARG001 - as what prunes is called
    """Take away at most `limit` tokens that have expired, whatever the retention of jobs; answers with how many."""
    return (await tx.execute(_PRUNE_TOKENS, {"limit": limit})).rowcount


async def prune_sessions(tx: Tx, *, days: int, limit: int) -> int:  # noqa: ARG001 - as above
    """Take away at most `limit` sessions of which no token is left; answers with how many."""
    given = {"limit": limit, "refresh_seconds": REFRESH_KEPT.total_seconds()}
    return (await tx.execute(_PRUNE_SESSIONS, given)).rowcount


def _as_holder(  # noqa: PLR0913, PLR0917 - the columns
    tenant_id: str, user_id: str, session_id: str, scope: Sequence[str] | None, role: str, told: Sequence[str] | None
) -> SessionUser:
    bundled = permissions_of(Role(role), told)
    narrowed = None if scope is None else frozenset(scope)
    caller = Caller(
        tenant_id=tenant_id,
        user_id=user_id,
        permissions=bundled if narrowed is None else bundled & narrowed,
        session_id=session_id,
    )
    return SessionUser(caller=caller, scope=narrowed)
