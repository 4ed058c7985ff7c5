"""`headrace bulk`, and what `jobs cancel`, `jobs retry` and `deadletters redrive` have in common."""

import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import click
import msgspec
from msgspec import Struct

from cli.client import Refused, Reply, segment
from cli.exits import CommandFailed, Exit, TimedOut
from cli.options import ApiGroup, Use, pass_use
from cli.output import note
from domain.jobs.bulk import MOST_PER_SECOND, BulkState, BulkVerb
from domain.jobs.state import State

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

JOB_COLUMNS: Final = ("id", "kind", "state", "attempt", "created_at", "finished_at", "error.code")
CONDITIONS: Final = {
    "kind": "Only of this kind.",
    "queue": "Only in this queue.",
    "tag": "Only with this tag.",
    "batch_id": "Only of this batch.",
    "schedule_id": "Only of this schedule.",
    "q": "Only what these words are found in.",
    "created_after": "Only made after this time (RFC 3339).",
    "created_before": "Only made before this time (RFC 3339).",
}
_COLUMNS: Final = ("id", "action", "state", "dry_run", "matched", "done", "skipped", "created_at", "finished_at")


class BulkReply(Struct, frozen=True):
    """A bulk action, as far as the command looks into it."""

    id: str
    state: BulkState
    dry_run: bool = False
    matched: int = 0
    done: int = 0
    skipped: int = 0


@click.group("bulk", cls=ApiGroup)
def bulk() -> None:
    """List, show and abort bulk actions."""


@bulk.command("list")
@click.option("-n", "--limit", type=click.IntRange(1), default=50, show_default=True, help="At most this many.")
@pass_use
def list_actions(use: Use, limit: int) -> None:
    """List bulk actions, newest first."""
    use.output.things(use.client.items("/v1/bulk-actions", at_most=limit), _COLUMNS)


@bulk.command()
@click.argument("action_id", metavar="BULK_ID")
@pass_use
def show(use: Use, action_id: str) -> None:
    """Show a bulk action and how far it has come."""
    use.output.thing(use.client.get(f"/v1/bulk-actions/{segment(action_id)}").body)


@bulk.command()
@click.argument("action_id", metavar="BULK_ID")
@pass_use
def abort(use: Use, action_id: str) -> None:
    """Stop a bulk action; what it has done stays done."""
    use.output.thing(use.client.post(f"/v1/bulk-actions/{segment(action_id)}/abort").body)


def conditions(command: CommandT) -> CommandT:
    """Give a command the options that say which jobs."""
    for name, line in reversed(CONDITIONS.items()):
        command = click.option(f"--{name.replace('_', '-')}", help=line)(command)
    return command


def pace(command: CommandT) -> CommandT:
    """Give a command the options that say how a bulk action is carried out."""
    rate = click.IntRange(1, MOST_PER_SECOND)
    command = click.option("--wait", is_flag=True, help="Wait until all is done, telling how far it is.")(command)
    command = click.option("--rate", type=rate, default=50, show_default=True, help="Jobs a second.")(command)
    return click.option("--dry-run", is_flag=True, help="Only count the jobs that match.")(command)


def states_and_codes(command: CommandT) -> CommandT:
    """Give a command the options that may be given more than once."""
    command = click.option("--error-code", multiple=True, help="Only failed with these codes.")(command)
    choice = click.Choice([each.value for each in State])
    return click.option("--state", type=choice, multiple=True, help="Only these states.")(command)


def given_conditions(options: dict[str, object]) -> dict[str, object]:
    """Those of the conditions that were given, as the API spells them."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in options.items() if value}


def act_in_bulk(  # noqa: PLR0913 - the request, and whether to wait
    use: Use, action: BulkVerb, wanted: dict[str, object], *, dry_run: bool, rate: int, wait: bool
) -> None:
    """Ask for a bulk action and print it; a dry run, or with `wait` any, once it is finished.

    Raises:
        CommandFailed: it was aborted meanwhile.
        TimedOut: it goes on, but was not finished in time.
    """
    body = {"action": action.value, "filter": wanted, "dry_run": dry_run, "rate_per_second": rate}
    reply = use.client.create("/v1/bulk-actions", msgspec.json.encode(body))
    if wait or dry_run:
        reply = _finished(use, reply)
    use.output.thing(reply.body, _COLUMNS)
    if reply.into(BulkReply).state is BulkState.ABORTED:
        raise CommandFailed(f"{reply.into(BulkReply).id} was aborted.")


def act_on_each(use: Use, job_ids: tuple[str, ...], action: BulkVerb) -> None:
    """Move jobs named one by one, and print those that moved.

    Raises:
        CommandFailed: some did not; each is said on stderr.
    """
    moved, refusals = list[bytes](), list[Refused]()
    for job_id in job_ids:
        try:
            moved.append(use.client.post(f"/v1/jobs/{segment(job_id)}/{action}").body)
        except Refused as refusal:
            if refusal.exit_code == Exit.NOT_ALLOWED or len(job_ids) == 1:
                raise
            refusals.append(refusal)
            note(f"{job_id}: {refusal.message}")
    use.output.things(moved, JOB_COLUMNS)
    if refusals:
        raise CommandFailed(f"{len(refusals)} of {len(job_ids)} jobs refused to {action}.", Exit(refusals[0].exit_code))


def check_choice(job_ids: tuple[str, ...], given: Iterable[str], instead: str) -> None:
    """Go on only if jobs are either named or described.

    Raises:
        click.UsageError: they are both, or neither.
    """
    if job_ids and list(given):
        raise click.UsageError("Name jobs or give conditions, not both.")
    if not job_ids and not list(given):
        raise click.UsageError(f"Name jobs, or {instead}.")


def _finished(use: Use, reply: Reply) -> Reply:
    live = sys.stderr.isatty()
    action_id = reply.into(BulkReply).id

    def is_end(reply: Reply) -> bool:
        action = reply.into(BulkReply)
        if live:
            click.echo(f"\r\x1b[2K{_progress(action)}", err=True, nl=False)
        return action.state not in {BulkState.PENDING, BulkState.RUNNING}

    try:
        if not is_end(reply):
            reply = use.client.wait_until(f"/v1/bulk-actions/{segment(action_id)}", is_end, look_seconds=0)
    except TimedOut:
        raise TimedOut(f"{action_id} is not finished yet.") from None
    finally:
        if live:
            click.echo("\r\x1b[2K", err=True, nl=False)
    note(_progress(reply.into(BulkReply)))
    return reply


def _progress(action: BulkReply) -> str:
    if action.dry_run:
        return f"{action.id} {action.state}: {action.matched} jobs match"
    return f"{action.id} {action.state}: {action.done} jobs done, {action.skipped} skipped"
