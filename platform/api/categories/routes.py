"""Changing the categories of the catalogue over HTTP."""

from typing import Final

from litestar import Router, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Response
from msgspec import Struct

from api.acts import act, actor_of, audited
from api.auth import needs
from api.bodies import ApiRequest
from api.context import Use
from api.idempotency import ONCE, find_answer, keep_response, read_key, replay
from domain.accounts.user import Caller
from domain.orders.order import READ
from domain.orders.product import MANAGE_PRODUCTS, CatalogueName, Category, CategoryTaken, Slug, UnknownCategory
from storage.audit import audit
from storage.categories import add_category, find_category, remove_category, rename_category
from storage.database import Tx

_MANAGED: Final = [needs(MANAGE_PRODUCTS)]
_CATEGORY: Final = {"slug": "garden", "name": "In the garden"}
_CATEGORY_CHANGES: Final = {"name": "Garden and balcony"}


class CategoryBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A category to be made; its slug stays what it is."""

    slug: Slug
    name: CatalogueName


class CategoryChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to change of a category."""

    name: CatalogueName


@post(
    "/categories",
    status_code=201,
    guards=_MANAGED,
    opt={**ONCE, **audited("category.created"), "example": _CATEGORY},
)
async def create(
    request: ApiRequest, data: JSONBody[CategoryBody], use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[Category]:
    """Make a category of the catalogue."""
    key = await read_key(request)
    async with use.database.begin() as tx:
        if kept := await find_answer(tx, key):
            return replay(kept)
        made = await add_category(tx, caller.tenant_id, data.slug, data.name)
        if made is None:
            raise CategoryTaken(f"There is a category {data.slug} already.")
        response = Response(made, status_code=201, headers={"Location": f"/v1/categories/{made.slug}"})
        await keep_response(tx, key, response)
        await audit(tx, actor_of(request), act("category.created", made.slug, after=made))
    return response


@get("/categories/{slug:str}", guards=[needs(READ)])
async def show(use: NamedDependency[Use], caller: NamedDependency[Caller], slug: FromPath[str]) -> Category:
    """A category, and how many products it has."""
    async with use.database.read() as tx:
        return await _found_category(tx, caller, slug)


@patch(
    "/categories/{slug:str}",
    guards=_MANAGED,
    opt={**audited("category.changed"), "example": _CATEGORY_CHANGES},
)
async def change(
    request: ApiRequest,
    slug: FromPath[str],
    data: JSONBody[CategoryChanges],
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
) -> Category:
    """Give a category another name."""
    async with use.database.begin() as tx:
        before = await _found_category(tx, caller, slug, lock=True)
        after = await rename_category(tx, caller.tenant_id, slug, data.name)
        if after is None:
            raise _no_category(slug)
        if after != before:
            await audit(tx, actor_of(request), act("category.changed", slug, before=before, after=after))
    return after


@delete("/categories/{slug:str}", guards=_MANAGED, status_code=204, opt=audited("category.removed"))
async def remove(
    request: ApiRequest, slug: FromPath[str], use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> None:
    """Remove a category. Its products stay in the catalogue."""
    async with use.database.begin() as tx:
        before = await _found_category(tx, caller, slug, lock=True)
        if not await remove_category(tx, caller.tenant_id, slug):
            raise _no_category(slug)
        await audit(tx, actor_of(request), act("category.removed", slug, before=before))


router: Final = Router("/v1", route_handlers=[create, show, change, remove], tags=["Orders"])


async def _found_category(tx: Tx, caller: Caller, slug: str, *, lock: bool = False) -> Category:
    category = await find_category(tx, caller.tenant_id, slug, lock=lock)
    if category is None:
        raise _no_category(slug)
    return category


def _no_category(slug: str) -> UnknownCategory:
    return UnknownCategory(f"There is no category {slug}.")
