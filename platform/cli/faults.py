"""`headrace faults`: kills the platform's processes while jobs come in, and holds the end against the promise."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from cli.exits import CommandFailed, Exit
from domain.catalog import KINDS
from runtime.kill_points import NAMES
from runtime.settings import environment_without_settings

_ROOT: Final = Path(__file__).resolve().parents[2]
_CAMPAIGN: Final = "tests.faults.campaign"
_DAY: Final = "tests.day.campaign"
_LEDGER: Final = Path("docs/faults-ledger.md")
# what else may be said of each
_TAKES: Final = {
    "kills": {"kills", "jobs"},
    "points": {"kills", "points"},
    "matrix": {"times", "points", "kinds"},
    "redis": {"times"},
    "postgres": {"times"},
    "restarts": {"times"},
    "streams": {"times"},
    "day": {"jobs"},
}
# kills and jobs at random; how often each pair, emptying, crash or round of restarts
_TIERS: Final = {
    "ci": {"kills": 12, "jobs": 300, "matrix": 1, "redis": 2, "postgres": 3, "restarts": 2, "streams": 3, "day": 60},
    "release": {
        "kills": 1000,
        "jobs": 10_000,
        "matrix": 20,
        "redis": 50,
        "postgres": 50,
        "restarts": 50,
        "streams": 100,
        "day": 4000,
    },
}


def _names(of: frozenset[str], what: str) -> Callable[[click.Context, click.Parameter, str], str]:
    """A parser of comma-separated names, each one of `of`."""

    def parse(_context: click.Context, _parameter: click.Parameter, spelled: str) -> str:
        named = [name.strip() for name in spelled.split(",") if name.strip()]
        for name in named:
            if name not in of:
                raise click.BadParameter(f"{name!r} is no {what}. There are: {', '.join(sorted(of))}.")
        return ",".join(named)

    return parse


@click.command()
@click.option(
    "--scenario",
    type=click.Choice(tuple(_TAKES)),
    help="kills: anywhere, at random. points: one kill point after the other. matrix: each kill point with each kind. "
    "redis: emptied under a backlog. postgres: crashed. restarts: every process in turn. "
    "streams: the API, under clients that follow events. day: texts, against a stand-in Gemini in bad weather. "
    "Default: kills.",
)
@click.option("--kills", type=click.IntRange(1), help="How many processes to kill, at random or at points.")
@click.option("--jobs", type=click.IntRange(1), help="How many jobs to have accepted meanwhile.")
@click.option("--times", type=click.IntRange(1), help="How often, for the other scenarios.")
@click.option(
    "--points",
    default="",
    callback=_names(NAMES | {"all"}, "kill point"),
    help="Only these kill points, comma-separated; implies the scenario points, unless it is matrix.",
)
@click.option(
    "--kinds", default="", callback=_names(frozenset(kind.name for kind in KINDS), "kind"), help="Only these; matrix."
)
@click.option("--seed", type=int, default=1, show_default=True, help="What is done to whom follows from it.")
@click.option(
    "--clock",
    type=click.Choice(("tenth", "real")),
    help="Leases, heartbeats and the time to send again at a tenth of their lengths, or as they are. Default: tenth; "
    "real for redis, which holds workers for longer than a tenth of a lease.",
)
@click.option(
    "--tier",
    type=click.Choice(tuple(_TIERS)),
    default="ci",
    show_default=True,
    help="How much is done where no number says: minutes of it, or hours.",
)
@click.option(
    "--ledger", type=click.Path(dir_okay=False, path_type=Path), default=_ROOT / _LEDGER, help=f"Default {_LEDGER}."
)
def faults(  # noqa: PLR0913 - one an option
    *,
    scenario: str | None,
    kills: int | None,
    jobs: int | None,
    times: int | None,
    points: str,
    kinds: str,
    seed: int,
    clock: str | None,
    tier: str,
    ledger: Path,
) -> None:
    """Prove the promise: kill processes while jobs come in, and check that nothing is lost or doubled.

    Needs a checkout, and starts a platform of its own. Appends one line to the ledger; exits 1 on any violation, with
    the seed, what was violated, and where the logs and the data are.
    """
    if not (_ROOT / "tests" / "faults").is_dir():
        raise CommandFailed("The campaign is part of a checkout, and this is none.", Exit.NOT_FOUND)
    of_tier = _TIERS[tier]
    scenario = scenario or ("points" if points else "kills")
    for name, given in {"kills": kills, "jobs": jobs, "times": times, "points": points, "kinds": kinds}.items():
        if given and name not in _TAKES[scenario]:
            takes = " and ".join(f"--{one}" for one in sorted(_TAKES[scenario]))
            raise click.UsageError(f"The scenario {scenario} takes no --{name}; it takes {takes}.")
    points = "" if points == "all" else points
    # each point twice, unless a number is asked for
    of_points = 2 * len(points.split(",") if points else NAMES)
    wanted = {
        "scenario": scenario,
        "seed": seed,
        "kills": kills or (of_points if scenario == "points" else of_tier["kills"]),
        "jobs": jobs or of_tier["day" if scenario == "day" else "jobs"],
        "times": times or of_tier.get(scenario, 1),
        "points": points,
        "kinds": kinds,
        "clock": clock or ("real" if scenario == "redis" else "tenth"),
        "ledger": ledger.absolute(),
    }
    program, told = (_DAY, {"jobs", "seed", "ledger"}) if scenario == "day" else (_CAMPAIGN, set(wanted))
    done = subprocess.run(  # noqa: S603 - our own program
        [
            sys.executable,
            "-P",
            "-m",
            program,
            *(word for name, one in wanted.items() if name in told for word in (f"--{name}", str(one))),
        ],
        cwd=_ROOT,
        env=environment_without_settings(PYTHONPATH=f"{_ROOT / 'platform'}:{_ROOT}"),
        check=False,
    )
    sys.exit(Exit.FAILED if done.returncode else Exit.OK)
