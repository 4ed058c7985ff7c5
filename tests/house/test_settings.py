"""One reader of the environment, and every setting documented."""

import ast
from collections.abc import Iterable
from typing import Annotated, get_args, get_origin, get_type_hints

import pytest
from msgspec import Meta, Struct

from runtime.settings import PREFIX, Settings
from tests.house.source import ROOT, Source, listed, sources

_READER = "platform/runtime/settings.py"
_OPERATIONS = ROOT / "docs" / "operations.md"


def test_only_the_settings_read_the_environment() -> None:
    assert not (broken := list(reads_environment(sources("platform")))), listed(broken)


@pytest.mark.parametrize(
    "text",
    ["import os\nos.environ['X']", "import os\nos.getenv('X')", "from os import environ", "from os import getenv"],
)
def test_another_reader_of_the_environment_would_be_named(text: str) -> None:
    broken = [
        line.partition(":")[0] for line in reads_environment([Source("platform/api/x.py", text), Source(_READER, text)])
    ]
    assert broken == ["platform/api/x.py"]


def test_every_setting_has_a_line_of_documentation() -> None:
    assert not (broken := list(undocumented(Settings))), listed(broken)


def test_a_setting_without_its_line_would_be_named() -> None:
    class Planted(Struct):
        said: Annotated[int, Meta(description="how many")] = 1
        silent: int = 1
        bounded: Annotated[int, Meta(gt=0)] = 1

    assert list(undocumented(Planted)) == ["HEADRACE_SILENT", "HEADRACE_BOUNDED"]


@pytest.mark.skipif(not _OPERATIONS.exists(), reason="docs/operations.md is not written yet")
def test_every_setting_is_in_the_operators_handbook() -> None:
    text = _OPERATIONS.read_text(encoding="utf-8")
    missing = [name for name in map(_variable, Settings.__struct_fields__) if name not in text]
    assert not missing, listed(missing)


def reads_environment(found: Iterable[Source]) -> Iterable[str]:
    """Places but the settings that reach for the process's environment."""
    for source in found:
        if source.path == _READER:
            continue
        for node in source.nodes():
            match node:
                case ast.Attribute(value=ast.Name(id="os"), attr="environ" | "environb" | "getenv" | "putenv"):
                    yield source.at(node)
                case ast.ImportFrom(module="os", names=names) if {each.name for each in names} & {"environ", "getenv"}:
                    yield source.at(node)
                case _:
                    pass


def undocumented(settings: type[Struct]) -> Iterable[str]:
    """Settings that no line explains."""
    hints = get_type_hints(settings, include_extras=True)
    return (_variable(name) for name in settings.__struct_fields__ if not _line(hints[name]))


def _variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}"


def _line(hint: object) -> str | None:
    if get_origin(hint) is not Annotated:
        return None
    return next((meta.description for meta in get_args(hint)[1:] if isinstance(meta, Meta) and meta.description), None)
