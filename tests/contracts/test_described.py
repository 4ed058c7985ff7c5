"""The API does what its description says: a small part of what `headrace fuzz described` asks, as each role."""

import asyncio
import re

import pytest

from domain.accounts.permissions import ROLE_PERMISSIONS, Role
from tests.api.conftest import House, address, house
from tests.fuzz.checks import run_schemathesis

__all__ = ["address", "house"]  # fixtures, asked for by name


@pytest.mark.timeout(300)  # a process of its own, which a busy machine gives little
@pytest.mark.parametrize(("role", "phases", "cases"), [(Role.ADMIN, "examples", 1), (Role.VIEWER, "fuzzing", 1)])
async def test_what_is_answered_is_what_is_told(
    house: House, address: str, role: Role, phases: str, cases: int
) -> None:
    key = await house.key(permissions=tuple(ROLE_PERMISSIONS[role]))
    words = ["--phases", phases, "--max-examples", str(cases), "--seed", "1"]
    done = await asyncio.to_thread(run_schemathesis, address, key, words, is_heard=False)
    assert done.returncode == 0, done.stdout[-6000:]
    assert re.search(r"Tested: [0-9]{2,}", done.stdout), done.stdout
