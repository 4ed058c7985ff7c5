"""Store credit: what a customer may spend, kept by double entry."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from domain.errors import Conflict
from domain.orders.money import MOST, Money

SALES: Final = "sales"
"""The account that orders are paid into, and refunds are paid from."""

OUTSIDE: Final = "outside"
"""The account that stands for the world: deposits come from there, so its sum is what the house owes it, negated."""


class BalanceFull(Conflict):
    """A balance cannot hold that much."""

    code = "balance_full"
    title = "Balance full"


class TransferReason(StrEnum):
    """Why money moved."""

    DEPOSIT = "deposit"
    CHARGE = "charge"
    REFUND = "refund"


class Transfer(Struct, frozen=True, kw_only=True):
    """Money to be moved between a customer and an account of the house: two entries that sum to zero.

    `id` names it for ever: a transfer written twice is written once. What caused it is an order, a job, or neither.
    """

    id: str
    tenant_id: str
    customer_id: str
    money: Money
    reason: TransferReason
    order_id: str | None = None
    job_id: str | None = None

    @property
    def customer_account(self) -> str:
        """The customer's account in the ledger."""
        return f"customer:{self.customer_id}"

    @property
    def house_account(self) -> str:
        """The account on the other side."""
        return OUTSIDE if self.reason is TransferReason.DEPOSIT else SALES


def balance_full(transfer: Transfer) -> BalanceFull:
    """What to raise when `transfer` would lift a balance above the largest amount there is."""
    return BalanceFull(f"A balance holds at most {Money(amount=MOST, currency=transfer.money.currency)}.")
