"""Screens texts before they are worked on: rules and a small model of our own, nothing sent anywhere."""

import asyncio
import math
import threading
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from domain.text.injection import rules_in
from domain.text.safety import DETECTORS, FLAGGED_FROM, RULE_SCORE, Detector, Flag
from domain.text.unveil import layers_of, unveiled
from providers.text.local.phrases import PhraseModel, open_phrases
from providers.text.local.words import windows_of

MODELS: Final = Path(__file__).parent / "models"
LONGEST_WHOLE: Final = 2_400
"""Longer texts are judged window by window, the worst one counting: among much else an injection would drown."""

WINDOW: Final = 1_500
DOUBT: Final = 1.0
"""Taken from the log-odds of the worst of many windows: among many, one looks bad by chance."""

LONGEST_IN_PLACE: Final = 4_000
"""Screening a longer text takes milliseconds, and is done off the event loop."""

DIGITS: Final = 4


class Guard:
    """Finds prompt injections and unsafe requests. The model is read at the first text, in some ten milliseconds."""

    def __init__(self, models: Path = MODELS) -> None:
        self._models = models
        self._model: PhraseModel | None = None
        self._reading = threading.Lock()
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="guard")

    async def screen(self, text: str, wanted: Collection[Detector]) -> tuple[Flag, ...]:
        """What the wanted detectors flag in the text."""
        if not wanted:
            return ()
        if self._model is not None and len(text) <= LONGEST_IN_PLACE:
            return self.flags(text, wanted)
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: self.flags(text, wanted))

    def flags(self, text: str, wanted: Collection[Detector] = DETECTORS) -> tuple[Flag, ...]:
        """As `screen`, in the calling thread."""
        shown = [unveiled(each) for each in (text, *layers_of(text))]
        scores = self._scores(shown)
        rules = rules_in(shown) if "injection" in wanted else ()
        found = (
            Flag(detector=detector, score=scores[detector], rules=rules if detector == "injection" else ())
            for detector in DETECTORS
            if detector in wanted
        )
        lifted = (
            Flag(detector=flag.detector, score=max(flag.score, RULE_SCORE), rules=flag.rules) if flag.rules else flag
            for flag in found
        )
        return tuple(flag for flag in lifted if flag.score >= FLAGGED_FROM[flag.detector])

    def scores(self, text: str) -> dict[Detector, float]:
        """What the model makes of the text, 0 to 1 for each detector, base64 in it read too."""
        return self._scores([unveiled(each) for each in (text, *layers_of(text))])

    async def aclose(self) -> None:
        """Let the thread end; what it is at is finished first."""
        await asyncio.to_thread(self._threads.shutdown)

    def _scores(self, shown: Sequence[str]) -> dict[Detector, float]:
        model = self._opened()
        windows = [window for each in shown for window in _windows(each)]
        odds = [model.log_odds(window) for window in windows]
        doubt = DOUBT if len(windows) > len(shown) else 0.0
        worst = [max(float(each[head]) for each in odds) - doubt for head in range(len(DETECTORS))]
        return {
            detector: round(1 / (1 + math.exp(-max(-30.0, min(30.0, value)))), DIGITS)
            for detector, value in zip(DETECTORS, worst, strict=True)
        }

    def _opened(self) -> PhraseModel:
        with self._reading:
            if self._model is None:
                self._model = open_phrases(self._models / "safety.npz")
            return self._model


def _windows(text: str) -> list[str]:
    return [text] if len(text) <= LONGEST_WHOLE else windows_of(text, WINDOW)
