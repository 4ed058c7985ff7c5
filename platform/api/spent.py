"""Budgets at the door: a job whose budget is used up is refused before it is written."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from msgspec import Struct

from domain.text.budget import Used, refuse_spent
from storage.database import Database
from storage.usage import read_used

_KNOWN_SECONDS: Final = 1.0
_MOST_KNOWN: Final = 10_000


class _Known(Struct, frozen=True):
    until: float
    used: list[Used]
    now: datetime | None


class Spent:
    """What one process knows of the tenants' budgets: for a second, so that it asks once a second for each tenant.

    What it lets pass is judged again, exactly, when it runs. Not `is_costly`: no engine costs, and nothing is refused.
    """

    def __init__(
        self, database: Database, clock: Callable[[], float] = time.monotonic, *, is_costly: bool = True
    ) -> None:
        self._is_costly = is_costly
        self._database = database
        self._clock = clock
        self._known: dict[str, _Known] = {}

    async def demand(self, tenant_id: str, kinds: Iterable[str]) -> None:
        """Go on only if something is left in each of the budgets for jobs of these kinds.

        Raises:
            BudgetExhausted: there is not; it says when the day ends.
            DatabaseDown: nobody knows.
        """
        wanted = {None, *kinds}
        if len(wanted) == 1 or not self._is_costly:
            return
        known = self._known.get(tenant_id)
        if known is None or known.until <= self._clock():
            async with self._database.read() as tx:
                used, now = await read_used(tx, tenant_id, "")
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[tenant_id] = _Known(self._clock() + _KNOWN_SECONDS, used, now)
        if known.now is not None:
            refuse_spent([one for one in known.used if one.budget.kind in wanted], known.now)

    def forget(self, tenant_id: str) -> None:
        """What was known of the tenant holds no more."""
        self._known.pop(tenant_id, None)
