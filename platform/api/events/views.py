"""What is said of event tokens."""

from typing import Annotated

from msgspec import Meta, Struct

from api.job_view import Time
from domain.durations import Duration
from domain.jobs.state import State

Text = Annotated[str, Meta(min_length=1, max_length=200)]


class EventTokenBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a token is to open: the events of one job, or those of the tenant's jobs that a filter wants."""

    job_id: Annotated[str, Meta(pattern="^job_[0-9a-f]{32}$")] | None = None
    batch_id: Annotated[str, Meta(pattern="^batch_[0-9a-f]{32}$")] | None = None
    kind: Text | None = None
    tag: Text | None = None
    state: Annotated[tuple[State, ...], Meta(max_length=7)] = ()
    expires_in: Annotated[Duration | None, Meta(description="1s to 1h; 5m where it is left out")] = None


class EventTokenView(Struct, frozen=True, kw_only=True):
    """A token, until when streams may be opened with it, and the address it opens."""

    token: str
    expires_at: Time
    url: str
