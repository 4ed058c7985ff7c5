"""Hashing passwords: Argon2id, in a process of its own that yields to everybody else, one at a time.

A hash takes 46 MiB and tens of milliseconds of a core, which is its point. So one is made at a time, the next after as
long a rest as the last one took, at most 20 wait, and who comes then is told to come back: logins must not slow down
anything else, however many there are.
"""

import asyncio
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from domain.errors import Unavailable
from runtime.settings import environment_without_settings

MOST_WAITING: Final = 20
MOST: Final = 1 + MOST_WAITING
"""How many may be hashed or wait for it."""

_MEMORY_KIB: Final = 46 * 1024
_TRIES: Final = 2
_LONGEST_SECONDS: Final = 20.0  # of one hash: where all cores are busy it takes seconds
_LONGEST_REST_SECONDS: Final = 0.25
_LARGE_PAGES: Final = "glibc.malloc.hugetlb=1"  # else half of what a hash costs is taking 46 MiB page by page
_CHILD: Final = Path(__file__).with_name("hashing.py")


class LoginsBusy(Unavailable):
    """As many passwords wait to be hashed as may, or none can be hashed right now."""

    code = "logins_busy"
    title = "Too many logins at once"


class Verified(NamedTuple):
    """Whether a password matched; `fresh`: a hash to keep in place of one with other parameters than today's."""

    matches: bool
    fresh: str | None = None


class Passwords:
    """Hashes and verifies. The process is started when first needed and again when it has died; `close` ends it."""

    def __init__(self, *, memory_kib: int = _MEMORY_KIB) -> None:
        self._memory_kib = memory_kib
        self._under_way = 0
        self._turn = asyncio.Lock()
        self._child: asyncio.subprocess.Process | None = None
        self._is_killed = False
        self._rests_until = 0.0

    @property
    def is_full(self) -> bool:
        """Whether who comes now would be told to come back."""
        return self._under_way >= MOST

    @property
    def is_busy(self) -> bool:
        """Whether anybody's password is being hashed, or waits for it."""
        return self._under_way > 0

    @property
    def pid(self) -> int | None:
        """The process that hashes, if it has been started."""
        return None if self._child is None else self._child.pid

    def demand_room(self) -> None:
        """Go on only if who comes now may wait.

        Raises:
            LoginsBusy: too many are under way.
        """
        if self.is_full:
            raise LoginsBusy("Too many passwords are being checked.", retry_after_seconds=1.0)

    async def hash(self, password: str) -> str:
        """The password's hash, with its salt and parameters.

        Raises:
            LoginsBusy: too many are under way, or the process that hashes died more than once.
        """
        return await self._ask(f"hash {_hex(password)}\n")

    async def verify(self, password: str, password_hash: str | None) -> Verified:
        """Whether `password` is the one hashed. Where there is no hash, it takes as long to say no.

        Raises:
            LoginsBusy: as of `hash`.
        """
        matches, _, fresh = (await self._ask(f"verify {_hex(password)} {password_hash or ''}\n")).partition(" ")
        return Verified(matches=matches == "yes", fresh=fresh or None)

    async def close(self) -> None:
        """End the process. It is started again if anybody asks."""
        async with self._turn:
            await self._end()

    async def _ask(self, line: str) -> str:
        self.demand_room()
        self._under_way += 1
        try:
            async with self._turn:
                await asyncio.sleep(max(0.0, self._rests_until - time.monotonic()))
                for _ in range(_TRIES):
                    began = time.monotonic()
                    told = await self._told(line)
                    if told is not None:
                        ended = time.monotonic()
                        self._rests_until = ended + min(ended - began, _LONGEST_REST_SECONDS)
                        return told
        finally:
            self._under_way -= 1
        raise LoginsBusy("No password can be checked right now.", retry_after_seconds=1.0)

    async def _told(self, line: str) -> str | None:
        """What the process answers; None if it cannot, and has ended."""
        told = ""
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                child = await self._started()
                assert child.stdin is not None  # noqa: S101 - asked for
                assert child.stdout is not None  # noqa: S101 - as above
                child.stdin.write(line.encode())
                await child.stdin.drain()
                told = (await child.stdout.readline()).decode()
        except (OSError, TimeoutError):
            pass
        finally:
            # also of who goes away meanwhile: the next must not read the answer that is still to come
            if not told.endswith("\n"):
                self._kill()
        told = told.strip()
        return None if told in {"", "failed"} else told

    async def _started(self) -> asyncio.subprocess.Process:
        if self._is_killed:
            await self._end()
        if self._child is None or self._child.returncode is not None:
            # by its path and isolated: neither our packages nor what the environment names are of use to it
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                str(_CHILD),
                str(self._memory_kib),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=environment_without_settings(GLIBC_TUNABLES=_LARGE_PAGES),
            )
        return self._child

    def _kill(self) -> None:
        self._is_killed = True
        if self._child is not None:
            with suppress(ProcessLookupError):
                self._child.kill()

    async def _end(self) -> None:
        child, self._child, self._is_killed = self._child, None, False
        if child is not None and child.stdin is not None:
            child.stdin.close()
            await child.wait()


def _hex(password: str) -> str:
    """A word, whatever the password is: also where it is empty."""
    return f"-{password.encode().hex()}"
