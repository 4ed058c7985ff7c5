"""What the API knows of its caller."""

from typing import Annotated, Final

from litestar import Router, get
from litestar.di import NamedDependency
from msgspec import Meta, Struct

from domain.accounts.user import Caller


class LimitsView(Struct, frozen=True, kw_only=True):
    """How much the caller may ask; RateLimit on every answer tells what is left."""

    requests_per_minute: int


class CallerView(Struct, frozen=True, kw_only=True):
    """The user a request is made for, with what the key that made it may do."""

    user_id: Annotated[str, Meta(pattern="^user_[0-9a-f]{32}$")]
    tenant_id: Annotated[str, Meta(pattern="^tenant_[0-9a-f]{32}$")]
    key_id: str | None
    permissions: tuple[str, ...]
    limits: LimitsView


@get("/me")
async def get_me(caller: NamedDependency[Caller]) -> CallerView:
    """Who calls: the user, the tenant, and what the key may do."""
    return CallerView(
        user_id=caller.user_id,
        tenant_id=caller.tenant_id,
        key_id=caller.key_id,
        permissions=tuple(sorted(caller.permissions)),
        limits=LimitsView(requests_per_minute=caller.requests_per_minute),
    )


router: Final = Router("/v1", route_handlers=[get_me], tags=["Access"])
