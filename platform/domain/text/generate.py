"""`text.generate`: an e-mail, a blog post or a product description from a brief."""

from datetime import timedelta
from typing import Annotated, Final, Literal

from msgspec import Meta

from domain.jobs.kind import Input, Kind, Result

Format = Literal["email", "blog", "product_description"]
Brief = Annotated[str, Meta(min_length=1, max_length=20_000, description="what the text shall say, facts included")]
Tone = Annotated[str, Meta(min_length=1, max_length=60, description="how it shall sound: formal, friendly, playful …")]
MaxWords = Annotated[int, Meta(ge=10, le=2_000, description="the most words the text may have")]


class Generate(Input, frozen=True, kw_only=True):
    """A brief to be written out in a format."""

    format: Format
    brief: Brief
    tone: Tone | None = None
    max_words: MaxWords | None = None


class Generated(Result, frozen=True, kw_only=True):
    """The text written. `engine` says what wrote it: `local-template` is no language model."""

    text: str
    engine: str
    cached: bool = False


GENERATE: Final = Kind(
    name="text.generate",
    input=Generate,
    result=Generated,
    queue="text",
    summary="Write an e-mail, a blog post or a product description from a brief.",
    example=Generate(
        format="email",
        brief="Tell Ada Byron that her order 1843 ships on Friday and that delivery is free.",
        tone="friendly",
        max_words=150,
    ),
    timeout=timedelta(seconds=120),
)
