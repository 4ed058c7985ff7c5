"""A whole platform for one measurement: `up` in a folder of its own, stopped with it."""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from runtime.settings import environment_without_settings

_CHECKOUT = Path(__file__).parents[2]


class Ready(Struct):
    """What of the ready line is used."""

    api: str
    api_key: str
    processes: dict[str, int]


def asking(gemini_url: str) -> dict[str, str]:
    """The settings of a platform whose Gemini is at that address. What it costs is not said, and that is no news."""
    return {
        "HEADRACE_GEMINI_API_KEY": "any",
        "HEADRACE_GEMINI_BASE_URL": gemini_url,
        "HEADRACE_LOG_LEVEL": "error",
    }


@asynccontextmanager
async def own_platform(settings: dict[str, str], checkout: Path = _CHECKOUT) -> AsyncIterator[Ready]:
    """The platform of a checkout, ready, under these settings and no others, in the environment of this process."""
    with tempfile.TemporaryDirectory(prefix="headrace-bench-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o711)  # noqa: PTH101, S103 - the servers run as somebody else; of a moment, and before anything runs
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "cli.main", "up", "--json", "--no-flower", "--data-dir", folder),
            stdout=asyncio.subprocess.PIPE,
            env=environment_without_settings(PYTHONPATH=str(checkout / "platform"), **settings),
        )
        assert process.stdout is not None
        try:
            yield msgspec.json.decode(await process.stdout.readline(), type=Ready)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
