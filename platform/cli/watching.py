"""Showing what happens to a job while it happens: live on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TextIO

import click
import msgspec

from cli.exits import CommandFailed, Exit, defanged
from cli.output import Format, note
from cli.replies import JobReply
from domain.jobs.state import State

if TYPE_CHECKING:
    from headrace import Event

SNAPSHOT: Final = "snapshot"
_BAR_CELLS: Final = 24
_SAID: Final = ("message", "text", "detail", "code", "reason", "run_at", "worker")


def show_events(events: Iterable["Event"], job_id: str, into: TextIO) -> None:
    """Write a line for each event to `into`; on a terminal, progress redraws one line and deltas run on."""
    live = into.isatty()
    open_line = False
    for event in events:
        facts = facts_of(event)
        if event.type == "delta" and live:
            click.echo(defanged(str(facts.get("text", ""))), file=into, nl=False)
            open_line = True
            continue
        if event.type == "progress" and live:
            click.echo(f"\r\x1b[2K{bar(_share(facts))} {_percent(facts)}", file=into, nl=False)
            open_line = True
            continue
        if open_line:
            click.echo("", file=into)
            open_line = False
        click.echo(line_of(event, facts, job_id), file=into)
    if open_line:
        click.echo("", file=into)


def show_events_as_json(events: Iterable["Event"]) -> None:
    """Write one JSON line for each event."""
    for event in events:
        data = msgspec.Raw(event.raw or b"null")
        click.echo(msgspec.json.encode({"id": event.id, "event": event.type, "data": data}))


def facts_of(event: "Event") -> dict[str, Any]:
    """What the event tells, flat."""
    found = msgspec.json.decode(event.raw) if event.raw else {}
    if not isinstance(found, dict):
        return {"data": found}
    inner = found.pop("data", None)
    return {**found, **inner} if isinstance(inner, dict) else found


def line_of(event: "Event", facts: Mapping[str, Any], job_id: str) -> str:
    """An event as one line."""
    if event.type == SNAPSHOT:
        return f"{job_id}  {facts.get('kind', '')} is {facts.get('state', '')}"
    if event.type == "progress":
        return f"{job_id}  progress  {_percent(facts)}"
    error = facts.get("error")
    said = {**facts, **error} if isinstance(error, dict) else facts
    attempt = f"attempt {said['attempt']}" if isinstance(said.get("attempt"), int) and event.type != "queued" else ""
    more = [attempt, *(str(said[name]) for name in _SAID if isinstance(said.get(name), str))]
    return defanged("  ".join([job_id, event.type, *(each for each in more if each)])).replace("\n", " ")


def tell_end(body: bytes) -> JobReply:
    """Say on stderr how a finished job ended, and give it back."""
    job = msgspec.json.decode(body, type=JobReply)
    took = "" if job.seconds is None else f" after {job.seconds:.2f} s"
    if job.state is State.SUCCEEDED:
        note(f"{job.id} succeeded{took}")
    return job


def fail_unless_succeeded(job: JobReply) -> None:
    """End the command with 1 when the job did not succeed.

    Raises:
        CommandFailed: it did not; the sentence says why.
    """
    if job.state is not State.SUCCEEDED:
        raise CommandFailed(why_not(job), Exit.FAILED)


def why_not(job: JobReply) -> str:
    """Why a job did not succeed, in a sentence."""
    if job.error is None:
        return f"{job.id} ({job.kind}) is {job.state}."
    said = job.error.detail or job.error.title
    return f"{job.id} ({job.kind}) {job.state}: {said.rstrip('.')} ({job.error.code})."


def watch_format(format_: Format) -> bool:
    """Whether events are wanted for programs."""
    return format_ in {Format.JSON, Format.JSONL}


def stderr() -> TextIO:
    """Where events go that are no data."""
    return sys.stderr


def bar(share: float) -> str:
    """`share`, 0 to 1, drawn."""
    full = round(share * _BAR_CELLS)
    return f"{'█' * full}{'░' * (_BAR_CELLS - full)}"


def _percent(facts: Mapping[str, Any]) -> str:
    said = facts.get("message")
    return f"{_share(facts):4.0%}" + (f"  {defanged(said)}" if isinstance(said, str) else "")


def _share(facts: Mapping[str, Any]) -> float:
    share = facts.get("progress", facts.get("fraction", 0.0))
    return min(max(float(share), 0.0), 1.0) if isinstance(share, int | float) else 0.0
