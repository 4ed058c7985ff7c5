"""What the command reads in the API's answers. Fields it does not know pass by: a newer API does not break it."""

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Raw, Struct, field

from domain.jobs.state import TERMINAL, State


class JobFault(Struct, frozen=True):
    """Why a job failed."""

    code: str = ""
    title: str = ""
    detail: str = ""


class JobReply(Struct, frozen=True):
    """A job, as far as the command looks into it."""

    id: str
    kind: str
    state: State
    attempt: int = 0
    progress: float | None = None
    result: Raw = field(default_factory=lambda: Raw(b"null"))  # never `Raw | None`: msgspec reads that as null only
    error: JobFault | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def is_terminal(self) -> bool:
        """Whether it will not move any more."""
        return self.state in TERMINAL

    @property
    def has_result(self) -> bool:
        """Whether there is a result to be shown."""
        return bytes(self.result) != b"null"

    @property
    def seconds(self) -> float | None:
        """From its making to its end."""
        if self.created_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.created_at).total_seconds()


class SaidReply(Struct, frozen=True):
    """A message of a conversation, as far as the command looks into it."""

    text: str
    id: str = ""
    role: str = "user"
    reply_to: str | None = None
    reply_job_id: str | None = None


class BatchReply(Struct, frozen=True):
    """A batch, as far as the command looks into it."""

    id: str
    total: int
    counts: dict[str, int]
    finished_at: datetime | None = None
    mode: str = "standard"

    @property
    def ended(self) -> int:
        """How many of its jobs will not move any more."""
        return sum(self.counts.get(state.value, 0) for state in TERMINAL)


class KindReply(Struct, frozen=True):
    """A kind, with the JSON Schema of its input."""

    name: str
    input: dict[str, Any] = field(default_factory=dict)
    input_schema: dict[str, Any] = field(default_factory=dict)
    example: Raw = field(default_factory=Raw)
    internal: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        """The schema of its input, a reference at its top resolved."""
        schema = self.input_schema or self.input
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        inner = schema.get("$defs", {}).get(name) or schema.get("components", {}).get(name)
        return inner if isinstance(inner, dict) else schema


class Ready(Struct, frozen=True):
    """The line `up --json` prints when everything runs."""

    api: str
    api_key: str
    processes: dict[str, int] = field(default_factory=dict)


class Identified(Struct, frozen=True):
    """Anything with an id."""

    id: str


def text_at(raw: bytes, *path: str) -> str:
    """The string found in a JSON text by following `path`; empty when it is not there or no string."""
    found: object = msgspec.json.decode(raw)
    for step in path:
        found = found.get(step) if isinstance(found, dict) else None
    return found if isinstance(found, str) else ""
