"""`headrace jobs`: what became of them."""

import sys
from typing import Final

import click

from cli.bulk import (
    CONDITIONS,
    JOB_COLUMNS,
    act_in_bulk,
    act_on_each,
    check_choice,
    conditions,
    given_conditions,
    pace,
    states_and_codes,
)
from cli.client import segment
from cli.exits import TimedOut
from cli.options import ApiGroup, Use, pass_use
from cli.output import Format
from cli.replies import JobReply
from cli.watching import fail_unless_succeeded, show_events, show_events_as_json, watch_format
from domain.jobs.bulk import BulkVerb
from domain.jobs.state import State
from headrace.requests import Query

_FILTERS: Final = {**CONDITIONS, "sort": "created_at, -created_at, priority or finished_at."}


@click.group(cls=ApiGroup)
def jobs() -> None:
    """List, show, watch, cancel, retry, export and count jobs."""


def _filters(command: click.Command) -> click.Command:
    for name, line in reversed(_FILTERS.items()):
        command.params.insert(0, click.Option([f"--{name.replace('_', '-')}"], help=line))
    choice = click.Choice([each.value for each in State])
    command.params.insert(0, click.Option(["--error-code"], multiple=True, help="Only failed with these codes."))
    command.params.insert(0, click.Option(["--state"], type=choice, multiple=True, help="Only these states."))
    return command


def _query(filters: dict[str, object]) -> Query:
    given: dict[str, str | int | list[str] | None] = {name: _text(filters.get(name)) for name in _FILTERS}
    return {**given, "state": _texts(filters.get("state")), "error_code": _texts(filters.get("error_code"))}


def _texts(value: object) -> list[str] | None:
    return [str(one) for one in value] if isinstance(value, tuple) and value else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


@jobs.command("list")
@click.option("-n", "--limit", type=click.IntRange(1), default=50, show_default=True, help="At most this many.")
@pass_use
def list_jobs(use: Use, /, limit: int, **filters: object) -> None:
    """List jobs, newest first."""
    use.output.things(use.client.items("/v1/jobs", _query(filters), at_most=limit), JOB_COLUMNS)


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
    events = use.client.follow(job_id)
    try:
        if watch_format(use.output.format):
            show_events_as_json(events)
        else:
            show_events(events, job_id, sys.stdout)
    except TimedOut:
        raise TimedOut(f"{job_id} is not finished yet.") from None
    fail_unless_succeeded(use.client.get(f"/v1/jobs/{segment(job_id)}").into(JobReply))


@jobs.command()
@click.argument("job_ids", nargs=-1, metavar="[JOB_ID]...")
@states_and_codes
@conditions
@pace
@pass_use
def cancel(use: Use, /, job_ids: tuple[str, ...], *, dry_run: bool, rate: int, wait: bool, **given: object) -> None:
    """Cancel jobs, named or by conditions; running ones are told to stop."""
    _act(use, BulkVerb.CANCEL, job_ids, given, dry_run=dry_run, rate=rate, wait=wait)


@jobs.command()
@click.argument("job_ids", nargs=-1, metavar="[JOB_ID]...")
@states_and_codes
@conditions
@pace
@pass_use
def retry(use: Use, /, job_ids: tuple[str, ...], *, dry_run: bool, rate: int, wait: bool, **given: object) -> None:
    """Queue failed, cancelled or expired jobs again, named or by conditions."""
    _act(use, BulkVerb.RETRY, job_ids, given, dry_run=dry_run, rate=rate, wait=wait)


def _act(  # noqa: PLR0913 - one an option
    use: Use,
    action: BulkVerb,
    job_ids: tuple[str, ...],
    given: dict[str, object],
    *,
    dry_run: bool,
    rate: int,
    wait: bool,
) -> None:
    wanted = given_conditions(given)
    check_choice(job_ids, wanted, "give conditions")
    if job_ids:
        act_on_each(use, job_ids, action)
    else:
        act_in_bulk(use, action, wanted, dry_run=dry_run, rate=rate, wait=wait)


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
