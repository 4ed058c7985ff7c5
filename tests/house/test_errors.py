"""Errors are nouns with a code of their own, and every code is documented."""

import ast
import importlib
from collections.abc import Iterable, Iterator

from api.problem_codes import CODES
from api.problems import status_of
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


def test_a_page_says_more_than_its_title() -> None:
    thin = [code for code, page in CODES.items() if len(page.meaning.split()) < 5 or len(page.remedy.split()) < 4]
    assert not thin, listed(thin)


def test_an_answer_has_the_status_that_its_page_tells() -> None:
    for source in sources("platform/api", "platform/domain", "platform/storage"):
        if "/migrations/" not in source.path:
            importlib.import_module(source.path.removeprefix("platform/").removesuffix(".py").replace("/", "."))
    kinds = [kind for kind in subclasses(HeadraceError) if kind.code in CODES]
    wrong = [
        f"{kind.__name__}: {status_of(kind.__new__(kind))}, and its page says {CODES[kind.code].status}"
        for kind in kinds
        # a page of 0 stands in a job's error, or is said by the command: no answer carries it
        if CODES[kind.code].status not in {0, status_of(kind.__new__(kind))}
    ]
    assert len(kinds) > 30
    assert not wrong, listed(wrong)


def test_every_code_that_a_job_can_fail_with_has_its_page() -> None:
    failing = [(where, code) for where, code in codes_given(sources("platform")) if code not in CODES]
    assert not failing, listed([f"{where} {code}" for where, code in failing])


def test_a_code_would_be_found_where_a_job_is_failed_with_it() -> None:
    planted = Source("platform/workers/x.py", 'Reject("a_gone", "…")\nJobError(code="b_gone", title="…")')
    assert [code for _, code in codes_given([planted])] == ["a_gone", "b_gone"]


def subclasses(kind: type[HeadraceError]) -> Iterator[type[HeadraceError]]:
    for one in kind.__subclasses__():
        yield one
        yield from subclasses(one)


def codes_given(found: Iterable[Source]) -> Iterator[tuple[str, str]]:
    """Every code that a job is failed with by name: `Reject("…")`, `JobError(code="…")`."""
    for source in found:
        for node in source.nodes():
            match node:
                case ast.Call(func=ast.Name(id="Reject"), args=[ast.Constant(value=str(code)), *_]):
                    yield source.at(node), code
                case ast.Call(func=ast.Name(id="JobError"), keywords=keywords):
                    for word in keywords:
                        if word.arg == "code" and isinstance(word.value, ast.Constant):
                            yield source.at(node), str(word.value.value)
                case _:
                    pass


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
