"""Which screening this release has: told by what its files say, so that nobody has to remember to count it up."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

PLATFORM: Final = Path(__file__).parents[1]

FILES: Final = (
    "domain/text/injection.py",
    "domain/text/openings.py",
    "domain/text/rule.py",
    "domain/text/safety.py",
    "domain/text/unveil.py",
    "providers/text/local/guard.py",
    "providers/text/local/models/safety.npz",
    "providers/text/local/ngrams.py",
    "providers/text/local/phrases.py",
    "providers/text/local/words.py",
    "workers/screening.py",
)
"""What decides whether a text is flagged: rules, detectors, their model, and which words of an input they are shown."""


@cache
def screening_version(platform: Path = PLATFORM) -> str:
    """A digest of all of it: another one where a rule, a threshold or the model is another."""
    digest = hashlib.sha256()
    for name in FILES:
        digest.update(hashlib.sha256((platform / name).read_bytes()).digest())
    return digest.hexdigest()
