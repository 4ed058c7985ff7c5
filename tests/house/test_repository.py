"""What the repository's text may not say, and what it says that must be true."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.house.source import ROOT, files, listed

# Spelled in pieces, so that this file does not break its own rule.
_REGISTRIES = re.compile(
    r"py"
    r"pi\.org|python"
    r"hosted\.org|registry\.npm"
    r"js\.org|crates"
    r"\.io|proxy\.go"
    r"lang\.org|arti"
    r"factory"
)
_MACHINE = re.compile(r"(?<![\w.$:}/-])/(?:work|root|home/\w+|Users/\w+)/[\w.-]+")
# A stranger's hashes and addresses, not our writing
_WRITTEN_BY_TOOLS = {"LICENSE"}
_BINARY = {".npz", ".png", ".jpg", ".gif", ".gz", ".ico", ".woff2", ".webp"}

_NAMED_PATH = re.compile(
    r"(?<![\w/.<-])((?:platform|tests|docs|infra|examples|benchmarks|tools)/[\w./-]*[\w/])(?![\w*<{])"
)


def test_no_text_names_a_package_registry() -> None:
    assert not (broken := list(said(_REGISTRIES, texts()))), listed(broken)


def test_no_text_names_a_path_of_somebodys_machine() -> None:
    assert not (broken := list(said(_MACHINE, texts()))), listed(broken)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (_REGISTRIES, "see https://" + "py" + "pi.org/simple"),
        (_REGISTRIES, "files.python" + "hosted.org"),
        (_MACHINE, "cd /" + "work/main"),
        (_MACHINE, 'open("/' + 'home/ada/x")'),
    ],
)
def test_what_may_not_be_said_would_be_named(pattern: re.Pattern[str], text: str) -> None:
    assert [line.split()[0] for line in said(pattern, [("a.md", f"one\n{text}\n")])] == ["a.md:2"]


def test_pages_name_only_what_is_there() -> None:
    assert not (broken := list(missing(texts(".md")))), listed(broken)


def test_a_page_that_names_what_is_not_there_would_be_named() -> None:
    page = (
        "`platform/domain/errors.py`, `docs/decisions/NNNN-title.md`, `tests/<layer>/x.py`, `platform/domain/lost.py`"
    )
    assert list(missing([("a.md", page)])) == ["a.md:1 platform/domain/lost.py"]


def test_each_decision_has_a_number_of_its_own_and_says_it() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    said_by = {page.name: page.read_text(encoding="utf-8").split(maxsplit=2)[1].rstrip(".:") for page in pages}
    assert len(said_by) > 40
    assert not (broken := [name for name, number in said_by.items() if not name.startswith(f"{number}-")]), broken
    assert not (twice := [number for number, times in Counter(said_by.values()).items() if times > 1]), twice


def texts(*suffixes: str) -> Iterable[tuple[str, str]]:
    """Every text of the repository with its path, those ending in `suffixes` where some are given."""
    for path in files():
        wanted = path.suffix in suffixes if suffixes else path.suffix not in _BINARY
        if wanted and path.name not in _WRITTEN_BY_TOOLS and path.is_file():
            try:
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue


def said(pattern: re.Pattern[str], found: Iterable[tuple[str, str]]) -> Iterable[str]:
    """Lines on which `pattern` stands."""
    for path, text in found:
        for number, line in enumerate(text.splitlines(), start=1):
            if hit := pattern.search(line):
                yield f"{path}:{number} {hit[0]}"


def missing(pages: Iterable[tuple[str, str]]) -> Iterable[str]:
    """Paths that a page names and that are not there; patterns and placeholders are no paths."""
    for path, text in pages:
        for number, line in enumerate(text.splitlines(), start=1):
            for named in _NAMED_PATH.findall(line):
                if "NNNN" not in named and not _is_there(named, beside=ROOT / path):
                    yield f"{path}:{number} {named}"


def _is_there(named: str, *, beside: Path) -> bool:
    """Seen from the root, or from the page: an example's files lie as they will in the repository."""
    return (ROOT / named).exists() or (beside.parent / named).exists()
