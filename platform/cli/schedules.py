"""`headrace schedules`. A schedule goes by its id or its name."""

from typing import Final

import click
import msgspec
from msgspec import Raw

from cli.client import Client, segment
from cli.durations import DURATION, spelled
from cli.exits import CommandFailed, Exit
from cli.inputs import read_input
from cli.options import ApiGroup, Use, pass_use
from cli.output import note
from cli.replies import text_at
from domain.schedules.schedule import CatchUp, Overlap

_COLUMNS: Final = ("id", "name", "job.kind", "cron", "every", "timezone", "paused", "next_runs")
_RUNS: Final = ("fire_at", "outcome", "job_id", "by_hand", "backfilled", "detail")


@click.group(cls=ApiGroup)
def schedules() -> None:
    """Make, list, show, trigger, backfill, pause, resume and delete schedules."""


@schedules.command("list")
@click.option("-n", "--limit", type=click.IntRange(1), default=100, show_default=True, help="At most this many.")
@pass_use
def list_schedules(use: Use, limit: int) -> None:
    """List schedules."""
    use.output.things(use.client.items("/v1/schedules", at_most=limit), _COLUMNS)


@schedules.command()
@click.argument("schedule")
@pass_use
def show(use: Use, schedule: str) -> None:
    """Show a schedule and its next five runs."""
    use.output.thing(use.client.get(f"/v1/schedules/{find_schedule(use.client, schedule)}").body)


@schedules.command()
@click.argument("name")
@click.argument("kind")
@click.option("--cron", help="When: minute hour day-of-month month day-of-week, or @daily and the like.")
@click.option("--every", type=DURATION, help="Or how often, as in 90m.")
@click.option("--timezone", help="On whose clocks, as in Europe/Berlin.  [default: UTC]")
@click.option(
    "-i",
    "--input",
    "spelled_input",
    metavar="JSON|@FILE|-",
    help="A JSON object, a file or standard input. Plain text becomes the kind's main text field.",
)
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="A field of the input, laid over --input.")
@click.option(
    "--overlap",
    type=click.Choice([one.value for one in Overlap]),
    help="While an earlier job is live.  [default: skip]",
)
@click.option(
    "--catch-up",
    type=click.Choice([one.value for one in CatchUp]),
    help="For what nothing ticked for.  [default: last]",
)
@click.option("--paused", is_flag=True, help="Submit nothing until it is resumed.")
@pass_use
def create(  # noqa: PLR0913 - a schedule has this many options
    use: Use,
    name: str,
    kind: str,
    *,
    cron: str | None,
    every: float | None,
    timezone: str | None,
    spelled_input: str | None,
    changes: tuple[str, ...],
    overlap: str | None,
    catch_up: str | None,
    paused: bool,
) -> None:
    """Submit a job of KIND again and again.

    \b
    headrace schedules create "Morning report" text.summarize --cron "0 7 * * MON-FRI" --input @news.txt
    """  # noqa: D301 - \b keeps click from joining the example
    given = {
        "cron": cron,
        "every": None if every is None else spelled(every),
        "timezone": timezone,
        "overlap": overlap,
        "catch_up": catch_up,
    }
    body = {
        "name": name,
        "job": {"kind": kind, "input": Raw(read_input(spelled_input, changes, kind, use.client.kinds))},
        "paused": paused,
        **{field: value for field, value in given.items() if value is not None},
    }
    use.output.thing(use.client.create("/v1/schedules", msgspec.json.encode(body)).body)


@schedules.command()
@click.argument("schedule")
@pass_use
def delete(use: Use, schedule: str) -> None:
    """Delete a schedule; the jobs it has submitted stay."""
    schedule_id = find_schedule(use.client, schedule)
    use.client.delete(f"/v1/schedules/{schedule_id}")
    note(f"{schedule_id} is deleted.")


@schedules.command()
@click.argument("schedule")
@pass_use
def trigger(use: Use, schedule: str) -> None:
    """Submit a schedule's job now."""
    use.output.thing(use.client.create(f"/v1/schedules/{find_schedule(use.client, schedule)}/trigger").body)


@schedules.command()
@click.argument("schedule")
@click.option("--from", "since", metavar="TIME", required=True, help="The first, as in 2030-01-01T00:00:00Z.")
@click.option("--to", "until", metavar="TIME", help="Those before it.  [default: now]")
@click.option("--dry-run", is_flag=True, help="Only count them.")
@pass_use
def backfill(use: Use, schedule: str, *, since: str, until: str | None, dry_run: bool) -> None:
    """Run what a schedule was due to run from one time to another and did not."""
    body = msgspec.json.encode({"starts_at": since, "ends_at": until, "dry_run": dry_run})
    use.output.thing(use.client.create(f"/v1/schedules/{find_schedule(use.client, schedule)}/backfill", body).body)


@schedules.command()
@click.argument("schedule")
@pass_use
def runs(use: Use, schedule: str) -> None:
    """List what became of the times a schedule was due, the latest first."""
    path = f"/v1/schedules/{find_schedule(use.client, schedule)}/runs"
    use.output.things(use.client.items(path, at_most=100), _RUNS)


@schedules.command()
@click.argument("schedule")
@pass_use
def pause(use: Use, schedule: str) -> None:
    """Let a schedule submit nothing until it is resumed."""
    use.output.thing(use.client.post(f"/v1/schedules/{find_schedule(use.client, schedule)}/pause").body)


@schedules.command()
@click.argument("schedule")
@pass_use
def resume(use: Use, schedule: str) -> None:
    """Let a paused schedule go on."""
    use.output.thing(use.client.post(f"/v1/schedules/{find_schedule(use.client, schedule)}/resume").body)


def find_schedule(client: Client, wanted: str) -> str:
    """The id of the schedule that `wanted` names.

    Raises:
        CommandFailed: there is none of that name, or more than one.
    """
    if wanted.startswith("sched_"):
        return segment(wanted)
    items = client.items("/v1/schedules", at_most=10_000)
    found = [text_at(item, "id") for item in items if text_at(item, "name") == wanted]
    if not found:
        raise CommandFailed(f"There is no schedule named {wanted!r}.", Exit.NOT_FOUND)
    if len(found) > 1:
        raise CommandFailed(f"{len(found)} schedules are named {wanted!r}; use an id: {', '.join(found)}.", Exit.USAGE)
    return found[0]
