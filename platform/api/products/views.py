"""What of the catalogue is changed as clients write it, and movements of stock as the API shows them."""

from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from api.job_view import Time
from domain.orders.money import Money
from domain.orders.product import (
    MOST_PRICE,
    MOST_STOCK,
    CatalogueName,
    Description,
    Movement,
    Product,
    Sku,
    Slug,
    StockMoved,
)

Slugs = Annotated[tuple[Slug, ...], Meta(max_length=20, description="slugs of the categories it is in")]


class Price(Money, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a piece of a product costs."""

    amount: Annotated[int, Meta(ge=0, le=MOST_PRICE, description="In minor units: 1299 is 12.99 USD, 1299 JPY")]


class ProductBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A product to be put into the catalogue; its SKU stays what it is."""

    sku: Sku
    name: CatalogueName
    price: Price
    description: Description = ""
    stock: Annotated[int, Meta(ge=0, le=MOST_STOCK, description="pieces received with it")] = 0
    categories: Slugs = ()


class ProductChanges(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to change of a product; what is left out stays. Its stock is changed by movements."""

    name: CatalogueName | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    price: Price | UnsetType = UNSET
    categories: Slugs | UnsetType = UNSET


class Adjustment(StrEnum):
    """Why stock is changed by hand; what is sold and given back is moved by orders."""

    RECEIVED = "received"
    ADJUSTED = "adjusted"


class MovementBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much more, or less, there is of a product, and why."""

    change: Annotated[
        int,
        Meta(ge=-MOST_STOCK, le=MOST_STOCK, description="pieces more, or fewer where it is negative", examples=[25]),
    ]
    reason: Annotated[Adjustment, Meta(description="received: they came in; adjusted: they were counted anew")] = (
        Adjustment.ADJUSTED
    )


class MovementView(Struct, frozen=True, kw_only=True):
    """A change of a product's stock, and why. What an order moved names the order, and its job."""

    id: Annotated[str, Meta(pattern="^movement_[0-9a-f]{32}$")]
    product_id: Annotated[str, Meta(pattern="^product_[0-9a-f]{32}$")]
    change: int
    reason: Movement
    order_id: str | None
    job_id: str | None
    created_at: Time


class MovementMade(MovementView, frozen=True, kw_only=True):
    """A movement that was made, and how many pieces are in stock with it."""

    stock: Annotated[int, Meta(ge=0)]


class ProductTold(Struct, frozen=True, kw_only=True):
    """What the audit log is told of a product."""

    sku: str
    name: str
    description: str
    price: Money
    categories: tuple[str, ...]


def told_of(product: Product) -> ProductTold:
    """The product as the audit log is told of it."""
    return ProductTold(
        sku=product.sku,
        name=product.name,
        description=product.description,
        price=product.price,
        categories=product.categories,
    )


def view_movement(moved: StockMoved) -> MovementView:
    """The movement as shown."""
    return MovementView(
        id=moved.id,
        product_id=moved.product_id,
        change=moved.change,
        reason=moved.reason,
        order_id=moved.order_id,
        job_id=moved.job_id,
        created_at=moved.created_at,
    )


def view_made(moved: StockMoved, *, stock: int) -> MovementMade:
    """The movement as shown to who made it."""
    return MovementMade(**asdict(view_movement(moved)), stock=stock)
