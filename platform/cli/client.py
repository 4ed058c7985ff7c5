"""The API as commands call it: by the client everybody uses, and in a person's sentences when something is wrong."""

import contextlib
from collections.abc import Callable, Generator, Iterator, Mapping
from types import TracebackType
from typing import Final, Self, TypeVar
from uuid import uuid4

import msgspec
from msgspec import Raw, Struct

import headrace
from cli.durations import Deadline, spelled
from cli.exits import CommandFailed, Exit, TimedOut, Unreachable
from cli.replies import JobReply, KindReply
from cli.target import Target
from headrace.errors import Problem
from headrace.requests import Query
from headrace.requests import segment as segment_of

T = TypeVar("T")

ANSWER_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 30.0
_GRACE_SECONDS: Final = 0.5
_RETRIES: Final = 2

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
        # On this machine nothing gets lost on the way: what does not answer is down, which is said at once.
        retries = 0 if target.is_loopback else _RETRIES
        try:
            self._api = headrace.Headrace(target.url, target.key, timeout=ANSWER_SECONDS, max_retries=retries)
        except ValueError as error:
            raise CommandFailed(str(error), Exit.USAGE) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._api.close()

    def get(self, path: str, query: Query | None = None) -> Reply:
        """Read `path`.

        Raises:
            Refused: the API said no.
            Unreachable: nothing answers there.
            TimedOut: the answer did not come in time.
        """
        return self._ask("GET", path, query=query)

    def post(self, path: str, body: bytes = b"") -> Reply:
        """Let `path` do what it does, as the JSON says; raises as `get`."""
        return self._ask("POST", path, body)

    def create(
        self, path: str, body: bytes = b"", *, key: str | None = None, media_type: str = "", wait: float | None = None
    ) -> Reply:
        """Make something of JSON at `path`, once however often it is sent: under `key`, or one nobody has used.

        The answer may take `wait` seconds. Raises as `get`.
        """
        headers = {"Content-Type": media_type} if media_type else None
        return self._ask("POST", path, body, headers=headers, idempotency_key=key or str(uuid4()), wait=wait)

    def put(self, path: str, body: bytes) -> Reply:
        """Put JSON at `path`; raises as `get`."""
        return self._ask("PUT", path, body)

    def patch(self, path: str, body: bytes) -> Reply:
        """Change what is at `path` by JSON; raises as `get`."""
        return self._ask("PATCH", path, body)

    def delete(self, path: str) -> Reply:
        """Remove what is at `path`; raises as `get`."""
        return self._ask("DELETE", path)

    def items(self, path: str, query: Query | None = None, *, at_most: int) -> Iterator[Raw]:
        """The things of a list, page after page, until `at_most`; raises as `get`."""
        with self._in_sentences():
            yield from self._api.walk(path, query=query, limit=at_most)

    def whole(self, path: str) -> Iterator[Raw]:
        """The things of a list that is told whole; raises as `get`."""
        with self._in_sentences():
            yield from self._api.walk(path)

    def kinds(self) -> tuple[KindReply, ...]:
        """Every kind this Headrace runs."""
        with self._in_sentences():
            items = self._api.walk("/v1/kinds").all()
        return tuple(Reply(200, {}, bytes(item)).into(KindReply) for item in items)

    def wait_for(self, job_id: str) -> Reply:
        """The job once it is finished; raises as `get`."""
        return self.wait_until(f"/v1/jobs/{segment(job_id)}", lambda reply: reply.into(JobReply).is_terminal)

    def wait_until(self, path: str, is_so: Callable[[Reply], bool], *, look_seconds: float = LOOK_SECONDS) -> Reply:
        """What is at `path` once `is_so`; it is shown at least each `look_seconds`. Raises as `get`."""
        left = self.deadline.left_if_any()
        with self._in_sentences():
            until = _of_replies(is_so)
            return _reply(self._api.poll(path, until, timeout=left, look_seconds=look_seconds))

    def follow(self, job_id: str) -> Iterator[headrace.Event]:
        """What happens to a job until it is finished; a snapshot first. A lost connection is taken up again.

        Raises:
            Refused: there is no such job, or not for this caller.
            Unreachable: nothing has answered for long.
            TimedOut: the deadline passed.
        """
        segment(job_id)
        left = self.deadline.left_if_any()
        with self._in_sentences():
            yield from self._api.jobs.events(job_id, left)

    @contextlib.contextmanager
    def asking(self, conversation_id: str, text: str) -> Generator[headrace.Reply]:
        """Say something in a conversation; the reply as it is written. Raises as `follow`, and what a reply raises."""
        segment(conversation_id)
        left = self.deadline.left_if_any()
        with (
            self._in_sentences(),
            contextlib.closing(self._api.conversations.ask(conversation_id, text, timeout=left)) as reply,
        ):
            yield reply

    @contextlib.contextmanager
    def stream(self, path: str, query: Query | None = None) -> Generator[Iterator[bytes]]:
        """The body of `path` piece by piece, as it comes; raises as `get`."""
        with self._in_sentences():
            silence = self.deadline.left(at_most=ANSWER_SECONDS) + _GRACE_SECONDS
            with self._api.stream(path, query=query, silence=silence) as pieces:
                yield pieces

    def _ask(  # noqa: PLR0913 - what a request has
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        wait: float | None = None,
    ) -> Reply:
        # Half a second of grace lets the API's own answer to a long wait come first.
        within = self.deadline.left(at_most=ANSWER_SECONDS + LOOK_SECONDS) + _GRACE_SECONDS
        with self._in_sentences():
            return _reply(
                self._api.request(
                    method,
                    path,
                    body or None,
                    query=query,
                    headers=headers,
                    idempotency_key=idempotency_key,
                    wait=wait,
                    within=within,
                )
            )

    @contextlib.contextmanager
    def _in_sentences(self) -> Generator[None]:
        try:
            yield
        except headrace.ApiError as error:
            raise Refused(error.status, error.problem) from None
        except headrace.WaitTimedOut:
            raise TimedOut(f"Not finished after {spelled(self.deadline.seconds or 0)}.") from None
        except headrace.NoAnswer as error:
            raise TimedOut(str(error)) from None
        except headrace.Unreachable as error:
            raise Unreachable(str(error)) from None
        except headrace.NotHeadrace as error:
            raise CommandFailed(str(error)) from None


def segment(text: str) -> str:
    """`text` as one segment of a path: what a person typed reaches no other route.

    Raises:
        CommandFailed: it is empty, or would mean the folder or its parent.
    """
    try:
        return segment_of(text)
    except ValueError as error:
        raise CommandFailed(str(error), Exit.USAGE) from None


def sentence_of(status: int, problem: Problem) -> str:
    """What went wrong, for a person: all failing fields, and the request's id when the fault is the platform's."""
    said = problem.detail or problem.title or f"The server answered {status}"
    said = said if said.endswith((".", "!", "?", ":")) else f"{said}."
    fields = [
        f"{each.pointer or '/'}: {each.detail.removesuffix('.')}" for each in problem.errors if each.detail not in said
    ]
    if fields:
        said = f"{said} {'; '.join(fields)}."
    if status == 401:  # noqa: PLR2004 - who are you
        said += _NO_KEY
    if status >= 500 and problem.request_id:  # noqa: PLR2004 - ours to explain
        said += f" (request {problem.request_id})"
    return said


def _reply(answer: headrace.Answer) -> Reply:
    return Reply(answer.status, answer.headers, answer.body)


def _of_replies(is_so: Callable[[Reply], bool]) -> Callable[[headrace.Answer], bool]:
    return lambda answer: is_so(_reply(answer))
