"""`headrace jobs`: what became of them."""

import sys
from typing import Final

import click

from cli.client import Query, Refused, segment
from cli.exits import CommandFailed, Exit, TimedOut
from cli.options import ApiGroup, Use, pass_use
from cli.output import Format, note
from cli.replies import JobReply
from cli.stream import follow
from cli.watching import fail_unless_succeeded, show_events, show_events_as_json, watch_format
from domain.jobs.state import State

_COLUMNS: Final = ("id", "kind", "state", "attempt", "created_at", "finished_at", "error.code")
_FILTERS: Final = {
    "kind": "Only of this kind.",
    "queue": "Only in this queue.",
    "tag": "Only with this tag.",
    "batch_id": "Only of this batch.",
    "schedule_id": "Only of this schedule.",
    "q": "Only what these words are found in.",
    "created_after": "Only made after this time (RFC 3339).",
    "created_before": "Only made before this time (RFC 3339).",
    "sort": "created_at, -created_at, priority or finished_at.",
}


@click.group(cls=ApiGroup)
def jobs() -> None:
    """List, show, watch, cancel, retry, export and count jobs."""


def _filters(command: click.Command) -> click.Command:
    for name, line in reversed(_FILTERS.items()):
        command.params.insert(0, click.Option([f"--{name.replace('_', '-')}"], help=line))
    choice = click.Choice([each.value for each in State])
    command.params.insert(0, click.Option(["--state"], type=choice, multiple=True, help="Only these states."))
    return command


def _query(filters: dict[str, object]) -> Query:
    states = filters.get("state")
    given: dict[str, str | int | list[str] | None] = {name: _text(filters.get(name)) for name in _FILTERS}
    given["state"] = list(states) if isinstance(states, tuple) else None
    return given


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


@jobs.command("list")
@click.option("-n", "--limit", type=click.IntRange(1), default=50, show_default=True, help="At most this many.")
@pass_use
def list_jobs(use: Use, /, limit: int, **filters: object) -> None:
    """List jobs, newest first."""
    use.output.things(use.client.items("/v1/jobs", _query(filters), at_most=limit), _COLUMNS)


_filters(list_jobs)


@jobs.command()
@click.argument("job_id")
@pass_use
def show(use: Use, job_id: str) -> None:
    """Show everything about a job."""
    use.output.thing(use.client.get(f"/v1/jobs/{segment(job_id)}").body)


@jobs.command()
@click.argument("job_id")
@pass_use
def watch(use: Use, job_id: str) -> None:
    """Show what happens to a job until it is finished; exit 1 when it fails."""
    events = follow(use.client, job_id)
    try:
        if watch_format(use.output.format):
            show_events_as_json(events)
        else:
            show_events(events, job_id, sys.stdout)
    except TimedOut:
        raise TimedOut(f"{job_id} is not finished yet.") from None
    fail_unless_succeeded(use.client.get(f"/v1/jobs/{segment(job_id)}").into(JobReply))


@jobs.command()
@click.argument("job_ids", nargs=-1, required=True, metavar="JOB_ID...")
@pass_use
def cancel(use: Use, job_ids: tuple[str, ...]) -> None:
    """Cancel jobs; a running one is told to stop."""
    _move(use, job_ids, "cancel")


@jobs.command()
@click.argument("job_ids", nargs=-1, required=True, metavar="JOB_ID...")
@pass_use
def retry(use: Use, job_ids: tuple[str, ...]) -> None:
    """Queue failed, cancelled or expired jobs again."""
    _move(use, job_ids, "retry")


def _move(use: Use, job_ids: tuple[str, ...], move: str) -> None:
    moved, refusals = list[bytes](), list[Refused]()
    for job_id in job_ids:
        try:
            moved.append(use.client.post(f"/v1/jobs/{segment(job_id)}/{move}").body)
        except Refused as refusal:
            if refusal.exit_code == Exit.NOT_ALLOWED or len(job_ids) == 1:
                raise
            refusals.append(refusal)
            note(f"{job_id}: {refusal.message}")
    use.output.things(moved, _COLUMNS)
    if refusals:
        raise CommandFailed(f"{len(refusals)} of {len(job_ids)} jobs refused to {move}.", Exit(refusals[0].exit_code))


@jobs.command()
@click.option("--format", "format_", type=click.Choice(["csv", "ndjson"]), help="csv, unless -o json or jsonl.")
@pass_use
def export(use: Use, /, format_: str | None, **filters: object) -> None:
    """Write all jobs that match to stdout."""
    wanted = format_ or ("ndjson" if use.output.format in {Format.JSON, Format.JSONL} else "csv")
    with use.client.stream("/v1/jobs/export", {**_query(filters), "format": wanted}) as pieces:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


_filters(export)


@jobs.command()
@click.option(
    "--window", type=click.Choice(["1h", "24h", "7d"]), default="24h", show_default=True, help="How far back."
)
@pass_use
def stats(use: Use, window: str) -> None:
    """Count jobs by state and kind, with their times."""
    use.output.thing(use.client.get("/v1/stats", {"window": window}).body)
