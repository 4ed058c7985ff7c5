"""Which fields of a body are wrong: all of them, as JSON pointers (RFC 6901). Asked only when decoding has failed."""

import difflib
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from api.wording import in_words
from domain.errors import WrongFields

MOST_ERRORS: Final = 100
_LONGEST_GUESSED: Final = 64

Json = Any
"""What JSON decodes to."""


class FieldError(Struct, frozen=True):
    """One thing wrong with a body, or with a parameter; `pointer` is empty for the whole."""

    pointer: str
    detail: str


def field_errors(value: Json, wanted: Any, pointer: str = "") -> Iterator[FieldError]:  # noqa: ANN401 - any annotation
    """What keeps `value` from being a `wanted`, the innermost faults first.

    A value whose parts are all right and that still does not convert is itself at fault, in msgspec's words, or the
    fields are that it says are wrong.
    """
    try:
        msgspec.convert(value, wanted)
    except (msgspec.ValidationError, RecursionError) as error:
        faults = False
        for fault in _inner_errors(value, wanted, pointer):
            faults = True
            yield fault
        if not faults:
            if isinstance(error.__cause__, WrongFields):
                for path, said in error.__cause__.faults:
                    yield FieldError(pointed(pointer, *path), f"{said[:1].upper()}{said[1:].removesuffix('.')}.")
            else:
                yield FieldError(pointer, in_words(readable(error), wanted))


def readable(error: Exception) -> str:
    """What msgspec says, without its path."""
    return str(error).partition(" - at `")[0]


def pointed(pointer: str, *names: str | int) -> str:
    """`pointer` with `names` below it, escaped."""
    return pointer + "".join("/" + str(name).replace("~", "~0").replace("/", "~1") for name in names)


def _inner_errors(value: Json, wanted: Any, pointer: str) -> Iterator[FieldError]:  # noqa: ANN401 - as above
    forms = _forms(wanted)
    if forms and isinstance(value, dict):
        tag_field, named = next(iter(forms.values())).__struct_config__.tag_field or "", ", ".join(forms)
        if value.get(tag_field) not in list(forms):  # a list, for what was given may not be hashable
            yield FieldError(pointed(pointer, tag_field), f"Expected one of {named}.")
            yield from _shared_errors(value, list(forms.values()), pointer)
            return
    for shape in _shapes(value, wanted):
        origin, arguments = get_origin(shape), get_args(shape)
        if isinstance(value, dict) and isinstance(shape, type) and issubclass(shape, Struct):
            yield from _struct_errors(value, shape, pointer)
        elif isinstance(value, dict) and origin in {dict, Mapping}:
            for name, item in value.items():
                yield from field_errors(name, arguments[0], pointed(pointer, name))
                yield from field_errors(item, arguments[1], pointed(pointer, name))
        elif isinstance(value, list) and origin in {tuple, list}:
            for index, item in enumerate(value):
                yield from field_errors(item, arguments[0], pointed(pointer, index))


def _struct_errors(value: dict[str, Json], shape: type[Struct], pointer: str) -> Iterator[FieldError]:
    known = {field.encode_name: field for field in fields(shape)}
    tag_field = shape.__struct_config__.tag_field
    for name in value:
        if name not in known and name != tag_field and shape.__struct_config__.forbid_unknown_fields:
            names = [*filter(None, [tag_field]), *known]
            yield FieldError(pointed(pointer, name), f"There is no such field.{_nearest(name, names)}")
    for name, field in known.items():
        if name in value:
            yield from field_errors(value[name], field.type, pointed(pointer, name))
        elif field.required:
            yield FieldError(pointed(pointer, name), "This field is needed.")


def _shared_errors(value: dict[str, Json], forms: list[type[Struct]], pointer: str) -> Iterator[FieldError]:
    """What is wrong whichever of the forms was meant."""
    named = [{field.encode_name: field for field in fields(form)} for form in forms]
    known = {name for one in named for name in one} | {form.__struct_config__.tag_field for form in forms}
    for name in value:
        if name not in known and all(form.__struct_config__.forbid_unknown_fields for form in forms):
            yield FieldError(pointed(pointer, name), "There is no such field.")
    for name, field in named[0].items():
        others = [one.get(name) for one in named]
        if name in value and all(one is not None and one.type == field.type for one in others):
            yield from field_errors(value[name], field.type, pointed(pointer, name))
        elif name not in value and all(one is not None and one.required for one in others):
            yield FieldError(pointed(pointer, name), "This field is needed.")


def _shapes(value: Json, wanted: Any) -> list[Any]:  # noqa: ANN401 - as above
    """The members of `wanted` that `value` may have been meant as; none when that cannot be told."""
    bare = get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted
    if get_origin(bare) not in {Union, types.UnionType}:
        return [bare]
    members = [shape for member in get_args(bare) for shape in _shapes(value, member)]
    forms = _forms(wanted)
    if forms and isinstance(value, dict):
        return [form for tag, form in forms.items() if value.get(form.__struct_config__.tag_field) == tag]
    return members


def _forms(wanted: Any) -> dict[str, type[Struct]]:  # noqa: ANN401 - as above
    """The members of a union of Structs by their tags; none when it is no such union."""
    bare = get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted
    members = get_args(bare) if get_origin(bare) in {Union, types.UnionType} else ()
    structs = [member for member in members if isinstance(member, type) and issubclass(member, Struct)]
    return {str(struct.__struct_config__.tag): struct for struct in structs} if len(structs) > 1 else {}


def _nearest(name: str, known: Sequence[str]) -> str:
    if len(name) > _LONGEST_GUESSED:
        return ""
    near = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {near[0]}?" if near else f" There are: {', '.join(known)}."
