"""How many ids of a queue may be with the broker, unclaimed: just enough that workers never wait for the relay."""

from typing import Final

LEAST: Final = 100
MOST: Final = 2000

_SHRINK: Final = 0.75


class Window:
    """Grows when the workers had emptied the broker while jobs were due, and shrinks when they left much in it.

    The smaller it is, the sooner a job that comes now runs: what has been sent cannot be overtaken any more.
    """

    def __init__(self) -> None:
        self.size = LEAST
        self._was_filled = False

    def room(self, unclaimed: int) -> int:
        """How many more to send now, given how many are unclaimed; 0 until it is worth a message."""
        if self._was_filled:
            if unclaimed == 0:
                self.size = min(MOST, self.size * 2)
            elif unclaimed > self.size // 2:
                self.size = max(LEAST, int(self.size * _SHRINK))
        room = self.size - unclaimed
        return room if room >= self.size // 4 else 0

    def sent(self, number: int, room: int) -> None:
        """Note what was sent into `room`: a window that was not filled teaches nothing."""
        self._was_filled = number >= room
