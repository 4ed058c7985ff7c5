"""Keeps personal data out of logs: numbered placeholders such as `[EMAIL_1]` stand in the fields and lines instead.

What is looked at is what others wrote: paths, errors and their causes, what libraries and children say. Fields of our
own making (ids, times, names of events and kinds) and addresses of clients and servers are let through by their names,
which also keeps it cheap: a line of a request costs some microseconds.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from structlog.typing import EventDict, WrappedLogger

from domain.ids import PREFIXES
from domain.text.personal import Found, find_personal
from domain.text.redaction import Redaction
from runtime.settings import Settings

LONGEST: Final = 16_384
"""How many characters of one value are logged, as far as values are looked at: looking must not hold up the loop."""

OURS: Final = frozenset(
    """event level timestamp process logger kind state queue queues method code worker lease type action attempt
    detector rules""".split()  # noqa: SIM905 - words read best as words
)
"""Fields that we fill by ourselves; those whose names end with `_id` as well."""

ADDRESSES: Final = frozenset({"address", "client", "host"})
"""Fields that say who called or who listens, which operators need to know."""

_FOREIGN: Final = (OURS | ADDRESSES) - {"event"}
_SHOWN: Final = OURS | ADDRESSES
_RAISED: Final = "exc_info"  # what the renderer makes a traceback of, which is masked as it is written
_UNREAD: Final = frozenset({"frames", *_FOREIGN})  # of tracebacks: our files and lines, no locals
# What every personal value has one of, and most of what is logged has not once our ids are struck out of it.
_OUR_IDS: Final = re.compile(rf"\b(?:{'|'.join((*PREFIXES, 'req', 'lease'))})_[0-9a-f]{{32}}\b")
_HINT: Final = re.compile(
    r"@|[0-9][^A-Za-z]{0,3}[0-9]|:[0-9A-Fa-f]{0,4}:|[A-Za-z0-9_+=-]{15}|eyJ|earer |EARER |whsec_|-----BEGIN"
)
_PLAIN: Final = (bool, int, float, type(None))
_NAMED_ADDRESS: Final = re.compile(rf"\b(?:{'|'.join(sorted(ADDRESSES))})\"?[=:] ?[\[(\"']{{0,2}}\Z")
_BEFORE: Final = 16
_MARK: Final = 100  # characters, more than it takes to say how many are left out

Mask = Callable[[str], str]


class FieldMask:
    """A structlog processor, the last before what renders: placeholders in all that may be somebody's.

    `foreign`: the events are sentences of other libraries, and are looked at too.
    """

    def __init__(self, *, foreign: bool) -> None:
        self._let_through = {_RAISED, *(_FOREIGN if foreign else _SHOWN)}

    def __call__(self, _logger: WrappedLogger, _name: str, fields: EventDict) -> EventDict:
        """The fields, masked in place."""
        line = _Line()
        for name, value in fields.items():
            if name not in self._let_through and not isinstance(value, _PLAIN) and not name.endswith("_id"):
                fields[name] = line.value(value)
        return fields


class _Line:
    """One line of a log: the same value has the same placeholder in all its fields."""

    def __init__(self) -> None:
        self._redaction: Redaction | None = None

    def value(self, value: Any) -> Any:  # noqa: ANN401 - whatever is logged
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {
                self.value(name): inside if name in _UNREAD else self.value(inside) for name, inside in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(inside) for inside in value]
        if isinstance(value, _PLAIN):
            return value
        said = repr(value)
        masked = self._text(said)
        return value if masked == said else masked

    def _text(self, text: str) -> str:
        if len(text) > LONGEST:
            text = f"{text[:LONGEST]}… ({len(text) - LONGEST} more)"
        if not _may_hold(text) or not find_personal(text):
            return text
        if self._redaction is None:
            self._redaction = Redaction((text,))
        return self._redaction.redact(text)


def masked_text(text: str) -> str:
    """A text of several lines, such as a traceback, with placeholders; of a long one the middle is left out.

    What was raised stands at a traceback's end.
    """
    if (more := len(text) - LONGEST) > 0:
        text = f"{text[: LONGEST // 4]}… ({more + _MARK} more) …{text[-(LONGEST * 3 // 4 - _MARK) :]}"
    return _Line().value(text)  # type: ignore[no-any-return] # a text gives a text


def masked_line(line: str) -> str:
    """A line that a process printed, with placeholders; addresses stay where a field of ours names them as such.

    A line of JSON is one afterwards.
    """
    if not (found := find_personal(line)):
        return line
    redaction = Redaction((line,))
    kept = [one for one in found if one.sort == "ip" and _is_named(line, one)]
    if not kept:
        return redaction.redact(line)
    parts: list[str] = []
    end = 0
    for one in kept:
        parts += (redaction.redact(line[end : one.start]), line[one.start : one.end])
        end = one.end
    return "".join((*parts, redaction.redact(line[end:])))


def line_mask(settings: Settings) -> Mask:
    """What is done to a line that a child printed."""
    return masked_line if settings.redact_logs == "on" else str


def _may_hold(text: str) -> bool:
    return _HINT.search(_OUR_IDS.sub("", text)) is not None


def _is_named(line: str, one: Found) -> bool:
    return _NAMED_ADDRESS.search(line, max(0, one.start - _BEFORE), one.start) is not None
