"""Passwords are hashed by a process of their own, which nothing that happens to it makes fail for long."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runtime.hashing import make_hasher
from runtime.passwords import _LONGEST_SECONDS, MOST, LoginsBusy, Passwords


def niceness_of_session(pid: int) -> int | None:
    """As Linux counts it between sessions; None where it does not group by them."""
    told = Path(f"/proc/{pid}/autogroup")
    return int(told.read_text().split()[-1]) if told.exists() else None


@pytest.fixture
async def passwords() -> AsyncIterator[Passwords]:
    made = Passwords(memory_kib=64)
    yield made
    await made.close()


@pytest.mark.parametrize("password", ["otters sing at noon", "", " ", "p\u00e4ss\nw\u00f6rd \U0001f9a6", "x" * 20_000])
async def test_what_was_hashed_is_verified_and_nothing_else(passwords: Passwords, password: str) -> None:
    kept = await passwords.hash(password)
    assert kept.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert await passwords.verify(password, kept) == (True, None)
    assert not (await passwords.verify(password + "x", kept)).matches
    for nobodys in (None, "", "no hash"):
        assert not (await passwords.verify(password, nobodys)).matches


async def test_a_hash_of_other_parameters_comes_back_fresh(passwords: Passwords) -> None:
    matches, fresh = await passwords.verify("otters", make_hasher(8).hash("otters"))
    assert matches
    assert await passwords.verify("otters", fresh) == (True, None)


async def test_it_is_started_when_needed_is_nice_and_ends_with_its_maker(passwords: Passwords) -> None:
    assert passwords.pid is None
    await passwords.hash("otters")
    pid = passwords.pid or 0
    assert os.getpriority(os.PRIO_PROCESS, pid) - os.getpriority(os.PRIO_PROCESS, 0) in {10, 19 - os.nice(0)}
    # where niceness counts within a session alone, the session is nice
    assert os.getsid(pid) == pid
    assert niceness_of_session(pid) in {10, None}
    await passwords.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_past_a_few_that_wait_the_next_are_told_to_come_back(passwords: Passwords) -> None:
    told = await asyncio.gather(*(passwords.verify("x" * 12, None) for _ in range(MOST + 5)), return_exceptions=True)
    assert sum(isinstance(one, LoginsBusy) for one in told) == 5
    assert sum(not isinstance(one, BaseException) and not one.matches for one in told) == MOST
    assert not (await passwords.verify("x" * 12, None)).matches


async def test_who_goes_away_leaves_no_answer_for_the_next(passwords: Passwords) -> None:
    kept = await passwords.hash("otters")
    asked = passwords.pid
    os.kill(asked or 0, signal.SIGSTOP)
    passwords._rests_until = 0  # noqa: SLF001 - who goes away while it rests has asked nothing
    gone = asyncio.create_task(passwords.verify("otters", kept))
    for _ in range(20):
        await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    # not by waiting in vain for the one that stands still
    async with asyncio.timeout(_LONGEST_SECONDS / 2):
        assert not (await passwords.verify("herons", kept)).matches
    assert passwords.pid != asked


async def test_a_process_that_died_idle_is_started_again(passwords: Passwords) -> None:
    await passwords.hash("otters")
    pid = passwords.pid or 0
    os.kill(pid, signal.SIGKILL)
    assert await passwords.verify("otters", await passwords.hash("otters")) == (True, None)
    assert passwords.pid != pid


async def test_it_says_so_where_memory_does_not_suffice() -> None:
    passwords = Passwords(memory_kib=2**32 - 1)
    with pytest.raises(LoginsBusy, match="right now"):
        await passwords.hash("otters")
    await passwords.close()
