"""What is for sale, and what it takes out of the stock."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

from domain.errors import Conflict, NotFound
from domain.ids import ProductId
from domain.orders.money import Money
from domain.patterns import END

MOST_PRICE: Final = 10**9
"""In minor units. With 100 lines of 1,000 pieces, the dearest order there can be stays within `money.MOST`."""

MOST_STOCK: Final = 10**9

MANAGE_PRODUCTS: Final = "products:manage"
"""The permission to change the catalogue and its stock."""

Slug = Annotated[
    str,
    Meta(
        pattern=rf"^[a-z0-9]+(-[a-z0-9]+)*{END}",
        max_length=64,
        description="a slug: small letters and digits, with single hyphens between",
        examples=["desk"],
    ),
]
Sku = Annotated[
    str,
    Meta(
        pattern=rf"^[A-Za-z0-9][A-Za-z0-9._/-]*{END}",
        max_length=64,
        description="a stock keeping unit: letters, digits, and `.`, `_`, `/` or `-` between",
        examples=["TEA-001"],
    ),
]
CatalogueName = Annotated[str, Meta(min_length=1, max_length=200)]
Description = Annotated[str, Meta(max_length=10_000)]


class UnknownProduct(NotFound):
    """No product of the tenant has this id."""

    code = "unknown_product"
    title = "Unknown product"


class OutOfStock(Conflict):
    """There is less of a product than was asked for."""

    code = "out_of_stock"
    title = "Out of stock"


class SkuTaken(Conflict):
    """The tenant has a product of this SKU."""

    code = "sku_taken"
    title = "The SKU is taken"


class StockFull(Conflict):
    """There would be more of a product than can be counted."""

    code = "stock_full"
    title = "Too much in stock"


class UnknownCategory(NotFound):
    """The tenant has no category of this slug."""

    code = "unknown_category"
    title = "Unknown category"


class CategoryTaken(Conflict):
    """The tenant has a category of this slug."""

    code = "category_taken"
    title = "The slug is taken"


class Movement(StrEnum):
    """Why stock changed. The sum of a product's movements is its stock."""

    RECEIVED = "received"
    SOLD = "sold"
    RETURNED = "returned"
    ADJUSTED = "adjusted"


class Category(Struct, frozen=True, kw_only=True):
    """What products are sorted into, named by its slug; `products` counts those in it."""

    slug: str
    name: str
    products: int


class Product(Struct, frozen=True, kw_only=True):
    """A product as it stands now. `categories` are slugs; `rating` is the mean of its reviews, None without any."""

    id: ProductId
    sku: str
    name: str
    description: str
    price: Money
    stock: int
    categories: tuple[str, ...]
    created_at: datetime
    reviews: int = 0
    rating: float | None = None


class StockChange(Struct, frozen=True, kw_only=True):
    """A movement to be written: `change` pieces more, or fewer where it is negative."""

    product_id: ProductId
    change: int


class StockMoved(Struct, frozen=True, kw_only=True):
    """A movement as it was written; what an order moved names the order, and its job."""

    id: str
    product_id: str
    change: int
    reason: Movement
    order_id: str | None
    job_id: str | None
    created_at: datetime


class ProductSort(StrEnum):
    """The orders a list of products comes in; a leading minus turns one round."""

    NEWEST = "-created_at"
    OLDEST = "created_at"
    NAME = "name"
    NAME_DOWN = "-name"
    CHEAPEST = "price"
    DEAREST = "-price"

    @property
    def descends(self) -> bool:
        """Whether the largest comes first."""
        return self.value.startswith("-")

    @property
    def field(self) -> str:
        """What is compared."""
        return self.value.removeprefix("-")


def check_stock(product: Product, wanted: int) -> None:
    """Go on only if there are `wanted` pieces of `product`.

    Raises:
        OutOfStock: there are fewer.
    """
    if product.stock < wanted:
        raise OutOfStock(f"{product.name} ({product.id}): {wanted} wanted, {product.stock} in stock.")


def check_change(product: Product, change: int) -> None:
    """Go on only if there can be `change` more pieces of `product`, or fewer where it is negative.

    Raises:
        OutOfStock: there are fewer than are to go.
        StockFull: there would be more than `MOST_STOCK`.
    """
    check_stock(product, -change)
    if product.stock + change > MOST_STOCK:
        raise StockFull(f"{product.name} ({product.id}): at most {MOST_STOCK} pieces, {product.stock} in stock.")


class MovementNotFound(NotFound):
    """Nothing of this id moved the product's stock."""

    code = "movement_not_found"
    title = "No such movement"


def unknown_product(ids: Iterable[str]) -> UnknownProduct:
    """What to raise for products that are not there."""
    return UnknownProduct(f"There is no product {', '.join(dict.fromkeys(ids))}.")


def by_id(products: Iterable[Product]) -> dict[str, Product]:
    """Products, to be looked up by their ids."""
    return {product.id: product for product in products}
