"""The client, held to the API's own description and to the catalogue: what is made of them is what they would make now.

After a change of either, or of `_aio`: `PYTHONPATH=platform:clients/python/src:. python -m tools.client`.
"""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.catalog import KINDS
from domain.jobs.kind import Kind
from headrace import models
from headrace.options import Input, NewJob
from tests.contracts.test_openapi import Json, read_description
from tools.client.files import ROOT, made_files
from tools.client.sync import make_sync

PACKAGE = ROOT / "clients/python/src/headrace"
PUBLIC = [kind for kind in KINDS if not kind.internal]


@pytest.fixture
async def description() -> Json:
    return await read_description()


async def test_what_is_made_of_the_description_is_up_to_date(description: Json) -> None:
    stale = [str(path.relative_to(ROOT)) for path, text in made_files(description).items() if read(path) != text]
    assert not stale, f"run PYTHONPATH=platform:clients/python/src:. python -m tools.client: {stale}"


def test_no_half_of_the_client_has_a_module_the_other_lacks() -> None:
    names = [{path.name for path in (PACKAGE / half).glob("*.py")} for half in ("_aio", "_sync")]
    assert names[0] == names[1]


def test_nothing_of_asyncio_is_left_in_the_sync_half() -> None:
    words = re.compile(r"\b(async|await|asyncio|Async\w+|a(?:close|closing|read|iter\w+))\b")
    left = {path.name: words.findall(read(path)) for path in (PACKAGE / "_sync").glob("*.py")}
    assert not {name: found for name, found in left.items() if found}


def test_the_sync_half_is_the_async_one_without_its_waiting() -> None:
    text = (
        '"""X."""\nfrom asyncio import sleep\n'
        "async def f(a: AsyncJob) -> None:\n    async with a as b:\n        await b.aclose()\n"
    )
    assert make_sync(text).splitlines()[3:] == [
        "from time import sleep",
        "def f(a: Job) -> None:",
        "    with a as b:",
        "        b.close()",
    ]


@pytest.mark.parametrize("kind", PUBLIC, ids=lambda kind: kind.name)
def test_an_example_of_each_kind_passes_from_the_client_to_the_platform_whole(kind: Kind[Any, Any]) -> None:
    shape = getattr(models, kind.input.__name__)
    assert issubclass(shape, Input)
    example = msgspec.json.decode(msgspec.json.encode(kind.example), type=shape)
    sent = msgspec.json.decode(msgspec.json.encode(NewJob(example).body()))
    assert sent["kind"] == kind.name
    assert msgspec.convert(sent["input"], kind.input, strict=True) == kind.example


@pytest.mark.parametrize("kind", PUBLIC, ids=lambda kind: kind.name)
def test_inputs_and_results_have_the_fields_the_platform_gives_them_and_the_same_defaults(kind: Kind[Any, Any]) -> None:
    shape = getattr(models, kind.input.__name__)
    for ours, theirs in ((shape, kind.input), (shape.result_type, kind.result)):
        assert fields_of(ours) == fields_of(theirs)


def fields_of(shape: type[msgspec.Struct]) -> dict[str, object]:
    """Each field's name on the wire, with its default as JSON where it has one."""
    found: dict[str, object] = {}
    for field in msgspec.structs.fields(shape):
        value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory
        made = value() if callable(value) and value is not msgspec.NODEFAULT else value
        found[field.encode_name] = "required" if field.required else msgspec.json.encode(made)
    return found


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
