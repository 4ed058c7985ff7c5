"""The newcomer's proof: the example's files and lines, put into a copy of the platform, make a kind that works."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT

EXAMPLE = ROOT / "examples" / "adding_a_kind"
_FEWER_LINES_THAN = 60

# (file, the line it goes before, the line)
_CATALOGUED = (
    ("platform/domain/catalog.py", "from domain.text.generate ", "from domain.text.count_words import COUNT_WORDS"),
    ("platform/domain/catalog.py", "    CLASSIFY,", "    COUNT_WORDS,"),
)
_BOUND = (
    ("platform/workers/handlers.py", "from domain.text.generate ", "from domain.text.count_words import COUNT_WORDS"),
    ("platform/workers/handlers.py", "from workers.text.generate ", "from workers.text.count_words import count_words"),
    ("platform/workers/handlers.py", "    bind(CLASSIFY,", "    bind(COUNT_WORDS, count_words),"),
)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The platform and what its tests stand on, with the example's files in it, and none of its lines yet."""
    without = shutil.ignore_patterns("__pycache__", "test_adding_a_kind.py")
    for folder in ("platform", "tests/support", "tests/house"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=without)
    for file in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(ROOT / file, tmp_path / file)
    for folder in ("platform", "tests"):
        shutil.copytree(EXAMPLE / folder, tmp_path / folder, dirs_exist_ok=True, ignore=without)
    return tmp_path


def test_two_files_and_two_lines_make_a_kind_that_runs(copy: Path) -> None:
    write_lines(copy, *_CATALOGUED, *_BOUND)
    answer = run_tests(copy, "tests/workers/text/test_count_words.py", "tests/house/test_catalogue.py")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "text.count_words" in answer.stdout


def test_a_line_forgotten_in_the_catalogue_is_named(copy: Path) -> None:
    write_lines(copy, *_BOUND)
    answer = run_tests(copy, "tests/house/test_catalogue.py")
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert (
        "text/count_words.py writes text.count_words, which has no line in platform/domain/catalog.py" in answer.stdout
    )


def test_a_line_forgotten_among_the_handlers_is_named(copy: Path) -> None:
    write_lines(copy, *_CATALOGUED)
    answer = run_tests(copy, "tests/house/test_catalogue.py")
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert "text.count_words (text/count_words) has no line in platform/workers/handlers.py" in answer.stdout


def test_the_page_shows_the_lines_and_all_of_it_is_short() -> None:
    page = (EXAMPLE / "README.md").read_text(encoding="utf-8").splitlines()
    lines = [line for _, _, line in (*_CATALOGUED, *_BOUND)]
    assert [line for line in lines if line not in page] == []
    written = [path.read_text(encoding="utf-8") for path in EXAMPLE.rglob("*.py")]
    assert sum(text.count("\n") for text in written) + len(lines) < _FEWER_LINES_THAN


def write_lines(copy: Path, *lines: tuple[str, str, str]) -> None:
    """Write each line before the last one that starts as given."""
    for file, before, line in lines:
        text = (copy / file).read_text(encoding="utf-8")
        head, anchor, tail = text.rpartition(f"\n{before}")
        assert anchor, f"{file} has no line that starts with {before!r}"
        (copy / file).write_text(f"{head}\n{line}{anchor}{tail}", encoding="utf-8")


def run_tests(copy: Path, *paths: str) -> subprocess.CompletedProcess[str]:
    """Run tests of the copy against the copy's platform, as its developer would."""
    return subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *paths],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy / "platform")},
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
