"""What roles bundle, in SQL: a row where a tenant has said so."""

from typing import Final

from sqlalchemy import text

from domain.accounts.permissions import KEEPS_THE_KEYS, Role, permissions_of
from storage.database import Tx

_FIND: Final = text("SELECT permissions FROM role_permissions WHERE tenant_id = :tenant_id AND role = :role")

# Two who set the same role of a tenant take turns, also where no row stands yet.
_TURN: Final = text("SELECT id FROM tenants WHERE id = :tenant_id FOR NO KEY UPDATE")

_OTHER_ROLES: Final = text("""
SELECT DISTINCT role FROM users WHERE tenant_id = :tenant_id AND state = 'active' AND role <> :role
""")

_SET: Final = text("""
INSERT INTO role_permissions (tenant_id, role, permissions)
VALUES (:tenant_id, :role, CAST(:permissions AS text[]))
ON CONFLICT (tenant_id, role) DO UPDATE SET permissions = excluded.permissions, changed_at = now()
""")


async def read_role(tx: Tx, tenant_id: str, role: Role, *, lock: bool = False) -> frozenset[str]:
    """What a role bundles in a tenant; with `lock`, until the transaction ends."""
    if lock:
        await tx.execute(_TURN, {"tenant_id": tenant_id})
    told = (await tx.execute(_FIND, {"tenant_id": tenant_id, "role": role})).scalar_one_or_none()
    return permissions_of(role, told)


async def held_by_others(tx: Tx, tenant_id: str, role: Role) -> frozenset[str]:
    """What those active users of a tenant may do who manage users by another role than `role`."""
    found = (await tx.execute(_OTHER_ROLES, {"tenant_id": tenant_id, "role": role})).scalars()
    bundles = [await read_role(tx, tenant_id, Role(other)) for other in found]
    return frozenset().union(*(bundle for bundle in bundles if KEEPS_THE_KEYS in bundle))


async def set_role(tx: Tx, tenant_id: str, role: Role, permissions: frozenset[str]) -> None:
    """Say what a role bundles in a tenant from now on."""
    await tx.execute(_SET, {"tenant_id": tenant_id, "role": role, "permissions": sorted(permissions)})
