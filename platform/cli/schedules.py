"""`headrace schedules`. A schedule goes by its id or its name."""

from typing import Final

import click
import msgspec

from cli.client import Client, segment
from cli.exits import CommandFailed, Exit
from cli.options import ApiGroup, Use, pass_use
from cli.replies import text_at

_COLUMNS: Final = ("id", "name", "job.kind", "cron", "every", "timezone", "paused", "next_runs")
_RUNS: Final = ("fire_at", "outcome", "job_id", "by_hand", "backfilled", "detail")


@click.group(cls=ApiGroup)
def schedules() -> None:
    """List, show, trigger, backfill, pause and resume schedules."""


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


def find_schedule(client: Client, spelled: str) -> str:
    """The id of the schedule that `spelled` names.

    Raises:
        CommandFailed: there is none of that name, or more than one.
    """
    if spelled.startswith("sched_"):
        return segment(spelled)
    items = client.items("/v1/schedules", at_most=10_000)
    found = [text_at(item, "id") for item in items if text_at(item, "name") == spelled]
    if not found:
        raise CommandFailed(f"There is no schedule named {spelled!r}.", Exit.NOT_FOUND)
    if len(found) > 1:
        raise CommandFailed(f"{len(found)} schedules are named {spelled!r}; use an id: {', '.join(found)}.", Exit.USAGE)
    return found[0]
