"""A kind is two files with one name and a line in each of two tables. Whoever forgot one is told which."""

import inspect
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from domain.catalog import KINDS
from domain.jobs.kind import Input, Kind, Result
from tests.house.source import ROOT, files, listed
from tests.support.jobs import ASK
from workers.handlers import HANDLERS, Binding

_CONTRACTS = "platform/domain"
_HANDLERS = "platform/workers"


def contracts() -> dict[str, Kind[Any, Any]]:
    """Every kind written in a slice of the domain, by `<slice>/<file>`, looked for and not believed."""
    found: dict[str, Kind[Any, Any]] = {}
    for stem in _stems(_CONTRACTS):
        module = import_module(f"domain.{stem.replace('/', '.')}")
        source = (ROOT / _CONTRACTS / f"{stem}.py").read_text(encoding="utf-8")
        for name, value in vars(module).items():
            if isinstance(value, Kind) and f"\n{name}: " in source:
                assert stem not in found, f"{_CONTRACTS}/{stem}.py writes two kinds; each has a file of its own"
                found[stem] = value
    return found


def test_every_contract_is_in_the_catalogue_and_every_line_of_it_has_a_contract() -> None:
    assert not (broken := list(uncatalogued(contracts(), KINDS))), listed(broken)


def test_a_contract_left_out_of_the_catalogue_would_be_named() -> None:
    broken = list(uncatalogued({"tests/ask": ASK}, KINDS[:1]))
    assert len(broken) == 2
    assert "tests/ask.py" in broken[0]
    assert KINDS[0].name in broken[1]


def test_every_kind_has_its_handler_in_a_file_of_the_same_name() -> None:
    assert not (broken := list(unhandled(contracts(), HANDLERS))), listed(broken)


def test_a_contract_without_a_handler_would_be_named() -> None:
    assert "tests/ask" in next(iter(unhandled({"tests/ask": ASK}, HANDLERS)))


def test_a_handler_filed_under_another_name_would_be_named() -> None:
    stem, kind = next(iter(contracts().items()))
    broken = list(unhandled({f"{stem}_elsewhere": kind}, HANDLERS))
    assert f"{stem}_elsewhere" in broken[0]


def test_every_file_of_a_slice_of_the_workers_handles_a_contract() -> None:
    orphans = sorted(set(_stems(_HANDLERS)) - contracts().keys())
    assert not orphans, listed(f"{_HANDLERS}/{stem}.py has no contract {_CONTRACTS}/{stem}.py" for stem in orphans)


def test_no_two_kinds_share_a_name() -> None:
    names = [kind.name for kind in KINDS]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("binding", HANDLERS, ids=lambda binding: binding.kind.name)
def test_a_handler_takes_its_kinds_input_and_gives_its_result(binding: Binding[Any, Any]) -> None:
    taken, *_ = inspect.signature(binding.handler, eval_str=True).parameters.values()
    given = inspect.signature(binding.handler, eval_str=True).return_annotation
    assert (taken.annotation, given) == (binding.kind.input, binding.kind.result)
    assert issubclass(binding.kind.input, Input)
    assert issubclass(binding.kind.result, Result)


def uncatalogued(written: dict[str, Kind[Any, Any]], catalogue: Sequence[Kind[Any, Any]]) -> Iterable[str]:
    """Contracts without a line, and lines without a contract."""
    for stem, kind in written.items():
        if kind not in catalogue:
            yield f"{_CONTRACTS}/{stem}.py writes {kind.name}, which has no line in {_CONTRACTS}/catalog.py"
    for kind in catalogue:
        if kind not in written.values():
            yield f"{_CONTRACTS}/catalog.py lists {kind.name}, and no {_CONTRACTS}/<slice>/<verb_noun>.py writes it"


def unhandled(written: dict[str, Kind[Any, Any]], bindings: Sequence[Binding[Any, Any]]) -> Iterable[str]:
    """Contracts whose handler is missing, or stands in a file of another name."""
    modules = {binding.kind.name: binding.handler.__module__ for binding in bindings}
    for stem, kind in written.items():
        wanted = f"workers.{stem.replace('/', '.')}"
        if kind.name not in modules:
            yield f"{kind.name} ({stem}) has no line in {_HANDLERS}/handlers.py"
        elif modules[kind.name] != wanted:
            yield f"{kind.name} is handled in {modules[kind.name]}; its contract's name asks for {wanted} ({stem})"


def _stems(layer: str) -> list[str]:
    """`<slice>/<file>` of every file of a slice, machinery left out."""
    found = (path.relative_to(ROOT / layer) for path in files(layer) if path.suffix == ".py")
    return [path.with_suffix("").as_posix() for path in found if path.name != "__init__.py" and path.parent != Path()]
