"""The repository's own text, for the tests that read it. A rule is a function from sources to what breaks it."""

import ast
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
LAYERS: Final = ("api", "cli", "domain", "providers", "runtime", "schedules", "storage", "workers")

_SKIPPED: Final = {"__pycache__", "build", "dist", "node_modules"}
_HIDDEN_BUT_OURS: Final = {".ci", ".github", ".gitignore", ".dockerignore"}


class Source:
    """A Python file: its path from the root with `/`, its text, its tree."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree; a file that does not parse fails the test that asks."""
        return ast.parse(self.text, self.path)

    @cached_property
    def docstring(self) -> str:
        """The module's docstring, empty where there is none."""
        return ast.get_docstring(self.tree) or ""

    def nodes(self) -> Sequence[ast.AST]:
        """Every node of the tree, in no promised order."""
        return self._nodes

    @cached_property
    def _nodes(self) -> tuple[ast.AST, ...]:
        return tuple(ast.walk(self.tree))

    def at(self, node: ast.AST) -> str:
        """Where the node stands, as an editor takes it."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"


def files(*folders: str) -> Iterator[Path]:
    """Every file of ours below `folders` (the whole repository without any), nothing that is made or installed."""
    for folder in folders or (".",):
        for place, inner, names in os.walk(ROOT / folder):
            inner[:] = sorted(name for name in inner if name not in _SKIPPED and _is_ours(name))
            yield from (Path(place) / name for name in sorted(names) if _is_ours(name))


def sources(*folders: str) -> list[Source]:
    """Every Python file below `folders`."""
    return [source_of(path) for path in files(*folders) if path.suffix == ".py"]


@cache
def source_of(path: Path) -> Source:
    """A Python file, read and parsed once for all tests of a module; `conftest.py` forgets it after them."""
    return Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))


def listed(broken: Iterable[str]) -> str:
    """What breaks a rule, one a line: the message of the assertion."""
    return "\n".join(["", *sorted(broken)])


def _is_ours(name: str) -> bool:
    return not name.startswith(".") or name in _HIDDEN_BUT_OURS
