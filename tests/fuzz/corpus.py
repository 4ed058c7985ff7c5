"""The byte corpus: crafted requests against a platform of its own.

Run by `headrace fuzz corpus`; exits 1 on any fault.
"""

# ruff: noqa: T201 - run by its name, and prints what it found

import argparse
import asyncio
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import httpx

from tests.fuzz.crafted import Crafted, craft, first
from tests.fuzz.described import NOBODY_WORKS
from tests.fuzz.things import make_things
from tests.fuzz.wire import ask, faults
from tests.support.running_up import RunningUp, own_data_dir, running_up

_LANES: Final = 8
_FAILED: Final = '"request.failed"'


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--requests", type=int, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    given = arguments.parse_args()
    with own_data_dir() as folder, running_up(folder, *NOBODY_WORKS, HEADRACE_LOG_FORMAT="json") as up:
        began = time.monotonic()
        crafted = asyncio.run(_crafted(up, given.requests, given.seed))
        with ThreadPoolExecutor(_LANES) as lanes:
            answers = list(lanes.map(lambda one: _answered(up.ready["api"], one), crafted))
        broken = [
            f"{request.name}: {fault}" for request, (_, found) in zip(crafted, answers, strict=True) for fault in found
        ]
        broken += _failures(folder)
        with up.client() as client:
            broken += [] if client.get("/health/live").is_success else ["the API is not well afterwards"]
    for line in broken:
        print(f"BROKEN {line}")
    statuses = Counter(status for status, _ in answers)
    print(f"{len(crafted)} requests, seed {given.seed}, {time.monotonic() - began:.0f} s: {len(broken)} broken")
    print("answers: " + ", ".join(f"{status or 'closed'}: {number}" for status, number in sorted(statuses.items())))
    return 1 if broken else 0


async def _crafted(up: RunningUp, requests: int, seed: int) -> list[Crafted]:
    headers = {"Authorization": f"Bearer {up.ready['api_key']}"}
    async with httpx.AsyncClient(base_url=up.ready["api"], headers=headers, timeout=30) as client:
        description: dict[str, Any] = (await client.get("/schema/openapi.json")).json()
        ids = await make_things(client)
    return first(craft(description, key=up.ready["api_key"], ids=ids, seed=seed), requests)


def _answered(address: str, crafted: Crafted) -> tuple[int, list[str]]:
    try:
        answer = ask(address, crafted)
    except TimeoutError:
        return 0, ["neither answered nor closed"]
    return answer.status, faults(crafted, answer)


def _failures(folder: Path) -> list[str]:
    """The faults that the API's log tells of."""
    logs = (folder / "logs").glob("api*")
    return [line[:500] for log in logs for line in log.read_text(errors="replace").splitlines() if _FAILED in line]


if __name__ == "__main__":
    sys.exit(main())
