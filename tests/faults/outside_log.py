"""The outside truth: every request and every answer, on disk before anybody acts on it. The platform never sees it."""

import os
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct


class Request(Struct, frozen=True, kw_only=True, tag="request"):
    """What was sent. `about` is the sort of errand; jobs carry the errand's number in their metadata.

    An errand that got no answer, or was told to come again, is sent again under the same key, as another request.
    """

    number: int
    errand: int
    about: str
    path: str
    body: dict[str, Any] | None = None

    @property
    def is_batch(self) -> bool:
        """Whether it asks for many jobs, whose numbers in their metadata are `errand.index`."""
        return self.path == "/v1/batches"

    @property
    def is_chat(self) -> bool:
        """Whether it asks for a reply, whose job does not carry the errand's number."""
        return self.path.endswith("/messages")

    @property
    def creates(self) -> bool:
        """Whether it asks for one job."""
        return self.path == "/v1/jobs" or self.is_chat


class Answer(Struct, frozen=True, kw_only=True, tag="answer", omit_defaults=True):
    """What came back: a status, or why nothing did."""

    number: int
    status: int | None = None
    job_id: str | None = None
    state: str | None = None
    may_retry_after: bool = False
    error: str | None = None


class OutsideLog:
    """Writes one line a record; each is on disk when `write` returns."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def write(self, record: Request | Answer) -> None:
        self._file.write(msgspec.json.encode(record) + b"\n")
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


class Told(Struct, frozen=True):
    """The log as read: requests and answers by number. Some requests never had an answer."""

    requests: dict[int, Request]
    answers: dict[int, Answer]

    @property
    def accepted(self) -> dict[int, str]:
        """The jobs that were promised, by the number of their request."""
        return {
            number: answer.job_id
            for number, answer in self.answers.items()
            if answer.status in {200, 202} and answer.job_id is not None and self.requests[number].creates
        }

    @property
    def batches(self) -> dict[int, int]:
        """How many jobs each accepted batch has, by the number of its request."""
        return {
            number: int((self.requests[number].body or {})["jobs"])
            for number, answer in self.answers.items()
            if answer.status == 202 and self.requests[number].is_batch
        }


def read_log(path: Path) -> Told:
    told = Told({}, {})
    for line in path.read_bytes().splitlines():
        record: Request | Answer = msgspec.json.decode(line, type=Request | Answer)
        if isinstance(record, Request):
            told.requests[record.number] = record
        else:
            told.answers[record.number] = record
    return told
