"""What tenants do about what is found in texts, in SQL: a row where a tenant has said so."""

from typing import Final

from sqlalchemy import text

from domain.text.safety import SafetyPolicy
from storage.database import Tx

_FIND: Final = text("SELECT injection, unsafe FROM safety_policies WHERE tenant_id = :tenant_id")

# Two who set the policy of a tenant take turns, also where no row stands yet.
_TURN: Final = text("SELECT id FROM tenants WHERE id = :tenant_id FOR NO KEY UPDATE")

_SET: Final = text("""
INSERT INTO safety_policies (tenant_id, injection, unsafe) VALUES (:tenant_id, :injection, :unsafe)
ON CONFLICT (tenant_id) DO UPDATE SET injection = excluded.injection, unsafe = excluded.unsafe, changed_at = now()
""")


async def find_safety_policy(tx: Tx, tenant_id: str, *, lock: bool = False) -> SafetyPolicy | None:
    """What the tenant has said, if it has; with `lock`, until the transaction ends."""
    if lock:
        await tx.execute(_TURN, {"tenant_id": tenant_id})
    row = (await tx.execute(_FIND, {"tenant_id": tenant_id})).one_or_none()
    return None if row is None else SafetyPolicy(injection=row.injection, unsafe=row.unsafe)


async def set_safety_policy(tx: Tx, tenant_id: str, policy: SafetyPolicy) -> None:
    """Say what the tenant does from now on."""
    await tx.execute(_SET, {"tenant_id": tenant_id, "injection": policy.injection, "unsafe": policy.unsafe})
