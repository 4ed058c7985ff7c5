"""`headrace faults`: kills the platform's processes while jobs come in, and holds the end against the promise."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import click

from cli.exits import CommandFailed, Exit
from runtime.kill_points import NAMES
from runtime.settings import environment_without_settings

_ROOT: Final = Path(__file__).resolve().parents[2]
_CAMPAIGN: Final = "tests.faults.campaign"
_LEDGER: Final = Path("docs/faults-ledger.md")
# tier: kills, jobs
_TIERS: Final = {"ci": (12, 300), "release": (1000, 10_000)}


@click.command()
@click.option("--kills", type=click.IntRange(1), help="How many processes to kill; else the tier's number.")
@click.option("--jobs", type=click.IntRange(1), help="How many jobs to have accepted; else the tier's number.")
@click.option("--points", default="", help="Kill at these kill points, comma-separated, or at `all`; else anywhere.")
@click.option("--seed", type=int, default=1, show_default=True, help="What is done to whom follows from it.")
@click.option(
    "--tier",
    type=click.Choice(tuple(_TIERS)),
    default="ci",
    show_default=True,
    help="12 kills, 300 jobs; or 1,000, 10,000.",
)
@click.option(
    "--ledger", type=click.Path(dir_okay=False, path_type=Path), default=_ROOT / _LEDGER, help=f"Default {_LEDGER}."
)
def faults(  # noqa: PLR0913 - one an option
    *, kills: int | None, jobs: int | None, points: str, seed: int, tier: str, ledger: Path
) -> None:
    """Prove the promise: kill processes while jobs come in, and check that nothing is lost or doubled.

    Needs a checkout, and starts a platform of its own with times scaled to a tenth. Appends one line to the ledger;
    exits 1 on any violation, with the seed and what was violated.
    """
    if not (_ROOT / "tests" / "faults").is_dir():
        raise CommandFailed("The campaign is part of a checkout, and this is none.", Exit.NOT_FOUND)
    of_tier = _TIERS[tier]
    named = points.replace(" ", "")
    for point in set(filter(None, named.split(","))) - NAMES - {"all"}:
        raise click.BadParameter(f"{point!r} is no kill point. There are: {', '.join(sorted(NAMES))}.")
    # each point twice, unless a number is asked for
    of_points = 2 * len(NAMES if named == "all" else named.split(",")) if named else of_tier[0]
    wanted = {
        "seed": seed,
        "kills": kills or of_points,
        "jobs": jobs or of_tier[1],
        "points": named,
        "ledger": ledger.absolute(),
    }
    done = subprocess.run(  # noqa: S603 - our own program
        [
            sys.executable,
            "-P",
            "-m",
            _CAMPAIGN,
            *(word for name, one in wanted.items() for word in (f"--{name}", str(one))),
        ],
        cwd=_ROOT,
        env=environment_without_settings(PYTHONPATH=f"{_ROOT / 'platform'}:{_ROOT}"),
        check=False,
    )
    sys.exit(Exit.FAILED if done.returncode else Exit.OK)
