"""From what Gemini filled in to a kind's result: whatever the model did, the result keeps the kind's promises."""

import re
import unicodedata
from typing import Final

from domain.text.classify import OTHER, UNDETERMINED, Classification, Classify, labels_of
from domain.text.generate import Generate, Generated
from domain.text.moderate import FLAGGED_FROM, Moderation, issues_in
from domain.text.summarize import Summarize, Summary
from providers.text.gemini_schema import ClassificationFilled, GeneratedFilled, ModerationFilled, SummaryFilled
from providers.text.provider import ProviderAnswerMalformed

ENGINE: Final = "gemini"

_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")
_SENTENCE_END: Final = re.compile(r"[.!?…][\"'”\u2019)\]]*(?=\s|$)|[。\uff01\uff1f][」』”\uff09]*")
_DANGLING: Final = " \t\n,;:\u2013—-(["
# Where a text may be broken off: before a space, before punctuation that a space follows, and before any letter of a
# script written without spaces, where a word ends only by the dictionary.
_BREAK: Final = re.compile(
    r"\s|[.,;:!?](?=\s|$)"
    r"|[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]"
)


class AnswerCutShort(ProviderAnswerMalformed):
    """The answer outgrew its limit; asked again it would outgrow it again."""

    retryable = False


class Unfit(Exception):
    """The answer meets the schema and still cannot be used; says why."""


def summary_of(filled: SummaryFilled, asked: Summarize) -> Summary:
    """The summary, shortened at a word where it is over the limit.

    Raises:
        Unfit: nothing readable is left within the limit.
    """
    words = " ".join(plain(filled.summary).split())
    short = shortened(words, asked.max_chars)
    if not short:
        raise Unfit(f"summary has no whole word within {asked.max_chars} characters")
    return Summary(summary=short, engine=ENGINE)


def moderation_of(filled: ModerationFilled) -> Moderation:
    """The judgement; flag and issues follow from the scores."""
    given = filled.categories
    categories = {
        "harassment": given.harassment,
        "hate": given.hate,
        "profanity": given.profanity,
        "self-harm": given.self_harm,
        "sexual": given.sexual,
        "violence": given.violence,
    }
    return Moderation(
        flagged=filled.toxicity >= FLAGGED_FROM,
        toxicity=filled.toxicity,
        categories=categories,
        issues=issues_in(categories),
        engine=ENGINE,
    )


def choices_of(asked: Classify) -> dict[str, tuple[str, ...]]:
    """What the named fields of the answer may say."""
    names = tuple(label.name for label in labels_of(asked))
    return {"label": names, "category": (*names, OTHER) if asked.labels is None else names}


def classification_of(filled: ClassificationFilled, asked: Classify) -> Classification:
    """The classification, with a share for every label, adding up to 1; the score's sign follows the sentiment.

    Raises:
        Unfit: the category is none of the labels.
    """
    choices = choices_of(asked)
    if filled.category not in choices["category"]:
        raise Unfit("category is none of the labels")
    told = {each.label: each.score for each in filled.scores}
    shares = {name: told.get(name, 0.0) for name in choices["label"]}
    total = sum(shares.values())
    if total <= 0:
        even = 1 / len(shares)
        shares = {name: float(name == filled.category) if filled.category in shares else even for name in shares}
        total = 1.0
    language = filled.language.strip().lower().replace("_", "-").partition("-")[0]
    return Classification(
        category=filled.category,
        scores={name: min(1.0, share / total) for name, share in shares.items()},
        sentiment=filled.sentiment,
        sentiment_score=_signed(filled),
        language=language if _LANGUAGE.fullmatch(language) else UNDETERMINED,
        engine=ENGINE,
    )


def generated_of(filled: GeneratedFilled, asked: Generate) -> Generated:
    """The text, shortened to whole sentences, or at a word, where it has too many words.

    Raises:
        Unfit: the text is blank.
    """
    text = plain(filled.text).strip()
    if not text:
        raise Unfit("text is blank")
    if asked.max_words is not None:
        text = within_words(text, asked.max_words)
    return Generated(text=text, engine=ENGINE)


def within_words(text: str, most: int) -> str:
    """At most `most` words of a text, whole sentences where they fill half of it."""
    ends = [word.end() for word in re.finditer(r"\S+", text)]
    return _closed(text[: ends[most - 1]]) if len(ends) > most else text


def shortened(text: str, most: int) -> str:
    """At most `most` characters of a text: whole words, whole sentences where they fill half of it; may be empty."""
    if len(text) <= most:
        return text
    for end in range(most, 0, -1):
        if _BREAK.match(text, end) and not unicodedata.category(text[end]).startswith("M"):
            return _closed(text[:end])
    return ""


def plain(text: str) -> str:
    """The text without control characters, line breaks and tabs aside."""
    return "".join(letter for letter in text if letter in "\n\t" or unicodedata.category(letter) != "Cc")


def _closed(text: str) -> str:
    """The text up to its last sentence's end, unless that loses more than half of it."""
    ends = [found.end() for found in _SENTENCE_END.finditer(text)]
    if ends and ends[-1] * 2 >= len(text):
        return text[: ends[-1]]
    return text.rstrip(_DANGLING)


def _signed(filled: ClassificationFilled) -> float:
    match filled.sentiment:
        case "positive":
            return max(0.0, filled.sentiment_score)
        case "negative":
            return min(0.0, filled.sentiment_score)
        case "neutral":
            return filled.sentiment_score
