"""Orders, the catalogue and store credit over HTTP. Orders are placed by jobs; the rest here reads, or deposits."""

from typing import Annotated, Final

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Response

from api.acts import act, actor_of, audited
from api.auth import needs
from api.bodies import ApiRequest
from api.context import Use
from api.idempotency import ONCE, find_answer, keep_response, read_key, replay
from api.job_view import JobView
from api.orders.views import (
    BalanceView,
    Deposit,
    DepositView,
    OrderView,
    view_order,
)
from api.paging import DEFAULT, MOST, Cursor, Limit, Page, answer_page, answer_short, read_cursor
from api.preferences import WAITS
from api.problems import base_url
from api.product_view import ProductView, view_product
from api.submit import submit
from domain.accounts.user import Caller
from domain.jobs.job import JobOptions
from domain.orders.balance import Transfer, TransferReason
from domain.orders.money import Money, check_currency
from domain.orders.order import MANAGE, READ, Status, unknown_order
from domain.orders.place_order import PLACE_ORDER, PlaceOrder
from domain.orders.product import Category, ProductSort, unknown_product
from runtime.unique_ids import new_id
from storage.audit import audit
from storage.balances import credit, read_balance
from storage.orders import find_order, get_customer, list_orders
from storage.products import ProductFilter, find_product, list_categories, list_products

ME: Final = "me"

CurrencyParameter = Annotated[
    str, QueryParameter(pattern="^[A-Z]{3}$", description="a currency of ISO 4217 in three capital letters")
]
SearchParameter = Annotated[
    str | None,
    QueryParameter(min_length=1, max_length=200, description="words, all of them in name, description or SKU"),
]
CategoryParameter = Annotated[str | None, QueryParameter(max_length=100, description="slug of a category")]
CustomerParameter = Annotated[str | None, QueryParameter(pattern="^user_[0-9a-f]{32}$", description="whose orders")]


@post("/orders", status_code=202, guards=[needs(PLACE_ORDER.permission)], opt={**WAITS, **ONCE})
async def place_order(
    request: ApiRequest, use: NamedDependency[Use], data: JSONBody[PlaceOrder], options: NamedDependency[JobOptions]
) -> Response[JobView]:
    """Submit a job that buys products with store credit."""
    return await submit(request, use, PLACE_ORDER, data, options)


@get("/orders", guards=[needs(READ)])
async def get_orders(  # noqa: PLR0913, PLR0917 - one a parameter
    request: ApiRequest,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    limit: Limit = DEFAULT,
    cursor: Cursor = None,
    status: Annotated[Status | None, QueryParameter()] = None,
    customer_id: CustomerParameter = None,
) -> Response[Page[OrderView]]:
    """The caller's orders; to a caller with `orders:manage`, those of everybody."""
    if customer_id not in {None, caller.user_id}:
        caller.demand(MANAGE)
    before = read_cursor(cursor, "order")
    async with use.database.read() as tx:
        orders = await list_orders(
            tx,
            caller.tenant_id,
            of=customer_id or _only(caller),
            limit=limit + 1,
            status=status,
            before=before,
        )
    base = base_url(request.scope)
    return answer_page(request, orders, limit, view=lambda one: view_order(one, base), mark=lambda one: one.id)


@get("/orders/{order_id:str}", guards=[needs(READ)])
async def get_order(
    request: ApiRequest, use: NamedDependency[Use], caller: NamedDependency[Caller], order_id: FromPath[str]
) -> OrderView:
    """One order."""
    async with use.database.read() as tx:
        order = await find_order(tx, caller.tenant_id, order_id, of=_only(caller))
    if order is None:
        raise unknown_order(order_id)
    return view_order(order, base_url(request.scope))


@get("/categories", guards=[needs(READ)], operation_id="get_categories")
async def get_categories(
    request: ApiRequest,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    limit: Limit = MOST,
    cursor: Cursor = None,
) -> Response[Page[Category]]:
    """The categories of the catalogue, by slug, and how many products each has."""
    async with use.database.read() as tx:
        found = await list_categories(tx, caller.tenant_id)
    return answer_short(request, found, limit, cursor, name=lambda category: category.slug)


@get("/products", guards=[needs(READ)])
async def get_products(  # noqa: PLR0913, PLR0917 - one a parameter
    request: ApiRequest,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    q: SearchParameter = None,
    category: CategoryParameter = None,
    in_stock: Annotated[bool | None, QueryParameter()] = None,
    sort: Annotated[ProductSort, QueryParameter()] = ProductSort.NEWEST,
    limit: Limit = DEFAULT,
    cursor: Cursor = None,
) -> Response[Page[ProductView]]:
    """The products of the catalogue."""
    after = read_cursor(cursor, "product")
    wanted = ProductFilter(q=q, category=category, in_stock=in_stock)
    async with use.database.read() as tx:
        products = await list_products(tx, caller.tenant_id, wanted, sort=sort, limit=limit + 1, after=after)
    return answer_page(request, products, limit, view=view_product, mark=lambda one: one.id)


@get("/products/{product_id:str}", guards=[needs(READ)])
async def get_product(
    use: NamedDependency[Use], caller: NamedDependency[Caller], product_id: FromPath[str]
) -> ProductView:
    """One product."""
    async with use.database.read() as tx:
        product = await find_product(tx, caller.tenant_id, product_id)
    if product is None:
        raise unknown_product([product_id])
    return view_product(product)


@get("/customers/{customer_id:str}/balance", guards=[needs(READ)])
async def get_balance(
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    customer_id: FromPath[str],
    currency: CurrencyParameter = "USD",
) -> BalanceView:
    """What a customer may spend; `me` is the caller, and others take `orders:manage`."""
    wanted = _named(customer_id, caller)
    if wanted != caller.user_id:
        caller.demand(MANAGE)
    check_currency(currency, pointer="query:currency")
    async with use.database.read() as tx:
        customer = await get_customer(tx, caller.tenant_id, wanted)
        balance = await read_balance(tx, caller.tenant_id, customer.id, currency)
    return BalanceView(customer_id=customer.id, balance=balance)


@post("/customers/{customer_id:str}/deposits", guards=[needs(MANAGE)], opt={**ONCE, **audited("balance.deposited")})
async def make_deposit(
    request: ApiRequest,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    customer_id: FromPath[str],
    data: JSONBody[Deposit],
) -> Response[DepositView]:
    """Give a customer store credit."""
    money = Money(amount=data.amount.amount, currency=data.amount.currency)
    key = await read_key(request)
    async with use.database.begin() as tx:
        if kept := await find_answer(tx, key):
            return replay(kept)
        customer = await get_customer(tx, caller.tenant_id, _named(customer_id, caller))
        transfer = Transfer(
            id=new_id("transfer"),
            tenant_id=caller.tenant_id,
            customer_id=customer.id,
            money=money,
            reason=TransferReason.DEPOSIT,
        )
        await credit(tx, transfer)
        balance = await read_balance(tx, caller.tenant_id, customer.id, money.currency)
        view = DepositView(id=transfer.id, customer_id=customer.id, amount=money, balance=balance)
        response = Response(view, status_code=201)
        await keep_response(tx, key, response)
        await audit(tx, actor_of(request), act("balance.deposited", customer.id, after=view))
    return response


def _only(caller: Caller) -> str | None:
    """Whose orders the caller sees: their own, or with `orders:manage` everybody's."""
    return None if caller.may(MANAGE) else caller.user_id


def _named(customer_id: str, caller: NamedDependency[Caller]) -> str:
    return caller.user_id if customer_id == ME else customer_id


router: Final = Router(
    "/v1",
    route_handlers=[
        place_order,
        get_orders,
        get_order,
        get_categories,
        get_products,
        get_product,
        get_balance,
        make_deposit,
    ],
    tags=["Orders"],
)
