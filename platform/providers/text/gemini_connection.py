"""Google's client over connections of ours. Importing this module costs what `gemini_client` does."""

from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from aiohttp import ClientSession, TCPConnector
from google.genai import Client
from google.genai.client import AsyncClient
from google.genai.types import HttpOptions, HttpRetryOptions

GOOGLE: Final = "https://generativelanguage.googleapis.com/"

_READ_AT_ONCE_BYTES: Final = 2**22  # as the SDK has it


class GeminiConnection:
    """The SDK's asynchronous client of one key, as `aio`. Made on the event loop that it is used on; close it there.

    It asks once: the platform owns retries.
    """

    def __init__(self, api_key: str, *, base_url: str | None, api_version: str, timeout_seconds: float) -> None:
        self._session = _open_session(base_url or GOOGLE)
        try:
            # Everything is said here, or the SDK would look for it in the environment.
            self._client = Client(
                vertexai=False,
                api_key=api_key,
                http_options=HttpOptions(
                    base_url=base_url or GOOGLE,
                    api_version=api_version,
                    timeout=milliseconds(timeout_seconds),
                    retry_options=HttpRetryOptions(attempts=1),
                    aiohttp_client=self._session,
                ),
            )
        except BaseException:
            self._session.detach()  # it has no connection yet
            raise

    @property
    def aio(self) -> AsyncClient:
        """What is asked."""
        return self._client.aio

    async def aclose(self) -> None:
        """Close every connection; twice is fine."""
        await self._client.aio.aclose()
        self._client.close()
        await self._session.close()


def milliseconds(seconds: float) -> int:
    """As the SDK counts; at least one, for none would be no limit."""
    return max(1, round(seconds * 1000))


def _open_session(base_url: str) -> ClientSession:
    """Connections to a provider, by the proxy that the environment names for it, if it does.

    Those that the SDK opens by itself look for a proxy, and for a password in ~/.netrc, before each question, in a
    thread for each: half a millisecond before the first word of a reply.
    """
    address = urlsplit(base_url)
    proxy = None if proxy_bypass(address.hostname or "") else getproxies().get(address.scheme)
    if proxy and "://" not in proxy:
        proxy = f"http://{proxy}"  # as many programs take it
    return ClientSession(connector=TCPConnector(limit=0), proxy=proxy, read_bufsize=_READ_AT_ONCE_BYTES)
