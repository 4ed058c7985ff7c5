"""The wire: requests sent, sent again where that is safe, and answers read."""

# Made by `python -m tools.client` of the module of this name in `_aio`: do not edit.

import logging
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from time import sleep
from typing import Final

import httpx

from headrace._sync.session import Session
from headrace.errors import ApiError, HeadraceError, NoAnswer, Unreachable
from headrace.requests import Answer, Request
from headrace.retrying import pause_before_retry
from headrace.target import Target, bearer
from headrace.version import __version__

_LOG: Final = logging.getLogger("headrace")
_ERRORS_BEGIN: Final = 400
_WHO_ARE_YOU: Final = 401


class Connection:
    """Speaks to one Headrace, over connections that are kept.

    `timeout` is how many seconds the answer to one request may take, beyond what it was asked to wait. Where there is a
    `session`, its tokens are shown, and not the target's key.
    """

    def __init__(
        self, target: Target, *, timeout: float, max_retries: int, http_client: httpx.Client | None = None
    ) -> None:
        self.target = target
        self.session: Session | None = None
        self._timeout = timeout
        self.max_retries = max_retries
        self._is_own = http_client is None
        self._http = http_client or httpx.Client(
            # Loading certificates takes time that a plain address has no use for; a proxy cannot reach loopback.
            verify=target.url.startswith("https:"),
            trust_env=not target.is_loopback,
        )

    def close(self) -> None:
        """Close the connections, unless they are of a client that was handed in."""
        if self._is_own:
            self._http.close()

    def send(self, request: Request, *, within: float | None = None) -> Answer:
        """What the API answers, after as many tries as it takes and the client may make, `within` seconds if given.

        Raises:
            ApiError: it says no.
            Unreachable: it cannot be reached, or does not answer in time.
        """
        ends = None if within is None else time.monotonic() + within
        tried = 1
        while True:
            try:
                return self._send_once(request, _left(ends))
            except HeadraceError as failure:
                pause = pause_before_retry(request, failure, tried) if tried <= self.max_retries else None
                if pause is None or (ends is not None and time.monotonic() + pause >= ends):
                    raise
                _LOG.info("retrying %s %s in %.2f s: %s", request.method, request.path, pause, failure)
            sleep(pause)
            tried += 1

    @contextmanager
    def stream(self, request: Request, *, silence: float) -> Generator[Iterator[bytes]]:
        """The body of the answer piece by piece, as it comes. More than `silence` seconds of nothing break it off.

        Raises:
            ApiError: the API says no.
            Unreachable: it cannot be reached, or the connection broke.
        """
        timeout = httpx.Timeout(silence, connect=self._timeout, write=self._timeout, pool=self._timeout)
        with _in_our_words(self.target):
            response = self._open(request, timeout)
            try:
                if response.status_code >= _ERRORS_BEGIN:
                    raise ApiError.of(response.status_code, response.headers, response.read())
                yield response.iter_bytes()
            finally:
                response.close()

    def _send_once(self, request: Request, within: float | None) -> Answer:
        # The API's own answer to a long poll comes a moment after its time.
        seconds = self._timeout + request.waits
        timeout = httpx.Timeout(
            seconds if within is None else min(seconds, max(0.001, within)),
            connect=min(self._timeout, 5.0 if within is None else max(0.001, min(within, 5.0))),
        )
        with _in_our_words(self.target):
            response = self._open(request, timeout)
            try:
                response.read()
            finally:
                response.close()
        if response.status_code >= _ERRORS_BEGIN:
            raise ApiError.of(response.status_code, response.headers, response.content)
        return Answer(status=response.status_code, headers=response.headers, body=response.content)

    def _open(self, request: Request, timeout: httpx.Timeout) -> httpx.Response:
        """The answer, of which no more than the head has come."""
        if request.is_anonymous or self.session is None:
            shown = {} if request.is_anonymous else self.target.headers
            return self._http.send(self._built(request, shown, timeout), stream=True)
        token = self.session.token()
        response = self._http.send(self._built(request, bearer(token), timeout), stream=True)
        if response.status_code != _WHO_ARE_YOU:
            return response
        # Sooner than it said: the session was ended, or this machine has slept. Nothing was done, so ask once more.
        response.close()
        token = self.session.token(refused=token)
        return self._http.send(self._built(request, bearer(token), timeout), stream=True)

    def _built(self, request: Request, shown: Mapping[str, str], timeout: httpx.Timeout) -> httpx.Request:
        return self._http.build_request(
            request.method,
            self.target.url + request.path,
            params=request.query,
            headers={"User-Agent": f"headrace-python/{__version__}", **shown, **request.headers},
            content=request.body,
            timeout=timeout,
        )


@contextmanager
def _in_our_words(target: Target) -> Generator[None]:
    url = target.url
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        remedy = "start one with ./headrace up" if target.is_loopback else "is the address right?"
        raise Unreachable(f"No Headrace answers at {url}; {remedy}.", is_unsent=True) from error
    except httpx.PoolTimeout as error:
        raise NoAnswer(f"All connections to {url} were in use for too long.") from error
    except httpx.TimeoutException as error:
        raise NoAnswer(f"{url} did not answer in time.") from error
    except httpx.TransportError as error:
        raise Unreachable(f"The connection to {url} broke: {str(error) or type(error).__name__}.") from error


def _left(ends: float | None) -> float | None:
    return None if ends is None else ends - time.monotonic()
