"""What operators set on queues."""

from typing import Final

from sqlalchemy import text

from storage.database import Tx

_PAUSE: Final = text("""
INSERT INTO queues (name, paused) VALUES (:name, :paused)
ON CONFLICT (name) DO UPDATE SET paused = excluded.paused, updated_at = now()
""")

_PAUSED: Final = text("SELECT name FROM queues WHERE paused")


async def pause_queue(tx: Tx, name: str, *, paused: bool) -> None:
    """Hold a queue's jobs back from now on, or let them go; what is with the broker already still runs."""
    await tx.execute(_PAUSE, {"name": name, "paused": paused})


async def paused_queues(tx: Tx) -> frozenset[str]:
    """The queues that are held back."""
    return frozenset((await tx.execute(_PAUSED)).scalars())
