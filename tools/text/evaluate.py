"""Measures the local text engine on the development sets.

    python -m tools.text.evaluate --data DIR

`headrace bench text` runs it among others (`tools.text.bench`). A measure of `MEASURES` whose files are not in DIR is
left out, and said to be.

Moderation and sentiment are measured on the fifth of each set that training never saw (`rows.is_held_out`), and on the
ShareAlike sources, none of which is trained on. Nothing was fitted to the topic sets' labels. The summarizer's weights
were fitted on the summaries measured here; `fit_summaries` prints what they reach on abstracts they were not fitted on.
"""

import argparse
import json
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from msgspec import Struct

from domain.text.classify import DEFAULT_LABELS, Label
from domain.text.generate import Generate
from domain.text.moderate import FLAGGED_FROM
from providers.text.local.engine import Parts, open_parts
from providers.text.local.generate import write
from providers.text.local.language import language_of
from providers.text.local.shorten import cut_between_words
from tools.text.evaluate_writing import OUR_BRIEFS, writing_figures
from tools.text.figures import auroc, calibration_error, ends_hanging, f1, new_numbers, rouge
from tools.text.rows import SHARE_ALIKE, moderation_rows, rows_of

T = TypeVar("T")

MODERATED: Final = ("social", "wiki", "prompts", "forum", "hatecheck", "tweets")
MOST_OF_A_SOURCE: Final = 1_000
LIMIT: Final = 100
SAMPLE: Final = (
    "The town council met on Tuesday to settle where the new footbridge will stand. Engineers had drawn three plans, "
    "and the cheapest of them, beside the old mill, won by 7 votes to 4. Work is to begin in March and to last some "
    "nine months. Shopkeepers near the station were disappointed: they had hoped for a crossing at their door. The "
    "mayor said that a second bridge was not ruled out, but that money for it would have to be found elsewhere. "
)
ISSUES: Final = {
    "sexual": {"sexual"},
    "self-harm": {"self-harm"},
    "hate": {"hate", "hate-threatening"},
    "violence": {"violence", "violence-graphic"},
    "harassment": {"harassment"},
}
DESCRIPTIONS: Final = {
    "science/technology": "research, discoveries, physics, biology, computers, software, engineering and machines",
    "travel": "journeys, flights, hotels, tourism, sights and destinations for visitors",
    "politics": "governments, elections, laws, parties, diplomacy, war and public policy",
    "sports": "games, matches, teams, players, athletes and tournaments",
    "health": "medicine, illness, doctors, hospitals, disease and wellbeing",
    "entertainment": "films, music, television, celebrities, theatre and the arts",
    "geography": "countries, islands, rivers, mountains, cities, climate and where places lie",
    "banking": "bank accounts, balances, transfers, bills, payments, transactions and spending",
    "credit cards": "credit cards, credit scores, limits, interest rates, rewards and applying for a card",
    "kitchen and dining": "cooking, recipes, ingredients, calories, restaurants and reservations for dinner",
    "home": "shopping lists, to-do lists, reminders, calendar events, smart home lights, music and orders",
    "auto and commute": "cars, oil changes, tyres, petrol, traffic, directions and distance",
    "utility": "time, date, alarms, timers, weather, calculator, spelling, definitions, conversion, calls and texts",
    "work": "payday, taxes, income, vacation days off, meetings, insurance, retirement savings",
    "small talk": "greetings, jokes, who are you, your name, your age, fun facts, thank you, goodbye",
    "meta": "settings of the assistant: language, accent, name, volume, speed, yes, no, maybe, cancel, repeat that",
}


class Figure(Struct, frozen=True, kw_only=True):
    """One figure: what it is, its value, the set it was found on, and how many texts of that."""

    kind: str
    figure: str
    value: float
    measured_on: str = ""
    n: int | None = None


class Measure(Struct, frozen=True, kw_only=True):
    """Finds some figures, given the files it needs below the folder of sets."""

    find: Callable[[Parts, Path], Iterator[Figure]]
    needs: tuple[str, ...] = ()


def main() -> None:
    """Print every figure: a line each, or one JSON array with `--json`."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True, help="the folder with a folder for each set")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    found = figures_of(given.data)
    if given.json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return
    for each in found:
        where = f"  ({each.measured_on}, n {each.n})" if each.n else ""
        sys.stdout.write(f"{each.kind}: {each.figure} {each.value:g}{where}\n")


def figures_of(folder: Path) -> list[Figure]:
    """Every figure of the local engine that the sets below the folder allow."""
    found: list[Figure] = []
    parts = _opened(found)
    for measure in MEASURES:
        missing = [name for name in measure.needs if not (folder / name).is_file()]
        if missing:
            sys.stderr.write(f"left out, for want of {', '.join(missing)}: {measure.find.__name__.strip('_')}\n")
            continue
        found.extend(measure.find(parts, folder))
    return found


def _opened(found: list[Figure]) -> Parts:
    """Open the models and ask each kind once, before any set is read: what the engine itself takes."""
    found.append(Figure(kind="engine", figure="RSS before the models, MB", value=_rss_mb()))
    parts, seconds = _timed(open_parts)
    found += [
        Figure(kind="engine", figure="models open in, ms", value=round(seconds * 1000)),
        Figure(kind="engine", figure="RSS with the models, MB", value=_rss_mb()),
    ]
    parts.summarizer.summarize(SAMPLE, 100)
    parts.moderator.judge(SAMPLE)
    parts.sentiment.mood(SAMPLE)
    parts.classifier.choose(SAMPLE, DEFAULT_LABELS, may_be_other=True)
    found.append(Figure(kind="engine", figure="RSS after use, MB", value=_rss_mb()))
    language_of(SAMPLE)
    found.append(Figure(kind="engine", figure="RSS once a language was asked for, MB", value=_rss_mb()))
    return parts


def _speed(parts: Parts, _folder: Path) -> Iterator[Figure]:
    """Milliseconds of the processor for a text of 1 KB, and for one of 200 KB; the median of several."""
    kinds: dict[str, Callable[[str], object]] = {
        "moderate": parts.moderator.judge,
        "sentiment": parts.sentiment.mood,
        "topics": lambda text: parts.classifier.choose(text, DEFAULT_LABELS, may_be_other=True),
        "summarize": lambda text: parts.summarizer.summarize(text, 100),
        "language": language_of,
    }
    for size, name, times in ((1_000, "1 KB", 40), (200_000, "200 KB", 3)):
        text = (SAMPLE * (size // len(SAMPLE) + 1))[:size]
        for kind, ask in kinds.items():
            spent = sorted(_timed(partial(ask, text), time.process_time)[1] for _ in range(times))
            yield Figure(kind=kind, figure=f"ms for {name}", value=round(spent[times // 2] * 1000, 2))
    brief = Generate(format="email", brief="Tell Ana Ruiz that order 118 ships on 3 May and ask her to confirm.")
    spent = sorted(_timed(lambda: write(brief), time.process_time)[1] for _ in range(40))
    yield Figure(kind="generate", figure="ms a text", value=round(spent[20] * 1000, 2))


def _moderation(parts: Parts, folder: Path) -> Iterator[Figure]:
    rows = [row for row in moderation_rows(folder) if row.held_out or row.source in SHARE_ALIKE]
    pooled: list[int] = []
    for source in MODERATED:
        mine = [at for at, row in enumerate(rows) if row.source == source]
        pooled += mine[:: -(-len(mine) // MOST_OF_A_SOURCE)]
    rows = [rows[at] for at in pooled]
    judged = [parts.moderator.judge(row.text) for row in rows]
    sources = np.array([row.source for row in rows])
    answers = np.array([int(row.label) for row in rows])
    scores = np.array([each.toxicity for each in judged])
    by_source = {source: auroc(scores[sources == source], answers[sources == source]) for source in MODERATED}
    tell = _teller("moderate", "held-out rows of six sources", len(rows))
    yield tell("macro AUROC", float(np.mean(list(by_source.values()))))
    flagged = scores >= FLAGGED_FROM
    yield tell("F1 at the default threshold", f1(flagged, answers))
    yield tell("calibration error", calibration_error(scores, answers))
    for source, figure in by_source.items():
        mine = sources == source
        tell = _teller("moderate", source, int(mine.sum()))
        yield tell("AUROC", figure)
        yield tell("false alarms", float(flagged[mine & (answers == 0)].mean()))
    prompts = sources == "prompts"
    tell = _teller("moderate", "prompts", int(prompts.sum()))
    for name, wanted in ISSUES.items():
        told = np.array([each.categories[name] for each in judged])[prompts]
        so = np.array([int(bool(row.categories & wanted)) for row in rows])[prompts]
        yield tell(f"AUROC of {name}", auroc(told, so))


def _sentiment(parts: Parts, folder: Path) -> Iterator[Figure]:
    rows = [row for row in rows_of(folder, "sentiment") if row.held_out]
    moods = [parts.sentiment.mood(row.text) for row in rows]
    names = np.array([mood.name for mood in moods])
    labels = np.array([row.label for row in rows])
    sources = np.array([row.source for row in rows])
    is_sided = labels != "neutral"
    right_side = (np.array([mood.score for mood in moods]) > 0) == (labels == "positive")
    tell = _teller("sentiment", "held-out rows of three sources", len(rows))
    yield tell("accuracy", float((names == labels).mean()))
    yield tell("macro F1", float(np.mean([f1(names == each, (labels == each).astype(int)) for each in set(labels)])))
    yield tell("polarity", float(right_side[is_sided].mean()))
    named = tuple(dict.fromkeys(row.source for row in rows))
    yield tell(
        "accuracy, mean over sources", float(np.mean([(names == labels)[sources == each].mean() for each in named]))
    )
    by_source = {source: float(right_side[(sources == source) & is_sided].mean()) for source in named}
    yield tell("polarity, mean over sources", float(np.mean(list(by_source.values()))))
    for source, polarity in by_source.items():
        mine = sources == source
        tell = _teller("sentiment", source, int(mine.sum()))
        yield tell("accuracy", float((names == labels)[mine].mean()))
        yield tell("polarity", polarity)


def _topics(parts: Parts, folder: Path) -> Iterator[Figure]:
    for source in ("sib200", "clinc"):
        rows = [row for row in rows_of(folder, "topics") if row.source == source]
        names = sorted({row.label for row in rows})
        for how in ("by name", "described"):
            labels = [
                Label(name=name, description=DESCRIPTIONS[name] if how == "described" else None) for name in names
            ]
            told = [parts.classifier.choose(row.text, labels, may_be_other=False)[0] for row in rows]
            right = np.mean([one == row.label for one, row in zip(told, rows, strict=True)])
            yield _teller("topics", source, len(rows))(f"accuracy {how}", float(right))


def _summaries(parts: Parts, folder: Path) -> Iterator[Figure]:
    rows = _raw(folder / "summarize" / "dev.jsonl")
    tell = _teller("summarize", "abstracts, 100 characters", len(rows))
    both = [(parts.summarizer.summarize(row["text"], LIMIT), row) for row in rows]
    cuts = [(cut_between_words(row["text"], LIMIT), row) for row in rows]
    for size in (1, 2):
        for named, texts in (("", both), (" of the first words, for comparison", cuts)):
            figure = np.mean([rouge(text, row["refs"], size) for text, row in texts])
            yield tell(f"ROUGE-{size}{named}", float(figure))
        figure = np.mean([rouge(text, [*row["refs"], row["title"]], size) for text, row in both])
        yield tell(f"ROUGE-{size} with the title as a reference", float(figure))
    yield tell("over the limit", sum(len(text) > LIMIT for text, _ in both))
    yield tell("new numbers", sum(new_numbers(text, row["text"]) for text, row in both))
    yield tell("ends mid-phrase", float(np.mean([ends_hanging(text) for text, _ in both])))


def _languages(_parts: Parts, folder: Path) -> Iterator[Figure]:
    rows = list(rows_of(folder, "language"))
    right = np.mean([language_of(row.text) == row.label for row in rows])
    yield _teller("language", "sentences in 30 languages", len(rows))("accuracy", float(right))


def _writing(_parts: Parts, folder: Path) -> Iterator[Figure]:
    yield from _written("briefs of the development set", folder / "generate" / "dev.jsonl")


def _writing_ours(_parts: Parts, _folder: Path) -> Iterator[Figure]:
    yield from _written("briefs of our own", OUR_BRIEFS)


def _written(measured_on: str, path: Path) -> Iterator[Figure]:
    rows = _raw(path)
    tell = _teller("generate", measured_on, len(rows))
    for figure, value in writing_figures(rows).items():
        yield tell(figure, value)


MEASURES: Final = (
    Measure(find=_speed),
    Measure(
        find=_moderation,
        needs=("moderate/dev_mixed.jsonl", "moderate_tweets/dev_tweets.jsonl", "moderate_forum/dev_forum.jsonl"),
    ),
    Measure(find=_sentiment, needs=("sentiment/dev.jsonl",)),
    Measure(find=_topics, needs=("topics/dev.jsonl",)),
    Measure(find=_summaries, needs=("summarize/dev.jsonl",)),
    Measure(find=_languages, needs=("language/dev.jsonl",)),
    Measure(find=_writing, needs=("generate/dev.jsonl",)),
    Measure(find=_writing_ours),
)


def _teller(kind: str, measured_on: str, n: int) -> Callable[[str, float], Figure]:
    """Makes figures of one kind on one set."""
    return lambda figure, value: Figure(kind=kind, figure=figure, value=round(value, 4), measured_on=measured_on, n=n)


def _raw(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _timed(work: Callable[[], T], clock: Callable[[], float] = time.perf_counter) -> tuple[T, float]:
    start = clock()
    done = work()
    return done, clock() - start


def _rss_mb() -> int:
    """Resident now where the system tells, else the most there was."""
    status = Path("/proc/self/status")
    if status.exists():
        told = re.search(r"^VmRSS:\s+(\d+) kB", status.read_text(encoding="ascii"), re.MULTILINE)
        if told:
            return int(told[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    main()
