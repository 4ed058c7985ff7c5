"""The shape of the house: a source root that is no package, files that can be read, everything with its docstring."""

import ast
import subprocess
import sys
from collections.abc import Iterable

import pytest

from tests.house.source import ROOT, Source, listed, sources

MOST_LINES = 310  # "about 300"
_WORDS_OF_A_REASON = ("Long because", "long because")

_ACTS_AT_IMPORT = {
    "platform/cli/jobs.py": "gives commands the options that lists of jobs share",
    "platform/providers/text/gemini_batches.py": "as gemini_client.py",
    "platform/providers/text/gemini_client.py": "has the SDK build its models before anybody waits for them",
    "platform/storage/migrations/env.py": "is run, not imported: so Alembic wants it",
    "platform/storage/tables.py": "an index over an expression is made beside its table",
}
_NAMED_BY_ALEMBIC = "platform/storage/migrations/versions/"


def test_platform_is_no_package() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists()


def test_the_standard_library_keeps_its_platform_at_the_root_of_the_repository() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import platform; print(platform.system())"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout.strip()


def test_every_folder_below_platform_is_a_package_with_one_line_of_docstring() -> None:
    broken = list(folders_without_a_line({source.path: source for source in sources("platform")}))
    assert not broken, listed(broken)


def test_a_folder_without_its_line_would_be_named() -> None:
    planted = [Source("platform/domain/pets/cat.py", ""), Source("platform/domain/__init__.py", "x = 1")]
    broken = list(folders_without_a_line({source.path: source for source in planted}))
    assert [line.split()[0] for line in broken] == ["platform/domain/__init__.py", "platform/domain/pets/__init__.py"]


def test_files_can_be_read_at_one_sitting_or_say_why_not() -> None:
    assert not (broken := list(too_long(sources("platform", "clients", "tests", "benchmarks", "tools")))), listed(
        broken
    )


@pytest.mark.parametrize(("docstring", "named"), [("Short.", 1), ("Short. Long because states belong together.", 0)])
def test_a_long_file_without_a_reason_would_be_named(docstring: str, named: int) -> None:
    planted = Source("platform/domain/x.py", f'"""{docstring}"""\n' + "x = 1\n" * (MOST_LINES + 1))
    assert len(list(too_long([planted]))) == named


def test_everything_public_has_a_docstring() -> None:
    assert not (broken := list(silent(sources("platform", "clients")))), listed(broken)


def test_a_missing_docstring_would_be_named() -> None:
    planted = Source(
        "platform/domain/x.py", '"""X."""\ndef run(): ...\ndef _own(): ...\nclass Cat:\n    def meow(self): ...'
    )
    assert [line.split()[-1] for line in silent([planted])] == ["run", "Cat", "meow"]


def test_modules_do_nothing_when_they_are_imported() -> None:
    assert not (broken := list(busy_at_import(sources("platform", "clients")))), listed(broken)


def test_a_call_at_import_would_be_named() -> None:
    planted = Source("platform/domain/x.py", 'print("hello")\nLIMIT = 3\nfor _ in (): ...')
    assert list(busy_at_import([planted])) == ["platform/domain/x.py:1", "platform/domain/x.py:3"]


def test_every_file_allowed_to_act_at_import_still_does() -> None:
    found = {source.path: source for source in sources("platform")}
    idle = [path for path in _ACTS_AT_IMPORT if not list(busy_at_import([Source(f"as/{path}", found[path].text)]))]
    assert not idle, listed(idle)


def folders_without_a_line(found: dict[str, Source]) -> Iterable[str]:
    """Folders of Python files whose `__init__.py` is missing, has no docstring, or holds more than it."""
    for folder in sorted({path.rpartition("/")[0] for path in found} - {_NAMED_BY_ALEMBIC.rstrip("/")}):
        name = f"{folder}/__init__.py"
        if name not in found:
            yield f"{name} is missing"
        elif not found[name].docstring or len(found[name].tree.body) > 1:
            yield f"{name} must hold a docstring and nothing else"


def too_long(found: Iterable[Source]) -> Iterable[str]:
    """Files past the limit whose docstring does not say why."""
    for source in found:
        lines = source.text.count("\n")
        if lines > MOST_LINES and not any(word in source.docstring for word in _WORDS_OF_A_REASON):
            yield f"{source.path} has {lines} lines, and its docstring does not say why it is long"


def silent(found: Iterable[Source]) -> Iterable[str]:
    """Public modules, classes, functions and methods without a docstring. A migration has its module's alone."""
    for source in found:
        if not source.docstring:
            yield f"{source.path}:1 the module"
        if not source.path.startswith(_NAMED_BY_ALEMBIC):
            yield from (
                f"{source.at(node)} {node.name}" for node in _public(source.tree) if not ast.get_docstring(node)
            )


def busy_at_import(found: Iterable[Source]) -> Iterable[str]:
    """Statements of a module that act: a bare call, a loop, a block. Registering is done by hand, in tables."""
    acting = (ast.For, ast.While, ast.With, ast.Try)
    for source in found:
        for node in source.tree.body if source.path not in _ACTS_AT_IMPORT else []:
            if isinstance(node, acting) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
                yield source.at(node)


def _public(
    scope: ast.Module | ast.ClassDef,
) -> Iterable[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in scope.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (inner for inner in _public(node) if not _is_overload(inner))


def _is_overload(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    return any(isinstance(each, ast.Name) and each.id in {"overload", "override"} for each in node.decorator_list)
