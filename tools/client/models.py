"""The Structs of the client, made of the API's own description and the results of the catalogue's kinds."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from domain.catalog import KINDS
from domain.jobs.kind import Kind

Schema = Mapping[str, Any]

# The handles of the client are called Job and Batch; what they know stands in these.
NAMES: Final = {
    "JobView": "JobInfo",
    "BatchView": "BatchInfo",
    "DepositView": "DepositMade",
    "LimitsBody": "QueueLimits",
    "LimitBody": "Limit",
    "KeyLimitBody": "KeyLimit",
    "RateBody": "Rate",
    "BulkFilter": "JobFilter",
    "LimitsView": "CallerLimits",
    "ErrorView": "JobError",
    "RepeatedView": "RepeatedJob",
    "Spread": "Seconds",
    "Status": "OrderStatus",
    "RoleView": "RolePermissions",
    "TokensView": "SessionTokens",
    "KeyView": "ApiKey",
    "NewKeyView": "NewApiKey",
    "DeliveryView": "WebhookDelivery",  # one that was received and verified is a Delivery
    "Wanted": "EndpointWanted",
    "Movement": "MovementReason",
    "MovementView": "StockMovement",
    "MovementMade": "StockMovementMade",
}
# Bodies that the client's methods take apart, and what nobody who uses the client meets.
_LEFT_OUT: Final = re.compile(
    r"(\w+(Submission|Repeated|Body|Changes)|Page_\w+_|Submission|Problem|FieldError|Deposit|DepositMoney|Price|Door|Live|Format|"
    r"Registration|PasswordChange|(Token|Revoke)Form|Revoked)$"
)
# What opens something is kept out of logs and tracebacks.
_OPENS: Final = ("secret", "key", "token", "access_token", "refresh_token")
_SCALARS: Final = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
_SHORTEST_DOC: Final = "As the API shows it."


def make_models(description: Schema) -> str:
    """The text of `headrace/models.py`."""
    writer = _Writer()
    schemas = _collected(description)
    wanted = sorted((name for name in schemas if "enum" not in schemas[name]), key=writer.place)
    structs = [writer.struct(name, schemas[name]) for name in wanted]
    for name, schema in schemas.items():
        if "enum" in schema:
            writer.enums[name_of(name)] = tuple(schema["enum"])
    return "".join((_HEAD, *writer.aliases(), *structs))


def public_kinds() -> list[Kind[Any, Any]]:
    """The kinds a client submits."""
    return [kind for kind in KINDS if not kind.internal]


def name_of(component: str) -> str:
    """What the client calls a component of the description."""
    return NAMES.get(component, component.removesuffix("View"))


def annotation(  # noqa: PLR0911 - a case each
    schema: Schema, hint: str, enums: dict[str, tuple[str, ...]], *, loosely: bool = False
) -> str:
    """The type of a field; `loosely`, as a parameter takes it. Enumerations are put into `enums`, called `hint`."""
    match schema:
        case {"$ref": str(ref)}:
            return name_of(ref.rpartition("/")[2])
        case {"enum": list(values)}:
            enums[hint] = tuple(values)
            return hint
        case {"anyOf": list(options)}:
            found = dict.fromkeys(annotation(each, hint, enums, loosely=loosely) for each in options)
            return "Any" if "Any" in found else " | ".join(found)
        case {"type": "null"}:
            return "None"
        case {"type": "string", "format": "date-time"}:
            return "datetime"
        case {"type": "array"}:
            inner = annotation(schema.get("items", {}), hint, enums, loosely=loosely)
            return f"Sequence[{inner}]" if loosely else f"tuple[{inner}, ...]"
        case {"type": "object"}:
            inner = annotation(schema.get("additionalProperties") or {}, hint, enums, loosely=loosely)
            return f"Mapping[str, {inner}]" if loosely else f"dict[str, {inner}]"
        case {"type": str(scalar)}:
            return _SCALARS[scalar]
        case _:
            return "Any"


def default(schema: Schema) -> str:
    """The default of a field, as Python spells it."""
    match schema["default"]:
        case []:
            return "()"
        case dict() as filled if not filled:
            return "{}"
        case value:
            return repr(value)


def _collected(description: Schema) -> dict[str, Schema]:
    """The components wanted, the catalogue's inputs and results among them.

    Raises:
        ValueError: two would have the same name.
    """
    found = {n: s for n, s in description["components"]["schemas"].items() if not _LEFT_OUT.match(n) or n in NAMES}
    for kind in KINDS:
        _, components = msgspec.json.schema_components([kind.result], ref_template="#/components/schemas/{name}")
        found.update({name: schema for name, schema in components.items() if name not in found})
    names = [name_of(each) for each in found]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"Several components would be called {sorted(doubled)}: give them names of their own.")
    return found


class _Writer:
    def __init__(self) -> None:
        self.enums: dict[str, tuple[str, ...]] = {}
        self._inputs = {kind.input.__name__: kind for kind in public_kinds()}

    def place(self, component: str) -> tuple[bool, str]:
        """Inputs come last, for each is made of its result."""
        return component in self._inputs, name_of(component)

    def struct(self, component: str, schema: Schema) -> str:
        kind = self._inputs.get(component)
        opens = tuple(field for field in _OPENS if field in schema.get("properties", {}))
        name = name_of(component)
        if kind is not None:
            head = f"class {name}(Input[{kind.result.__name__}], frozen=True, kw_only=True, omit_defaults=True):"
        elif schema.get("additionalProperties") is False:
            # what is sent; what is not said is not sent, so that an API without the field takes it too
            head = f"class {name}(Struct, frozen=True, kw_only=True, omit_defaults=True):"
        else:
            head = f"class {name}({'Unspoken' if opens else 'Struct'}, frozen=True, kw_only=True):"
        lines = [head, f'    """{first_sentences(schema)}"""', ""]
        if kind is not None:
            lines += [f'    kind: ClassVar[str] = "{kind.name}"']
            lines += [f"    result_type: ClassVar[type[Any]] = {kind.result.__name__}", ""]
        if opens and kind is None:
            lines += [f"    opens: ClassVar[tuple[str, ...]] = {opens!r}", ""]
        lines += self._fields(name, schema)
        return "\n".join(lines) + "\n\n\n"

    def _fields(self, owner: str, schema: Schema) -> Iterator[str]:
        required = set(schema.get("required", ()))
        for field, inner in schema.get("properties", {}).items():
            hint = owner + "".join(word.title() for word in field.split("_"))
            typed = annotation(inner, hint, self.enums)
            if field in required:
                yield f"    {field}: {typed}"
            elif isinstance(inner.get("default"), dict) and "dict[" not in typed:
                made = ", ".join(f"{name}={value!r}" for name, value in inner["default"].items())
                yield f"    {field}: {typed} = msgspec.field(default_factory=lambda: {typed.split(' ')[0]}({made}))"
            elif "default" in inner:
                yield f"    {field}: {typed} = {default(inner)}"
            else:  # told only where it applies
                yield f"    {field}: {typed}{'' if 'None' in typed else ' | None'} = None"

    def aliases(self) -> Iterable[str]:
        enums = sorted(self.enums.items())
        yield "if TYPE_CHECKING:\n"
        yield from (f"    {name}: TypeAlias = Literal[{', '.join(map(repr, values))}]\n" for name, values in enums)
        yield "else:  # a word that a newer API says is none that an older client refuses\n    "
        yield "    ".join(f"{name} = str\n" for name, _ in enums) + "\n\n"


def first_sentences(schema: Schema) -> str:
    """The first paragraph of a description, as a docstring."""
    paragraph = str(schema.get("description") or _SHORTEST_DOC).strip().split("\n\n")[0]
    text = " ".join(paragraph.split())
    return text if text.endswith((".", "?", "!")) else f"{text}."


_HEAD: Final = '''"""What the API takes and shows. Made of its own description by `python -m tools.client`: do not edit.

Long because it is a list. Fields that a newer API adds pass by.
"""

# ruff: noqa: E501 - descriptions are as long as they are
from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import msgspec
from msgspec import Struct

from headrace.options import Input
from headrace.unspoken import Unspoken

'''
