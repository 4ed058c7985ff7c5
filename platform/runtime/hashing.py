"""The process that hashes passwords: run by its path, one line asked and one line answered, and nothing else.

It imports Argon2 and little besides, for it stands beside each API process. What it is asked: `hash` and the password
as `-` and hex; or `verify`, the password and a hash. It answers the hash; or `yes`, `no`, or `yes` and a
fresh hash where the one given has other parameters than today's; or `failed`. It ends when its input does: with who
started it.
"""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from argon2 import PasswordHasher, Type
from argon2.exceptions import HashingError, InvalidHashError, VerificationError

NICENESS: Final = 10
"""A tenth of a core where all are busy, all of one where they are not."""

_AUTOGROUP: Final = Path("/proc/self/autogroup")
_TRIES: Final = 5
_AGAIN_SECONDS: Final = 0.15  # Linux lets those without rights make one session nice in a tenth of a second


def make_hasher(memory_kib: int) -> PasswordHasher:
    """Argon2id with one pass over so much memory."""
    return PasswordHasher(time_cost=1, memory_cost=memory_kib, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)


def answer(hasher: PasswordHasher, line: str) -> str:
    """What is answered to a line, without its end."""
    try:
        verb, spelled, *given = line.split()
        password = bytes.fromhex(spelled.removeprefix("-"))
        if verb == "hash":
            return hasher.hash(password)
        if not given:
            # there is no hash to compare with, and saying so must take as long
            hasher.hash(password)
            return "no"
        return _verify(hasher, password, given[0])
    except (HashingError, MemoryError, ValueError):
        return "failed"


def _verify(hasher: PasswordHasher, password: bytes, password_hash: str) -> str:
    try:
        hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return "no"
    return f"yes {hasher.hash(password)}" if hasher.check_needs_rehash(password_hash) else "yes"


def yield_to_others() -> None:
    """Stand back from every process of the machine, and not only from the API.

    Where Linux groups processes by session (`kernel.sched_autogroup_enabled`, as most distributions have it), niceness
    counts within a session alone: as one of the API's this would take a core from Postgres as anybody may. So it is in
    a session of its own, and the session is nice too. No right is needed for that.
    """
    with suppress(OSError):
        os.setsid()
    with suppress(OSError):
        os.nice(NICENESS)
    for _ in range(_TRIES):
        try:
            _AUTOGROUP.write_text(str(NICENESS))
        except BlockingIOError:
            time.sleep(_AGAIN_SECONDS)
        except OSError:
            return
        else:
            return


def main() -> None:
    """Answer until there is nothing more to read."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who presses Ctrl-C means the API, which lets logins finish
    yield_to_others()
    hasher = make_hasher(int(sys.argv[1]))
    with suppress(BrokenPipeError):
        for line in sys.stdin:
            sys.stdout.write(answer(hasher, line) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
