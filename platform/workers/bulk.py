"""Carries out bulk actions: a page of jobs a turn, the actions in turns, each as fast as it was asked to be."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog

from domain.errors import Unavailable
from domain.jobs.bulk import BulkVerb, pause_after, turn_size
from runtime.moves import tell_moved
from runtime.resources import Stores
from storage.bulk import BulkAction, Turn, put_off, record_turn, take_turn
from storage.database import Tx
from storage.job_lists import walk_jobs
from storage.jobs import Moved, cancel_jobs, retry_jobs
from workers.figures import RelayFigures

log: Final = structlog.get_logger()

_IDLE_SECONDS: Final = 0.25  # a turn that comes so much late is made up for
_BROKEN_SECONDS: Final = 1.0
_PUT_OFF_SECONDS: Final = 5.0
_COUNTED_AT_ONCE: Final = 5_000


async def bulk_forever(use: Stores, figures: RelayFigures) -> None:
    """Carry out bulk actions as they come; several may run, for an action is one's at a time."""
    had: dict[str, None] = {}
    while True:
        try:
            with figures.going_round("bulk"):
                pause = 0.0 if await take_a_turn(use, had) else _IDLE_SECONDS
        except Unavailable as error:
            log.warning("bulk.waiting", reason=error.detail)
            pause = _BROKEN_SECONDS
        except Exception as error:
            # one action's fault must not end the others, nor the relay beside them
            log.exception("bulk.failed", error=type(error).__name__)
            pause = _BROKEN_SECONDS
        await asyncio.sleep(pause)


async def take_a_turn(use: Stores, had: dict[str, None] | None = None) -> bool:
    """Move a page of the jobs of the action whose turn it is; False: none has one now.

    `had` are the tenants that had a turn, in the order of their last; it is kept up to date.

    The jobs move in the transaction that records how far the action has come: who dies in between has done nothing,
    and the next goes on where the last turn ended. An action whose turn fails waits a while.
    """
    had = {} if had is None else had
    turn: Turn | None = None
    try:
        async with use.database.begin() as tx:
            turn = await take_turn(tx, had=[*had])
            if turn is None:
                return False
            had.pop(turn.action.tenant_id, None)
            had[turn.action.tenant_id] = None
            moved = await _move_page(tx, turn)
            use.kill_points.reach("bulk.before_commit")
    except Exception:
        if turn is not None:
            with suppress(Unavailable):
                async with use.database.begin() as tx:
                    await put_off(tx, turn.action.id, seconds=_PUT_OFF_SECONDS)
        raise
    if moved:
        log.info("bulk.moved", bulk_action_id=turn.action.id, action=turn.action.action.value, jobs=len(moved))
        tell_moved(use.wakeups, moved)
    return True


async def _move_page(tx: Tx, turn: Turn) -> Moved:
    action = turn.action
    step = await walk_jobs(
        tx,
        action.tenant_id,
        action.wanted,
        after=action.cursor,
        until=action.created_at,
        had_ended=action.action is BulkVerb.RETRY,
        limit=_COUNTED_AT_ONCE if action.dry_run else turn_size(action.rate_per_second),
    )
    moved = Moved([]) if action.dry_run or not step.ids else await _move(tx, action, step.ids)
    await record_turn(
        tx,
        action.id,
        matched=len(step.ids),
        done=len(moved),
        # they moved by themselves between being found and being locked
        skipped=0 if action.dry_run else len(step.ids) - len(moved),
        cursor=step.end,
        pause_seconds=pause_after(len(moved), action.rate_per_second, late_seconds=turn.late_seconds),
    )
    return moved


async def _move(tx: Tx, action: BulkAction, ids: Sequence[str]) -> Moved:
    match action.action:
        case BulkVerb.RETRY:
            return Moved(await retry_jobs(tx, action.tenant_id, ids))
        case BulkVerb.CANCEL:
            return await cancel_jobs(tx, action.tenant_id, ids)
