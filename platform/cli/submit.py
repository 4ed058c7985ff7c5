"""`headrace submit`: one job, and if asked its result."""

import click
import msgspec
from msgspec import Raw

from cli.client import ANSWER_SECONDS
from cli.durations import DURATION, Deadline, spelled
from cli.exits import TimedOut
from cli.inputs import read_input
from cli.options import ApiCommand, Use, pass_use
from cli.output import Format
from cli.replies import JobReply
from cli.watching import fail_unless_succeeded, show_events, stderr, tell_end

_RECEIPT = ("id", "kind", "state", "queue", "priority", "run_at", "deduplicated")


@click.command(cls=ApiCommand)
@click.argument("kind")
@click.option(
    "-i",
    "--input",
    "spelled_input",
    metavar="JSON|@FILE|-",
    help="A JSON object, a file or standard input. Plain text becomes the kind's main text field.",
)
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="A field of the input, laid over --input.")
@click.option("--wait", is_flag=True, help="Wait for the result and print it.")
@click.option("--follow", "following", is_flag=True, help="Show what happens to the job, then print its result.")
@click.option("--priority", type=click.IntRange(-100, 100), help="-100 to 100; higher runs first.")
@click.option("--delay", type=DURATION, help="Start no sooner than after this long.")
@click.option("--run-at", metavar="TIME", help="Start no sooner than this (RFC 3339).")
@click.option("--expires-in", type=DURATION, help="Do not start later than after this long.")
@click.option("--attempt-timeout", type=DURATION, help="How long one attempt may take.")
@click.option("--max-attempts", type=click.IntRange(1, 50), help="How often to try.")
@click.option("--tag", "tags", multiple=True, help="A tag; may be repeated.")
@click.option("--metadata", multiple=True, metavar="NAME=VALUE", help="A note kept with the job; may be repeated.")
@click.option("--concurrency-key", help="Jobs with the same key run one after another.")
@click.option("--idempotency-key", help="The same key and job again give the same answer, and no second job.")
@pass_use
def submit(  # noqa: PLR0913, PLR0917 - a job has this many options
    use: Use,
    kind: str,
    spelled_input: str | None,
    changes: tuple[str, ...],
    wait: bool,  # noqa: FBT001 - a flag of the command
    following: bool,  # noqa: FBT001 - a flag of the command
    priority: int | None,
    delay: float | None,
    run_at: str | None,
    expires_in: float | None,
    attempt_timeout: float | None,
    max_attempts: int | None,
    tags: tuple[str, ...],
    metadata: tuple[str, ...],
    concurrency_key: str | None,
    idempotency_key: str | None,
) -> None:
    """Submit a job of KIND.

    \b
    headrace submit text.summarize --input @article.txt --wait
    headrace submit text.generate --input 'Our shop opens on Monday.' --set format=email --follow
    """  # noqa: D301 - \b keeps click from joining the examples
    options = {
        "priority": priority,
        "delay": _or_none(delay),
        "run_at": run_at,
        "expires_in": _or_none(expires_in),
        "timeout": _or_none(attempt_timeout),
        "max_attempts": max_attempts,
        "tags": list(tags) or None,
        "metadata": _pairs(metadata) or None,
        "concurrency_key": concurrency_key,
    }
    given = Raw(read_input(spelled_input, changes, kind, use.client.kinds))
    body = {"kind": kind, "input": given, **{name: each for name, each in options.items() if each is not None}}
    answer_in = max(1.0, use.client.deadline.left(at_most=ANSWER_SECONDS)) if wait and not following else None
    reply = use.client.create("/v1/jobs", msgspec.json.encode(body), key=idempotency_key, wait=answer_in)
    job = reply.into(JobReply)
    if not (wait or following):
        use.output.thing(reply.body, _RECEIPT if use.output.format in {Format.TABLE, Format.CSV} else None)
        return
    if not job.is_terminal:
        _await(use, job, following=following)
        reply = use.client.get(f"/v1/jobs/{job.id}")
    _show_end(use, reply.body)


def _await(use: Use, job: JobReply, *, following: bool) -> None:
    try:
        if following:
            show_events(use.client.follow(job.id), job.id, stderr())
        else:
            use.client.wait_for(job.id)
    except TimedOut:
        if use.timeout_seconds is None:
            raise
        long = spelled(use.timeout_seconds)
        raise TimedOut(f"{job.id} is not finished after {long}; watch it with: headrace jobs watch {job.id}") from None
    finally:
        # What was waited for has its own time; reading its result takes a moment more.
        use.client.deadline = Deadline(ANSWER_SECONDS)


def _show_end(use: Use, body: bytes) -> None:
    job = tell_end(body)
    if use.output.format is Format.TABLE:
        if job.has_result:
            use.output.thing(job.result)
    else:
        use.output.thing(body)
    fail_unless_succeeded(job)


def _or_none(seconds: float | None) -> str | None:
    return None if seconds is None else spelled(seconds)


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    for text in texts:
        if "=" not in text:
            raise click.UsageError(f"--metadata {text!r}: write NAME=VALUE.")
    return dict(text.split("=", 1) for text in texts)
