"""Measures what the finder of personal data finds, sort by sort.

    PYTHONPATH=platform python -m tools.text.evaluate_pii [--data DIR]

A value counts as found when its place and its sort are exact. Of each development set two halves are told apart: the
rules were tuned on the rows of even number, and only looked at through these figures on the others. Both halves come
from the same templates, so expect less elsewhere. `made` are the texts of `tools.text.personal_texts`.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from domain.text.personal import SORTS, Found, find_personal
from tools.text.personal_texts import Made, made_texts

_SETS: Final = ("pii_synth", "pii_presidio")
_MADE: Final = 5_000


def main() -> None:
    """Print every figure."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, help="the folder of the development sets")
    for name, texts in sets_of(arguments.parse_args().data):
        _tell(name, texts)


def sets_of(folder: Path | None) -> Iterator[tuple[str, Sequence[Made]]]:
    """The texts made here, and those of the development sets that are there, by what is said of them."""
    yield "made", made_texts(_MADE)
    for name in _SETS:
        if folder is not None and (path := folder / name / "dev.jsonl").is_file():
            rows = _read(path)
            yield f"{name}, tuned on", rows[::2]
            yield f"{name}, the other half", rows[1::2]


def measured(texts: Sequence[Made]) -> dict[str, tuple[int, int, int]]:
    """Of each sort and of `all`: how many were found rightly, were missed, and were found where there are none."""
    right, missed, wrong = Counter[str](), Counter[str](), Counter[str]()
    for made in texts:
        wanted, found = set(made.spans), set(find_personal(made.text))
        right.update(each.sort for each in wanted & found)
        missed.update(each.sort for each in wanted - found)
        wrong.update(each.sort for each in found - wanted)
    by_sort = {sort: (right[sort], missed[sort], wrong[sort]) for sort in SORTS}
    return {"all": (right.total(), missed.total(), wrong.total())} | by_sort


def _tell(name: str, texts: Sequence[Made]) -> None:
    start = time.perf_counter()
    figures = measured(texts)
    took = (time.perf_counter() - start) / sum(len(made.text) for made in texts) * 1_000_000
    sys.stdout.write(f"{name}: n {len(texts)} texts, {took:.2f} ms a KB\n")
    for sort, (right, missed, wrong) in figures.items():
        if right + missed + wrong:
            recall, precision = right / max(1, right + missed), right / max(1, right + wrong)
            sys.stdout.write(f"  {sort:6} recall {recall:.3f}  precision {precision:.3f}  n {right + missed}\n")


def _read(path: Path) -> list[Made]:
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        Made(
            row["text"],
            tuple(Found(each["start"], each["end"], _SORTS.get(each["type"], each["type"])) for each in row["spans"]),
        )
        for row in rows
    ]


_SORTS: Final = {"credit_card": "card"}

if __name__ == "__main__":
    main()
