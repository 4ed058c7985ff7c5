"""What is said of something that is not there: that it never was, or that it is kept no more."""

from typing import Final

from api.context import Use
from domain.accounts.user import Caller
from domain.errors import Gone, NotFound
from domain.jobs.retention import kept_until
from storage.retention import pruned_at

PRUNED: Final = {"pruned": True}
"""In `opt` of a router: asked for what was pruned, its routes answer 410."""


async def absence(use: Use, caller: Caller, any_id: str, *, gone: type[Gone], otherwise: NotFound) -> Gone | NotFound:
    """What to raise when the caller's tenant has nothing of this id: `gone` with the day if it was pruned."""
    async with use.database.read() as tx:
        moment = await pruned_at(tx, caller.tenant_id, any_id)
    return otherwise if moment is None else gone(kept_until(moment))
