"""The catalogue and the store credit of a development installation, written once however often it starts."""

from typing import Final

from sqlalchemy import text

from domain.ids import derived_id
from domain.orders.balance import Transfer, TransferReason
from domain.orders.money import Money
from domain.orders.sample_catalogue import CATEGORIES, CURRENCY, PRODUCTS
from storage.balances import credit
from storage.database import Tx

SAMPLE_CREDIT: Final = Money(amount=100_000_000, currency=CURRENCY)
"""1,000,000.00 USD: enough for any demonstration."""

_ADD_CATEGORIES: Final = text("""
INSERT INTO categories (tenant_id, slug, name)
SELECT :tenant_id, slug, name FROM unnest(CAST(:slugs AS text[]), CAST(:names AS text[])) AS given (slug, name)
ON CONFLICT DO NOTHING
""")

# Only what is new on the shelf gets a movement: a second start must not fill it up again.
_ADD_PRODUCTS: Final = text("""
WITH added AS (
    INSERT INTO products (id, tenant_id, sku, name, description, price_amount, currency, stock)
    SELECT id, :tenant_id, sku, name, description, price, :currency, stock
    FROM unnest(
        CAST(:ids AS text[]), CAST(:skus AS text[]), CAST(:names AS text[]), CAST(:descriptions AS text[]),
        CAST(:prices AS bigint[]), CAST(:stocks AS bigint[])
    ) AS given (id, sku, name, description, price, stock)
    ON CONFLICT DO NOTHING
    RETURNING id, stock
)
INSERT INTO stock_movements (product_id, change, reason) SELECT id, stock, 'received' FROM added WHERE stock > 0
""")

_PLACE: Final = text("""
INSERT INTO product_categories (product_id, tenant_id, slug)
SELECT products.id, products.tenant_id, given.slug
FROM unnest(CAST(:ids AS text[]), CAST(:slugs AS text[])) AS given (id, slug)
JOIN products ON products.id = given.id
ON CONFLICT DO NOTHING
""")


async def seed_catalog(tx: Tx, tenant_id: str) -> None:
    """Fill a tenant's shelves with the sample catalogue; what stands there already is left as it is."""
    ids = [derived_id("product", tenant_id, product.sku) for product in PRODUCTS]
    placed = [
        (product_id, slug) for product_id, product in zip(ids, PRODUCTS, strict=True) for slug in product.categories
    ]
    await tx.execute(
        _ADD_CATEGORIES, {"tenant_id": tenant_id, "slugs": list(CATEGORIES), "names": list(CATEGORIES.values())}
    )
    await tx.execute(
        _ADD_PRODUCTS,
        {
            "tenant_id": tenant_id,
            "currency": CURRENCY,
            "ids": ids,
            "skus": [product.sku for product in PRODUCTS],
            "names": [product.name for product in PRODUCTS],
            "descriptions": [product.description for product in PRODUCTS],
            "prices": [product.price for product in PRODUCTS],
            "stocks": [product.stock for product in PRODUCTS],
        },
    )
    await tx.execute(_PLACE, {"ids": [one for one, _ in placed], "slugs": [slug for _, slug in placed]})


async def seed_credit(tx: Tx, tenant_id: str, customer_id: str) -> None:
    """Give a customer `SAMPLE_CREDIT`, once in their life."""
    await credit(
        tx,
        Transfer(
            id=derived_id("transfer", customer_id, "sample"),
            tenant_id=tenant_id,
            customer_id=customer_id,
            money=SAMPLE_CREDIT,
            reason=TransferReason.DEPOSIT,
        ),
    )
