"""What a beat counts of its own work."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import Counter

from domain.schedules.schedule import RunOutcome
from runtime.figures import ProcessFigures

TICK: Final = "tick"


class BeatFigures(ProcessFigures):
    """The figures of a beat."""

    def __init__(self, name: str = "beat") -> None:
        super().__init__("beat", name=name, rounds=(TICK,))
        self._firings = Counter(
            "headrace_beat_firings",
            "Firings of schedules by what became of them: submitted, skipped, missed, refused",
            ("outcome",),
            registry=self.registry,
        )

    def fired(self, outcomes: Iterable[RunOutcome]) -> None:
        """Count firings that are on record now."""
        for outcome in outcomes:
            self._firings.labels(outcome.value).inc()
