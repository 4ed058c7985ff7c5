"""Changing products over HTTP, and their stock, each change of which leaves a movement."""

from typing import Final

from litestar import Router, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Response
from msgspec import UNSET
from msgspec.structs import replace

from api.acts import act, actor_of, audited
from api.auth import needs
from api.bodies import ApiRequest, BodyInvalid
from api.context import Use
from api.fields import FieldError
from api.idempotency import ONCE, find_answer, keep_response, read_key, replay
from api.paging import DEFAULT, Cursor, Limit, Page, answer_page, read_cursor
from api.product_view import ProductView, view_product
from api.products.views import (
    MovementBody,
    MovementMade,
    MovementView,
    ProductBody,
    ProductChanges,
    told_of,
    view_made,
    view_movement,
)
from domain.accounts.user import Caller
from domain.ids import ProductId
from domain.orders.money import Money
from domain.orders.product import (
    MANAGE_PRODUCTS,
    Movement,
    MovementNotFound,
    Product,
    SkuTaken,
    StockChange,
    check_change,
    unknown_product,
)
from domain.orders.told import stock_events
from runtime.unique_ids import new_id
from storage.audit import audit
from storage.database import Tx
from storage.domain_events import tell
from storage.products import (
    add_product,
    find_movement,
    find_product,
    list_movements,
    lock_products,
    move_stock,
    place_product,
    save_product,
)
from storage.schedules import database_now

_MANAGED: Final = [needs(MANAGE_PRODUCTS)]
_PRODUCT: Final = {
    "sku": "GRD-TRW-01",
    "name": "Trowel",
    "description": "Ash handle, stainless blade.",
    "price": {"amount": 1850, "currency": "USD"},
    "stock": 40,
}
_PRODUCT_CHANGES: Final = {"price": {"amount": 1650, "currency": "USD"}}
_MOVEMENT: Final = {"change": 25, "reason": "received"}


@post(
    "/products",
    status_code=201,
    guards=_MANAGED,
    opt={**ONCE, **audited("product.created"), "example": _PRODUCT},
)
async def create(
    request: ApiRequest, data: JSONBody[ProductBody], use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[ProductView]:
    """Put a product into the catalogue. What is in stock of it leaves a movement, as received."""
    key = await read_key(request)
    async with use.database.begin() as tx:
        if kept := await find_answer(tx, key):
            return replay(kept)
        new = Product(
            id=ProductId(new_id("product")),
            sku=data.sku,
            name=data.name,
            description=data.description,
            price=Money(amount=data.price.amount, currency=data.price.currency),
            stock=0,
            categories=data.categories,
            created_at=await database_now(tx),
        )
        if not await add_product(tx, caller.tenant_id, new):
            raise SkuTaken(f"There is a product of the SKU {data.sku} already.")
        await _place(tx, caller, new)
        if data.stock:
            change = StockChange(product_id=new.id, change=data.stock)
            await move_stock(tx, caller.tenant_id, [change], reason=Movement.RECEIVED)
        made = await _found(tx, caller, new.id)
        response = Response(view_product(made), status_code=201, headers={"Location": f"/v1/products/{made.id}"})
        await keep_response(tx, key, response)
        await audit(tx, actor_of(request), act("product.created", made.id, after=told_of(made)))
    return response


@patch(
    "/products/{product_id:str}",
    guards=_MANAGED,
    opt={**audited("product.changed"), "example": _PRODUCT_CHANGES},
)
async def change(
    request: ApiRequest,
    product_id: FromPath[str],
    data: JSONBody[ProductChanges],
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
) -> ProductView:
    """Change what the body names of a product. Orders keep the name and the price they were placed at."""
    async with use.database.begin() as tx:
        await lock_products(tx, caller.tenant_id, [product_id])
        before = await _found(tx, caller, product_id)
        wanted = replace(
            before,
            name=before.name if data.name is UNSET else data.name,
            description=before.description if data.description is UNSET else data.description,
            price=(
                before.price if data.price is UNSET else Money(amount=data.price.amount, currency=data.price.currency)
            ),
            categories=before.categories if data.categories is UNSET else data.categories,
        )
        await save_product(tx, caller.tenant_id, wanted)
        await _place(tx, caller, wanted)
        after = await _found(tx, caller, product_id)
        if after != before:
            told = act("product.changed", after.id, before=told_of(before), after=told_of(after))
            await audit(tx, actor_of(request), told)
    return view_product(after)


@post(
    "/products/{product_id:str}/movements",
    status_code=201,
    guards=_MANAGED,
    opt={**ONCE, **audited("stock.moved"), "example": _MOVEMENT},
)
async def move(
    request: ApiRequest,
    product_id: FromPath[str],
    data: JSONBody[MovementBody],
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
) -> Response[MovementMade]:
    """Change how many pieces of a product are in stock, which leaves a movement.

    `stock.low` is told when it falls to five or fewer.
    """
    if not data.change:
        raise BodyInvalid([FieldError("/change", "Expected pieces more or fewer: a movement of nothing is none.")])
    key = await read_key(request)
    async with use.database.begin() as tx:
        if kept := await find_answer(tx, key):
            return replay(kept)
        locked = await lock_products(tx, caller.tenant_id, [product_id])
        if not locked:
            raise unknown_product([product_id])
        [product] = locked
        check_change(product, data.change)
        wanted = StockChange(product_id=product.id, change=data.change)
        [moved] = await move_stock(tx, caller.tenant_id, [wanted], reason=Movement(data.reason.value))
        made = view_made(moved, stock=product.stock + data.change)
        location = f"/v1/products/{product.id}/movements/{made.id}"
        response = Response(made, status_code=201, headers={"Location": location})
        await keep_response(tx, key, response)
        await audit(tx, actor_of(request), act("stock.moved", product.id, after=made))
        low = stock_events(caller.tenant_id, [product], [wanted], cause=made.id)
        told = await tell(tx, low)
    if told:
        use.wakeups.ring_relay()
    return response


@get("/products/{product_id:str}/movements", guards=_MANAGED)
async def movements(  # noqa: PLR0913, PLR0917 - a list has these parameters
    request: ApiRequest,
    product_id: FromPath[str],
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    limit: Limit = DEFAULT,
    cursor: Cursor = None,
) -> Response[Page[MovementView]]:
    """What changed a product's stock, newest first. All of them together come to what there is."""
    before = read_cursor(cursor, "movement")
    async with use.database.read() as tx:
        await _found(tx, caller, product_id)
        found = await list_movements(tx, caller.tenant_id, product_id, limit=limit + 1, before=before)
    return answer_page(request, found, limit, view=view_movement, mark=lambda one: one.id)


@get("/products/{product_id:str}/movements/{movement_id:str}", guards=_MANAGED)
async def movement(
    product_id: FromPath[str], movement_id: FromPath[str], use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> MovementView:
    """A movement of a product's stock."""
    async with use.database.read() as tx:
        await _found(tx, caller, product_id)
        found = await find_movement(tx, caller.tenant_id, product_id, movement_id)
    if found is None:
        raise MovementNotFound("The product has no such movement.")
    return view_movement(found)


router: Final = Router(
    "/v1",
    route_handlers=[
        create,
        change,
        move,
        movement,
        movements,
    ],
    tags=["Orders"],
)


async def _place(tx: Tx, caller: Caller, product: Product) -> None:
    """Let a product be in the categories it names.

    Raises:
        BodyInvalid: there is no such category; each that is missing is named.
    """
    missing = await place_product(tx, caller.tenant_id, product.id, product.categories)
    if missing:
        raise BodyInvalid(
            [
                FieldError(f"/categories/{index}", "There is no such category.")
                for index, slug in enumerate(product.categories)
                if slug in missing
            ]
        )


async def _found(tx: Tx, caller: Caller, product_id: str) -> Product:
    product = await find_product(tx, caller.tenant_id, product_id)
    if product is None:
        raise unknown_product([product_id])
    return product
