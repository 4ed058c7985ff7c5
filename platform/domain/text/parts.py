"""Texts too long for one question: where they are parted, and how the answers about the parts become one."""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Hashable, Iterable, Sequence
from typing import Final, TypeVar

from msgspec import Struct

from domain.errors import Invalid
from domain.text.classify import OTHER, UNDETERMINED, Classification, Classify, labels_of
from domain.text.generate import Generate
from domain.text.moderate import CATEGORIES, FLAGGED_FROM, Moderate, Moderation, issues_in
from domain.text.summarize import Summarize

DEFAULT_WINDOW: Final = 128_000
"""How many tokens a question holds, its answer included, of a model that nobody said more of."""

SMALLEST_WINDOW: Final = 4_000

_OUR_WORDS: Final = 2_000  # our instructions, the schema, and what a repair shows again
_LEAST_ROOM: Final = 500

BESIDE_A_REPLY: Final = _OUR_WORDS + 1_000
"""The tokens a reply in a conversation takes besides what was said there."""

_MOST_BYTES_A_CHARACTER: Final = 4
_BYTES_A_TOKEN: Final = 3
# Models count these one by one, or nearly so.
_MARKS: Final = b"0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\n"

# From the best place to part a text to the worst; what ends a piece stays with it.
_PLACES: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"\n[^\S\n]*\n\s*",
        r"\n\s*",
        r"[.!?…][\"'”’)\]]*\s+|[。！？][」』”）]*\s*",  # noqa: RUF001 - the ends of sentences in Chinese and Japanese
        r"[,;:]\s+|[、，；：]\s*",  # noqa: RUF001 - as above
        r"\s+",
    )
)
_PLACEHOLDER: Final = re.compile(r"\[[A-Z]{2,5}_[0-9]{1,6}\]")
_LONGEST_PLACEHOLDER: Final = 15
_PIECES_A_PART: Final = 4

_PART_CHARS: Final = (400, 2_000)
"""How long the summary of a part is at least and at most, where the window has room for it."""

_ANSWERS: Final = {"text.moderate": 300, "text.classify": 600, "text.generate": 2_000}
_A_SHARE: Final = 20  # tokens a label takes in an answer, besides its name
_A_WORD: Final = 3

LongInput = Summarize | Moderate | Classify | Generate

KeyT = TypeVar("KeyT", bound=Hashable)


class InputTooLong(Invalid):
    """The input is too long for the model, and of a sort that cannot be asked about in parts."""

    code = "input_too_long"
    title = "The input is too long for the model"


class Needs(Struct, frozen=True, kw_only=True):
    """The tokens a question takes at most: those of the text that can be parted, and all others, its answer's too."""

    text: int
    beside: int

    @property
    def whole(self) -> int:
        """All of them."""
        return self.text + self.beside


def tokens_at_most(text: str) -> int:
    """How many tokens a model will hardly count more of: each digit and mark is one, three bytes of the rest are one.

    English prose has about a third less; what no tokenizer was made for, such as emoji in a row, may have more.
    """
    read = text.encode(errors="replace")
    plain = len(read.translate(None, _MARKS))
    return len(read) - plain + -(-plain // _BYTES_A_TOKEN)


def needs_of(asked: LongInput) -> Needs:
    """What asking this in one question takes."""
    match asked:
        case Summarize(text=text, max_chars=most):
            return Needs(text=tokens_at_most(text), beside=_OUR_WORDS + most // 2)
        case Moderate(text=text):
            return Needs(text=tokens_at_most(text), beside=_OUR_WORDS + _ANSWERS["text.moderate"])
        case Classify(text=text):
            labels = labels_of(asked)
            names = sum(tokens_at_most(label.name) for label in labels)
            told = sum(tokens_at_most("\n".join((label.description or "", *label.examples))) for label in labels)
            # a name stands among the labels, twice in the schema and in the answer
            beside = _OUR_WORDS + _ANSWERS["text.classify"] + 4 * names + told + _A_SHARE * len(labels)
            return Needs(text=tokens_at_most(text), beside=beside)
        case Generate(brief=brief, max_words=words):
            answer = _ANSWERS["text.generate"] if words is None else words * _A_WORD
            return Needs(text=tokens_at_most(brief), beside=_OUR_WORDS + answer)


def room_in(window: int, asked: LongInput) -> int:
    """How many tokens of the text one question has room for.

    Raises:
        InputTooLong: for none to speak of: what stands beside the text fills the window.
    """
    room = window - needs_of(asked).beside
    if room < _LEAST_ROOM:
        what = "The labels, with their descriptions and examples, leave" if isinstance(asked, Classify) else "There is"
        raise InputTooLong(f"{what} no room for the text: the model takes some {window} tokens.")
    return room


def parted(text: str, most_tokens: int) -> list[str]:
    """The text in as few parts of at most `most_tokens` each as may be, of much the same size; joined they are it.

    A part ends with a paragraph, else a line, a sentence, a clause, a word; within a word only where one alone is too
    long, and never within a placeholder.
    """
    if tokens_at_most(text) <= most_tokens:
        return [text]
    pieces = [(piece, tokens_at_most(piece)) for piece in _pieces(text, max(1, most_tokens // _PIECES_A_PART), _PLACES)]
    whole = sum(size for _, size in pieces)
    number = -(-whole // most_tokens)
    parts = _packed(pieces, most_tokens, whole / number)
    if len(parts) > number:  # pieces do not fill parts to the brim: better as many of one size than a small last one
        parts = _packed(pieces, most_tokens, whole / len(parts))
    return parts


def part_chars(max_chars: int, room: int) -> int:
    """How long the summary of a part may be, of which many become one question with so much room."""
    least, most = _PART_CHARS
    return min(max(least, min(most, 2 * max_chars)), room // _PIECES_A_PART)


def merging_sizes(parts: int, chars: int, room: int) -> list[int]:
    """The bytes of each question that makes one summary out of those of `parts`, in as many rounds as it takes."""
    sizes: list[int] = []
    while True:
        size = parts * chars
        rounds = -(-size // room)
        sizes += [-(-size // rounds)] * rounds
        if rounds == 1:
            return sizes
        parts = rounds


def moderation_in_all(answers: Sequence[Moderation]) -> Moderation:
    """A text is as bad as its worst part, in each category."""
    categories = {name: max(answer.categories.get(name, 0.0) for answer in answers) for name in CATEGORIES}
    toxicity = max(answer.toxicity for answer in answers)
    return Moderation(
        flagged=toxicity >= FLAGGED_FROM,
        toxicity=toxicity,
        categories=categories,
        issues=issues_in(categories),
        engine=answers[0].engine,
    )


def classification_in_all(answers: Sequence[tuple[Classification, float]]) -> Classification:
    """What most of the text is, by answers and the sizes of their parts: the surer an answer, the more it counts.

    `other` only where the parts that are so make up more than half of the text.
    """
    whole = sum(size for _, size in answers)
    weighed = [(answer, size * max(answer.scores.values(), default=1.0)) for answer, size in answers]
    sum_of_weights = sum(weight for _, weight in weighed) or 1.0
    names = list(answers[0][0].scores)
    scores = {
        name: min(1.0, sum(answer.scores.get(name, 0.0) * weight for answer, weight in weighed) / sum_of_weights)
        for name in names
    }
    other = sum(size for answer, size in answers if answer.category == OTHER and OTHER not in scores)
    category = OTHER if other * 2 > whole or not names else max(names, key=lambda name: scores[name])
    sentiment = _heaviest((answer.sentiment, size * _certainty(answer)) for answer, size in answers)
    score = sum(answer.sentiment_score * size for answer, size in answers) / whole
    bounds = {"positive": (0.0, 1.0), "negative": (-1.0, 0.0), "neutral": (-1.0, 1.0)}[sentiment]
    told = [(answer.language, size) for answer, size in answers if answer.language != UNDETERMINED]
    return Classification(
        category=category,
        scores=scores,
        sentiment=sentiment,
        sentiment_score=min(bounds[1], max(bounds[0], score)),
        language=_heaviest(told) if told else UNDETERMINED,
        engine=answers[0][0].engine,
    )


def _certainty(answer: Classification) -> float:
    strength = abs(answer.sentiment_score)
    return 1 - strength if answer.sentiment == "neutral" else strength


def _heaviest(weighed: Iterable[tuple[KeyT, float]]) -> KeyT:
    sums: dict[KeyT, float] = {}
    for name, weight in weighed:
        sums[name] = sums.get(name, 0.0) + weight
    return max(sums, key=lambda name: sums[name])


def _packed(pieces: Sequence[tuple[str, int]], most: int, enough: float) -> list[str]:
    parts: list[str] = []
    held: list[str] = []
    size = whole = 0
    for piece, more in pieces:
        # measured from the beginning of the text, so that what one part has too much does not add up
        if held and (whole + more / 2 > (len(parts) + 1) * enough or size + more > most):
            parts.append("".join(held))
            held, size = [], 0
        held.append(piece)
        size += more
        whole += more
    return [*parts, "".join(held)]


def _pieces(text: str, most_tokens: int, places: Sequence[re.Pattern[str]]) -> Iterable[str]:
    """The text cut at the first of the `places`, not oftener than need be, and what is too long still at the next."""
    if tokens_at_most(text) <= most_tokens:
        yield text
        return
    span = max(1, most_tokens * _BYTES_A_TOKEN // _MOST_BYTES_A_CHARACTER)  # never too many tokens, whatever it is
    if not places:
        yield from _slices(text, span)
        return
    ends = [place.end() for place in places[0].finditer(text)]
    if not ends or ends[-1] < len(text):
        ends.append(len(text))
    start = 0
    while start < len(text):
        last = bisect_right(ends, start + span) - 1
        end = ends[last] if last >= 0 and ends[last] > start else ends[last + 1]
        yield from _pieces(text[start:end], most_tokens, places[1:])
        start = end


def _slices(text: str, most: int) -> Iterable[str]:
    start = 0
    while start < len(text):
        end = start + most
        if end < len(text):
            end = _clear(text, start, end)
        yield text[start:end]
        start = end


def _clear(text: str, start: int, end: int) -> int:
    """The last place up to `end` that is neither within a placeholder nor before what belongs to a letter."""
    for found in _PLACEHOLDER.finditer(text, max(start, end - _LONGEST_PLACEHOLDER), end + _LONGEST_PLACEHOLDER):
        if start < found.start() < end < found.end():
            return found.start()
    clear = end
    while clear > start and unicodedata.category(text[clear]).startswith("M"):
        clear -= 1
    return clear if clear > start else end
