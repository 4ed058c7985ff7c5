"""A small client of the HTTP API, speaking in sentences when something is wrong."""

import contextlib
import time
from collections.abc import Generator, Iterator, Mapping
from types import TracebackType
from typing import Final, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec
from msgspec import Raw, Struct

from cli.durations import Deadline
from cli.exits import CommandFailed, Exit, TimedOut, Unreachable
from cli.replies import JobReply, KindReply, Page, Problem
from cli.target import Target

T = TypeVar("T")
Query = Mapping[str, str | int | list[str] | None]

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30.0
WAIT_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.5

_EXITS: Final[dict[int, Exit]] = {
    400: Exit.USAGE,
    401: Exit.NOT_ALLOWED,
    403: Exit.NOT_ALLOWED,
    404: Exit.NOT_FOUND,
    410: Exit.NOT_FOUND,
    413: Exit.USAGE,
    415: Exit.USAGE,
    422: Exit.USAGE,
}
_NO_KEY: Final = " Give a key with --key or HEADRACE_API_KEY."


class Reply(Struct, frozen=True):
    """An answer the API gave."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def into(self, shape: type[T]) -> T:
        """The body, decoded.

        Raises:
            CommandFailed: it is of another shape, so this is no Headrace.
        """
        try:
            return msgspec.json.decode(self.body, type=shape)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise CommandFailed(f"The answer is not one of Headrace's ({error}).") from None


class Refused(CommandFailed):
    """The API said no; `status` is HTTP's."""

    def __init__(self, status: int, problem: Problem) -> None:
        super().__init__(sentence_of(status, problem), _EXITS.get(status, Exit.FAILED))
        self.status = status
        self.problem = problem


class Client:
    """Speaks to one Headrace; usable from several threads. No call outlasts `deadline`."""

    def __init__(self, target: Target, *, deadline: Deadline | None = None) -> None:
        self.target = target
        self.deadline = deadline or Deadline(None)
        self._http = httpx.Client(
            base_url=target.url,
            headers={"Authorization": f"Bearer {target.key}"} if target.key else {},
            # Loading certificates takes time that a plain address has no use for; a proxy cannot reach loopback.
            verify=target.url.startswith("https:"),
            trust_env=not target.is_loopback,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, query: Query | None = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Read `path`.

        Raises:
            Refused: the API said no.
            Unreachable: nothing answers there.
            TimedOut: the answer did not come in time.
        """
        return self._ask("GET", path, query, headers, None)

    def post(
        self, path: str, body: bytes = b"", query: Query | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Send JSON to `path`; raises as `get`."""
        sent = {"Content-Type": "application/json", **(headers or {})} if body else headers
        return self._ask("POST", path, query, sent, body)

    def put(self, path: str, body: bytes) -> Reply:
        """Put JSON at `path`; raises as `get`."""
        return self._ask("PUT", path, None, {"Content-Type": "application/json"}, body)

    def patch(self, path: str, body: bytes) -> Reply:
        """Change what is at `path` by JSON; raises as `get`."""
        return self._ask("PATCH", path, None, {"Content-Type": "application/json"}, body)

    def delete(self, path: str) -> Reply:
        """Remove what is at `path`; raises as `get`."""
        return self._ask("DELETE", path, None, None, None)

    def items(self, path: str, query: Query | None = None, *, at_most: int) -> Iterator[Raw]:
        """The things of a list, page after page, until `at_most`; raises as `get`."""
        cursor: str | None = None
        while at_most > 0:
            page = self.get(path, {**(query or {}), "limit": min(at_most, 100), "cursor": cursor}).into(Page)
            yield from page.items[:at_most]
            at_most -= len(page.items)
            cursor = page.next_cursor
            if cursor is None or not page.items:
                return

    def kinds(self) -> tuple[KindReply, ...]:
        """Every kind this Headrace runs."""
        page = self.get("/v1/kinds").into(Page)
        return tuple(Reply(200, {}, bytes(item)).into(KindReply) for item in page.items)

    def wait_for(self, job_id: str) -> Reply:
        """The job once it is finished; raises as `get`."""
        while True:
            seconds = max(1, int(self.deadline.left(at_most=WAIT_SECONDS)))
            reply = self.get(f"/v1/jobs/{segment(job_id)}", headers={"Prefer": f"wait={seconds}"})
            if reply.into(JobReply).is_terminal:
                return reply
            if "preference-applied" not in reply.headers:
                time.sleep(self.deadline.left(at_most=POLL_SECONDS))

    @contextlib.contextmanager
    def stream(
        self, path: str, query: Query | None = None, headers: Mapping[str, str] | None = None
    ) -> Generator[Iterator[bytes]]:
        """The body of `path` piece by piece, as it comes; raises as `get`."""
        with (
            self._in_sentences(),
            self._http.stream(
                "GET",
                path,
                params=_given(query),
                headers=dict(headers or {}),
                timeout=self._timeout(),
            ) as response,
        ):
            if response.status_code >= 400:  # noqa: PLR2004 - where HTTP's errors begin
                response.read()
                raise _refusal(response)
            yield response.iter_bytes()

    def _ask(
        self, method: str, path: str, query: Query | None, headers: Mapping[str, str] | None, body: bytes | None
    ) -> Reply:
        with self._in_sentences():
            response = self._http.request(
                method,
                path,
                params=_given(query),
                headers=dict(headers or {}),
                content=body,
                timeout=self._timeout(),
            )
        if response.status_code >= 400:  # noqa: PLR2004 - where HTTP's errors begin
            raise _refusal(response)
        return Reply(response.status_code, response.headers, response.content)

    def _timeout(self) -> httpx.Timeout:
        # A long poll answers late on purpose; half a second of grace lets the API's own answer come first.
        answer = self.deadline.left(at_most=ANSWER_SECONDS + WAIT_SECONDS) + 0.5
        return httpx.Timeout(answer, connect=min(answer, CONNECT_SECONDS))

    @contextlib.contextmanager
    def _in_sentences(self) -> Generator[None]:
        url = self.target.url
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout):
            remedy = "start one with ./headrace up" if self.target.is_loopback else "is the address right?"
            raise Unreachable(f"No Headrace answers at {url}; {remedy}.") from None
        except httpx.TimeoutException:
            raise TimedOut(f"{url} did not answer in time.") from None
        except httpx.InvalidURL as error:
            raise CommandFailed(f"{url} is not an address: {error}.", Exit.USAGE) from None
        except httpx.TransportError as error:
            raise Unreachable(f"The connection to {url} broke: {str(error) or type(error).__name__}.") from None


def segment(text: str) -> str:
    """`text` as one segment of a path: what a person typed reaches no other route.

    Raises:
        CommandFailed: it is empty, or would mean the folder or its parent.
    """
    if text.strip(".") == "":
        raise CommandFailed(f"{text!r} is no id.", Exit.USAGE)
    return quote(text, safe="")


def sentence_of(status: int, problem: Problem) -> str:
    """What went wrong, for a person: all failing fields, and the request's id when the fault is the platform's."""
    said = problem.detail or problem.title or f"The API answered {status}"
    said = said if said.endswith((".", "!", "?", ":")) else f"{said}."
    fields = [f"{each.pointer or '/'}: {each.detail}" for each in problem.errors if each.detail not in said]
    if fields:
        said = f"{said} {'; '.join(fields)}."
    if status == 401:  # noqa: PLR2004 - who are you
        said += _NO_KEY
    if status >= 500 and problem.request_id:  # noqa: PLR2004 - ours to explain
        said += f" (request {problem.request_id})"
    return said


def _refusal(response: httpx.Response) -> Refused:
    try:
        problem = msgspec.json.decode(response.content, type=Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        problem = Problem(title=f"The server answered {response.status_code} {response.reason_phrase}".rstrip())
    return Refused(response.status_code, problem)


def _given(query: Query | None) -> dict[str, str | int | list[str]]:
    return {name: value for name, value in (query or {}).items() if value is not None}
