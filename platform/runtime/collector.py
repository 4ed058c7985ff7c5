"""The garbage collector of a process that has loaded what it needs."""

import gc
from typing import Final

_AFTER: Final = (20_000, 50, 50)


def settle_in() -> None:
    """Look no more at what is loaded by now, and seldom at what comes: who waits for an answer waits for that too."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_AFTER)
