"""Measures the local text engine on the development sets.

    python -m tools.text.evaluate --data DIR

Moderation and sentiment are measured on the fifth of each set that training never saw (`rows.is_held_out`), and on the
ShareAlike sources, none of which is trained on. Nothing was fitted to the topic sets' labels; the summarizer's fourteen
weights were fitted on the summaries measured here, so expect a point less elsewhere.
"""

import argparse
import json
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from domain.text.classify import Label
from domain.text.generate import Generate
from providers.text.local.engine import Parts, open_parts
from providers.text.local.generate import count_words, write
from providers.text.local.language import language_of
from tools.text.figures import auroc, calibration_error, ends_hanging, f1, new_numbers, rouge
from tools.text.rows import SHARE_ALIKE, moderation_rows, rows_of

MODERATED: Final = ("social", "wiki", "prompts", "forum", "hatecheck", "tweets")
MOST_OF_A_SOURCE: Final = 1_000
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


def main() -> None:
    """Print every figure."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, required=True)
    folder: Path = arguments.parse_args().data
    parts, seconds = _timed(open_parts)
    _say(f"models open in {seconds * 1000:.0f} ms; RSS {_rss_mb()} MB")
    for measure in (_moderation, _sentiment, _topics, _summaries, _languages, _writing):
        _, seconds = _timed(lambda measure=measure: measure(parts, folder))
        _say(f"  in {seconds:.1f} s; RSS {_rss_mb()} MB")


def _moderation(parts: Parts, folder: Path) -> None:
    rows = [row for row in moderation_rows(folder) if row.held_out or row.source in SHARE_ALIKE]
    pooled: list[int] = []
    for source in MODERATED:
        mine = [at for at, row in enumerate(rows) if row.source == source]
        pooled += mine[:: -(-len(mine) // MOST_OF_A_SOURCE)]
    rows = [rows[at] for at in pooled]
    judged, seconds = _timed(lambda: [parts.moderator.judge(row.text) for row in rows])
    sources = np.array([row.source for row in rows])
    answers = np.array([int(row.label) for row in rows])
    scores = np.array([each.toxicity for each in judged])
    by_source = {source: auroc(scores[sources == source], answers[sources == source]) for source in MODERATED}
    _say(f"moderate: n {len(rows)}, {seconds / len(rows) * 1000:.2f} ms a text")
    _say(f"  macro AUROC {np.mean(list(by_source.values())):.3f}  " + _listed(by_source))
    flagged = scores >= 0.5  # noqa: PLR2004 - the default threshold
    alarms = {source: float(flagged[(sources == source) & (answers == 0)].mean()) for source in MODERATED}
    _say(f"  F1 {f1(flagged, answers):.3f}  calibration error {calibration_error(scores, answers):.3f}")
    _say("  false alarms " + _listed(alarms))
    prompts = sources == "prompts"
    issues = {
        name: auroc(
            np.array([each.categories[name] for each in judged])[prompts],
            np.array([int(bool(row.categories & wanted)) for row in rows])[prompts],
        )
        for name, wanted in ISSUES.items()
    }
    _say("  issues AUROC " + _listed(issues))


def _sentiment(parts: Parts, folder: Path) -> None:
    rows = [row for row in rows_of(folder, "sentiment") if row.held_out]
    moods, seconds = _timed(lambda: [parts.sentiment.mood(row.text) for row in rows])
    right = np.array([mood.name == row.label for mood, row in zip(moods, rows, strict=True)])
    sided = [
        (mood.score > 0) == (row.label == "positive")
        for mood, row in zip(moods, rows, strict=True)
        if row.label != "neutral"
    ]
    names = np.array([mood.name for mood in moods])
    labels = np.array([row.label for row in rows])
    macro = np.mean([f1(names == name, (labels == name).astype(int)) for name in ("positive", "neutral", "negative")])
    _say(f"sentiment: n {len(rows)}, {seconds / len(rows) * 1000:.2f} ms a text")
    _say(f"  accuracy {right.mean():.3f}  macro F1 {macro:.3f}  polarity {np.mean(sided):.3f}")


def _topics(parts: Parts, folder: Path) -> None:
    for source in ("sib200", "clinc"):
        rows = [row for row in rows_of(folder, "topics") if row.source == source]
        names = sorted({row.label for row in rows})
        for how in ("by name", "described"):
            labels = [
                Label(name=name, description=DESCRIPTIONS[name] if how == "described" else None) for name in names
            ]
            told, seconds = _timed(
                lambda rows=rows, labels=labels: [
                    parts.classifier.choose(row.text, labels, may_be_other=False)[0] for row in rows
                ]
            )
            right = np.mean([one == row.label for one, row in zip(told, rows, strict=True)])
            _say(f"topics: {source} {how} {right:.3f}, n {len(rows)}, {seconds / len(rows) * 1000:.2f} ms a text")


def _summaries(parts: Parts, folder: Path) -> None:
    rows = _raw(folder / "summarize" / "dev.jsonl")
    made, seconds = _timed(lambda: [parts.summarizer.summarize(row["text"], 100) for row in rows])
    both = list(zip(made, rows, strict=True))
    _say(f"summarize: n {len(rows)}, {seconds / len(rows) * 1000:.2f} ms a text")
    for named, references in (
        ("summaries", lambda row: row["refs"]),
        ("and title", lambda row: [*row["refs"], row["title"]]),
    ):
        figures = [np.mean([rouge(text, references(row), size) for text, row in both]) for size in (1, 2)]
        _say(f"  ROUGE-1 {figures[0]:.3f}  ROUGE-2 {figures[1]:.3f} against {named}")
    over = sum(len(text) > 100 for text in made)  # noqa: PLR2004 - the limit asked for
    invented = sum(new_numbers(text, row["text"]) for text, row in both)
    hanging = np.mean([ends_hanging(text) for text in made])
    _say(f"  over the limit {over}  new numbers {invented}  ends mid-phrase {hanging:.3f}")


def _languages(_parts: Parts, folder: Path) -> None:
    rows = list(rows_of(folder, "language"))
    right, seconds = _timed(lambda: np.mean([language_of(row.text) == row.label for row in rows]))
    _say(f"language: {right:.3f} of {len(rows)}, {seconds / len(rows) * 1000:.2f} ms a text")


def _writing(_parts: Parts, folder: Path) -> None:
    kept, invented, length, structure = [], 0, [], []
    rows = _raw(folder / "generate" / "dev.jsonl")
    for row in rows:
        brief = row["brief"]
        text = write(Generate(format=row["kind"], brief=brief["prompt"], tone=brief["tone"]))
        for fact in row["facts"]:
            forms = fact if isinstance(fact, list) else [fact]
            kept.append(any(form.lower() in text.lower() for form in forms))
        invented += new_numbers(text, brief["prompt"])
        length.append(row["words"][0] <= count_words(text) <= row["words"][1])
        structure.append(all(re.search(wanted, text, re.IGNORECASE | re.MULTILINE) for wanted in row["must_match"]))
    _say(f"generate: n {len(rows)}")
    right = f"length right {np.mean(length):.3f}  structure {np.mean(structure):.3f}"
    _say(f"  facts kept {np.mean(kept):.3f}  invented {invented}  {right}")


def _raw(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def _rss_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _listed(figures: dict[str, float]) -> str:
    return "  ".join(f"{name} {figure:.3f}" for name, figure in figures.items())


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
