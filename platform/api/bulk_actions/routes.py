"""Bulk actions over HTTP. A relay carries them out; here they are asked for, watched and aborted."""

from typing import Final

from litestar import Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Response

from api.absent import PRUNED, absence
from api.acts import act, actor_of, audited
from api.auth import needs
from api.bodies import ApiRequest
from api.bulk_actions.views import BulkActionBody, BulkActionView, read_filter, view_bulk_action
from api.context import Use
from api.headers import RETRY_AFTER
from api.idempotency import ONCE, find_answer, keep_response, read_key, replay
from api.paging import DEFAULT, Cursor, Limit, Page, answer_page, read_cursor
from api.problems import base_url
from domain.accounts.user import Caller
from domain.ids import is_id
from domain.jobs.bulk import MOST_UNFINISHED, BulkActionNotFound, BulkActionsFull
from domain.jobs.retention import BulkActionGone
from runtime.unique_ids import new_id
from storage.audit import audit
from storage.bulk import (
    BulkAction,
    NewBulkAction,
    abort_bulk_action,
    add_bulk_action,
    count_unfinished,
    find_bulk_action,
    list_bulk_actions,
)

ActionPath = FromPath[str]

_EXAMPLE: Final = {"action": "retry", "filter": {"state": ["failed"], "kind": "emails.send"}, "dry_run": True}


@post(
    "/bulk-actions",
    guards=[needs("jobs:manage")],
    status_code=202,
    opt={**ONCE, **audited("bulk_action.created"), "example": _EXAMPLE},
)
async def create(
    request: ApiRequest, data: JSONBody[BulkActionBody], use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[BulkActionView]:
    """Retry or cancel the jobs that match, so many a second. With `dry_run` they are only counted.

    It works on jobs made before it; to retry, on those that had ended before it. `filter` takes what the list of jobs
    takes, and needs at least one condition.
    """
    wanted = read_filter(data)
    key = await read_key(request)
    async with use.database.begin() as tx:
        if kept := await find_answer(tx, key):
            return replay(kept)
        if await count_unfinished(tx, caller.tenant_id) >= MOST_UNFINISHED:
            raise BulkActionsFull(
                f"{MOST_UNFINISHED} bulk actions are unfinished, which is as many as may be.", retry_after_seconds=10.0
            )
        new = NewBulkAction(
            id=new_id("bulk"),
            tenant_id=caller.tenant_id,
            caller_id=caller.user_id,
            action=data.action,
            wanted=wanted,
            dry_run=data.dry_run,
            rate_per_second=data.rate_per_second,
        )
        view = view_bulk_action(await add_bulk_action(tx, new), base_url(request.scope))
        headers = {"Location": f"/v1/bulk-actions/{view.id}"} | RETRY_AFTER
        response = Response(view, status_code=202, headers=headers)
        await keep_response(tx, key, response)
        await audit(tx, actor_of(request), act("bulk_action.created", view.id, after=data))
    return response


@get("/bulk-actions", guards=[needs("jobs:read")])
async def list_(
    request: ApiRequest,
    use: NamedDependency[Use],
    caller: NamedDependency[Caller],
    limit: Limit = DEFAULT,
    cursor: Cursor = None,
) -> Response[Page[BulkActionView]]:
    """The tenant's bulk actions, newest first."""
    before = read_cursor(cursor, "bulk")
    async with use.database.read() as tx:
        found = await list_bulk_actions(tx, caller.tenant_id, limit=limit + 1, before=before)
    base = base_url(request.scope)
    return answer_page(request, found, limit, view=lambda one: view_bulk_action(one, base), mark=lambda one: one.id)


@get("/bulk-actions/{action_id:str}", guards=[needs("jobs:read")])
async def show(
    request: ApiRequest, action_id: ActionPath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[BulkActionView]:
    """A bulk action, and how far it has come."""
    _check_id(action_id)
    async with use.database.read() as tx:
        action = await find_bulk_action(tx, caller.tenant_id, action_id)
    return await _answer(request, use, caller, action_id, action)


@post(
    "/bulk-actions/{action_id:str}/abort",
    guards=[needs("jobs:manage")],
    status_code=200,
    opt=audited("bulk_action.aborted"),
)
async def abort(
    request: ApiRequest, action_id: ActionPath, use: NamedDependency[Use], caller: NamedDependency[Caller]
) -> Response[BulkActionView]:
    """Do nothing more for a bulk action; what it has done stays done. A finished one stays as it is."""
    _check_id(action_id)
    async with use.database.begin() as tx:
        before = await find_bulk_action(tx, caller.tenant_id, action_id)
        action = await abort_bulk_action(tx, caller.tenant_id, action_id)
        if before is not None and action is not None and action.state is not before.state:
            await audit(tx, actor_of(request), act("bulk_action.aborted", action_id))
    return await _answer(request, use, caller, action_id, action)


router: Final = Router("/v1", route_handlers=[create, list_, show, abort], opt=PRUNED, tags=["Bulk actions"])


async def _answer(
    request: ApiRequest, use: Use, caller: Caller, action_id: str, action: BulkAction | None
) -> Response[BulkActionView]:
    if action is None:
        missing = BulkActionNotFound("There is no such bulk action.")
        raise await absence(use, caller, action_id, gone=BulkActionGone, otherwise=missing)
    headers = RETRY_AFTER if action.finished_at is None else {}
    return Response(view_bulk_action(action, base_url(request.scope)), status_code=200, headers=headers)


def _check_id(action_id: str) -> None:
    if not is_id("bulk", action_id):
        raise BulkActionNotFound("There is no such bulk action.")
