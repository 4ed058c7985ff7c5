"""What every command that calls the API has in common: its options, before or after its name, and what they make."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

import click
from msgspec import Struct

from cli.durations import DURATION, Deadline
from cli.exits import CommandFailed, Exit
from cli.output import Format, Output
from cli.target import Target, find_target
from runtime.settings import SettingInvalid, Settings, read_settings

if TYPE_CHECKING:
    from cli.client import Client

P = ParamSpec("P")
R = TypeVar("R")

_GIVEN: Final = "headrace.options"


class Use(Struct, frozen=True):
    """What a command is handed: the API, a way to print, the settings, and how long it may take, if that was said."""

    client: "Client"
    output: Output
    settings: Settings
    timeout_seconds: float | None


def _remember(ctx: click.Context, param: click.Parameter, value: object) -> None:
    # `meta` is shared by a command and its groups, and the innermost is read last: it wins.
    if value is not None:
        ctx.meta.setdefault(_GIVEN, {})[param.name] = value


def shared_options() -> list[click.Parameter]:
    """The options every command of the API takes."""
    return [
        click.Option(
            ["-o", "--output", "output"],
            type=click.Choice([each.value for each in Format]),
            help="How to print data; a table when not given.",
            expose_value=False,
            callback=_remember,
        ),
        click.Option(["--url"], help="Where the API is.", metavar="URL", expose_value=False, callback=_remember),
        click.Option(["--key"], help="The API key.", metavar="KEY", expose_value=False, callback=_remember),
        click.Option(
            ["--timeout"],
            type=DURATION,
            help="Give up after this long (30s, 5m): exit 5.",
            expose_value=False,
            callback=_remember,
        ),
    ]


class ApiCommand(click.Command):
    """A command with the shared options."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - click's own signature
        super().__init__(*args, **kwargs)
        self.params.extend(shared_options())


class ApiGroup(click.Group):
    """A group with the shared options, whose commands have them too."""

    command_class = ApiCommand

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - click's own signature
        super().__init__(*args, **kwargs)
        self.params.extend(shared_options())


ApiGroup.group_class = ApiGroup


def given(name: str) -> Any:  # noqa: ANN401 - click converted it as its option says
    """A shared option of the command that runs now; None when it was not given."""
    return click.get_current_context().meta.get(_GIVEN, {}).get(name)


def settings_of_command() -> Settings:
    """The environment's settings.

    Raises:
        CommandFailed: a setting is not acceptable.
    """
    try:
        return read_settings()
    except SettingInvalid as error:
        raise CommandFailed(error.detail, Exit.USAGE) from None


def target_of_command(settings: Settings) -> Target:
    """Where the command that runs now finds the API."""
    return find_target(settings, given("url"), given("key"))


def pass_use(command: Callable[Concatenate[Use, P], R]) -> Callable[P, R]:
    """Hand a command its `Use`, and close the client after it."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        from cli.client import Client  # noqa: PLC0415 - httpx is heavy, `--help` is not

        settings = settings_of_command()
        seconds = given("timeout")
        with Client(target_of_command(settings), deadline=Deadline(seconds)) as client:
            return command(Use(client, Output(Format(given("output") or "table")), settings, seconds), *args, **kwargs)

    return run
