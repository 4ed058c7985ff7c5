"""The catalogue and its stock in SQL. Stock changes only together with a movement that says why."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnElement, Row, and_, func, or_, select, text, true, tuple_

from domain.orders.money import Money
from domain.orders.product import Category, Movement, Product, ProductSort, StockChange, StockMoved
from domain.orders.review import mean_rating
from domain.words import words_of
from storage.database import Tx
from storage.tables import product_categories, products

# In the order of their ids, so that two carts with the same products never wait for each other in a circle.
_LOCK: Final = text("""
SELECT id, sku, name, description, price_amount, currency, stock, created_at, reviews, rating_sum,
    CAST('{}' AS text[]) AS categories
FROM products WHERE id = ANY(CAST(:ids AS text[])) AND tenant_id = :tenant_id
ORDER BY id FOR NO KEY UPDATE
""")

_MOVE: Final = text("""
WITH given AS (
    SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:changes AS bigint[])) AS g (id, change)
), moved AS (
    UPDATE products SET stock = stock + given.change FROM given
    WHERE products.id = given.id AND products.tenant_id = :tenant_id
    RETURNING products.id, given.change
)
INSERT INTO stock_movements (product_id, change, reason, order_id, job_id)
SELECT id, change, :reason, :order_id, :job_id FROM moved
RETURNING movement_id, product_id, change, reason, order_id, job_id, created_at
""")

_ADD: Final = text("""
INSERT INTO products (id, tenant_id, sku, name, description, price_amount, currency)
VALUES (:id, :tenant_id, :sku, :name, :description, :price_amount, :currency)
ON CONFLICT (tenant_id, sku) DO NOTHING RETURNING id
""")

_SAVE: Final = text("""
UPDATE products SET name = :name, description = :description, price_amount = :price_amount, currency = :currency
WHERE id = :id AND tenant_id = :tenant_id
""")

# Held, so that none is removed before a product is in it.
_HOLD_CATEGORIES: Final = text("""
SELECT slug FROM categories WHERE tenant_id = :tenant_id AND slug = ANY(CAST(:slugs AS text[])) FOR KEY SHARE
""")

_UNPLACE: Final = text("""
DELETE FROM product_categories
WHERE product_id = :id AND tenant_id = :tenant_id AND NOT slug = ANY(CAST(:slugs AS text[]))
""")

_PLACE: Final = text("""
INSERT INTO product_categories (product_id, tenant_id, slug)
SELECT :id, :tenant_id, slug FROM unnest(CAST(:slugs AS text[])) AS given (slug)
ON CONFLICT DO NOTHING
""")

_MOVEMENTS: Final = text("""
SELECT movement_id, product_id, change, reason, order_id, job_id, moved.created_at
FROM stock_movements AS moved JOIN products ON products.id = moved.product_id
WHERE product_id = :product_id AND products.tenant_id = :tenant_id
    AND (CAST(:before AS text) IS NULL
        OR moved.id < (SELECT id FROM stock_movements WHERE movement_id = :before AND product_id = :product_id))
ORDER BY moved.id DESC LIMIT :limit
""")

_MOVEMENT: Final = text("""
SELECT movement_id, product_id, change, reason, order_id, job_id, moved.created_at
FROM stock_movements AS moved JOIN products ON products.id = moved.product_id
WHERE movement_id = :movement_id AND product_id = :product_id AND products.tenant_id = :tenant_id
""")

_CATEGORIES: Final = text("""
SELECT slug, name, (
    SELECT count(*) FROM product_categories AS placed
    WHERE placed.tenant_id = categories.tenant_id AND placed.slug = categories.slug
) AS products
FROM categories WHERE tenant_id = :tenant_id ORDER BY slug
""")

_PLACED: Final = (
    select(func.coalesce(func.array_agg(product_categories.c.slug), text("'{}'")))
    .where(product_categories.c.product_id == products.c.id)
    .scalar_subquery()
    .label("categories")
)

_SORTED_BY: Final[dict[str, ColumnElement[Any]]] = {
    "created_at": products.c.id,  # ids sort by time of creation
    "name": products.c.name,
    "price": products.c.price_amount,
}


class ProductFilter(Struct, frozen=True, kw_only=True):
    """Which products; what is None does not narrow. All words of `q` are looked for in name, description and SKU."""

    q: str | None = None
    category: str | None = None
    in_stock: bool | None = None


class StockMismatch(RuntimeError):
    """A product whose stock was to be moved is not there: the caller did not lock it first."""


async def lock_products(tx: Tx, tenant_id: str, ids: Iterable[str]) -> list[Product]:
    """Hold those of `ids` that are products until the transaction ends. Their categories are not read."""
    rows = await tx.execute(_LOCK, {"ids": sorted(set(ids)), "tenant_id": tenant_id})
    return [_as_product(row) for row in rows]


async def move_stock(  # noqa: PLR0913 - what moved, why, and what caused it
    tx: Tx,
    tenant_id: str,
    changes: Sequence[StockChange],
    *,
    reason: Movement,
    order_id: str | None = None,
    job_id: str | None = None,
) -> list[StockMoved]:
    """Change the stock of products, each once, leaving a movement for each: answers with those.

    The products should be locked; a stock that would go below zero, or an order that moves a product twice for one
    reason, is refused by the database.

    Raises:
        StockMismatch: one of the products is not there.
    """
    rows = await tx.execute(
        _MOVE,
        {
            "ids": [change.product_id for change in changes],
            "changes": [change.change for change in changes],
            "tenant_id": tenant_id,
            "reason": reason.value,
            "order_id": order_id,
            "job_id": job_id,
        },
    )
    moved = [_as_movement(row) for row in rows]
    if len(moved) != len(changes):
        raise StockMismatch(f"stock of {len(changes)} products was to be moved, and not all are there")
    return moved


async def add_product(tx: Tx, tenant_id: str, product: Product) -> bool:
    """Write a product without stock, in no category yet; False: the tenant has one of its SKU."""
    return (await tx.execute(_ADD, {"sku": product.sku, **_values(tenant_id, product)})).first() is not None


async def save_product(tx: Tx, tenant_id: str, product: Product) -> None:
    """Write what may change of a product that is locked, but for its stock and its categories."""
    await tx.execute(_SAVE, _values(tenant_id, product))


async def place_product(tx: Tx, tenant_id: str, product_id: str, slugs: Iterable[str]) -> set[str]:
    """Let a product be in these categories and no others, if all are there; answers with those that are not."""
    wanted = sorted(set(slugs))
    given = {"id": product_id, "tenant_id": tenant_id, "slugs": wanted}
    held = (await tx.execute(_HOLD_CATEGORIES, {"tenant_id": tenant_id, "slugs": wanted})).scalars()
    if missing := set(wanted) - set(held):
        return missing
    await tx.execute(_UNPLACE, given)
    await tx.execute(_PLACE, given)
    return set()


async def list_movements(
    tx: Tx, tenant_id: str, product_id: str, *, limit: int, before: str | None = None
) -> list[StockMoved]:
    """What moved a product's stock, newest first, before the movement `before`; nothing, where it has no such."""
    given = {"tenant_id": tenant_id, "product_id": product_id, "before": before, "limit": limit}
    return [_as_movement(row) for row in await tx.execute(_MOVEMENTS, given)]


async def find_movement(tx: Tx, tenant_id: str, product_id: str, movement_id: str) -> StockMoved | None:
    """A movement of a product's stock, or None."""
    given = {"tenant_id": tenant_id, "product_id": product_id, "movement_id": movement_id}
    row = (await tx.execute(_MOVEMENT, given)).one_or_none()
    return None if row is None else _as_movement(row)


async def find_product(tx: Tx, tenant_id: str, product_id: str) -> Product | None:
    """A tenant's product, or None."""
    query = select(products, _PLACED).where(products.c.id == product_id, products.c.tenant_id == tenant_id)
    row = (await tx.execute(query)).one_or_none()
    return None if row is None else _as_product(row)


async def list_products(  # noqa: PLR0913 - a list has these many sides
    tx: Tx,
    tenant_id: str,
    wanted: ProductFilter,
    *,
    sort: ProductSort,
    limit: int,
    after: str | None = None,
) -> list[Product]:
    """A tenant's products in the order of `sort`, those past the product `after` as it stands now."""
    column = _SORTED_BY[sort.field]
    past: ColumnElement[bool] = true()
    if after is not None:
        last = await find_product(tx, tenant_id, after)
        if last is None:
            return []
        place, mark = tuple_(column, products.c.id), tuple_(_sorting_value(last, sort), last.id)
        past = place < mark if sort.descends else place > mark
    order = (column.desc(), products.c.id.desc()) if sort.descends else (column, products.c.id)
    query = (
        select(products, _PLACED)
        .where(products.c.tenant_id == tenant_id, _matches(wanted), past)
        .order_by(*order)
        .limit(limit)
    )
    return [_as_product(row) for row in await tx.execute(query)]


async def list_categories(tx: Tx, tenant_id: str) -> list[Category]:
    """A tenant's categories by slug, with how many products each has."""
    rows = await tx.execute(_CATEGORIES, {"tenant_id": tenant_id})
    return [Category(slug=slug, name=name, products=count) for slug, name, count in rows]


def _sorting_value(product: Product, sort: ProductSort) -> str | int:
    values: dict[str, str | int] = {"created_at": product.id, "name": product.name, "price": product.price.amount}
    return values[sort.field]


def _matches(wanted: ProductFilter) -> ColumnElement[bool]:
    narrowed: list[ColumnElement[bool]] = []
    if wanted.q is not None:
        narrowed.extend(
            or_(
                *(
                    column.icontains(word, autoescape=True)
                    for column in (products.c.name, products.c.description, products.c.sku)
                )
            )
            for word in words_of(wanted.q)
        )
    if wanted.category is not None:
        narrowed.append(
            select(1)
            .where(product_categories.c.product_id == products.c.id, product_categories.c.slug == wanted.category)
            .exists()
        )
    if wanted.in_stock is not None:
        narrowed.append(products.c.stock > 0 if wanted.in_stock else products.c.stock == 0)
    return and_(true(), *narrowed)


def _values(tenant_id: str, product: Product) -> dict[str, Any]:
    return {
        "id": product.id,
        "tenant_id": tenant_id,
        "name": product.name,
        "description": product.description,
        "price_amount": product.price.amount,
        "currency": product.price.currency,
    }


def _as_movement(row: Row[Any]) -> StockMoved:
    return StockMoved(
        id=row.movement_id,
        product_id=row.product_id,
        change=row.change,
        reason=Movement(row.reason),
        order_id=row.order_id,
        job_id=row.job_id,
        created_at=row.created_at,
    )


def _as_product(row: Row[Any]) -> Product:
    return Product(
        id=row.id,
        sku=row.sku,
        name=row.name,
        description=row.description,
        price=Money(amount=row.price_amount, currency=row.currency),
        stock=row.stock,
        categories=tuple(sorted(row.categories)),
        created_at=row.created_at,
        reviews=row.reviews,
        rating=mean_rating(row.rating_sum, row.reviews),
    )
