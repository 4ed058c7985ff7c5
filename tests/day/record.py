"""What the ledger keeps of a day: one line of figures."""

from collections import Counter
from typing import Any, Final

from tests.day.evidence import LOCAL, Day
from tests.day.invariants import openings
from tests.faults.ledger import Entry, Section, commit_now
from tests.faults.scene import TENTH

SECTION: Final = Section(
    title="A day of texts",
    about="""\
Texts of all kinds for three tenants, many alike, against a stand-in for Gemini in changing weather: it throttles,
fails, talks nonsense, blocks, is away and recovers, while workers are killed. Then every job must have ended as the
weather allows, with the right answer; every token Gemini billed be booked; no budget be passed, and no question asked
twice, too early, or while the breaker is open (`tests/day/invariants.py`). What Gemini did counts questions.""",
    columns=("jobs", "ends", "Gemini did", "tokens billed", "from the cache", "local", "breaker opened", "kills"),
)


def entry_of(day: Day, seed: int, kills: Counter[str], *, violations: int, seconds: float) -> Entry:
    """The line of a day."""
    jobs = day.jobs.values()
    rules, processes = day.rules, {call.process for call in day.calls}
    by_process = [[call for call in day.calls if call.process == one] for one in processes]
    opened = sum(len(openings(calls, rules.failures, rules.rest_seconds)) for calls in by_process)
    figures: dict[str, Any] = {
        "jobs": len(jobs),
        "ends": _told(Counter(f"{job.state} {job.code}" if job.code else job.state for job in jobs)),
        "Gemini did": _told(Counter(call.outcome for call in day.calls)),
        "tokens billed": sum(call.prompt_tokens + call.output_tokens for call in day.calls),
        "from the cache": sum(bool((job.result or {}).get("cached")) for job in jobs),
        "local": sum(job.engine in LOCAL for job in jobs),
        "breaker opened": opened,
        "kills": kills.total(),
    }
    return Entry(
        commit=commit_now(),
        seed=seed,
        jobs=len(jobs),
        kills=kills,
        section=SECTION,
        clock=TENTH.name,
        figures=figures,
        violations=violations,
        seconds=round(seconds),
    )


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
