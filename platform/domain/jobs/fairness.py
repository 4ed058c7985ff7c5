"""Who goes next where tenants share a queue: weighted round-robin, so that a long backlog is its owner's alone."""

from collections.abc import Sequence

from msgspec import Struct


class Turn(Struct, frozen=True, kw_only=True):
    """A tenant that has jobs due, and how many turns it gets in a round."""

    tenant_id: str
    weight: int = 1


def deal(turns: Sequence[Turn], room: int, *, first: int) -> dict[str, int]:
    """How many of `room` places each tenant gets; what cannot be divided goes round, beginning with number `first`.

    Every tenant gets at least one place while there is one for each; none gets more than its weight's share by more
    than one round.
    """
    if not turns or room <= 0:
        return {}
    start = first % len(turns)
    order = [*turns[start:], *turns[:start]]
    total = sum(turn.weight for turn in order)
    rounds, left = divmod(room, total)
    shares = {turn.tenant_id: rounds * turn.weight for turn in order}
    for turn in order:
        extra = min(turn.weight, left)
        shares[turn.tenant_id] += extra
        left -= extra
    return {tenant_id: share for tenant_id, share in shares.items() if share}
