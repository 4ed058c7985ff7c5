"""An HTTP server on loopback that answers what a test tells it to, and remembers what it was asked."""

# ruff: noqa: ANN401 - JSON is anything

import contextlib
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct


class Asked(Struct, frozen=True):
    """One request that came."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Answer(Struct, frozen=True):
    """What is answered to it."""

    status: int
    body: bytes
    headers: dict[str, str]
    hangs: bool = False


class ApiStandIn:
    """Answers for each method and path in the order they were given; the last one stays."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._answers: dict[tuple[str, str], deque[Answer]] = defaultdict(deque)
        self.url = ""
        self.let_go = threading.Event()

    def hangs(self, method: str, path: str, body: bytes = b"") -> None:
        """Answer with the beginning of a stream, or with nothing at all, and go on only when the test is over."""
        self._answers[method, path].append(Answer(200, body, {"Content-Type": "text/event-stream"}, hangs=True))

    def answers(
        self, method: str, path: str, body: Any = None, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        kind = "application/problem+json" if status >= 400 else "application/json"
        self._answers[method, path].append(Answer(status, content, {"Content-Type": kind, **(headers or {})}))

    def streams(self, path: str, *frames: str) -> None:
        body = "".join(f"{frame}\n\n" for frame in frames).encode()
        self.answers("GET", path, body, headers={"Content-Type": "text/event-stream"})

    def refuses(self, method: str, path: str, status: int, **problem: Any) -> None:
        self.answers(method, path, {"title": "No", "status": status, **problem}, status)

    def last(self, method: str, path: str) -> Asked:
        return next(each for each in reversed(self.asked) if (each.method, each.path) == (method, path))

    def answer_to(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        waiting = self._answers.get((asked.method, asked.path))
        if not waiting:
            body = msgspec.json.encode(
                {"title": "Not found", "detail": f"There is no {asked.path}.", "code": "not_found"}
            )
            return Answer(404, body, {"Content-Type": "application/problem+json"})
        return waiting.popleft() if len(waiting) > 1 else waiting[0]


class Server(ThreadingHTTPServer):
    """Binds without asking the name service who it is, which may take its time."""

    def server_bind(self) -> None:
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])


@contextlib.contextmanager
def api_stand_in() -> Iterator[ApiStandIn]:
    stand_in = ApiStandIn()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = stand_in.answer_to(Asked(self.command, parts.path, parse_qs(parts.query), headers, body))
            if answer.hangs and not answer.body:
                stand_in.let_go.wait()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if not answer.hangs:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)
            if answer.hangs:
                stand_in.let_go.wait()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's signature
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        stand_in.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield stand_in
        finally:
            stand_in.let_go.set()
            server.shutdown()
            thread.join()
