"""The wordings of prompts: what they cost beside naive ones, as docs/prompts.md tells, and that what was used stays."""

import hashlib
import re
from math import ceil
from pathlib import Path
from string import Formatter

import pytest

from domain.text.classify import UNDETERMINED
from domain.text.prompts import Wordings
from providers.text.wordings import FOLDER, read_wordings

NAIVE = Path(__file__).parent / "naive_prompts"
PAGE = Path(__file__).parents[2] / "docs/prompts.md"
NAMES = Wordings.__struct_fields__
LETTERS_A_TOKEN = 6
WORDINGS = read_wordings()


def tokens(text: str) -> int:
    """About as many as a model counts: a word is one for each six letters begun, any other mark is one."""
    found = re.findall(r"\w+|[^\w\s]", text)
    return sum(ceil(len(piece) / LETTERS_A_TOKEN) for piece in found)


def naive(name: str) -> str:
    return " ".join((NAIVE / f"{name}.txt").read_text().split())


def row(name: str) -> str:
    wording = getattr(WORDINGS, name)
    ours, theirs = tokens(wording.text), tokens(naive(name))
    digest = hashlib.sha256(wording.text.encode()).hexdigest()[:12]
    return f"| `{wording.version}` | {theirs} | {ours} | {1 - ours / theirs:.0%} | `{digest}` |"


def sums() -> str:
    ours, theirs = (sum(tokens(of(name)) for name in NAMES) for of in (lambda n: getattr(WORDINGS, n).text, naive))
    return f"| all | {theirs} | {ours} | {1 - ours / theirs:.0%} | |"


@pytest.mark.parametrize("name", NAMES)
def test_the_page_tells_what_a_wording_costs_and_which_words_it_is(name: str) -> None:
    """Fails where words changed under a number that was in use: give them the next number and the page a row."""
    assert row(name) in PAGE.read_text()


def test_the_page_tells_the_sum() -> None:
    assert sums() in PAGE.read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_wording_saves_at_least_a_quarter_and_asks_for_no_less(name: str) -> None:
    ours, theirs = getattr(WORDINGS, name).text, naive(name)
    assert tokens(ours) <= 0.75 * tokens(theirs)
    assert places(ours) == places(theirs)


def test_every_file_is_of_a_wording_and_the_language_that_is_none_is_spelled_as_the_kind_spells_it() -> None:
    assert {path.name.rpartition("-")[0] for path in FOLDER.iterdir()} == set(NAMES)
    assert f"or {UNDETERMINED} where" in WORDINGS.classify.text


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


if __name__ == "__main__":
    print("\n".join([*map(row, NAMES), sums()]))  # noqa: T201 - the rows of the page
