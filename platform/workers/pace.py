"""How many jobs of the back line a worker runs at once while somebody in front may come: as few as keep it quick.

A worker's loop goes round all that is ready before it begins something new. With a hundred short jobs under way a
round takes a tenth of a second, which is what a job that came to the front would wait; with a handful, a hundredth.
But every handful costs a claim and a commit, so a worker holds back only where there is whom to hold back for.

It also rests before each handful then: what keeps a processor busy without a pause keeps everybody in front waiting
for it, the database and the API too where they share it.
"""

from collections.abc import Callable
from typing import Final

LEAST: Final = 4
REST_SECONDS: Final = 0.03

_POLITE_SECONDS: Final = 5.0
_SLOW_SECONDS: Final = 0.004
_QUICK_SECONDS: Final = 0.002
_SHRINK: Final = 0.75
_GROW: Final = 1.25


class Pace:
    """Up to `most` jobs, and fewer for 5 s after each job of the front line, as far as rounds of the loop are slow."""

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._size = most
        self._polite_until = clock()

    @property
    def is_polite(self) -> bool:
        """Whether a job of the front line came within the last 5 s."""
        return self._clock() < self._polite_until

    @property
    def size(self) -> int:
        """How many jobs may run now."""
        return self._size if self.is_polite else self._most

    @property
    def rest_seconds(self) -> float:
        """How long the back line rests before it takes slots."""
        return REST_SECONDS if self.is_polite else 0.0

    def give_way(self) -> None:
        """Note that a job of the front line came."""
        self._polite_until = self._clock() + _POLITE_SECONDS

    def note_round(self, seconds: float) -> None:
        """Note how long a round of the loop took."""
        if seconds > _SLOW_SECONDS:
            self._size = max(min(LEAST, self._most), int(self._size * _SHRINK))
        elif seconds < _QUICK_SECONDS:
            self._size = min(self._most, int(self._size * _GROW) + 1)
