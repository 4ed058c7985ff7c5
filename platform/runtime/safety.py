"""What screens texts in a process of workers, and what each tenant wants done about what is found."""

import time
from typing import Final

from domain.text.safety import SafetyPolicy
from providers.text.local.guard import Guard
from storage.database import Database
from storage.safety import find_safety_policy

REMEMBERED_SECONDS: Final = 5.0
"""How long what a tenant said is believed without asking again: one question to Postgres for many texts."""

MOST_REMEMBERED: Final = 10_000


class Safety:
    """The guard, and the tenants' policies as they stood at most `REMEMBERED_SECONDS` ago."""

    def __init__(self, database: Database, default: SafetyPolicy) -> None:
        self.guard = Guard()
        self._database = database
        self._default = default
        self._known: dict[str, tuple[float, SafetyPolicy]] = {}

    async def policy(self, tenant_id: str) -> SafetyPolicy:
        """What the tenant said, or else the settings do.

        Raises:
            Unavailable: Postgres does not answer.
        """
        now = time.monotonic()
        known = self._known.get(tenant_id)
        if known is not None and known[0] > now:
            return known[1]
        async with self._database.read() as tx:
            policy = await find_safety_policy(tx, tenant_id) or self._default
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[tenant_id] = (now + REMEMBERED_SECONDS, policy)
        return policy

    async def aclose(self) -> None:
        """Let go of the guard's thread."""
        await self.guard.aclose()
