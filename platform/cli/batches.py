"""`headrace batches`: many jobs submitted as one, from a file with a job on each line."""

import sys
from pathlib import Path
from typing import Final, TextIO

import click
import msgspec

from cli.client import ANSWER_SECONDS, Reply, segment
from cli.durations import Deadline, spelled
from cli.exits import CommandFailed, Exit, TimedOut
from cli.options import ApiGroup, Use, pass_use
from cli.output import Format, note
from cli.replies import BatchReply
from cli.watching import bar

_COLUMNS: Final = (
    "id", "total", "counts.scheduled", "counts.queued", "counts.running", "counts.succeeded", "counts.failed",
    "counts.cancelled", "counts.expired", "created_at", "finished_at",
)  # fmt: skip
_LOOKS_SECONDS: Final = 1
_STEP: Final = 0.1  # of the whole, between two lines where no terminal redraws one


@click.group(cls=ApiGroup)
def batches() -> None:
    """Submit, list, show and cancel batches, and read their results."""


@batches.command()
@click.argument("file", metavar="FILE.ndjson|-")
@click.option("--on-finished", metavar="JSON", help="A job to submit when all have ended; it is told the batch's id.")
@click.option("--economy", is_flag=True, help="Let its texts take a day and cost half, where the engine offers that.")
@click.option("--wait", is_flag=True, help="Wait until all have ended, and show how far they are.")
@click.option("--idempotency-key", help="The same key and file again give the same answer, and no second batch.")
@pass_use
def submit(  # noqa: PLR0913, PLR0917 - what may be said of it
    use: Use,
    file: str,
    on_finished: str | None,
    economy: bool,  # noqa: FBT001 - as below
    wait: bool,  # noqa: FBT001 - a flag of the command
    idempotency_key: str | None,
) -> None:
    """Submit the jobs of FILE, one a line, all of them or none.

    \b
    headrace batches submit jobs.ndjson --wait
    headrace batches submit - --on-finished '{"kind": "emails.send", "input": {…}}' < jobs.ndjson
    """  # noqa: D301 - \b keeps click from joining the examples
    jobs = _read(file)
    media_type, body = "application/x-ndjson", jobs
    if on_finished is not None or economy:
        media_type, body = "application/json", _as_object(jobs, on_finished, economy=economy)
    reply = use.client.create("/v1/batches", body, key=idempotency_key, media_type=media_type)
    batch = reply.into(BatchReply)
    note(f"{batch.id}: {batch.total} jobs accepted")
    if economy and batch.mode != "economy":
        note("The platform's text engine has no economy: its texts run as usual.")
    if wait:
        reply = _await(use, batch)
    use.output.thing(reply.body, _COLUMNS if use.output.format in {Format.TABLE, Format.CSV} else None)
    if wait:
        _fail_unless_all_succeeded(reply.into(BatchReply))


@batches.command("list")
@click.option("-n", "--limit", type=click.IntRange(1), default=50, show_default=True, help="At most this many.")
@pass_use
def list_batches(use: Use, limit: int) -> None:
    """List batches, newest first."""
    use.output.things(use.client.items("/v1/batches", at_most=limit), _COLUMNS)


@batches.command()
@click.argument("batch_id")
@pass_use
def show(use: Use, batch_id: str) -> None:
    """Show how far a batch is."""
    use.output.thing(use.client.get(f"/v1/batches/{segment(batch_id)}").body)


@batches.command()
@click.argument("batch_id")
@pass_use
def watch(use: Use, batch_id: str) -> None:
    """Show how far a batch is until all of its jobs have ended; exit 1 when one did not succeed."""
    reply = _await(use, use.client.get(f"/v1/batches/{segment(batch_id)}").into(BatchReply))
    use.output.thing(reply.body)
    _fail_unless_all_succeeded(reply.into(BatchReply))


@batches.command()
@click.argument("batch_id")
@pass_use
def cancel(use: Use, batch_id: str) -> None:
    """Cancel what is live of a batch; running jobs are told to stop."""
    use.output.thing(use.client.post(f"/v1/batches/{segment(batch_id)}/cancel").body)


@batches.command()
@click.argument("batch_id")
@pass_use
def results(use: Use, batch_id: str) -> None:
    """Write the jobs of a batch to stdout as they stand, one a line, in the order submitted."""
    with use.client.stream(f"/v1/batches/{segment(batch_id)}/results") as pieces:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _read(file: str) -> bytes:
    try:
        found = sys.stdin.buffer.read() if file == "-" else Path(file).expanduser().read_bytes()
    except OSError as error:
        raise click.UsageError(f"{file} cannot be read: {error.strerror}.") from None
    found = found.removeprefix(b"\xef\xbb\xbf")
    if not found.strip():
        raise click.UsageError(f"{'Standard input' if file == '-' else file} holds no jobs.")
    return found


def _as_object(jobs: bytes, on_finished: str | None, *, economy: bool) -> bytes:
    """The same as one object, for lines have no place for what is said of all, nor for the job that follows."""
    try:
        following = None if on_finished is None else msgspec.json.decode(on_finished, type=msgspec.Raw)
    except msgspec.DecodeError as error:
        raise click.UsageError(f"--on-finished is no valid JSON: {error}.") from None
    lines = [line for line in jobs.splitlines() if line.strip()]
    more = b"" if following is None else b',"on_finished":%b' % bytes(following)
    return b'{"jobs":[%b]%b%b}' % (b",\n".join(lines), more, b',"mode":"economy"' if economy else b"")


def _await(use: Use, batch: BatchReply) -> Reply:
    """The batch once all of its jobs have ended; on the way, stderr is told how far it is."""
    progress = _Progress(sys.stderr, batch.id)
    try:
        return use.client.wait_until(f"/v1/batches/{segment(batch.id)}", progress.is_end, look_seconds=_LOOKS_SECONDS)
    except TimedOut:
        if use.timeout_seconds is None:
            raise
        long = spelled(use.timeout_seconds)
        sentence = f"{batch.id} is not finished after {long}; watch it with: headrace batches watch {batch.id}"
        raise TimedOut(sentence) from None
    finally:
        progress.end()
        # What was waited for has its own time; what is asked after it takes a moment more.
        use.client.deadline = Deadline(ANSWER_SECONDS)


def _fail_unless_all_succeeded(batch: BatchReply) -> None:
    others = batch.total - batch.counts.get("succeeded", 0)
    if others:
        said = ", ".join(f"{count} {state}" for state, count in batch.counts.items() if count and state != "succeeded")
        raise CommandFailed(f"{others} of the {batch.total} jobs of {batch.id} did not succeed: {said}.", Exit.FAILED)


class _Progress:
    """How far a batch is: one line redrawn on a terminal, elsewhere a line for each tenth."""

    def __init__(self, into: TextIO, batch_id: str) -> None:
        self._into = into
        self._batch_id = batch_id
        self._live = into.isatty()
        self._is_open = False
        self._told = -1.0

    def is_end(self, reply: Reply) -> bool:
        """Whether all have ended; tells how far it is on the way."""
        batch = reply.into(BatchReply)
        self.show(batch)
        return batch.finished_at is not None

    def show(self, batch: BatchReply) -> None:
        """Tell it, if there is anything to tell."""
        share = batch.ended / batch.total
        failed = batch.counts.get("failed", 0)
        numbers = f"{batch.ended} of {batch.total}" + (f", {failed} failed" if failed else "")
        if self._live:
            click.echo(f"\r\x1b[2K{bar(share)}  {numbers}", file=self._into, nl=False)
            self._is_open = True
        elif share >= self._told + _STEP or share == 1 != self._told:
            click.echo(f"{self._batch_id}  {share:4.0%}  {numbers}", file=self._into)
            self._told = share

    def end(self) -> None:
        """Leave the line that was redrawn."""
        if self._is_open:
            click.echo("", file=self._into)
            self._is_open = False
