"""`headrace mail`: the inbox of this machine, which takes the mail where no other mail server is set."""

import asyncio
import sys
from email.utils import getaddresses
from pathlib import Path
from typing import Final

import click
import msgspec

from cli.exits import CommandFailed, Exit, defanged
from cli.options import given, settings_of_command
from cli.output import Format, Output, note
from providers.mail.inbox import MailNotFound, StoredMail, list_mails, read_mail, read_raw_mail, serve_inbox
from runtime.logs import configure_logs
from runtime.readiness import mark_ready

INBOX: Final = "inbox"  # under the data directory
_COLUMNS: Final = ("id", "received_at", "recipients", "subject", "size_bytes")
_SHOWN_HEADERS: Final = ("From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID")

_format = click.option(
    "-o", "--output", type=click.Choice([each.value for each in Format]), help="How to print; a table when not given."
)


@click.group("mail")
def mail() -> None:
    """Read the local inbox."""


@mail.command("list")
@_format
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
def list_inbox(output: str | None, limit: int) -> None:
    """List the latest e-mails, newest first."""
    inbox = _inbox()
    mails = list_mails(inbox, limit)
    _chosen(output).things((msgspec.json.encode(each) for each in mails), _COLUMNS)
    if not mails:
        note(f"No e-mail is in {inbox}.")


@mail.command("show")
@click.argument("mail_id", metavar="ID")
@_format
@click.option("--raw", is_flag=True, help="Print the e-mail byte by byte, as it came in.")
@click.option("--json", "as_json", is_flag=True, help="The same as -o json.")
def show_mail(mail_id: str, output: str | None, raw: bool, as_json: bool) -> None:  # noqa: FBT001 - click's flags
    """Show one e-mail: its headers, and its text (its HTML where there is no text)."""
    try:
        if raw:
            sys.stdout.buffer.write(read_raw_mail(_inbox(), mail_id))
            sys.stdout.buffer.flush()
            return
        stored = read_mail(_inbox(), mail_id)
    except MailNotFound as error:
        raise CommandFailed(error.detail, Exit.NOT_FOUND) from None
    chosen = Output(Format.JSON) if as_json else _chosen(output)
    if chosen.format is Format.TABLE:
        click.echo(_for_reading(stored))
    else:
        chosen.thing(msgspec.json.encode(stored))


@mail.command("serve", hidden=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=1025, show_default=True)
def serve(host: str, port: int) -> None:
    """Run the inbox alone: an SMTP server that keeps every e-mail and passes none on."""
    settings = settings_of_command()
    configure_logs(settings, process="mail")

    def ready(bound: int) -> None:
        note(f"The inbox takes mail on {host}:{bound}.")
        mark_ready(settings.data_dir)

    try:
        asyncio.run(serve_inbox(_inbox(), host, port, ready))
    except OSError as error:
        raise CommandFailed(f"The inbox cannot take mail on {host}:{port}: {error.strerror or error}.") from None


def _inbox() -> Path:
    return settings_of_command().data_dir / INBOX


def _chosen(output: str | None) -> Output:
    return Output(Format(output or given("output") or Format.TABLE))


def _for_reading(stored: StoredMail) -> str:
    headers = dict(reversed(stored.headers))  # of a header that is there twice, the first
    lines = [f"{name}: {headers[name]}" for name in _SHOWN_HEADERS if name in headers]
    visible = {address for _, address in getaddresses([headers.get("To", ""), headers.get("Cc", "")])}
    hidden = [address for address in stored.summary.recipients if address not in visible]
    if hidden:
        lines.append(f"Bcc: {', '.join(hidden)}")
    body = stored.text if stored.text is not None else stored.html or ""
    return defanged("\n".join([*lines, "", body.rstrip("\n")]))
