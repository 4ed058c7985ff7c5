"""A shop to test in: one tenant with an admin and two customers, and the sample catalogue on its shelves."""

from typing import Final

from sqlalchemy import text

from domain.accounts.permissions import Role
from domain.ids import ProductId, derived_id
from domain.orders.balance import Transfer, TransferReason
from domain.orders.money import Money
from domain.orders.product import Movement, StockChange
from storage.accounts import add_tenant, add_user
from storage.balances import credit, read_balance
from storage.database import Database
from storage.products import find_product, move_stock
from storage.sample_catalogue import seed_catalog

TENANT: Final = "tenant_" + "1" * 32
ADMIN: Final = "user_" + "0" * 32
ADA: Final = "user_" + "a" * 32
BOB: Final = "user_" + "b" * 32

OTHER_TENANT: Final = "tenant_" + "2" * 32
STRANGER: Final = "user_" + "c" * 32


def product_id(sku: str) -> ProductId:
    return ProductId(derived_id("product", TENANT, sku))


PEN: Final = product_id("DSK-PEN-01")
PEN_PRICE: Final = 4500
TENT: Final = product_id("OUT-TNT-02")
TENT_PRICE: Final = 24900
NOTEBOOK: Final = product_id("DSK-NTB-A5")


async def open_shop(database: Database) -> None:
    """Write the tenants, their users and the catalogue."""
    async with database.begin() as tx:
        await add_tenant(tx, TENANT, "shop")
        await add_tenant(tx, OTHER_TENANT, "another shop")
        for user_id, tenant_id, name, role in (
            (ADMIN, TENANT, "admin", Role.ADMIN),
            (ADA, TENANT, "ada", Role.USER),
            (BOB, TENANT, "bob", Role.USER),
            (STRANGER, OTHER_TENANT, "stranger", Role.ADMIN),
        ):
            await add_user(tx, user_id, tenant_id=tenant_id, email=f"{name}@example.com", name=name, role=role.value)
        await seed_catalog(tx, TENANT)


async def give_credit(database: Database, customer_id: str, amount: int, *, label: str = "") -> None:
    async with database.begin() as tx:
        await credit(tx, deposit(customer_id, amount, label=label))


def deposit(customer_id: str, amount: int, *, label: str = "") -> Transfer:
    return Transfer(
        id=derived_id("transfer", customer_id, label),
        tenant_id=TENANT,
        customer_id=customer_id,
        money=Money(amount=amount, currency="USD"),
        reason=TransferReason.DEPOSIT,
    )


async def leave_in_stock(database: Database, product: ProductId, pieces: int) -> None:
    """Take away, or put there, what makes it `pieces`."""
    change = pieces - await stock_of(database, product)
    async with database.begin() as tx:
        await move_stock(tx, TENANT, [StockChange(product_id=product, change=change)], reason=Movement.ADJUSTED)


async def stock_of(database: Database, product: ProductId) -> int:
    async with database.read() as tx:
        found = await find_product(tx, TENANT, product)
    assert found is not None
    return found.stock


async def credit_of(database: Database, customer_id: str) -> int:
    async with database.read() as tx:
        return (await read_balance(tx, TENANT, customer_id, "USD")).amount


async def count(database: Database, query: str) -> int:
    async with database.read() as tx:
        return int((await tx.execute(text(query))).scalar_one())


async def wrong_books(database: Database) -> list[str]:
    """What does not add up: stock against movements, balances against the ledger, transfers against zero."""
    wrong: list[str] = []
    async with database.read() as tx:
        for said, query in _BOOKS.items():
            wrong += [f"{said}: {row}" for row in await tx.execute(text(query))]
    return wrong


_BOOKS: Final = {
    "stock is not the sum of its movements": """
        SELECT id, stock, (SELECT sum(change) FROM stock_movements WHERE product_id = products.id) AS moved
        FROM products
        WHERE stock <> coalesce((SELECT sum(change) FROM stock_movements WHERE product_id = products.id), 0)
    """,
    "what a product says of its reviews is not what they come to": """
        SELECT id, reviews, rating_sum FROM products
        WHERE (reviews, rating_sum) <> (
            SELECT count(*), coalesce(sum(rating), 0) FROM reviews WHERE product_id = products.id
        )
    """,
    "a balance is not the sum of its entries": """
        SELECT customer_id, amount FROM balances WHERE amount <> coalesce((
            SELECT sum(amount) FROM ledger_entries WHERE account = 'customer:' || customer_id
        ), 0)
    """,
    "a transfer does not sum to zero": """
        SELECT transfer_id, sum(amount) FROM ledger_entries
        GROUP BY transfer_id HAVING sum(amount) <> 0 OR count(*) <> 2
    """,
    "what orders took is not what was sold and not given back": """
        SELECT sold.product_id, sold.pieces, ordered.pieces FROM (
            SELECT product_id, -sum(change) AS pieces FROM stock_movements
            WHERE reason IN ('sold', 'returned') GROUP BY product_id
        ) AS sold FULL JOIN (
            SELECT product_id, sum(quantity) AS pieces FROM order_lines JOIN orders ON orders.id = order_id
            WHERE status IN ('paid', 'shipped') GROUP BY product_id
        ) AS ordered USING (product_id)
        WHERE coalesce(sold.pieces, 0) <> coalesce(ordered.pieces, 0)
    """,
    "what the house took is not what its orders come to": """
        SELECT taken, owed FROM (
            SELECT coalesce(sum(amount), 0) AS taken FROM ledger_entries WHERE account = 'sales'
        ) AS ledger CROSS JOIN (
            SELECT coalesce(sum(total_amount), 0) AS owed FROM orders WHERE status IN ('paid', 'shipped')
        ) AS placed
        WHERE taken <> owed
    """,
}
