"""Which kill points lie on a kind's way, and which do not, and why."""

from typing import Final

from domain.catalog import KINDS
from domain.chat.condense import CONDENSE
from domain.text.economize import ECONOMIZE
from domain.webhooks.deliver_webhook import DELIVER_WEBHOOK
from tests.faults.points import ALL

# a delivery's id follows from when a job ended, which nobody knows before: tests/faults/test_deliveries.py has it
# and one that gathers texts needs a provider with batches: tests/workers/text/test_economize.py has it
# and one that condenses follows from a long conversation with a provider that has a window: tests/workers/chat has it
_KINDS: Final = frozenset(kind.name for kind in KINDS) - {DELIVER_WEBHOOK.name, ECONOMIZE.name, CONDENSE.name}
_ORDERS: Final = frozenset(name for name in _KINDS if name.startswith("orders."))
_TEXTS: Final = frozenset(name for name in _KINDS if name.startswith("text."))
_REPLY: Final = frozenset({"chat.reply"})
_EMAIL: Final = frozenset({"emails.send"})

_SUBMITTED: Final = _KINDS - {"orders.ship"} - _REPLY
_WITH_EFFECTS: Final = _ORDERS | _REPLY

# every other point is passed by every kind
_ONLY: Final = {
    "api.before_commit": (_SUBMITTED, "the others follow from an order, or are written with the message they answer"),
    "api.after_commit": (_SUBMITTED, "as before"),
    "beat.before_insert": (_SUBMITTED, "nobody puts the others on a schedule"),
    "beat.after_insert": (_SUBMITTED, "as before"),
    "job.before_effect": (_WITH_EFFECTS, "the others change nothing in Postgres but their own job"),
    "job.after_effect_commit": (_WITH_EFFECTS, "as before"),
    "job.after_outside_call": (_KINDS - _WITH_EFFECTS, "the others call nobody, or settle with their effects after it"),
    "result.before_write": (_KINDS - _WITH_EFFECTS, "the others' results are written with their effects"),
    "heartbeat.stall": (_KINDS - _TEXTS, "a text is worked through between two heartbeats"),
    "prune.before_commit": (frozenset(), "it is about no one job: the scenario points has it"),
    "smtp.after_250": (_EMAIL, "no other kind speaks to a mail server"),
    "hook.after_send": (frozenset(), "deliveries only: the scenario points has it"),
    "ai.after_response": (_TEXTS | _REPLY, "no other kind asks an engine"),
    "order.after_reserve": (frozenset({"orders.place"}), "no other kind sells"),
    "order.after_confirm": (frozenset({"orders.place"}), "no other kind sells"),
}


class Pair(tuple[str, str]):
    """A kill point and a kind."""

    __slots__ = ()

    @property
    def point(self) -> str:
        return self[0]

    @property
    def kind(self) -> str:
        return self[1]

    def __str__(self) -> str:
        return f"{self.point} of {self.kind}"


def pairs(points: tuple[str, ...] = (), kinds: tuple[str, ...] = ()) -> list[Pair]:
    """Every pair that is met, of these points and kinds, or of all."""
    return [
        Pair((point, kind))
        for point in points or ALL
        for kind in sorted(_KINDS)
        if kind in _ONLY.get(point, (_KINDS, ""))[0] and (not kinds or kind in kinds)
    ]


def not_met() -> dict[str, tuple[list[str], str]]:
    """The kinds that do not pass a point, and why."""
    return {point: (sorted(_KINDS - passing), why) for point, (passing, why) in _ONLY.items()}
