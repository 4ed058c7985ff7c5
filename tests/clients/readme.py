"""The examples of the client's README, as one who copies them has them."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGE: Final = ROOT / "clients/python"
_BLOCK: Final = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CLIENT: Final = "from headrace import Headrace\n\nclient = Headrace()\n"


def examples() -> list[str]:
    """Each as a script of its own; those that use a client from above are given one."""
    blocks: list[str] = _BLOCK.findall((PACKAGE / "README.md").read_text(encoding="utf-8"))
    return [
        block
        if re.search(r"^client = |^from headrace import .*Headrace|webhooks", block, re.MULTILINE)
        else _CLIENT + block
        for block in blocks
    ]
