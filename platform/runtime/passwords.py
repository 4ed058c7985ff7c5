"""Hashing passwords: Argon2id, in threads of their own that yield to everybody else, and never many at once.

A hash takes 46 MiB and tens of milliseconds of a core, which is its point. So at most two are made at once, at most 20
wait, and who comes then is told to come back: logins must not slow down anything else, however many there are.
"""

import asyncio
import os
import secrets
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, NamedTuple, TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from domain.errors import Unavailable

T = TypeVar("T")

AT_ONCE: Final = 2
MOST_WAITING: Final = 20
_NICENESS: Final = 10  # a tenth of a core where all are busy, all of one where they are not
_MEMORY_KIB: Final = 46 * 1024


class LoginsBusy(Unavailable):
    """As many passwords wait to be hashed as may."""

    code = "logins_busy"
    title = "Too many logins at once"


class Verified(NamedTuple):
    """Whether a password matched; `fresh`: a hash to keep in place of one with other parameters than today's."""

    matches: bool
    fresh: str | None = None


class Passwords:
    """Hashes and verifies. Threads are started when first needed, and end with the process."""

    def __init__(self, *, memory_kib: int = _MEMORY_KIB) -> None:
        self._hasher = PasswordHasher(
            time_cost=1, memory_cost=memory_kib, parallelism=1, hash_len=32, salt_len=16, type=Type.ID
        )
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passwords", initializer=_yield_to_others)
        self._under_way = 0
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        """The password's hash, with its salt and parameters.

        Raises:
            LoginsBusy: too many are under way.
        """
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, password: str, password_hash: str | None) -> Verified:
        """Whether `password` is the one hashed. Where there is no hash, it takes as long to say no.

        Raises:
            LoginsBusy: too many are under way.
        """
        return await self._run(lambda: self._verify(password, password_hash))

    def hash_now(self, password: str) -> str:
        """As `hash`, for who has no event loop to keep turning."""
        return self._hasher.hash(password)

    def _verify(self, password: str, password_hash: str | None) -> Verified:
        if password_hash is None:
            if self._nobodys is None:
                self._nobodys = self._hasher.hash(secrets.token_urlsafe())
            password_hash, is_somebodys = self._nobodys, False
        else:
            is_somebodys = True
        try:
            self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return Verified(matches=False)
        if not is_somebodys:
            return Verified(matches=False)
        stale = self._hasher.check_needs_rehash(password_hash)
        return Verified(matches=True, fresh=self._hasher.hash(password) if stale else None)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._under_way >= AT_ONCE + MOST_WAITING:
            raise LoginsBusy("Too many passwords are being checked.", retry_after_seconds=1.0)
        self._under_way += 1
        future = self._pool.submit(work)
        # counted out when the thread is done, not when who asked has gone away
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: self._left(loop))
        return await asyncio.wrap_future(future)

    def _left(self, loop: asyncio.AbstractEventLoop) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(self._count_out)

    def _count_out(self) -> None:
        self._under_way -= 1


def _yield_to_others() -> None:
    """Give this thread a small claim to the processor. Only Linux counts niceness by thread."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
