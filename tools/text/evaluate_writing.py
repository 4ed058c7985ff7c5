"""How well texts are written from briefs: what can be counted of it. Whether they read well, a reader says."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from domain.text.generate import Generate
from providers.text.local.generate import count_words, write
from tools.text.figures import new_numbers

OUR_BRIEFS: Final = Path(__file__).with_name("briefs.jsonl")
"""Thirty, ours (CC0), in the form of the development set's; nothing is fitted to them."""


def writing_figures(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """The shares of facts kept, of texts of the right length and of those with what must be there; numbers invented."""
    kept, invented, length, structure = [], 0, [], []
    for row in rows:
        brief = row["brief"]
        text = write(Generate(format=row["kind"], brief=brief["prompt"], tone=brief["tone"]))
        for fact in row["facts"]:
            forms = fact if isinstance(fact, list) else [fact]
            kept.append(any(form.lower() in text.lower() for form in forms))
        invented += new_numbers(text, brief["prompt"])
        length.append(row["words"][0] <= count_words(text) <= row["words"][1])
        structure.append(all(re.search(wanted, text, re.IGNORECASE | re.MULTILINE) for wanted in row["must_match"]))
    return {
        "facts kept": float(np.mean(kept)),
        "invented numbers": invented,
        "length right": float(np.mean(length)),
        "structure": float(np.mean(structure)),
    }
