"""`text.count_words`: how many words a text has."""

from datetime import timedelta
from typing import Final

from domain.jobs.kind import Input, Kind, Result
from domain.text.summarize import Text


class CountWords(Input, frozen=True, kw_only=True):
    """A text to be counted."""

    text: Text


class WordsCounted(Result, frozen=True, kw_only=True):
    """How many words it has, split at white space."""

    words: int


COUNT_WORDS: Final = Kind(
    name="text.count_words",
    input=CountWords,
    result=WordsCounted,
    queue="text",
    summary="Count the words of a text.",
    example=CountWords(text="The harbour bridge reopened on Monday."),
    timeout=timedelta(seconds=5),
)
