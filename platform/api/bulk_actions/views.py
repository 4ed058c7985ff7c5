"""Bulk actions as clients spell and see them."""

from collections.abc import Iterator
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

from api.bodies import BodyInvalid
from api.fields import FieldError
from api.job_view import Time
from domain.jobs.bulk import MOST_PER_SECOND, MOVES_FROM, BulkState, BulkVerb
from domain.jobs.state import State
from storage.bulk import BulkAction
from storage.job_lists import JobFilter

Text: TypeAlias = Annotated[str, Meta(max_length=200)]
Code: TypeAlias = Annotated[str, Meta(max_length=100)]
States: TypeAlias = Annotated[tuple[State, ...], Meta(max_length=7)]
Codes: TypeAlias = Annotated[tuple[Code, ...], Meta(max_length=10)]


class Conditions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which jobs; each condition as in the list of jobs."""

    kind: Text | None = None
    queue: Text | None = None
    tag: Text | None = None
    batch_id: Text | None = None
    schedule_id: Text | None = None
    q: Annotated[str, Meta(min_length=3, max_length=200)] | None = None
    created_after: Time | None = None
    created_before: Time | None = None


class BulkFilterBody(Conditions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which jobs, as asked: one state or code may stand for a list of it."""

    state: State | States = ()
    error_code: Code | Codes = ()

    @property
    def states(self) -> tuple[State, ...]:
        """The states named."""
        return (self.state,) if isinstance(self.state, State) else self.state

    @property
    def error_codes(self) -> tuple[str, ...]:
        """The codes named."""
        return (self.error_code,) if isinstance(self.error_code, str) else self.error_code


class BulkFilter(Conditions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which jobs."""

    state: States = ()
    error_code: Codes = ()


class BulkActionBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be done to which jobs, and how many a second."""

    action: BulkVerb
    filter: BulkFilterBody
    dry_run: bool = False
    rate_per_second: Annotated[int, Meta(ge=1, le=MOST_PER_SECOND)] = 50


class BulkActionLinks(Struct, frozen=True):
    """Where to go from a bulk action; relative when the request did not say how it reached us."""

    self: str
    abort: str


class BulkActionView(Struct, frozen=True, kw_only=True):
    """A bulk action. `matched` counts the jobs found so far, of which `skipped` moved by themselves meanwhile."""

    id: Annotated[str, Meta(pattern="^bulk_[0-9a-f]{32}$")]
    action: BulkVerb
    filter: BulkFilter
    dry_run: bool
    rate_per_second: int
    state: BulkState
    matched: int
    done: int
    skipped: int
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    links: BulkActionLinks


def read_filter(body: BulkActionBody) -> JobFilter:
    """The jobs that are meant: those of the filter that the action can move.

    Raises:
        BodyInvalid: the filter has no condition, or asks for states that the action moves no job out of.
    """
    errors = list(_faults(body))
    if errors:
        raise BodyInvalid(errors)
    given = body.filter
    return JobFilter(
        states=tuple(sorted(given.states or MOVES_FROM[body.action])),
        kind=given.kind,
        queue=given.queue,
        tag=given.tag,
        batch_id=given.batch_id,
        schedule_id=given.schedule_id,
        error_codes=given.error_codes,
        q=given.q,
        created_after=given.created_after,
        created_before=given.created_before,
    )


def view_bulk_action(action: BulkAction, base: str) -> BulkActionView:
    """A bulk action as the API shows it to a client that reached us at `base`."""
    wanted = action.wanted
    here = f"{base}/v1/bulk-actions/{action.id}"
    return BulkActionView(
        id=action.id,
        action=action.action,
        filter=BulkFilter(
            state=tuple(State(state) for state in wanted.states),
            kind=wanted.kind,
            queue=wanted.queue,
            tag=wanted.tag,
            batch_id=wanted.batch_id,
            schedule_id=wanted.schedule_id,
            error_code=wanted.error_codes,
            q=wanted.q,
            created_after=wanted.created_after,
            created_before=wanted.created_before,
        ),
        dry_run=action.dry_run,
        rate_per_second=action.rate_per_second,
        state=action.state,
        matched=action.matched,
        done=action.done,
        skipped=action.skipped,
        created_at=action.created_at,
        started_at=action.started_at,
        finished_at=action.finished_at,
        links=BulkActionLinks(self=here, abort=f"{here}/abort"),
    )


def _faults(body: BulkActionBody) -> Iterator[FieldError]:
    if body.filter == BulkFilterBody():
        yield FieldError("/filter", "At least one condition is needed; to mean all jobs, name their states.")
    movable = MOVES_FROM[body.action]
    for index, state in enumerate(body.filter.states):
        if state not in movable:
            moved = ", ".join(sorted(movable))
            yield FieldError(f"/filter/state/{index}", f"To {body.action} is possible only from {moved}.")
