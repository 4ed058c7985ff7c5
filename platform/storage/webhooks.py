"""Endpoints, and the generations of what tenants sign with."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Row, text

from domain.webhooks.endpoint import Endpoint, EndpointState
from storage.database import Tx

_ENDPOINT: Final = (
    "id, tenant_id, caller_id, url, events, description, state, reason, secret, secret_before, rotated_at, "
    "failing_since, created_at, updated_at"
)

_ADD: Final = text(f"""
INSERT INTO webhook_endpoints (id, tenant_id, caller_id, url, events, description, secret)
VALUES (:id, :tenant_id, :caller_id, :url, :events, :description, :secret)
RETURNING {_ENDPOINT}
""")  # noqa: S608 - the only thing formatted in is a constant list of columns

# Endpoints of a tenant are counted one after the other, so that two made at once do not both find room. The count is
# a statement of its own: it must see what whoever held the lock before has written.
_LOCK: Final = text("SELECT id FROM tenants WHERE id = :tenant_id FOR NO KEY UPDATE")

_COUNT: Final = text("SELECT count(*) FROM webhook_endpoints WHERE tenant_id = :tenant_id")

_FIND: Final = f"SELECT {_ENDPOINT} FROM webhook_endpoints WHERE id = :id AND tenant_id = :tenant_id"  # noqa: S608 - as above

_LIST: Final = text(f"""
SELECT {_ENDPOINT} FROM webhook_endpoints
WHERE tenant_id = :tenant_id AND (CAST(:before AS text) IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit
""")  # noqa: S608 - as above

_CHANGE: Final = text(f"""
UPDATE webhook_endpoints SET url = :url, events = :events, description = :description, state = :state,
    reason = :reason, failing_since = :failing_since, updated_at = now()
WHERE id = :id AND tenant_id = :tenant_id
RETURNING {_ENDPOINT}
""")  # noqa: S608 - as above

_ROTATE: Final = text(f"""
UPDATE webhook_endpoints SET secret_before = secret, secret = :secret, rotated_at = now(), updated_at = now()
WHERE id = :id AND tenant_id = :tenant_id
RETURNING {_ENDPOINT}
""")  # noqa: S608 - as above

_DELETE: Final = text("DELETE FROM webhook_endpoints WHERE id = :id AND tenant_id = :tenant_id RETURNING id")

_TAKEN: Final = text("""
UPDATE webhook_endpoints SET failing_since = NULL WHERE id = :id AND failing_since IS NOT NULL
""")

_FAILED: Final = text("UPDATE webhook_endpoints SET failing_since = now() WHERE id = :id AND failing_since IS NULL")

_DISABLE: Final = text("""
UPDATE webhook_endpoints SET state = 'disabled', reason = :reason, updated_at = now()
WHERE id = :id AND state = 'active'
    AND (CAST(:failing_hours AS float8) IS NULL OR failing_since < now() - make_interval(hours => 1) * :failing_hours)
RETURNING id
""")

_SIGNER: Final = text("SELECT generation, rotated_at FROM webhook_signers WHERE tenant_id = :tenant_id")

_ROTATE_SIGNER: Final = text("""
INSERT INTO webhook_signers (tenant_id, generation) VALUES (:tenant_id, 2)
ON CONFLICT (tenant_id) DO UPDATE SET generation = webhook_signers.generation + 1, rotated_at = now()
RETURNING generation, rotated_at
""")


class Signer(Struct, frozen=True):
    """Which of its secrets a tenant signs with, from 1, and since when; null for the first."""

    generation: int = 1
    rotated_at: datetime | None = None


async def count_endpoints(tx: Tx, tenant_id: str) -> int:
    """How many endpoints the tenant has; nobody adds one until the transaction ends."""
    await tx.execute(_LOCK, {"tenant_id": tenant_id})
    return int((await tx.execute(_COUNT, {"tenant_id": tenant_id})).scalar_one())


async def add_endpoint(  # noqa: PLR0913 - what an endpoint is
    tx: Tx,
    endpoint_id: str,
    *,
    tenant_id: str,
    caller_id: str,
    url: str,
    events: Sequence[str],
    description: str,
    secret: bytes,
) -> Endpoint:
    """Write an endpoint; `secret` is sealed."""
    rows = await tx.execute(
        _ADD,
        {
            "id": endpoint_id,
            "tenant_id": tenant_id,
            "caller_id": caller_id,
            "url": url,
            "events": list(events),
            "description": description,
            "secret": secret,
        },
    )
    return _as_endpoint(rows.one())


async def find_endpoint(tx: Tx, tenant_id: str, endpoint_id: str, *, lock: bool = False) -> Endpoint | None:
    """A tenant's endpoint, or None; with `lock`, nobody else changes it until the transaction ends."""
    query = text(f"{_FIND} FOR NO KEY UPDATE" if lock else _FIND)
    row = (await tx.execute(query, {"id": endpoint_id, "tenant_id": tenant_id})).one_or_none()
    return None if row is None else _as_endpoint(row)


async def list_endpoints(tx: Tx, tenant_id: str, *, limit: int, before: str | None = None) -> list[Endpoint]:
    """A tenant's endpoints, newest first, older than the id `before`."""
    rows = await tx.execute(_LIST, {"tenant_id": tenant_id, "limit": limit, "before": before})
    return [_as_endpoint(row) for row in rows]


async def change_endpoint(tx: Tx, endpoint: Endpoint) -> Endpoint:
    """Write an endpoint, locked before, as it is to be from now on; its secrets stay."""
    rows = await tx.execute(
        _CHANGE,
        {
            "id": endpoint.id,
            "tenant_id": endpoint.tenant_id,
            "url": endpoint.url,
            "events": list(endpoint.events),
            "description": endpoint.description,
            "state": endpoint.state.value,
            "reason": endpoint.reason,
            "failing_since": endpoint.failing_since,
        },
    )
    return _as_endpoint(rows.one())


async def rotate_secret(tx: Tx, tenant_id: str, endpoint_id: str, secret: bytes) -> Endpoint | None:
    """Give an endpoint a new sealed secret; the one before is kept beside it. None: there is no such endpoint."""
    row = (await tx.execute(_ROTATE, {"id": endpoint_id, "tenant_id": tenant_id, "secret": secret})).one_or_none()
    return None if row is None else _as_endpoint(row)


async def delete_endpoint(tx: Tx, tenant_id: str, endpoint_id: str) -> bool:
    """Remove an endpoint; what is on its way to it is not sent any more. False: there is none."""
    return (await tx.execute(_DELETE, {"id": endpoint_id, "tenant_id": tenant_id})).first() is not None


async def note_taken(tx: Tx, endpoint_id: str) -> None:
    """The endpoint took a delivery: it is not failing."""
    await tx.execute(_TAKEN, {"id": endpoint_id})


async def note_failed(tx: Tx, endpoint_id: str) -> None:
    """The endpoint did not take a delivery: it is failing since now, or longer."""
    await tx.execute(_FAILED, {"id": endpoint_id})


async def disable_endpoint(tx: Tx, endpoint_id: str, reason: str, *, failing_hours: float | None = None) -> bool:
    """Send nothing more to an active endpoint; with `failing_hours`, only if it took nothing for so long.

    Answers whether it was disabled.
    """
    values = {"id": endpoint_id, "reason": reason, "failing_hours": failing_hours}
    return (await tx.execute(_DISABLE, values)).first() is not None


async def find_signer(tx: Tx, tenant_id: str) -> Signer:
    """What the tenant's deliveries to URLs of single jobs are signed with."""
    row = (await tx.execute(_SIGNER, {"tenant_id": tenant_id})).one_or_none()
    return Signer() if row is None else Signer(row.generation, row.rotated_at)


async def rotate_signer(tx: Tx, tenant_id: str) -> Signer:
    """Go on to the tenant's next secret."""
    row = (await tx.execute(_ROTATE_SIGNER, {"tenant_id": tenant_id})).one()
    return Signer(row.generation, row.rotated_at)


def _as_endpoint(row: Row[Any]) -> Endpoint:
    return Endpoint(
        id=row.id,
        tenant_id=row.tenant_id,
        caller_id=row.caller_id,
        url=row.url,
        events=tuple(row.events),
        description=row.description,
        state=EndpointState(row.state),
        reason=row.reason,
        secret=row.secret,
        secret_before=row.secret_before,
        rotated_at=row.rotated_at,
        failing_since=row.failing_since,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
