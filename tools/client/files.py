"""Which files of the client are made, and what stands in them."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tools.client.kinds import make_kinds
from tools.client.models import make_models
from tools.client.sync import make_sync

ROOT: Final = Path(__file__).resolve().parents[2]
_PACKAGE: Final = ROOT / "clients/python/src/headrace"
_RUFF: Final = Path(sys.executable).with_name("ruff")


def made_files(description: Mapping[str, Any]) -> dict[Path, str]:
    """Every file that is made, with its text, formatted as the repository is."""
    models, kinds = _PACKAGE / "models.py", _PACKAGE / "_aio/kinds.py"
    made = {models: make_models(description), kinds: make_kinds()}
    made = {path: _formatted(path, text) for path, text in made.items()}
    for path in sorted({kinds, *(_PACKAGE / "_aio").glob("*.py")}):
        text = made[path] if path in made else path.read_text(encoding="utf-8")
        sync = _PACKAGE / "_sync" / path.name
        made[sync] = _formatted(sync, make_sync(text))
    return made


def _formatted(path: Path, text: str) -> str:
    for words in (("check", "--select", "I,F401,RUF100", "--fix", "--quiet"), ("format",)):
        text = subprocess.run(  # noqa: S603 - our own words
            [_RUFF, *words, "--stdin-filename", path, "-"],
            input=text,
            capture_output=True,
            check=True,
            cwd=ROOT,
            text=True,
        ).stdout
    return text
