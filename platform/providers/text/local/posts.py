"""Blog posts and product descriptions from a topic and its points."""

import re
import zlib
from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from providers.text.local.topics import Topic

Manner = Literal["plain", "warm", "formal"]


FEWEST_PARAGRAPHS: Final = 4
"""A brief with fewer points than this is filled up with questions for the reader."""

_COMMON_OPENING: Final = re.compile(r"(?:how|why|what|when|where|who|the|an?|our)\b", re.IGNORECASE)


class Piece(Struct, frozen=True):
    """A paragraph in two halves: what must be said, and what may be left out to save words."""

    fact: str
    padding: str = ""


_LEADS: Final[dict[Manner, tuple[str, ...]]] = {
    "plain": (
        "This post looks at the subject one point at a time and keeps to what matters in practice.",
        "Here is what there is to say about it, point by point and without detours.",
    ),
    "warm": (
        "It is one of those subjects that look small from far away and grow on you once you come closer.",
        "Pull up a chair: this is a good story to take one step at a time.",
    ),
    "formal": (
        "The following paragraphs set out the main points in turn and say what each of them means in practice.",
        "This article considers the subject in order, beginning with the points that matter most.",
    ),
}
_REMARKS: Final = (
    "It is an easy point to overlook, and a hard one to do without once you have seen it at work.",
    "That alone is worth a moment's thought, because so much of the rest follows from it.",
    "It sounds simple, and that is its strength: simple things are the ones that last.",
    "Seen on its own this is a detail; together with the other points it makes the difference.",
    "Anyone who has tried it the other way round will know why this belongs on the list.",
    "Small as it may seem, it changes how the whole thing feels from day to day.",
    "It also makes everything that comes after it a little easier to get right.",
)
_OPENERS: Final = (
    "To begin with: ",
    "Next: ",
    "Then there is this: ",
    "Just as important: ",
    "Another point: ",
    "And further: ",
)
_QUESTIONS: Final = (
    "What makes it worth the effort? The answer differs from reader to reader; it pays to find your own first.",
    "Where should you start? With the smallest step that shows a result. It teaches more than a long plan.",
    "What tends to get in the way? Mostly habit. It helps to change one thing at a time and to see what came of it.",
    "And how do you keep going? By making it easy: keep what works, drop what does not, and tell others about both.",
)
_CLOSES: Final[dict[Manner, str]] = {
    "plain": "That is the whole of it. Take the points that fit your own situation, try them out, and see what "
    "they change.",
    "warm": "None of this needs to happen at once. Pick the point that speaks to you most, start there, and let "
    "the rest follow.",
    "formal": "Taken together, these points give a clear picture of the subject. How they are best applied will "
    "depend on the case at hand.",
}
_BENEFITS: Final[dict[Manner, tuple[str, ...]]] = {
    "plain": ("Made for everyday use, with everything it needs and nothing it does not.",),
    "warm": ("A companion for every day, made to be used, enjoyed and reached for again.",),
    "formal": ("Carefully considered in every detail, for those who value quality in daily use.",),
}
_PRODUCT_CLOSES: Final[dict[Manner, str]] = {
    "plain": "A sound choice if you want something that simply does its job.",
    "warm": "Once you have it, you will wonder how you managed without.",
    "formal": "A considered choice, and one to enjoy for a long time.",
}


def post_of(topic: Topic, manner: Manner) -> list[Piece]:
    """Title, lead, a paragraph for each point, close."""
    name = topic.name
    turn = zlib.crc32(name.encode())
    pieces = [
        Piece(f"# {_title(name)}"),
        Piece("" if topic.points else _sentence(f"This post is about {_small(name)}"), _picked(_LEADS[manner], turn)),
    ]
    for at, point in enumerate(topic.points):
        if topic.is_told and not point.startswith(("a ", "an ")):
            point = f"it {point}"  # noqa: PLW2901 - the point, said of the topic
        opener = "" if topic.is_told or _is_clause(point) or at == 0 else _OPENERS[at % len(_OPENERS)]
        pieces.append(Piece(_sentence(opener + (point if opener else _capital(point))), _picked(_REMARKS, turn + at)))
    pieces += [Piece("", question) for question in _QUESTIONS[: max(0, FEWEST_PARAGRAPHS - len(topic.points))]]
    pieces.append(Piece("", _CLOSES[manner]))
    return pieces


def product_text_of(topic: Topic, manner: Manner) -> list[Piece]:
    """Headline, what it is, its features, close."""
    turn = zlib.crc32(topic.name.encode())
    pieces = [Piece(f"**{_title(_bare(topic.name))}**"), Piece("", _picked(_BENEFITS[manner], turn))]
    if topic.points:
        features = "\n".join(f"- {_capital(point)}" for point in topic.points)
        pieces.append(Piece(f"What you get:\n\n{features}"))
    pieces.append(Piece("", _PRODUCT_CLOSES[manner]))
    return pieces


def _title(name: str) -> str:
    return _capital(name.rstrip(" .:;,"))


def _bare(name: str) -> str:
    """The name of a product without its article."""
    first, _, rest = name.partition(" ")
    return rest if first.lower() in {"a", "an", "the", "our"} and rest else name


def _is_clause(point: str) -> bool:
    """Whether a point reads as a sentence of its own: several words, no bare noun."""
    return len(point.split()) > 4  # noqa: PLR2004 - shorter ones are names of things


def _picked(choices: Sequence[str], turn: int) -> str:
    return choices[turn % len(choices)]


def _sentence(text: str) -> str:
    text = _capital(text.strip())
    return text if text.endswith((".", "!", "?", "\u2026", "\u3002")) else text + "."


def _small(name: str) -> str:
    """A topic inside a sentence: `How the village heats` goes on with a small letter, `Amara Nwosu` does not."""
    return name[:1].lower() + name[1:] if _COMMON_OPENING.match(name) else name


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
