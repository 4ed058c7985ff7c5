"""Budgets at the door: a job whose budget is used up is refused before it is written."""

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

import structlog
from msgspec import Struct

from domain.text.budget import Used, refuse_spent
from storage.database import Database, DatabaseDown
from storage.usage import read_used

_LOG: Final = structlog.stdlib.get_logger(__name__)
_KNOWN_SECONDS: Final = 1.0
_NO_BUDGET_SECONDS: Final = 60.0
_BEHIND_SECONDS: Final = 0.05  # after who was let pass: what their job does first needs the processor
_WITHIN_SECONDS: Final = 2.0
_MOST_KNOWN: Final = 10_000


class _Known(Struct, frozen=True):
    """What was used at `now` of a tenant's budgets, good `until` then by the process's clock; None: there were none."""

    until: float
    used: list[Used]
    now: datetime | None


class Spent:
    """What one process knows of the tenants' budgets: for a second, so that it asks once a second for each tenant.

    Who comes while it asks waits for the same answer, for at most 2 s. A tenant that had no budget within the last
    minute waits for nobody: it is let pass, and asked about behind.

    What it lets pass is judged again, exactly, when it runs. Not `is_costly`: no engine costs, and nothing is refused.
    """

    def __init__(
        self, database: Database, clock: Callable[[], float] = time.monotonic, *, is_costly: bool = True
    ) -> None:
        self._is_costly = is_costly
        self._database = database
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._asking: dict[str, asyncio.Task[_Known]] = {}

    async def demand(self, tenant_id: str, kinds: Iterable[str]) -> None:
        """Go on only if something is left in each of the budgets for jobs of these kinds.

        Raises:
            BudgetExhausted: there is not; it says when the day ends.
            DatabaseDown: nobody knows, or not in time.
        """
        wanted = {None, *kinds}
        if len(wanted) == 1 or not self._is_costly:
            return
        known = self._known.get(tenant_id)
        old = 0.0 if known is None else self._clock() - known.until
        if known is None or old >= (_NO_BUDGET_SECONDS if known.now is None else 0.0):
            known = await self._ask_with_others(tenant_id)
        elif old >= 0.0:
            self._ask_behind(tenant_id)
        if known.now is not None:
            refuse_spent([one for one in known.used if one.budget.kind in wanted], known.now)

    def forget(self, tenant_id: str) -> None:
        """What was known of the tenant holds no more."""
        self._known.pop(tenant_id, None)
        self._asking.pop(tenant_id, None)

    async def aclose(self) -> None:
        """Ask nothing more."""
        asking = list(self._asking.values())
        for one in asking:
            one.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def _ask_with_others(self, tenant_id: str) -> _Known:
        asking = self._asking.get(tenant_id)
        if asking is None:
            asking = self._asking[tenant_id] = asyncio.create_task(self._ask(tenant_id))
        try:
            # who asked first may hang up: the others still want to know
            return await asyncio.shield(asking)
        except DatabaseDown as down:
            # one a caller: an exception raised in many places at once would gather all their tracebacks
            raise DatabaseDown(down.detail, retry_after_seconds=down.retry_after_seconds) from None

    def _ask_behind(self, tenant_id: str) -> None:
        if tenant_id not in self._asking:
            asking = asyncio.create_task(self._ask(tenant_id, after_seconds=_BEHIND_SECONDS))
            asking.add_done_callback(_hear_out)
            self._asking[tenant_id] = asking

    async def _ask(self, tenant_id: str, *, after_seconds: float = 0.0) -> _Known:
        me = asyncio.current_task()
        try:
            await asyncio.sleep(after_seconds)
            async with self._database.read(within_seconds=_WITHIN_SECONDS) as tx:
                used, now = await read_used(tx, tenant_id, "")
            known = _Known(self._clock() + _KNOWN_SECONDS, used, now)
            if self._asking.get(tenant_id) is me:  # else what was read may have changed since
                if len(self._known) >= _MOST_KNOWN:
                    self._known.clear()
                self._known[tenant_id] = known
            return known
        finally:
            if self._asking.get(tenant_id) is me:
                del self._asking[tenant_id]


def _hear_out(asking: asyncio.Task[_Known]) -> None:
    """Where nobody knows, the next who comes has it asked again; it is no failure of who was let pass."""
    error = None if asking.cancelled() else asking.exception()
    if error is not None and not isinstance(error, DatabaseDown):
        _LOG.error("budgets.not_asked", error=type(error).__name__, exc_info=error)
