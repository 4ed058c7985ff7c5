"""Keeps what a model must not say from getting out: the marks of its prompt, however they are dressed up."""

from domain.text.prompts import Marks, bare
from providers.text.provider import ProviderAnswerMalformed, ProviderBlocked


def refuse_marks(said: str, marks: Marks) -> None:
    """Let the words pass, or raise.

    Raises:
        ProviderBlocked: they hold the canary: the model gives away what it was told.
        ProviderAnswerMalformed: they hold the fence: the model repeats its prompt.
    """
    letters = bare(said)
    if marks.canary in letters:
        raise ProviderBlocked("Gemini's answer gave away its instructions and was withheld.")
    if marks.fence in letters:
        raise ProviderAnswerMalformed("Gemini repeated its prompt instead of answering.")


class Screen:
    """Passes a stream of words on, holding back what may be the beginning of a mark until it is clear."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._held = ""

    def pass_on(self, words: str) -> str:
        """What may be shown by now; raises as `refuse_marks` does."""
        self._held += words
        refuse_marks(self._held, self._marks)
        clear = self._clear_until()
        shown, self._held = self._held[:clear], self._held[clear:]
        return shown

    def rest(self) -> str:
        """What was still held back when the stream ended."""
        shown, self._held = self._held, ""
        return shown

    def _clear_until(self) -> int:
        letters = [(letter, place) for place, raw in enumerate(self._held) for letter in bare(raw)]
        flat = "".join(letter for letter, _ in letters)
        clear = len(self._held)
        for mark in (self._marks.canary, self._marks.fence):
            for length in range(min(len(mark) - 1, len(flat)), 0, -1):
                if flat.endswith(mark[:length]):
                    clear = min(clear, letters[len(flat) - length][1])
                    break
        return clear
