"""Every kind the platform runs, one line each."""

from typing import Any, Final

from domain.emails.send_email import SEND_EMAIL
from domain.errors import Invalid
from domain.jobs.kind import Kind
from domain.text.classify import CLASSIFY
from domain.text.generate import GENERATE
from domain.text.moderate import MODERATE
from domain.text.summarize import SUMMARIZE


class UnknownKind(Invalid):
    """No kind has this name."""

    code = "unknown_kind"
    title = "Unknown kind"


KINDS: Final = (
    SEND_EMAIL,
    SUMMARIZE,
    MODERATE,
    CLASSIFY,
    GENERATE,
)

BY_NAME: Final[dict[str, Kind[Any, Any]]] = {kind.name: kind for kind in KINDS}

QUEUES: Final = tuple(sorted({kind.queue for kind in KINDS}))


def kind_named(name: str) -> Kind[Any, Any]:
    """The kind of that name.

    Raises:
        UnknownKind: there is none; the detail lists those there are.
    """
    if name not in BY_NAME:
        raise UnknownKind(f"There is no kind {name!r}. There are: {', '.join(sorted(BY_NAME))}.", pointer="/kind")
    return BY_NAME[name]
