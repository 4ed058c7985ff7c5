"""What a worker process ends with when it ends itself; whoever started it starts it again."""

from enum import IntEnum


class WorkerExit(IntEnum):
    """Exit codes apart from those of shells, of Python and of sysexits. Asked to stop, a worker ends with 0."""

    DEAF = 81
    """The broker took its canaries, it had room, and it heard none of three."""
    BLOCKED = 82
    """A handler held the event loop for half a lease."""
    ABANDONED = 83
    """Too many handlers went on after they were cut off."""
