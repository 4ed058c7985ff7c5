"""The methods of the client that submit jobs of the platform's own kinds, made of the catalogue."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from domain.jobs.kind import Kind
from tools.client.models import annotation, default, first_sentences, public_kinds

# Read, not imported: the package cannot be imported while what is made of it is missing or stale.
_OPTIONS: Final = Path(__file__).resolve().parents[2] / "clients/python/src/headrace/options.py"


def make_kinds() -> str:
    """The text of `headrace/_aio/kinds.py`.

    Raises:
        ValueError: a field of an input is called as an option of every job is.
    """
    options = _names_of_options()
    slices: dict[str, list[Kind[Any, Any]]] = defaultdict(list)
    for kind in public_kinds():
        slices[kind.name.partition(".")[0]].append(kind)
    names: set[str] = set()
    classes = ["".join(_slice(name, kinds, names, options)) for name, kinds in slices.items()]
    imported = ", ".join(sorted(names))
    return f"{_HEAD}from headrace.models import {imported}\n{_FOOT}{''.join(classes)}"


def _names_of_options() -> set[str]:
    classes = [node for node in ast.parse(_OPTIONS.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
    wanted = [each for each in classes if each.name in {"JobOptions", "SubmitOptions"}]
    fields = [node.target for each in wanted for node in each.body if isinstance(node, ast.AnnAssign)]
    return {target.id for target in fields if isinstance(target, ast.Name)}


def _slice(name: str, kinds: list[Kind[Any, Any]], names: set[str], options: set[str]) -> Iterator[str]:
    yield f'\n\nclass Async{name.title()}Kinds:\n    """Submits the jobs of `{name}`."""\n\n'
    yield "    def __init__(self, jobs: AsyncJobs) -> None:\n        self._jobs = jobs\n"
    yield from (_method(kind, names, options) for kind in kinds)


def _method(kind: Kind[Any, Any], names: set[str], options: set[str]) -> str:
    verb = kind.name.partition(".")[2]
    _, components = msgspec.json.schema_components([kind.input], ref_template="#/components/schemas/{name}")
    schema = components[kind.input.__name__]
    properties = schema["properties"]
    if clash := properties.keys() & options:
        raise ValueError(f"{kind.name}: {sorted(clash)} are options of every job as well.")
    required = [name for name in properties if name in schema["required"]]
    optional = [name for name in properties if name not in schema["required"]]
    names |= {kind.input.__name__, kind.result.__name__, *(name for name in components if name != kind.input.__name__)}
    parameters = [f"{name}: {_typed(kind, name, properties[name], names)}" for name in required]
    parameters += ["*"] if optional else []
    parameters += [
        f"{name}: {_typed(kind, name, properties[name], names)} = {default(properties[name])}" for name in optional
    ]
    passed = ", ".join(f"{name}={_passed(properties[name], name)}" for name in [*required, *optional])
    told = "".join(_told(properties, [*required, *optional]))
    return (
        f"\n    async def {verb}(self, {', '.join(parameters)}, **options: Unpack[SubmitOptions])"
        f" -> AsyncJob[{kind.result.__name__}]:\n"
        f'        """{kind.summary.rstrip(".")}: `{kind.name}`.\n\n'
        f'        {first_sentences(schema)}\n{told}        """\n'
        f"        return await self._jobs.submit({kind.input.__name__}({passed}), **options)\n"
    )


def _typed(kind: Kind[Any, Any], field: str, schema: dict[str, Any], names: set[str]) -> str:
    hint = kind.input.__name__ + "".join(word.title() for word in field.split("_"))
    enums: dict[str, tuple[str, ...]] = {}
    typed = annotation(schema, hint, enums, loosely=True)
    names.update(enums)
    return typed


def _passed(schema: dict[str, Any], name: str) -> str:
    match [schema, *schema.get("anyOf", ())]:
        case [{"type": "array"}]:
            return f"listed({name})"
        case [{"type": "object"}]:
            return f"dict({name})"
        case [_, *options] if any(each.get("type") == "array" for each in options):
            return f"None if {name} is None else listed({name})"
        case [_, *options] if any(each.get("type") == "object" for each in options):
            return f"None if {name} is None else dict({name})"
        case _:
            return name


def _told(properties: dict[str, Any], fields: list[str]) -> Iterator[str]:
    first = "\n"
    for field in fields:
        said = [properties[field], *properties[field].get("anyOf", ())]
        description = next((str(each["description"]) for each in said if "description" in each), "")
        if description:
            yield f"{first}        - `{field}`: {' '.join(description.split())}\n"
            first = ""


_HEAD: Final = '''"""Jobs of the platform's own kinds. Made by `python -m tools.client`: do not edit."""

# ruff: noqa: E501 - descriptions are as long as they are
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from headrace._aio.job import AsyncJob
from headrace._aio.jobs import AsyncJobs
'''
_FOOT: Final = "from headrace.options import SubmitOptions, listed\n"
