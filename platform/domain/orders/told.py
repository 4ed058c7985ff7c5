"""What is told of orders and stock when something happens to them."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from domain.domain_event import DomainEvent, EventName
from domain.orders.money import Money
from domain.orders.order import NewOrder, OrderLine, Status
from domain.orders.product import Product, StockChange

LOW_STOCK: Final = 5
"""Pieces: a product that falls to as few, or fewer, is told of."""


class OrderTold(Struct, frozen=True, kw_only=True):
    """An order as it was when something happened to it."""

    order_id: str
    customer_id: str
    status: Status
    total: Money
    lines: tuple[OrderLine, ...]


class StockTold(Struct, frozen=True, kw_only=True):
    """A product's stock as it was when it ran low."""

    product_id: str
    sku: str
    name: str
    stock: int


def order_events(order: NewOrder) -> list[DomainEvent]:
    """That an order was placed, and that it was paid or could not be."""
    about = OrderTold(
        order_id=order.id,
        customer_id=order.customer_id,
        status=order.status,
        total=order.bill.total,
        lines=order.bill.lines,
    )
    names: tuple[EventName, ...] = (
        "order.placed",
        "order.paid" if order.status is Status.PAID else "order.payment_failed",
    )
    return [
        DomainEvent(tenant_id=order.tenant_id, type=name, source="/v1/orders", subject=order.id, about=about)
        for name in names
    ]


def stock_events(
    tenant_id: str, products: Iterable[Product], changes: Iterable[StockChange], cause: str
) -> list[DomainEvent]:
    """That products ran low by `changes`: those that had more than `LOW_STOCK` pieces before, as `products` stood."""
    before = {product.id: product for product in products}
    told: list[DomainEvent] = []
    for change in changes:
        product = before[change.product_id]
        left = product.stock + change.change
        if left <= LOW_STOCK < product.stock:
            about = StockTold(product_id=product.id, sku=product.sku, name=product.name, stock=left)
            told.append(
                DomainEvent(
                    tenant_id=tenant_id,
                    type="stock.low",
                    source="/v1/products",
                    subject=product.id,
                    about=about,
                    cause=cause,
                )
            )
    return told
