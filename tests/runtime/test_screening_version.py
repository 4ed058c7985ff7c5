"""A release that screens otherwise finds no answer of the one before: the digest covers whatever decides."""

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.text.safety import DETECTORS
from domain.text.summarize import SUMMARIZE, Summarize
from runtime.cache import AnswerCache, CacheRules, rules_of
from runtime.screening_version import FILES, PLATFORM, screening_version
from runtime.secret_box import SecretBox
from runtime.settings import Settings

NOTHING_TO_DO_WITH_IT = {"domain/errors.py"}
"""What the files import that flags nothing."""


def imported_by(name: str) -> Iterator[str]:
    """The platform's files that a file of it imports."""
    for node in ast.walk(ast.parse((PLATFORM / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            file = f"{node.module.replace('.', '/')}.py"
            if (PLATFORM / file).is_file():
                yield file


def test_whatever_the_guard_is_made_of_is_part_of_the_version() -> None:
    found, left = set[str](), ["providers/text/local/guard.py"]
    while left:
        name = left.pop()
        if name not in found and name not in NOTHING_TO_DO_WITH_IT:
            found.add(name)
            left += imported_by(name)
    assert found <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_change_of_any_of_it_is_another_version(tmp_path: Path, name: str) -> None:
    for file in FILES:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(PLATFORM / file, tmp_path / file)
    with (tmp_path / name).open("ab") as changed:
        changed.write(b"\n")
    assert screening_version(tmp_path) != screening_version()


async def test_an_answer_that_older_rules_let_pass_is_not_there_for_newer_ones_but_where_none_are_wanted() -> None:
    asked = Summarize(text="It rained.")

    async def names(version: str) -> tuple[str, str]:
        rules = CacheRules(seconds={SUMMARIZE.name: 60}, engine="local", screening=version)
        cache = AnswerCache("redis://127.0.0.1:1", SecretBox("any"), rules)
        spots = [cache.spot(SUMMARIZE, asked, "tenant", screened=wanted) for wanted in (DETECTORS, ())]
        await cache.close()
        first, second = (spot.name for spot in spots if spot is not None)
        return first, second

    (screened, unscreened), (screened_anew, unscreened_anew) = await names("1"), await names("2")
    assert screened != screened_anew
    assert unscreened == unscreened_anew


def test_the_cache_of_a_process_goes_by_the_version_of_its_release() -> None:
    assert rules_of(Settings()).screening == screening_version()
