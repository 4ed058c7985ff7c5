"""`headrace webhooks`."""

from typing import Final

import click
import msgspec
from msgspec import Struct

from cli.client import Reply, segment
from cli.durations import Deadline
from cli.exits import CommandFailed, Exit, TimedOut
from cli.options import ApiGroup, Use, pass_use
from cli.output import note
from domain.webhooks.delivery import DeliveryState

_COLUMNS: Final = ("id", "url", "events", "state", "reason", "failing_since", "created_at")
_DELIVERIES: Final = (
    "id", "type", "subject", "state", "attempts", "status_code", "duration_ms", "code", "next_attempt_at", "created_at",
)  # fmt: skip
_TEST_SECONDS: Final = 30.0


class DeliveryReply(Struct, frozen=True):
    """A delivery, as far as the command looks into it."""

    id: str
    webhook_id: str
    state: DeliveryState
    attempts: int = 0
    status_code: int | None = None
    answer: str | None = None


@click.group(cls=ApiGroup)
def webhooks() -> None:
    """Make endpoints that are told what happens, and see what they were sent."""


@webhooks.command("list")
@click.option("-n", "--limit", type=click.IntRange(1), default=100, show_default=True, help="At most this many.")
@pass_use
def list_webhooks(use: Use, limit: int) -> None:
    """List endpoints, newest first."""
    use.output.things(use.client.items("/v1/webhooks", at_most=limit), _COLUMNS)


@webhooks.command()
@click.argument("address", metavar="URL")
@click.option(
    "-e",
    "--event",
    "events",
    multiple=True,
    required=True,
    metavar="TYPE",
    help="As job.failed, job.* or *; repeat it.",
)
@click.option("--description", default="", help="What it is for.")
@pass_use
def create(use: Use, address: str, events: tuple[str, ...], description: str) -> None:
    """Make an endpoint, and print it with its secret, this once."""
    body = msgspec.json.encode({"url": address, "events": events, "description": description})
    use.output.thing(use.client.create("/v1/webhooks", body).body)
    note("Keep the secret: it is what the receiver verifies signatures with, and is not shown again.")


@webhooks.command()
@click.argument("webhook_id")
@pass_use
def show(use: Use, webhook_id: str) -> None:
    """Show an endpoint, and whether it takes what it is sent."""
    use.output.thing(use.client.get(_path(webhook_id)).body)


@webhooks.command()
@click.argument("webhook_id")
@pass_use
def pause(use: Use, webhook_id: str) -> None:
    """Send an endpoint nothing until it is resumed."""
    use.output.thing(use.client.patch(_path(webhook_id), b'{"state":"paused"}').body)


@webhooks.command()
@click.argument("webhook_id")
@pass_use
def resume(use: Use, webhook_id: str) -> None:
    """Make an endpoint active again that was paused or disabled."""
    use.output.thing(use.client.patch(_path(webhook_id), b'{"state":"active"}').body)


@webhooks.command()
@click.argument("webhook_id")
@pass_use
def delete(use: Use, webhook_id: str) -> None:
    """Delete an endpoint; what is on its way to it is not sent any more."""
    use.client.delete(_path(webhook_id))
    note(f"{webhook_id} is deleted.")


@webhooks.command()
@click.argument("webhook_id")
@pass_use
def test(use: Use, webhook_id: str) -> None:
    """Send an endpoint a test, and tell how it went: exit 1 if it was not taken."""
    sent = use.client.post(f"{_path(webhook_id)}/test").into(DeliveryReply)
    ended = _wait(use, sent).body
    use.output.thing(ended)
    delivery = msgspec.json.decode(ended, type=DeliveryReply)
    if delivery.state is not DeliveryState.DELIVERED:
        said = delivery.answer if delivery.status_code is None else f"It answered {delivery.status_code}."
        raise CommandFailed(f"The test was not taken. {said}", Exit.FAILED)


@webhooks.command("rotate-secret")
@click.argument("webhook_id")
@pass_use
def rotate_secret(use: Use, webhook_id: str) -> None:
    """Give an endpoint a new secret and print it, this once; for 24 hours the one before signs as well."""
    use.output.thing(use.client.post(f"{_path(webhook_id)}/rotate-secret").body)
    note("Keep the secret: it is not shown again. The one before is valid for 24 hours.")


@webhooks.command()
@click.argument("webhook_id")
@click.option("-n", "--limit", type=click.IntRange(1), default=50, show_default=True, help="At most this many.")
@pass_use
def deliveries(use: Use, webhook_id: str, limit: int) -> None:
    """List what was sent to an endpoint, newest first."""
    use.output.things(use.client.items(f"{_path(webhook_id)}/deliveries", at_most=limit), _DELIVERIES)


@webhooks.command()
@click.argument("webhook_id")
@click.argument("delivery_id")
@pass_use
def redeliver(use: Use, webhook_id: str, delivery_id: str) -> None:
    """Send a delivery again, under the same id."""
    use.output.thing(use.client.post(f"{_path(webhook_id)}/deliveries/{segment(delivery_id)}/redeliver").body)


def _path(webhook_id: str) -> str:
    return f"/v1/webhooks/{segment(webhook_id)}"


def _wait(use: Use, sent: DeliveryReply) -> Reply:
    """The delivery once it was tried: a test is tried once.

    Raises:
        TimedOut: it was not in time.
    """
    path = f"{_path(sent.webhook_id)}/deliveries/{segment(sent.id)}"
    if use.client.deadline.seconds is None:
        use.client.deadline = Deadline(_TEST_SECONDS)
    try:
        return use.client.wait_until(path, _was_tried)
    except TimedOut:
        raise TimedOut("The test was not sent in time: see whether a worker takes the queue webhooks.") from None


def _was_tried(reply: Reply) -> bool:
    return reply.into(DeliveryReply).state is not DeliveryState.PENDING
