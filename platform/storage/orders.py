"""Orders in SQL. An order moves on only from where it stands: the condition travels with the write."""

from typing import Any, Final

import msgspec
from sqlalchemy import CursorResult, Row, text

from domain.accounts.permissions import Role, permissions_of
from domain.orders.money import Money
from domain.orders.order import MANAGE, Address, Customer, NewOrder, Order, OrderLine, Status, UnknownCustomer
from storage.database import Tx

_ENCODER: Final = msgspec.json.Encoder()
_LINES: Final = msgspec.json.Decoder(tuple[OrderLine, ...])
_ADDRESS: Final = msgspec.json.Decoder(Address)

_ORDER: Final = """
    id, tenant_id, customer_id, job_id, ship_job_id, status, total_amount, currency, ship_to, created_at, shipped_at,
    cancelled_at, (
        SELECT json_agg(json_build_object(
            'product_id', product_id, 'name', name, 'quantity', quantity,
            'unit_price', json_build_object('amount', unit_amount, 'currency', orders.currency)
        ) ORDER BY line)
        FROM order_lines WHERE order_id = orders.id
    ) AS lines
"""

_WRITE: Final = text("""
WITH written AS (
    INSERT INTO orders (id, tenant_id, customer_id, job_id, ship_job_id, status, total_amount, currency, ship_to)
    VALUES (:id, :tenant_id, :customer_id, :job_id, :ship_job_id, :status, :total_amount, :currency,
        CAST(:ship_to AS json))
    RETURNING id
)
INSERT INTO order_lines (order_id, line, product_id, name, unit_amount, quantity)
SELECT written.id, line, product_id, name, unit_amount, quantity
FROM written CROSS JOIN unnest(
    CAST(:product_ids AS text[]), CAST(:names AS text[]), CAST(:unit_amounts AS bigint[]), CAST(:quantities AS int[])
) WITH ORDINALITY AS given (product_id, name, unit_amount, quantity, line)
""")

_WHOSE: Final = "tenant_id = :tenant_id AND (CAST(:customer_id AS text) IS NULL OR customer_id = :customer_id)"

_CANCEL: Final = text(f"""
UPDATE orders SET status = 'cancelled', cancelled_at = now()
WHERE id = :id AND {_WHOSE} AND status = 'paid'
RETURNING {_ORDER}
""")  # noqa: S608 - only constants are formatted in

_SHIP: Final = text(f"""
UPDATE orders SET status = 'shipped', shipped_at = now()
WHERE id = :id AND {_WHOSE} AND status = 'paid'
RETURNING {_ORDER}
""")  # noqa: S608 - as above

_FIND: Final = text(f"SELECT {_ORDER} FROM orders WHERE id = :id AND {_WHOSE}")  # noqa: S608 - as above

_LIST: Final = text(f"""
SELECT {_ORDER} FROM orders
WHERE {_WHOSE} AND (CAST(:status AS text) IS NULL OR status = :status)
    AND (CAST(:before AS text) IS NULL OR id < :before)
ORDER BY id DESC LIMIT :limit
""")  # noqa: S608 - as above

_CUSTOMER: Final = text("""
SELECT users.id, email, users.role, permissions AS told FROM users
LEFT JOIN role_permissions ON role_permissions.tenant_id = users.tenant_id AND role_permissions.role = users.role
WHERE users.id = :id AND users.tenant_id = :tenant_id
""")


async def get_customer(tx: Tx, tenant_id: str, user_id: str) -> Customer:
    """A tenant's user as a customer.

    Raises:
        UnknownCustomer: the tenant has no such user.
    """
    row = (await tx.execute(_CUSTOMER, {"id": user_id, "tenant_id": tenant_id})).one_or_none()
    if row is None:
        raise UnknownCustomer(f"There is no customer {user_id}.")
    return Customer(id=row.id, email=row.email, manages=MANAGE in permissions_of(Role(row.role), row.told))


async def write_order(tx: Tx, order: NewOrder) -> None:
    """Write an order and its lines. A second order of the same job is refused by the database."""
    lines = order.bill.lines
    await tx.execute(
        _WRITE,
        {
            "id": order.id,
            "tenant_id": order.tenant_id,
            "customer_id": order.customer_id,
            "job_id": order.job_id,
            "ship_job_id": order.ship_job_id,
            "status": order.status.value,
            "total_amount": order.bill.total.amount,
            "currency": order.bill.total.currency,
            "ship_to": None if order.ship_to is None else _ENCODER.encode(order.ship_to).decode(),
            "product_ids": [line.product_id for line in lines],
            "names": [line.name for line in lines],
            "unit_amounts": [line.unit_price.amount for line in lines],
            "quantities": [line.quantity for line in lines],
        },
    )


async def cancel_order(tx: Tx, tenant_id: str, order_id: str, *, of: str | None) -> Order | None:
    """Make a paid order a cancelled one; None: it does not stand as paid, or is not of the customer `of`."""
    return _one(await tx.execute(_CANCEL, {"id": order_id, "tenant_id": tenant_id, "customer_id": of}))


async def ship_order(tx: Tx, tenant_id: str, order_id: str) -> Order | None:
    """Make a paid order a shipped one; None: it does not stand as paid."""
    return _one(await tx.execute(_SHIP, {"id": order_id, "tenant_id": tenant_id, "customer_id": None}))


async def find_order(tx: Tx, tenant_id: str, order_id: str, *, of: str | None = None) -> Order | None:
    """A tenant's order, or None; with `of`, only if it is that customer's."""
    return _one(await tx.execute(_FIND, {"id": order_id, "tenant_id": tenant_id, "customer_id": of}))


async def list_orders(  # noqa: PLR0913 - a list has these many sides
    tx: Tx,
    tenant_id: str,
    *,
    of: str | None,
    limit: int,
    status: Status | None = None,
    before: str | None = None,
) -> list[Order]:
    """A tenant's orders, or those of the customer `of`; newest first, older than the id `before`."""
    wanted = {
        "tenant_id": tenant_id,
        "customer_id": of,
        "status": None if status is None else status.value,
        "before": before,
        "limit": limit,
    }
    return [_as_order(row) for row in await tx.execute(_LIST, wanted)]


def _one(rows: CursorResult[Any]) -> Order | None:
    row = rows.one_or_none()
    return None if row is None else _as_order(row)


def _as_order(row: Row[Any]) -> Order:
    return Order(
        id=row.id,
        tenant_id=row.tenant_id,
        customer_id=row.customer_id,
        job_id=row.job_id,
        ship_job_id=row.ship_job_id,
        status=Status(row.status),
        total=Money(amount=row.total_amount, currency=row.currency),
        lines=_LINES.decode(row.lines),
        ship_to=None if row.ship_to is None else _ADDRESS.decode(row.ship_to),
        created_at=row.created_at,
        shipped_at=row.shipped_at,
        cancelled_at=row.cancelled_at,
    )
