"""Errors are nouns with a code of their own, and every code is documented."""

import ast
from collections.abc import Iterable, Iterator

from api.problem_codes import CODES
from domain.errors import HeadraceError
from tests.house.source import Source, listed, sources


def test_every_code_that_can_be_raised_has_its_page() -> None:
    undocumented = [f"{where} {code}" for where, code in codes_written(sources("platform")) if code not in CODES]
    assert not undocumented, listed(undocumented)


def test_a_code_would_be_found_wherever_a_class_writes_it() -> None:
    planted = Source(
        "platform/domain/x.py",
        'class A(Conflict):\n    code = "a_gone"\nclass B(A):\n    code: ClassVar[str] = "b_gone"\nclass C: ...',
    )
    assert [code for _, code in codes_written([planted])] == ["a_gone", "b_gone"]


def test_no_two_errors_share_a_code() -> None:
    seen: dict[str, str] = {}
    twice = [
        f"{where} {code}, as {seen[code]}"
        for where, code in codes_written(sources("platform"))
        if code in seen or seen.update({code: where})
    ]
    assert not twice, listed(twice)


def test_every_page_of_a_code_says_something() -> None:
    silent = [code for code, page in CODES.items() if not (page.title and page.meaning and page.remedy)]
    assert not silent, listed(silent)


def test_errors_are_named_for_what_happened() -> None:
    assert not (broken := list(called_errors(sources("platform")))), listed(broken)


def test_an_error_named_for_being_one_would_be_named() -> None:
    planted = Source(
        "platform/domain/x.py",
        "class StockError(Conflict): ...\nclass OutOfStock(Conflict): ...\nclass JobError(Struct): ...",
    )
    assert [line.split()[-1] for line in called_errors([planted])] == ["StockError"]


def called_errors(found: Iterable[Source]) -> Iterator[str]:
    """Exceptions called `…Error`; a value that describes one may be."""
    for source in found:
        for node in source.nodes():
            match node:
                case ast.ClassDef(name=name, bases=[ast.Name(id=base), *_]) if name.endswith(("Error", "Exception")):
                    if name != HeadraceError.__name__ and base != "Struct":
                        yield f"{source.at(node)} {name}"
                case _:
                    pass


def codes_written(found: Iterable[Source]) -> Iterator[tuple[str, str]]:
    """Every `code = "…"` in the body of a class that inherits something, with where it stands."""
    for source in found:
        for node in source.nodes():
            if isinstance(node, ast.ClassDef) and node.bases:
                yield from ((source.at(node), code) for line in node.body if (code := _code(line)))


def _code(line: ast.stmt) -> str | None:
    match line:
        case ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(code))):
            return code
        case ast.AnnAssign(target=ast.Name(id="code"), value=ast.Constant(value=str(code))):
            return code
        case _:
            return None
