"""The `headrace` command. Its subcommands are imported when they are called, so that `--help` answers at once."""

import importlib
import os
import signal
import sys
from typing import Final

import click

from cli.exits import CommandFailed, Exit
from cli.options import ApiGroup
from domain.errors import HeadraceError
from runtime.settings import SettingInvalid
from runtime.version import VERSION

# name: where it is, and its line in `--help`
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "up": ("cli.up:up", "Start everything on this machine, and stop it with Ctrl-C."),
    "demo": ("cli.demo:demo", "Submit one job of each kind and follow them to their results."),
    "submit": ("cli.submit:submit", "Submit a job."),
    "chat": ("cli.chat:chat", "Ask, and read the reply as it is written; without a question, talk."),
    "jobs": ("cli.jobs:jobs", "List, show, watch, cancel, retry, export and count jobs."),
    "batches": ("cli.batches:batches", "Submit, list, show and cancel batches, and read their results."),
    "bulk": ("cli.bulk:bulk", "List, show and abort bulk actions."),
    "deadletters": ("cli.deadletters:deadletters", "List dead letters, and queue them again."),
    "queues": ("cli.queues:queues", "List, pause, resume and limit queues."),
    "schedules": (
        "cli.schedules:schedules",
        "Make, list, show, trigger, backfill, pause, resume and delete schedules.",
    ),
    "webhooks": ("cli.webhooks:webhooks", "Make endpoints that are told what happens, and see their deliveries."),
    "mail": ("cli.mail:mail", "Read the local inbox."),
    "doctor": ("cli.doctor:doctor", "Check this machine and the platform, and say what to do."),
    "openapi": ("cli.openapi:openapi", "Print the API's OpenAPI description."),
    "bench": ("cli.bench:bench", "Measure how fast jobs are done."),
    "faults": ("cli.faults:faults", "Kill its processes while jobs come in, and check that nothing is lost."),
    "fuzz": ("cli.fuzz:fuzz", "Send its API what nobody means well with, and hold it to its description."),
    "test": ("cli.test:test", "Run the tests."),
    "api": ("cli.api:api", "Run the HTTP API alone."),
    "relay": ("cli.processes:relay", "Run the relay alone: it hands jobs to the broker."),
    "worker": ("cli.processes:worker", "Run one worker alone."),
    "beat": ("cli.processes:beat", "Run the scheduler alone."),
    "flower": ("cli.processes:flower", "Run Flower alone."),
    "migrate": ("cli.migrate:migrate", "Bring the database's tables up to date."),
    "keys": ("cli.keys:keys", "Make, list, rotate and revoke API keys."),
    "audit": ("cli.audit:audit", "Read the audit log, and check that nobody has changed it."),
    "users": ("cli.users:users", "List, show, make, change and shut out users."),
}


class LazyGroup(ApiGroup):
    """Knows its commands by name and imports the one that is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command of that name; None when there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _show_version(ctx: click.Context, param: click.Parameter, asked: bool) -> None:  # noqa: ARG001, FBT001 - click's signature
    if asked:
        click.echo(f"headrace {VERSION}")
        ctx.exit()


@click.group(
    "headrace",
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 ok, 1 the job failed, 2 usage, 3 not found, 4 not allowed, 5 timed out.",
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help="Print the version."
)
def headrace() -> None:
    """An asynchronous job platform: clients hand it jobs over HTTP, workers do them.

    Start with `headrace up`, or see it at work with `headrace demo`.
    """


def main() -> None:
    """Run the command, and end as the shell expects."""
    try:
        code = headrace.main(prog_name="headrace", standalone_mode=False)
    except click.exceptions.Abort:
        # Dying of the signal itself tells the shell it was Ctrl-C; a loop in a script then ends too.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except HeadraceError as error:
        CommandFailed(error.detail).show()
        sys.exit(Exit.USAGE if isinstance(error, SettingInvalid) else Exit.FAILED)
    else:
        sys.exit(code if isinstance(code, int) else Exit.OK)


if __name__ == "__main__":
    main()
