"""API keys as the API takes and shows them."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from api.job_view import Time
from api.user_view import UserId
from domain.accounts.api_key import ApiKey
from domain.durations import Duration
from domain.unspoken import Unspoken
from storage.api_keys import KeptKey

MOST_PER_MINUTE = 10_000_000

Scopes = Annotated[tuple[str, ...], Meta(max_length=100, description="permissions, of those the caller has")]
PerMinute = Annotated[int, Meta(ge=1, le=MOST_PER_MINUTE)]


class KeyBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to be made, for the caller, or for the user named by who manages users."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    scopes: Scopes = ()
    expires_at: Time | None = None
    requests_per_minute: PerMinute | None = None
    user_id: UserId | None = None


class RotateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long the key that is replaced opens beside the new one."""

    overlap: Duration = "24h"


class KeyView(Struct, frozen=True, kw_only=True):
    """A key, without what opens. It begins `hr_` and `public_id`; `scopes` hold as far as its user's role has them."""

    id: Annotated[str, Meta(pattern="^key_[0-9a-f]{32}$")]
    user_id: UserId
    name: str
    public_id: str
    scopes: tuple[str, ...]
    requests_per_minute: int
    is_live: bool
    created_at: Time
    expires_at: Time | None
    revoked_at: Time | None
    last_used_at: Annotated[Time | None, Meta(description="to the minute")]


class NewKeyView(Unspoken, frozen=True, kw_only=True):
    """A key that was made. `key` is shown this once; in the answer to a request sent again it is null."""

    id: Annotated[str, Meta(pattern="^key_[0-9a-f]{32}$")]
    key: str | None
    user_id: UserId
    name: str
    public_id: str
    scopes: tuple[str, ...]
    requests_per_minute: int
    is_live: bool
    created_at: Time
    expires_at: Time | None
    revoked_at: Time | None
    last_used_at: Annotated[Time | None, Meta(description="to the minute")]
    replaces: Annotated[str | None, Meta(description="the key this one was made in place of")]
    replaced_expires_at: Annotated[Time | None, Meta(description="until when that one opens")]


def view_key(key: KeptKey) -> KeyView:
    """The key as the API shows it."""
    return KeyView(
        id=key.id,
        user_id=key.user_id,
        name=key.name,
        public_id=key.public_id,
        scopes=key.permissions,
        requests_per_minute=key.requests_per_minute,
        is_live=key.is_live,
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
    )


def view_new_key(
    kept: KeptKey, key: ApiKey, *, replaces: str | None = None, replaced_expires_at: datetime | None = None
) -> NewKeyView:
    """The key as it is shown once."""
    return NewKeyView(
        id=kept.id,
        key=str(key),
        user_id=kept.user_id,
        name=kept.name,
        public_id=kept.public_id,
        scopes=kept.permissions,
        requests_per_minute=kept.requests_per_minute,
        is_live=kept.is_live,
        created_at=kept.created_at,
        expires_at=kept.expires_at,
        revoked_at=kept.revoked_at,
        last_used_at=kept.last_used_at,
        replaces=replaces,
        replaced_expires_at=replaced_expires_at,
    )


def without_key(view: NewKeyView) -> NewKeyView:
    """What is kept of the answer, to be given again."""
    return replace(view, key=None)
