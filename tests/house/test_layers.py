"""Who may import whom. The contracts stand in pyproject.toml; what import-linter cannot say stands here."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.house.source import LAYERS, ROOT, Source, listed, sources

# What the domain may have of the standard library besides: values, text, time zones, digests. No clock is read there.
_PURE = {
    "abc", "base64", "bisect", "calendar", "collections", "dataclasses", "datetime", "decimal", "difflib", "enum",
    "fractions", "functools", "hashlib", "heapq", "hmac", "html", "ipaddress", "itertools", "math", "operator", "re",
    "statistics", "string", "textwrap", "types", "typing", "unicodedata", "urllib.parse", "uuid", "zlib", "zoneinfo",
}  # fmt: skip
_CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}


def test_the_contracts_of_import_linter_are_kept() -> None:
    answer = subprocess.run(  # noqa: S603 - our own words
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "platform")},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_domain_stands_on_pure_modules_only() -> None:
    assert not (broken := list(impure(sources("platform/domain")))), listed(broken)


def test_an_impure_import_would_be_named() -> None:
    planted = Source("platform/domain/x.py", "import os\nfrom asyncio import sleep\nimport urllib.request\nimport re")
    assert [line.split()[-1] for line in impure([planted])] == ["os", "asyncio", "urllib.request"]


def test_the_domain_reads_no_clock() -> None:
    assert not (broken := list(clocks_read(sources("platform/domain")))), listed(broken)


def test_a_clock_read_would_be_named() -> None:
    assert list(clocks_read([Source("platform/domain/x.py", "now = datetime.now(UTC)")])) == ["platform/domain/x.py:1"]


def test_nothing_is_awaited_in_the_domain() -> None:
    waiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    broken = [
        each.at(node) for each in sources("platform/domain") for node in each.nodes() if isinstance(node, waiting)
    ]
    assert not broken, listed(broken)


def test_no_program_imports_the_tests() -> None:
    broken = [
        source.at(node)
        for source in sources("platform")
        for node, name in imports(source)
        if name.split(".")[0] in {"tests", "platform.tests", "pytest"}
    ]
    assert not broken, listed(broken)


def imports(source: Source) -> Iterable[tuple[ast.AST, str]]:
    """Every import with the full name of the module it names."""
    for node in source.nodes():
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node, node.module or "."


def impure(domain: Iterable[Source]) -> Iterable[str]:
    """Imports of the domain that bring in more than values."""
    for source in domain:
        for node, name in imports(source):
            ours = name.split(".")[0] in {"domain", "msgspec"}
            if not ours and name not in _PURE and name.split(".")[0] not in _PURE - {"urllib.parse"}:
                yield f"{source.at(node)} imports {name}"


def clocks_read(domain: Iterable[Source]) -> Iterable[str]:
    """Calls that ask what time it is: domain functions are told `now`."""
    for source in domain:
        for node in source.nodes():
            match node:
                case ast.Attribute(value=ast.Name(id=whose), attr=asked) if (whose, asked) in _CLOCKS:
                    yield source.at(node)
                case _:
                    pass


def test_the_layers_are_the_folders_of_platform() -> None:
    folders = {path.name for path in (ROOT / "platform").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(LAYERS)
