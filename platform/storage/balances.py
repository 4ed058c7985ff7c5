"""Store credit in SQL: every movement of money is two entries in the ledger and one balance, in one statement."""

from typing import Any, Final

from sqlalchemy import text

from domain.orders.balance import Transfer, balance_full
from domain.orders.money import MOST, Money
from storage.database import Tx

# The balance is only lowered if it suffices, and only what was lowered is entered.
_CHARGE: Final = text("""
WITH charged AS (
    UPDATE balances SET amount = amount - :amount
    WHERE customer_id = :customer_id AND tenant_id = :tenant_id AND currency = :currency AND amount >= :amount
    RETURNING customer_id
)
INSERT INTO ledger_entries (transfer_id, account, tenant_id, amount, currency, reason, order_id, job_id)
SELECT :transfer_id, side.account, :tenant_id, side.amount, :currency, :reason, :order_id, :job_id
FROM charged CROSS JOIN (
    VALUES (:customer_account, -CAST(:amount AS bigint)), (:house_account, CAST(:amount AS bigint))
) AS side (account, amount)
RETURNING transfer_id
""")

# Only what was entered is credited: a transfer entered before adds nothing.
_CREDIT: Final = text("""
WITH entered AS (
    INSERT INTO ledger_entries (transfer_id, account, tenant_id, amount, currency, reason, order_id, job_id)
    VALUES
        (:transfer_id, :customer_account, :tenant_id, CAST(:amount AS bigint), :currency, :reason, :order_id, :job_id),
        (:transfer_id, :house_account, :tenant_id, -CAST(:amount AS bigint), :currency, :reason, :order_id, :job_id)
    ON CONFLICT DO NOTHING
    RETURNING account, amount
), credited AS (
    INSERT INTO balances (tenant_id, customer_id, currency, amount)
    SELECT :tenant_id, :customer_id, :currency, amount FROM entered WHERE account = :customer_account
    ON CONFLICT (customer_id, currency) DO UPDATE SET amount = balances.amount + excluded.amount
    WHERE balances.amount + excluded.amount <= :most
    RETURNING amount
)
SELECT (SELECT count(*) FROM entered) > 0 AS entered, EXISTS (SELECT FROM credited) AS credited
""")

_FIND: Final = text("""
SELECT amount FROM balances WHERE customer_id = :customer_id AND tenant_id = :tenant_id AND currency = :currency
""")


async def charge(tx: Tx, transfer: Transfer) -> bool:
    """Take the money from the customer's balance; False: there is not enough, and nothing was taken."""
    if transfer.money.amount == 0:
        return True
    return (await tx.execute(_CHARGE, _sides(transfer))).first() is not None


async def credit(tx: Tx, transfer: Transfer) -> bool:
    """Put the money on the customer's balance; False: this transfer was written before, and nothing was added.

    Raises:
        BalanceFull: the balance cannot hold that much; the transaction must not be committed.
    """
    if transfer.money.amount == 0:
        return True
    row = (await tx.execute(_CREDIT, {**_sides(transfer), "most": MOST})).one()
    if row.entered and not row.credited:
        raise balance_full(transfer)
    return bool(row.entered)


async def read_balance(tx: Tx, tenant_id: str, customer_id: str, currency: str) -> Money:
    """What a customer may spend in `currency`; nothing for one who never had any."""
    wanted = {"tenant_id": tenant_id, "customer_id": customer_id, "currency": currency}
    amount = (await tx.execute(_FIND, wanted)).scalar_one_or_none()
    return Money(amount=amount or 0, currency=currency)


def _sides(transfer: Transfer) -> dict[str, Any]:
    return {
        "transfer_id": transfer.id,
        "tenant_id": transfer.tenant_id,
        "customer_id": transfer.customer_id,
        "customer_account": transfer.customer_account,
        "house_account": transfer.house_account,
        "amount": transfer.money.amount,
        "currency": transfer.money.currency,
        "reason": transfer.reason.value,
        "order_id": transfer.order_id,
        "job_id": transfer.job_id,
    }
