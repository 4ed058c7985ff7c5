"""The categories of the catalogue in SQL, each by its slug."""

from typing import Any, Final

from sqlalchemy import CursorResult, text

from domain.orders.product import Category
from storage.database import Tx

_CATEGORY: Final = """
slug, name, (
    SELECT count(*) FROM product_categories AS placed
    WHERE placed.tenant_id = categories.tenant_id AND placed.slug = categories.slug
) AS products
"""

_ADD: Final = text(f"""
INSERT INTO categories (tenant_id, slug, name) VALUES (:tenant_id, :slug, :name)
ON CONFLICT (tenant_id, slug) DO NOTHING RETURNING {_CATEGORY}
""")  # noqa: S608 - the only thing formatted in is a constant list of columns

_RENAME: Final = text(f"""
UPDATE categories SET name = :name WHERE tenant_id = :tenant_id AND slug = :slug RETURNING {_CATEGORY}
""")  # noqa: S608 - as above

_REMOVE: Final = text("DELETE FROM categories WHERE tenant_id = :tenant_id AND slug = :slug RETURNING slug")

_FIND: Final = f"SELECT {_CATEGORY} FROM categories WHERE tenant_id = :tenant_id AND slug = :slug"  # noqa: S608 - as above


async def add_category(tx: Tx, tenant_id: str, slug: str, name: str) -> Category | None:
    """Make a category; None: the tenant has one of this slug."""
    return _one(await tx.execute(_ADD, {"tenant_id": tenant_id, "slug": slug, "name": name}))


async def rename_category(tx: Tx, tenant_id: str, slug: str, name: str) -> Category | None:
    """Give a category another name; None: there is none."""
    return _one(await tx.execute(_RENAME, {"tenant_id": tenant_id, "slug": slug, "name": name}))


async def remove_category(tx: Tx, tenant_id: str, slug: str) -> bool:
    """Remove a category; its products stay, and are in it no more. False: there is none."""
    return (await tx.execute(_REMOVE, {"tenant_id": tenant_id, "slug": slug})).first() is not None


async def find_category(tx: Tx, tenant_id: str, slug: str, *, lock: bool = False) -> Category | None:
    """A tenant's category, or None; with `lock`, nobody else changes it until the transaction ends."""
    query = text(f"{_FIND} FOR UPDATE" if lock else _FIND)
    return _one(await tx.execute(query, {"tenant_id": tenant_id, "slug": slug}))


def _one(rows: CursorResult[Any]) -> Category | None:
    row = rows.one_or_none()
    return None if row is None else Category(slug=row.slug, name=row.name, products=row.products)
