"""Every figure that is promised of texts, from one command: what it is, where it was found, and what it must reach.

    python -m tools.text.bench --data DIR [--only quality,canary] [--json]

`headrace bench text` runs it. Each section measures by the code that measures it elsewhere, too. A set that is not in
DIR is left out, and said to be.
"""

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from benchmarks import budgets, cache, chat
from tests.support.canaries import leaks
from tools.text.evaluate import Figure, figures_of
from tools.text.evaluate_pii import measured, sets_of
from tools.text.evaluate_safety import own_figures, safety_figures
from tools.text.floors import floor_of

CANARY_ANSWERS: Final = 5_000
ALIKE: Final = 200
AT_ONCE: Final = 100
GEMINI_SECONDS: Final = 0.4
REPLIES: Final = 100
FIRST_WORD_SECONDS: Final = 0.2


class Held(Struct, frozen=True, kw_only=True):
    """A figure beside its floor; `holds` is None where there is none."""

    kind: str
    figure: str
    value: float
    floor: str = ""
    holds: bool | None = None
    measured_on: str = ""
    n: int | None = None


def main() -> int:
    """Print the figures of every section, or of those asked for; 1: one is below its floor."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="the folder with a folder for each set")
    arguments.add_argument("--only", default="", help=f"of {', '.join(SECTIONS)}, comma-separated")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    names = [name.strip() for name in given.only.split(",") if name.strip()] or list(SECTIONS)
    if odd := [name for name in names if name not in SECTIONS]:
        arguments.error(f"{odd[0]!r} is no section. There are: {', '.join(SECTIONS)}.")
    found: list[Held] = []
    for name in names:
        for figure in SECTIONS[name](given.data):
            found.append(held(figure))
            if not given.json:
                sys.stdout.write(_told(found[-1]) + "\n")
    if given.json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    return int(any(each.holds is False for each in found))


def held(figure: Figure) -> Held:
    """The figure beside its floor."""
    floor = floor_of(figure)
    return Held(
        kind=figure.kind,
        figure=figure.figure,
        value=figure.value,
        floor="" if floor is None else str(floor),
        holds=None if floor is None else floor.holds(figure.value),
        measured_on=figure.measured_on,
        n=figure.n,
    )


def _quality(folder: Path) -> Iterator[Figure]:
    yield from figures_of(folder)


def _safety(folder: Path) -> Iterator[Figure]:
    if all((folder / name / "dev.jsonl").is_file() for name in ("injection", "unsafe", "topics", "generate")):
        yield from safety_figures(folder)
        return
    sys.stderr.write("left out, for want of injection/dev.jsonl, unsafe/dev.jsonl and others: rows kept apart\n")
    from providers.text.local.guard import Guard  # noqa: PLC0415 - as the rest: numpy, where it is wanted

    yield from own_figures(Guard())


def _personal(folder: Path) -> Iterator[Figure]:
    for name, texts in sets_of(folder):
        right, missed, wrong = measured(texts)["all"]
        tell = {"kind": "personal data", "measured_on": name}
        yield Figure(figure="recall", value=round(right / max(1, right + missed), 4), n=right + missed, **tell)
        yield Figure(figure="precision", value=round(right / max(1, right + wrong), 4), n=right + wrong, **tell)


def _canary(_folder: Path) -> Iterator[Figure]:
    yield Figure(
        kind="canary",
        figure="leaks",
        value=len(leaks(CANARY_ANSWERS)),
        measured_on="scripted answers that give it away, in disguises",
        n=CANARY_ANSWERS,
    )


def _cache(_folder: Path) -> Iterator[Figure]:
    told = asyncio.run(cache.measure(hits=300, alike=ALIKE, delay_seconds=GEMINI_SECONDS))
    where = f"one client over HTTP, Gemini's stand-in answers after {told.delay_ms:.0f} ms"
    yield Figure(kind="cache", figure="ms of a hit, p50", value=told.hit_p50_ms, measured_on=where, n=told.hits)
    yield Figure(kind="cache", figure="ms of a hit, p99", value=told.hit_p99_ms, measured_on=where, n=told.hits)
    yield Figure(kind="cache", figure="a miss takes so many times", value=told.ratio, measured_on=where, n=told.misses)
    yield Figure(kind="cache", figure="calls for hits", value=told.calls_for_hits, measured_on=where, n=told.hits)
    alike = "identical requests at once"
    yield Figure(kind="single flight", figure="calls", value=told.calls_for_alike, measured_on=alike, n=told.alike)
    yield Figure(kind="single flight", figure="answered", value=told.alike_succeeded, measured_on=alike, n=told.alike)


def _budgets(_folder: Path) -> Iterator[Figure]:
    told = asyncio.run(budgets.measure(jobs=AT_ONCE))
    where = f"jobs at once, a budget for a dozen ({told.cap} tokens)"
    yield Figure(kind="budgets", figure="calls beyond the cap", value=told.beyond, measured_on=where, n=told.jobs)
    yield Figure(kind="budgets", figure="calls", value=told.calls, measured_on=where, n=told.jobs)
    yield Figure(kind="budgets", figure="tokens billed of the cap", value=round(told.billed / told.cap, 3), n=told.jobs)
    alone = f"jobs one after the other ({told.job_p50_ms} ms), Gemini's stand-in answers at once"
    yield Figure(
        kind="screening",
        figure="share of a text job's time",
        value=round(told.screening_ms / told.job_p50_ms, 4),
        measured_on=alone,
        n=budgets.SAMPLES,
    )


def _chat(_folder: Path) -> Iterator[Figure]:
    told = asyncio.run(chat.measure(replies=REPLIES, delay_seconds=FIRST_WORD_SECONDS))
    where = f"streamed replies, beside asking Gemini's stand-in itself, which takes {told.delay_ms:.0f} ms"
    later = "ms the first word is later"
    yield Figure(kind="chat", figure=f"{later}, p50", value=told.more_p50_ms, measured_on=where, n=told.replies)
    yield Figure(kind="chat", figure=f"{later}, p95", value=told.more_p95_ms, measured_on=where, n=told.replies)


SECTIONS: Final[dict[str, Callable[[Path], Iterator[Figure]]]] = {
    "quality": _quality,
    "safety": _safety,
    "personal": _personal,
    "canary": _canary,
    "cache": _cache,
    "budgets": _budgets,
    "chat": _chat,
}


def _told(each: Held) -> str:
    where = f"  ({each.measured_on}, n {each.n})" if each.n else ""
    held = {None: "", True: f"  [{each.floor}]", False: f"  [{each.floor}: MISSED]"}[each.holds]
    return f"{each.kind}: {each.figure} {each.value:g}{held}{where}"


if __name__ == "__main__":
    sys.exit(main())
