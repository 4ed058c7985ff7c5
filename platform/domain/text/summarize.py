"""`text.summarize`: a long text said in few characters."""

from datetime import timedelta
from typing import Annotated, Final

from msgspec import Meta

from domain.jobs.kind import Input, Kind, Result
from domain.patterns import END

MOST_CHARS: Final = 500_000

Text = Annotated[str, Meta(min_length=1, max_length=MOST_CHARS, description="the text, up to 500,000 characters")]
LanguageTag = Annotated[
    str,
    Meta(
        pattern=rf"^[A-Za-z]{{2,3}}(-[A-Za-z0-9]{{2,8}}){{0,3}}{END}",
        description="a language tag (BCP 47), such as en or pt-BR",
    ),
]
MaxChars = Annotated[int, Meta(ge=20, le=10_000, description="the most characters the summary may have")]


class Summarize(Input, frozen=True, kw_only=True):
    """A text to be said in at most `max_chars` characters; `language` is the text's own, where the caller knows it."""

    text: Text
    max_chars: MaxChars = 100
    language: LanguageTag | None = None


class Summary(Result, frozen=True, kw_only=True):
    """The short form: never over `max_chars` characters, never cut inside a word."""

    summary: str
    engine: str
    cached: bool = False


SUMMARIZE: Final = Kind(
    name="text.summarize",
    input=Summarize,
    result=Summary,
    queue="text",
    summary="Say a text in at most max_chars characters.",
    example=Summarize(
        text=(
            "The harbour bridge reopened on Monday after eleven months of repairs. Engineers replaced 214 cables and "
            "the whole of the western deck. Ferries, which had carried commuters across the bay in the meantime, "
            "return to their usual timetable next week."
        ),
        max_chars=100,
    ),
    timeout=timedelta(seconds=60),
)
