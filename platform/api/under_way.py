"""How many submissions may be under way at once: a rule over arrivals and answers, with no clock of its own.

By Little's law what is under way is the rate times the time each takes. Past the rate that can be taken, more under way
adds time and no rate. So the limit follows the time: it grows by steps while answers come within the target and
somebody was turned away, and shrinks by a share when more than a tenth come later.
"""

from collections.abc import Callable
from typing import Final

_LATE_SHARE: Final = 10
"""One answer in so many may be late."""


class UnderWay:
    """The count and its limit. Times are seconds of any clock that only goes forward.

    `least` may always be under way, so that a slow Postgres still gets whole groups to commit; `first` is where the
    limit begins, and where it comes back to by itself when nothing is late.
    """

    def __init__(self, *, target_seconds: float, least: int = 32, first: int = 128, most: int = 2_000) -> None:
        self.count = 0
        self.limit = float(first)
        self._target = target_seconds
        self._least = least
        self._first = first
        self._most = most
        # answers tell of a changed limit only after as long as they take: so long, nothing is changed again
        self._window = 2 * target_seconds
        self._judged_at = 0.0
        self._lag = 0.0
        self._answers = 0
        self._late = 0
        self._was_full = False

    def is_full(self) -> bool:
        """Whether who comes now is to be turned away."""
        if self.count < self.limit:
            return False
        self._was_full = True
        return True

    def enter(self) -> None:
        """Count one in."""
        self.count += 1

    def leave(self, arrived: float, now: float) -> None:
        """Count one out that was answered."""
        self.count -= 1
        self._answers += 1
        self._late += now - arrived + self._lag > self._target
        if now - self._judged_at >= self._window:
            self._judge(now)

    def lagged(self, seconds: float) -> None:
        """Hear how late the event loop is: so long, arrivals wait before anybody sees them."""
        self._lag = max(0.0, seconds)

    def _judge(self, now: float) -> None:
        # one late answer alone is no load, however few there are
        if self._late > 1 + self._answers // _LATE_SHARE:
            self.limit = max(float(self._least), self.limit * 0.85)
        elif self._was_full or self.limit < self._first:
            self.limit = min(float(self._most), self.limit + max(1.0, self.limit * 0.05))
        self._judged_at = now
        self._answers = self._late = 0
        self._was_full = False


class Ticket:
    """A submission that was let in: under way from when it has arrived whole until it is closed.

    How long its client takes to send it tells nothing of the load.
    """

    def __init__(self, under_way: UnderWay, clock: Callable[[], float]) -> None:
        self._under_way = under_way
        self._clock = clock
        self._arrived: float | None = None
        self._is_closed = False

    def open(self) -> None:
        """It has arrived whole. Once is enough; again, or after its end, does nothing."""
        if self._arrived is None and not self._is_closed:
            self._arrived = self._clock()
            self._under_way.enter()

    def close(self) -> None:
        """It is answered, or has nothing left to do but wait. Once is enough; again does nothing."""
        if self._arrived is not None and not self._is_closed:
            self._under_way.leave(self._arrived, self._clock())
        self._is_closed = True
