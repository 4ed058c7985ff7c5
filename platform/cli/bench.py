"""`headrace bench`: the measurements in `benchmarks/`, run against the Headrace that runs."""

import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import click
import msgspec
from msgspec import Raw, Struct

from cli.exits import CommandFailed, Exit
from cli.keys import make_key_for
from cli.options import ApiGroup, Use, pass_use
from domain.accounts.permissions import Role
from runtime.settings import environment_with

_FOLDER: Final = Path(__file__).parents[2] / "benchmarks"


class _Beside(Struct):
    """Of a figure, whether it reaches its floor; None: it has none."""

    holds: bool | None


@click.group(cls=ApiGroup)
def bench() -> None:
    """Measure how fast jobs are done, how soon all is up, and how soon faults are over. Needs a checkout."""


@bench.command()
@click.option("--rate", type=click.FloatRange(0, min_open=True), default=50, show_default=True, help="Jobs a second.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=20, show_default=True, help="How long.")
@click.option("--kind", default="text.moderate", show_default=True, help="emails.send, or one given a text.")
@pass_use
def jobs(use: Use, rate: float, seconds: float, kind: str) -> None:
    """Time jobs from POST to result at a steady rate."""
    _run(use, "jobs.py", "--rate", str(rate), "--seconds", str(seconds), "--kind", kind)


@bench.command()
@click.option("--jobs", "count", type=click.IntRange(1), default=2000, show_default=True, help="How many jobs.")
@click.option("--kind", default="text.moderate", show_default=True, help="emails.send, or one given a text.")
@pass_use
def drain(use: Use, count: int, kind: str) -> None:
    """Count the jobs a second that are drained from a full queue."""
    _run(use, "drain.py", "--jobs", str(count), "--kind", kind)


@bench.command()
@click.option("--backlog", type=click.IntRange(1), default=100_000, show_default=True, help="The other tenant's jobs.")
@click.option("--samples", type=click.IntRange(1), default=100, show_default=True, help="How many jobs are timed.")
@click.option("--kind", default="text.moderate", show_default=True, help="emails.send, or one given a text.")
@pass_use
def fairness(use: Use, backlog: int, samples: int, kind: str) -> None:
    """Time a quiet tenant's jobs to their start, on an idle system and beside another tenant's backlog.

    The quiet tenant is made in the database, as `headrace keys create` does; the backlog is submitted with your key,
    and cancelled in the end.
    """
    quiet = make_key_for(
        "bench-quiet", email="quiet@bench.example", role=Role.USER, name="bench", requests_per_minute=1_000_000
    )
    arguments = ("--backlog", str(backlog), "--samples", str(samples), "--kind", kind)
    _run(use, "fairness.py", *arguments, told=quiet)


@bench.command()
@click.option("--seconds", type=click.FloatRange(1), default=15, show_default=True, help="How long the overload lasts.")
@click.option(
    "--times", type=click.FloatRange(1), default=2, show_default=True, help="How much more than can be taken."
)
@click.option("--run", is_flag=True, help="Let workers at the jobs; else accepting alone is measured.")
@pass_use
def overload(use: Use, seconds: float, times: float, *, run: bool) -> None:
    """Offer more submissions than can be taken: what is still accepted, how soon, and how the rest is refused.

    The key needs more requests a minute than are made: `headrace keys create … --requests-per-minute 10000000`.
    """
    arguments = ("--seconds", str(seconds), "--times", str(times), *(["--run"] if run else []))
    _run(use, "overload.py", *arguments)


@bench.command()
@click.option("--rate", type=click.FloatRange(0, min_open=True), default=50, show_default=True, help="Jobs a second.")
@click.option("--seconds", type=click.FloatRange(1), default=3, show_default=True, help="Each turn.")
@click.option("--rounds", type=click.IntRange(1), default=6, show_default=True, help="Turns of each sort.")
@pass_use
def logins(use: Use, rate: float, seconds: float, rounds: int) -> None:
    """Time submissions beside a flood of logins, without it, and beside the same flood of something else.

    Needs a key that manages users.
    """
    _run(use, "logins.py", "--rate", str(rate), "--seconds", str(seconds), "--rounds", str(rounds))


@bench.command()
@click.option("--reads", type=click.IntRange(100), default=5000, show_default=True, help="How many are timed.")
@pass_use
def isolation(use: Use, reads: int) -> None:
    """Time reads of a job as they are, and as they would be under row-level security. On a Postgres of its own."""
    _measure(use, "isolation.py", ["--reads", str(reads)], environment_with())


@bench.command()
@click.option(
    "--data",
    "sets",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Where the labelled sets are, a folder each (docs/text.md).",
)
@click.option(
    "--only",
    default="",
    help="Only these sections, comma-separated: quality (of the local engine, its time and its memory), safety "
    "(injections, unsafe requests), personal, canary, cache (and single flight), budgets (and the share of screening), "
    "chat (how soon a reply begins).",
)
@pass_use
def text(use: Use, sets: Path, only: str) -> None:
    """Tell every figure of texts, beside its floor where it has one. Takes minutes; exits 1 where a floor is missed.

    Cache, budgets and chat are measured on platforms of their own, whose Gemini is a stand-in.
    """
    figures = _measured(
        ["-m", "tools.text.bench", "--json", "--data", str(sets.resolve()), "--only", only],
        environment_with(),
        needs=_FOLDER.parent / "tools" / "text" / "bench.py",
        may_end_with=(0, 1),
    )
    found = msgspec.json.decode(figures, type=list[Raw])
    use.output.things(found, ("kind", "figure", "value", "floor", "holds", "measured_on", "n"))
    if any(msgspec.json.decode(each, type=_Beside).holds is False for each in found):
        sys.exit(Exit.FAILED)


@bench.command()
@pass_use
def start(use: Use) -> None:
    """Time `headrace up` on an empty and on a used data directory, and weigh its processes. Takes half a minute."""
    _measure(use, "start.py", [], environment_with())


@bench.command()
@click.option("--samples", type=click.IntRange(1), default=20, show_default=True, help="Kills, cancels, restarts each.")
@click.option("--scaled", is_flag=True, help="With a tenth of the lease, the heartbeat and the time to send again.")
@pass_use
def recovery(use: Use, samples: int, *, scaled: bool) -> None:
    """Time what happens to jobs when workers are killed or restarted, and when jobs are cancelled; 15 min or more."""
    _measure(use, "recovery.py", ["--samples", str(samples), *(["--scaled"] if scaled else [])], environment_with())


@bench.command()
@click.option("--jobs", "count", type=click.IntRange(1000), default=1_000_000, show_default=True, help="The backlog.")
@click.option("--rounds", type=click.IntRange(10), default=1000, show_default=True, help="How many claims are timed.")
@pass_use
def backlog(use: Use, count: int, rounds: int) -> None:
    """Time releases and claims beside a thousand jobs, a million, a million for later, and while a million is pruned.

    On a Postgres of its own, which needs some 4 GB of disk for a while. Takes minutes.
    """
    _measure(use, "backlog.py", ["--jobs", str(count), "--rounds", str(rounds)], environment_with())


@bench.command()
@click.option("--seconds", type=click.FloatRange(1), default=10, show_default=True, help="How long, six times.")
@pass_use
def limits(use: Use, seconds: float) -> None:
    """Time submissions whose requests are counted in Redis, and in the process; on servers of its own."""
    _measure(use, "limits.py", ["--seconds", str(seconds)], environment_with())


@bench.command()
@click.option("--never", type=click.IntRange(0), default=200, show_default=True, help="Streams that are never read.")
@click.option("--idle", type=click.IntRange(0), default=0, show_default=True, help="Streams of a job that waits.")
@click.option("--rate", type=click.FloatRange(1), default=30, show_default=True, help="Jobs a second meanwhile.")
@click.option("--seconds", type=click.FloatRange(1), default=15, show_default=True, help="How long, twice.")
@pass_use
def streams(use: Use, never: int, idle: int, rate: float, seconds: float) -> None:
    """Time events to their readers, alone and beside streams that nobody reads; on a platform of its own."""
    numbers = {"--never": never, "--idle": idle, "--rate": rate, "--seconds": seconds}
    _measure(use, "streams.py", [word for pair in numbers.items() for word in map(str, pair)], environment_with())


@bench.command()
@click.option(
    "--hits", type=click.IntRange(10), default=500, show_default=True, help="How often one text is asked for."
)
@click.option("--alike", type=click.IntRange(1), default=200, show_default=True, help="Clients that ask at once.")
@click.option("--delay", type=click.FloatRange(0), default=0.4, show_default=True, help="Seconds Gemini takes.")
@pass_use
def cache(use: Use, hits: int, alike: int, delay: float) -> None:
    """Time texts answered from the cache, and by a stand-in for Gemini; on a platform of its own."""
    numbers = {"--hits": hits, "--alike": alike, "--delay": delay}
    _measure(use, "cache.py", [word for pair in numbers.items() for word in map(str, pair)], environment_with())


@bench.command()
@click.option("--jobs", "count", type=click.IntRange(3), default=30, show_default=True, help="Of each kind and length.")
@click.option("--delay", type=click.FloatRange(0), default=0.0, show_default=True, help="Seconds Gemini takes.")
@pass_use
def safety(use: Use, count: int, delay: float) -> None:
    """Tell what screening takes of the time of text jobs, and of 100 KB; on two platforms of its own."""
    program = _FOLDER / "safety.py"
    figures = _measured([str(program), "--jobs", str(count), "--delay", str(delay)], environment_with(), needs=program)
    columns = ("figure", "engine", "chars", "value", "unit", "job_ms", "screening_ms")
    use.output.things(msgspec.json.decode(figures, type=list[Raw]), columns)


@bench.command()
@click.option("--replies", type=click.IntRange(10), default=100, show_default=True, help="How many are timed.")
@click.option(
    "--delay", type=click.FloatRange(0), default=0.2, show_default=True, help="Seconds to Gemini's first word."
)
@click.option(
    "--beside",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Another checkout, of an older release say, asked by turns: by how much it is later.",
)
@pass_use
def chat(use: Use, replies: int, delay: float, beside: Path | None) -> None:
    """Time the first word of replies, and of a stand-in for Gemini asked directly; on a platform of its own."""
    words = ["--replies", str(replies), "--delay", str(delay)]
    if beside is not None:
        words += ["--beside", str(beside.resolve())]
    _measure(use, "chat.py", words, environment_with())


def _run(use: Use, file: str, *arguments: str, told: str = "") -> None:
    target = use.client.target
    use.client.get("/health/live")
    _measure(use, file, arguments, environment_with(HEADRACE_URL=target.url, HEADRACE_API_KEY=target.key or ""), told)


def _measure(use: Use, file: str, arguments: Sequence[str], environ: dict[str, str], told: str = "") -> None:
    use.output.thing(_measured([str(_FOLDER / file), *arguments], environ, needs=_FOLDER / file, told=told))


def _measured(
    arguments: Sequence[str],
    environ: dict[str, str],
    *,
    needs: Path,
    told: str = "",
    may_end_with: Collection[int] = (0,),
) -> bytes:
    """What the program, one of a checkout, prints."""
    if not needs.exists():
        raise CommandFailed(f"{needs} is not there: run it from a checkout.", Exit.NOT_FOUND)
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-P", *arguments],
        env=environ | {"PYTHONPATH": f"{_FOLDER.parent / 'platform'}:{_FOLDER.parent}"},
        input=told.encode(),
        stdout=subprocess.PIPE,
        check=False,
    )
    if done.returncode not in may_end_with or not done.stdout:
        raise CommandFailed("The measurement broke off (above: why).")
    return done.stdout
