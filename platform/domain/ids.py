"""Typed, prefixed ids: a kind of thing, an underscore, and a UUIDv7 (RFC 9562) in 32 hex digits."""

import hashlib
import re
from datetime import datetime
from typing import Final, NewType

JobId = NewType("JobId", str)
BatchId = NewType("BatchId", str)
ScheduleId = NewType("ScheduleId", str)
OrderId = NewType("OrderId", str)
ProductId = NewType("ProductId", str)
ConversationId = NewType("ConversationId", str)
MessageId = NewType("MessageId", str)
UserId = NewType("UserId", str)
TenantId = NewType("TenantId", str)
KeyId = NewType("KeyId", str)
BulkActionId = NewType("BulkActionId", str)

PREFIXES: Final = (
    "job",
    "batch",
    "bulk",
    "sched",
    "evt",
    "order",
    "product",
    "review",
    "movement",
    "conv",
    "msg",
    "hook",
    "dlv",
    "key",
    "user",
    "session",
    "tenant",
)

_SHAPE: Final = re.compile(r"([a-z]+)_([0-9a-f]{32})")


def is_id(prefix: str, text: str) -> bool:
    """Whether `text` has the shape of an id of that kind."""
    match = _SHAPE.fullmatch(text)
    return match is not None and match[1] == prefix


def derived_id(prefix: str, origin: str, label: str = "", *, at: datetime | None = None) -> str:
    """An id that follows from `origin`: the same on every attempt, and sorted where its origin sorts, or else by `at`.

    It keeps the origin's 48-bit timestamp, or takes that of `at`, and fills the rest from a SHA-256 of origin, prefix
    and label.

    Raises:
        ValueError: `origin` is not a prefixed id.
    """
    match = _SHAPE.fullmatch(origin)
    if match is None:
        raise ValueError(f"not an id: {origin!r}")
    digest = hashlib.sha256(f"{origin}|{prefix}|{label}".encode()).hexdigest()
    variant = "89ab"[int(digest[3], 16) % 4]
    moment = match[2][:12] if at is None else f"{int(at.timestamp() * 1000):012x}"
    return f"{prefix}_{moment}7{digest[:3]}{variant}{digest[4:19]}"
