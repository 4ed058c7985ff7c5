"""One request and its answer over a connection of their own, and what every answer must be."""

import json
import re
import socket
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from api.problem_codes import CODES
from tests.fuzz.crafted import Crafted

_PATIENCE_SECONDS: Final = 30.0
_MOMENT_SECONDS: Final = 0.3
_STREAM: Final = b"text/event-stream"
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2}) ")


class Answer(Struct, frozen=True, kw_only=True):
    """What came back; status 0 where the connection was closed without a word."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(address: str, crafted: Crafted) -> Answer:
    """Send a request, and read until the server closes.

    Raises:
        TimeoutError: it neither answered nor closed.
    """
    where = urlsplit(address)
    said = b""
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=_PATIENCE_SECONDS) as connection:
        try:
            connection.sendall(crafted.raw)
            while part := _receive(connection, crafted, said):
                said += part
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has refused, and did not read on
    return _read(said)


def _receive(connection: socket.socket, crafted: Crafted, said: bytes) -> bytes:
    """What comes next. Where the server may wait for more, it learns after a moment that there is none."""
    if not crafted.is_whole and not said:
        connection.settimeout(_MOMENT_SECONDS)
        try:
            return connection.recv(65_536)
        except TimeoutError:
            connection.settimeout(_PATIENCE_SECONDS)
            connection.shutdown(socket.SHUT_WR)
    elif _STREAM in said.partition(b"\r\n\r\n")[0].lower():
        return b""  # it has begun; that of a tenant never ends
    elif not crafted.is_whole:
        connection.settimeout(_MOMENT_SECONDS)
        try:
            return connection.recv(65_536)
        except TimeoutError:
            return b""
    return connection.recv(65_536)


def faults(crafted: Crafted, answer: Answer) -> list[str]:
    """What of the answer breaks the promise, a sentence each."""
    if answer.status == 0:
        return ["no answer to a whole request"] if crafted.is_whole else []
    if answer.status >= 500:
        return [f"{answer.status}: {answer.body[:300]!r}"]
    if answer.status < 400:
        return [f"{answer.status}, where fields are wrong"] if crafted.fields else []
    if " by HEAD" in crafted.name:
        return []
    return list(_faults_of_problem(crafted, answer))


def _faults_of_problem(crafted: Crafted, answer: Answer) -> list[str]:
    if answer.headers.get("content-type") != "application/problem+json":
        return [f"{answer.status} is no problem: {answer.headers.get('content-type')} {answer.body[:200]!r}"]
    try:
        problem: dict[str, Any] = json.loads(answer.body)
    except ValueError:
        return [f"{answer.status} is no JSON: {answer.body[:200]!r}"]
    found = []
    entry = CODES.get(problem.get("code", ""))
    if entry is None or entry.status != answer.status or problem.get("status") != answer.status:
        found.append(f"{answer.status} with the code {problem.get('code')}")
    if not problem.get("request_id") or problem["request_id"] != answer.headers.get("x-request-id"):
        found.append("no request id")
    if not (problem.get("title") and problem.get("detail") and str(problem.get("type")).endswith(problem["code"])):
        found.append("no title, detail or type")
    missing = set(crafted.fields) - {error["pointer"] for error in problem.get("errors", ())}
    if missing and answer.status == 422:
        found.append(f"not all fields at fault are named: {sorted(missing)}")
    return found


def _read(said: bytes) -> Answer:
    # 100 Continue is no answer yet
    while (match := _STATUS.match(said)) and match[1] == b"100":
        said = said.partition(b"\r\n\r\n")[2]
    if match is None:
        return Answer(status=0, headers={}, body=said)
    head, _, body = said.partition(b"\r\n\r\n")
    pairs = (line.decode("latin-1").partition(": ") for line in head.split(b"\r\n")[1:])
    headers = {name.lower(): value for name, _, value in pairs}
    length = headers.get("content-length", "")
    return Answer(status=int(match[1]), headers=headers, body=body[: int(length)] if length.isdigit() else body)
