"""The wordings of prompts, read from their files: `prompts/<name>-<number>.txt`, of which each name has one in use.

A file that is in use, or was, is not changed: another wording is another number.
"""

from pathlib import Path
from typing import Final

from domain.text.prompts import Wording, Wordings

FOLDER: Final = Path(__file__).parent / "prompts"

_IN_USE: Final = dict.fromkeys(Wordings.__struct_fields__, 1)


def read_wordings(folder: Path = FOLDER) -> Wordings:
    """The wordings in use. A file's lines are for its readers: a model is told one line, its words a space apart."""
    return Wordings(**{name: _read(folder, f"{name}-{number}") for name, number in _IN_USE.items()})


def _read(folder: Path, version: str) -> Wording:
    return Wording(version, " ".join((folder / f"{version}.txt").read_text(encoding="utf-8").split()))
