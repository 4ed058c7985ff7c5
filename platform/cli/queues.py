"""`headrace queues`."""

import re
from collections.abc import Iterable
from typing import Final

import click
import msgspec

from cli.client import segment
from cli.options import ApiGroup, Use, pass_use

_COLUMNS: Final = ("name", "depth", "oldest_age_seconds", "running", "scheduled", "paused", "workers", "rate", "limits")
_RATE: Final = re.compile(r"([0-9]{1,9})/([0-9].*)")


@click.group(cls=ApiGroup)
def queues() -> None:
    """List, pause, resume and limit queues."""


@queues.command("list")
@pass_use
def list_queues(use: Use) -> None:
    """List queues with what waits and what runs in them."""
    use.output.things(use.client.whole("/v1/queues"), _COLUMNS)


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


class RateOption(click.ParamType[dict[str, object]]):
    """A rate on the command line, `100/1m`, as the API takes it."""

    name = "rate"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, object]:
        """A count and the duration it counts by.

        Raises:
            click.BadParameter: not a rate.
        """
        match = _RATE.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is not a rate; write 100/1m, 5/1s or 1000/1h", param, ctx)
        return {"count": int(match[1]), "per": match[2]}


class ForKind(click.ParamType[tuple[str, object]]):
    """An option's value for one kind: `text.generate=VALUE`."""

    name = "kind=value"

    def __init__(self, value: click.ParamType[dict[str, object]] | click.ParamType[int]) -> None:
        self._value = value

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, object]:
        """The kind's name and its value.

        Raises:
            click.BadParameter: there is no `=`, or what follows it is not such a value.
        """
        kind, equals, rest = str(value).partition("=")
        if not equals:
            self.fail(f"{value!r} names no kind; write text.generate=VALUE", param, ctx)
        return kind, self._value.convert(rest, param, ctx)


_COUNT: Final = click.IntRange(1)


@queues.command("limit")
@click.argument("name")
@click.option("--max-running", type=_COUNT, help="Of all its jobs at once.")
@click.option("--rate", type=RateOption(), metavar="N/TIME", help="Of all its jobs that start, as in 100/1m.")
@click.option("--tenant-max-running", type=_COUNT, help="Of each tenant's jobs at once.")
@click.option("--tenant-rate", type=RateOption(), metavar="N/TIME", help="Of each tenant's that start.")
@click.option("--kind-max-running", type=ForKind(_COUNT), multiple=True, metavar="KIND=N", help="Of a kind at once.")
@click.option("--kind-rate", type=ForKind(RateOption()), multiple=True, metavar="KIND=N/TIME", help="Of a kind.")
@click.option("--key-max-running", type=_COUNT, help="Of those that share a concurrency key.  [default: 1]")
@click.option("--none", "lift", is_flag=True, help="Lift all limits.")
@pass_use
def limit_queue(  # noqa: PLR0913 - one an option
    use: Use,
    *,
    name: str,
    max_running: int | None,
    rate: dict[str, object] | None,
    tenant_max_running: int | None,
    tenant_rate: dict[str, object] | None,
    kind_max_running: Iterable[tuple[str, int]],
    kind_rate: Iterable[tuple[str, object]],
    key_max_running: int | None,
    lift: bool,
) -> None:
    """Limit what of a queue runs at once and starts in a time, across all workers.

    What is not given is not limited: the limits there were are replaced.
    """
    per_kind: dict[str, dict[str, object]] = {}
    for kind, most in kind_max_running:
        per_kind.setdefault(kind, {})["max_running"] = most
    for kind, kinds_rate in kind_rate:
        per_kind.setdefault(kind, {})["rate"] = kinds_rate
    given = {
        "max_running": max_running,
        "rate": rate,
        "per_tenant": _given(max_running=tenant_max_running, rate=tenant_rate),
        "per_kind": per_kind,
        "per_key": _given(max_running=key_max_running),
    }
    limits = _given(**given)
    if bool(limits) == lift:
        raise click.UsageError("Give limits, or --none to lift them all.")
    use.output.thing(use.client.put(f"/v1/queues/{segment(name)}/limits", msgspec.json.encode(limits)).body)


def _given(**options: object) -> dict[str, object]:
    """Those of the options that were given."""
    return {name: value for name, value in options.items() if value not in (None, {})}
