"""`headrace queues`."""

from typing import Final

import click

from cli.client import segment
from cli.options import ApiGroup, Use, pass_use

_COLUMNS: Final = ("name", "depth", "oldest_age_seconds", "running", "scheduled", "paused", "workers")


@click.group(cls=ApiGroup)
def queues() -> None:
    """List, pause and resume queues."""


@queues.command("list")
@pass_use
def list_queues(use: Use) -> None:
    """List queues with what waits and what runs in them."""
    use.output.things(use.client.items("/v1/queues", at_most=1000), _COLUMNS)


@queues.command()
@click.argument("name")
@pass_use
def pause(use: Use, name: str) -> None:
    """Hold a queue's jobs back; those that run finish."""
    use.output.thing(use.client.post(f"/v1/queues/{segment(name)}/pause").body)


@queues.command()
@click.argument("name")
@pass_use
def resume(use: Use, name: str) -> None:
    """Let a paused queue's jobs run."""
    use.output.thing(use.client.post(f"/v1/queues/{segment(name)}/resume").body)
