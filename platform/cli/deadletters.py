"""`headrace deadletters`: failed jobs that ran out of attempts or killed their workers."""

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
)
from cli.options import ApiGroup, Use, pass_use
from domain.jobs.bulk import BulkVerb
from domain.jobs.state import State
from headrace.requests import Query

_DEAD: Final[dict[str, list[str]]] = {"state": [State.FAILED.value], "error_code": ["attempts_exhausted", "crashed"]}


@click.group(cls=ApiGroup)
def deadletters() -> None:
    """List dead letters, and queue them again."""


@deadletters.command("list")
@conditions
@click.option("-n", "--limit", type=click.IntRange(1), default=50, show_default=True, help="At most this many.")
@pass_use
def list_dead(use: Use, /, limit: int, **given: str | None) -> None:
    """List dead letters, newest first."""
    query: Query = {**_DEAD, **{name: given.get(name) for name in CONDITIONS}}
    use.output.things(use.client.items("/v1/jobs", query, at_most=limit), JOB_COLUMNS)


@deadletters.command()
@click.argument("job_ids", nargs=-1, metavar="[JOB_ID]...")
@conditions
@click.option("--all", "everything", is_flag=True, help="All dead letters there are.")
@pace
@pass_use
def redrive(  # noqa: PLR0913 - one an option
    use: Use,
    /,
    job_ids: tuple[str, ...],
    *,
    everything: bool,
    dry_run: bool,
    rate: int,
    wait: bool,
    **given: object,
) -> None:
    """Queue dead letters again: those named, those that match, or all."""
    wanted = given_conditions(given)
    check_choice(job_ids, [*wanted, *(["all"] if everything else [])], "give conditions, or --all")
    if job_ids:
        act_on_each(use, job_ids, BulkVerb.RETRY)
    else:
        act_in_bulk(use, BulkVerb.RETRY, {**_DEAD, **wanted}, dry_run=dry_run, rate=rate, wait=wait)
