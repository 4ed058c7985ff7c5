"""Dialogues told in few words: what it is about, as the opening turns say, and what another speaker answers."""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from msgspec import Struct

from providers.text.local.sentences import Turn, sentences_of
from providers.text.local.shorten import Shortening, cut_between_words, shortenings_of

OPENING: Final = 5
"""What a dialogue is about is said in one of so many first sentences, small talk left out."""

EARLY: Final = 0.1
"""What the first sentence gains; half of it the second, and so on."""

MOST_WEIGHED: Final = 400
FROM_ANOTHER: Final = 0.2
"""What a sentence gains by another speaker than those heard so far: a dialogue takes two."""

UNANSWERED: Final = 0.25
"""What a further question loses whose answer is not told with it."""

NEAR_BY: Final = 0.2
"""What a sentence gains by standing beside one already told; half of it two sentences away, and so on."""

OPENING_TAKES: Final = 0.65
"""How much of the limit the opening takes where it can be shortened so far, to leave room for an answer."""

FEWEST_CHARS: Final = 12
"""A shorter sentence says too little to be told beside another."""

_SMALL_TALK: Final = re.compile(
    r"^(?:good (?:morning|afternoon|evening)\b.{0,45}|(?:so,? )?how (?:can|may) i help(?: you)?(?: today)?\?"
    r"|i(?:['\u2019]m| am) (?:so |very )?sorry to hear (?:that|it)\b.{0,10}"
    r"|(?:hi|hey|hello|hiya|ok|okay|yes|yeah|yep|no|nope|sure|thanks|thank you|thx|bye|see you|cool|great|nice|lol"
    r"|haha\w*|good night|how are you|wow|oh|hmm+|right|alright|np|no problem|perfect|deal|fine|of course|welcome"
    r"|excuse me|sorry|nice to meet you)\b[\s\w,.'\u2019]{0,20}[!.?]*)$",
    re.IGNORECASE,
)


class Said(Struct, frozen=True):
    """A sentence, and who says it."""

    speaker: str
    sentence: str


def said_in(turns: Sequence[Turn]) -> list[Said]:
    """The sentences of a dialogue in order, small talk left out where there is anything else."""
    said = [Said(turn.speaker, sentence) for turn in turns for sentence in sentences_of(turn.text)]
    return [each for each in said if not _SMALL_TALK.match(each.sentence)] or said


def told(said: Sequence[Said], shares: Sequence[float], longest: int) -> str:
    """At most `longest` characters of the dialogue, in its order, each under its speaker's name.

    `shares` tells of each sentence how much it says of the whole.
    """
    values = [share + EARLY / (1 + at) for at, share in enumerate(shares)]
    first = max(range(min(len(said), OPENING)), key=lambda at: values[at])
    opening = _longest_form(said[first], int(longest * OPENING_TAKES), may_end_anywhere=False)
    opening = opening or _longest_form(said[first], longest, may_end_anywhere=True)
    if opening is None:
        return cut_between_words(f"{said[first].speaker}: {said[first].sentence}", longest)
    chosen = {first: opening}
    open_to_choice = set(sorted(range(len(said)), key=lambda at: -values[at])[:MOST_WEIGHED]) - {first}
    room = longest - 1 - len(_spoken(said[first].speaker, opening))
    while open_to_choice and room > FEWEST_CHARS:
        heard = {said[at].speaker for at in chosen}
        best = max(open_to_choice, key=lambda at: values[at] + _bonus(at, said, chosen, heard))
        open_to_choice.remove(best)
        form = _longest_form(said[best], room - 1, may_end_anywhere=False)
        if form is not None and len(form) >= FEWEST_CHARS:
            chosen[best] = form
            room -= 2 + len(_spoken(said[best].speaker, form))
    return _in_order(said, chosen)


def _bonus(at: int, said: Sequence[Said], chosen: dict[int, str], heard: set[str]) -> float:
    distance = min(abs(at - other) for other in chosen)
    is_unanswered = said[at].sentence.endswith(("?", "\uff1f", "\u061f")) and at + 1 not in chosen
    return (
        NEAR_BY / distance
        + (FROM_ANOTHER if said[at].speaker not in heard else 0.0)
        - (UNANSWERED if is_unanswered else 0.0)
    )


def _longest_form(said: Said, longest: int, *, may_end_anywhere: bool) -> str | None:
    """The sentence, whole or shortened, that fits under its speaker's name; the longest of the best kind."""
    room = longest - len(_spoken(said.speaker, ""))
    if len(said.sentence) <= room:
        return said.sentence
    forms = list(shortenings_of(said.sentence, room))
    whole = [form for form in forms if form.cut != "phrase"] or (forms if may_end_anywhere else [])
    return max(whole, key=_size).text if whole else None


def _size(form: Shortening) -> int:
    return len(form.text)


def _spoken(speaker: str, words: str) -> str:
    return f"{speaker}: {words}"


def _in_order(said: Sequence[Said], chosen: dict[int, str]) -> str:
    """The chosen sentences as they follow each other; who goes on speaking is named once."""
    runs = groupby(sorted(chosen), key=lambda at: said[at].speaker)
    told = [_spoken(speaker, " ".join(_ended(chosen[at]) for at in run)) for speaker, run in runs]
    return " ".join(told)


def _ended(words: str) -> str:
    """The words with a full stop where nothing ends them, so that the next name is not read as theirs."""
    return f"{words}." if words[-1:].isalnum() else words
