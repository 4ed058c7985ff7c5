"""A Gemini provider and the stand-in it asks."""

import atexit
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

import certifi
import pytest

from domain.errors import HeadraceError
from domain.text.prompts import Marks
from domain.text.summarize import Summarize
from providers.text.gemini import GeminiTextProvider
from tests.support.gemini_script import Step
from tests.support.gemini_server import GeminiServer, gemini_server

KEY: Final = "AIza-a-key-nobody-may-see"
MARKS: Final = Marks(fence="xqz7f3a90b1", canary="zqx0123456789abcdef")
BRIDGE: Final = Summarize(text="The harbour bridge reopened on Monday after eleven months of repairs. Ferries stop.")


@cache
def one_authority() -> str:
    """A file with one certificate: the SDK reads them all for every client, which is most of what a test would cost."""
    first = Path(certifi.where()).read_text(encoding="utf-8").partition("-----END CERTIFICATE-----")
    file = Path(mkdtemp()) / "one.pem"
    file.write_text(first[0] + first[1] + "\n", encoding="utf-8")
    atexit.register(shutil.rmtree, file.parent)
    return str(file)


@asynccontextmanager
async def meeting(
    *script: Step, timeout_seconds: float = 10.0
) -> AsyncGenerator[tuple[GeminiTextProvider, GeminiServer]]:
    """A provider whose requests are met by `script`, closed in the end."""
    async with gemini_server(*script) as server:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("SSL_CERT_FILE", one_authority())
            provider = GeminiTextProvider(
                KEY, base_url=server.url, model="gemini-test", timeout_seconds=timeout_seconds, marks=MARKS
            )
        try:
            yield provider, server
        finally:
            await provider.aclose()


async def raised_by(*script: Step, timeout_seconds: float = 10.0) -> HeadraceError:
    """What a summary raises, asked for once and once only."""
    async with meeting(*script, timeout_seconds=timeout_seconds) as (gemini, server):
        with pytest.raises(HeadraceError) as caught:
            await gemini.summarize(BRIDGE)
        assert len(server.requests) == 1, "the SDK asked again by itself"
    return caught.value
