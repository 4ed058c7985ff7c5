"""`headrace chat`: a question and its reply as it is written, or a talk, a question a line."""

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click
import msgspec

import headrace
from cli.client import segment
from cli.exits import CommandFailed, Exit, defanged
from cli.options import ApiCommand, Use, pass_use
from cli.output import Format, note
from cli.replies import Identified, SaidReply

if TYPE_CHECKING:
    from headrace import Reply


@click.command(cls=ApiCommand)
@click.argument("question", required=False)
@click.option("--conversation", metavar="ID", help="Go on with this conversation; else one is begun.")
@pass_use
def chat(use: Use, question: str | None, conversation: str | None) -> None:
    """Ask QUESTION, or - for standard input, and print the reply as it is written.

    Without a question, talk: a line is a message. Ctrl-C stops a reply, at its provider too; Ctrl-D ends the talk.
    With -o json the reply is printed once it is whole, as the message it is kept as.

    \b
    headrace chat "How can I cancel a job?"
    headrace chat --conversation conv_0198…
    """  # noqa: D301 - \b keeps click from joining the examples
    is_talk = question is None and sys.stdin.isatty()
    asked = None if is_talk else _whole(question)
    if conversation is None:
        conversation = use.client.create("/v1/conversations", b"{}").into(Identified).id
    else:
        use.client.get(f"/v1/conversations/{conversation}")
    if asked is not None:
        if not _ask(use, conversation, asked):
            raise click.Abort
        note(f"Go on with: headrace chat --conversation {conversation}")
        return
    note("Ctrl-C stops a reply, Ctrl-D ends the talk.")
    while (said := _read_line()) is not None:
        if said.strip():
            try:
                _ask(use, conversation, said)
            except CommandFailed as failure:
                if failure.exit_code not in {Exit.FAILED, Exit.USAGE}:
                    raise
                failure.show()  # the talk goes on
    note(f"Go on with: headrace chat --conversation {conversation}")


def _whole(question: str | None) -> str:
    text = sys.stdin.read() if question in {None, "-"} else question or ""
    if not text.strip():
        raise CommandFailed("There is no question: give one, or - to read standard input.", Exit.USAGE)
    return text


def _read_line() -> str | None:
    """What the user says; None at the end."""
    try:
        return input("> ")
    except EOFError:
        click.echo("", err=True)
        return None


def _ask(use: Use, conversation: str, said: str) -> bool:
    """Print the reply; False: it was cancelled from here."""
    with ExitStack() as stack:
        try:
            reply = stack.enter_context(use.client.asking(conversation, said))
        except KeyboardInterrupt:
            _cancel_unheard(use, conversation, said)
            return False
        try:
            _print(reply, shown=use.output.format is Format.TABLE)
        except KeyboardInterrupt:
            reply.cancel()
            click.echo("", err=True)
            note("Cancelled; what was written is kept.")
            return False
        except headrace.JobNotSucceeded as failure:
            raise CommandFailed(str(failure), Exit.FAILED) from None
        if use.output.format is not Format.TABLE:
            use.output.thing(msgspec.json.encode(reply.message))
    return True


def _cancel_unheard(use: Use, conversation: str, said: str) -> None:
    """Cancel the reply to what was said a moment ago, of which nothing was heard: the message tells its job."""
    click.echo("", err=True)
    # the newest first: the reply stands before what it replies to
    items = use.client.items(f"/v1/conversations/{conversation}/messages", at_most=2)
    match [msgspec.json.decode(item, type=SaidReply) for item in items]:
        case [SaidReply(text=text, reply_job_id=str(job_id)), *_] if text == said:
            use.client.post(f"/v1/jobs/{segment(job_id)}/cancel")
            note("Cancelled.")
        case [SaidReply(role="assistant", reply_to=replied_to), SaidReply(id=replied, text=text)] if (
            text == said and replied_to == replied
        ):
            note("Not cancelled: the reply was whole already, and is kept.")
        case _:
            note("Cancelled before it was taken.")


def _print(reply: "Reply", *, shown: bool) -> None:
    ends_line = True
    try:
        for part in reply:
            if not shown:
                continue
            if part.is_anew:
                click.echo("" if ends_line else "\n", nl=False)
                note("(The reply begins anew.)")
            click.echo(defanged(part.text), nl=False)
            sys.stdout.flush()
            ends_line = part.text.endswith("\n") if part.text else ends_line
    finally:
        if not ends_line:
            click.echo("")
