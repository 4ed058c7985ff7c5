"""What the description allows, and what it does not, sent by Schemathesis as each role.

Run by `headrace fuzz described`. Exits 1 where a check fails; what failed, and how to send it again, is printed.
"""

# ruff: noqa: T201 - run by its name, and prints what it found

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from domain.accounts.api_key import make_key
from domain.accounts.permissions import ROLE_PERMISSIONS, Role
from runtime.unique_ids import new_id
from storage.accounts import NewKey, add_key, add_user
from storage.database import open_database
from tests.support.running_up import own_data_dir, running_up

PHASES: Final = "examples,coverage,fuzzing,stateful"
NOBODY_WORKS: Final = ("--no-flower", "--workers", "0")
"""Whatever is asked for, no worker sends it anywhere: mails and webhooks go to addresses somebody made up."""

_HOOKS: Final = "tests.fuzz.hooks"
_ENDLESS: Final = ("stream_events", "stream_reply", "stream_reply_to_message")
_ROOT: Final = Path(__file__).resolve().parents[2]
_PER_MINUTE: Final = 1_000_000


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--cases", type=int, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--roles", required=True)
    arguments.add_argument("--only", default="")
    given = arguments.parse_args()
    failed = []
    with own_data_dir() as folder, running_up(folder, *NOBODY_WORKS, HEADRACE_LOG_FORMAT="json") as up:
        with up.client() as client:
            tenant_id = client.get("/v1/me").json()["tenant_id"]
        for role in map(Role, given.roles.split(",")):
            print(f"As {role}:", flush=True)
            key = asyncio.run(make_role_key(up.ready["database_url"], tenant_id, role))
            words = ["--seed", str(given.seed), "--max-examples", str(given.cases), "--phases", PHASES]
            words += ["--include-operation-id-regex", given.only] if given.only else []
            if run_schemathesis(up.ready["api"], key, words).returncode:
                failed.append(str(role))
    print(f"Failed as {', '.join(failed)}." if failed else "Everything that was answered is told of.")
    return 1 if failed else 0


def run_schemathesis(
    address: str, key: str, words: Sequence[str], *, is_heard: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run all checks against the API at `address` with a key; what it says is printed, or kept unless `is_heard`."""
    # warnings of its own libraries are not ours to make errors of
    environ = {**os.environ, "SCHEMATHESIS_HOOKS": _HOOKS, "PYTHONPATH": str(_ROOT), "PYTHONWARNINGS": "ignore"}
    return subprocess.run(  # noqa: S603 - our own words
        [
            Path(sys.executable).parent / "schemathesis",
            "run",
            f"{address}/schema/openapi.json",
            "--header",
            f"Authorization: Bearer {key}",
            "--checks",
            "all",
            "--continue-on-failure",
            "--request-timeout",
            "30",
            "--no-color",
            # the stream of a tenant never ends, and those of replies wait for a worker, of which there is none: they
            # are read by tests/api/events and tests/api/chat, and the corpus asks for them wrongly
            *(word for name in _ENDLESS for word in ("--exclude-operation-id", name)),
            "--suppress-health-check",
            "all",
            *words,
        ],
        check=False,
        cwd=_ROOT,
        env=environ,
        stdout=None if is_heard else subprocess.PIPE,
        stderr=None if is_heard else subprocess.STDOUT,
        text=True,
    )


async def make_role_key(database_url: str, tenant_id: str, role: Role) -> str:
    """The key of a fresh user of that role."""
    key, user_id = make_key(os.urandom(40)), new_id("user")
    database = open_database(database_url, name="fuzz")
    async with database.begin() as tx:
        await add_user(
            tx, user_id, tenant_id=tenant_id, email=f"{user_id}@example.com", name=role.value, role=role.value
        )
        new = NewKey(
            id=new_id("key"),
            tenant_id=tenant_id,
            user_id=user_id,
            name="fuzz",
            public_id=key.public_id,
            secret_sha256=key.secret_sha256,
            permissions=ROLE_PERMISSIONS[role],
            requests_per_minute=_PER_MINUTE,
        )
        await add_key(tx, new)
    await database.close()
    return str(key)


if __name__ == "__main__":
    sys.exit(main())
