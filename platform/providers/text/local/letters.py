"""E-mails from the steps of a brief: subject, greeting, what is to be said, closing."""

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from msgspec import Struct

from providers.text.local.briefs import Step, name_in

Voice = Literal["formal", "friendly", "short"]

_THIRD: Final = re.compile(r"\b(?:her|his|their|theirs|hers)\b(?=\s+[a-z0-9])")
_OBJECT: Final = re.compile(r"\b(?:him|them)\b")
_SUBJECT: Final = re.compile(r"\b(?:she|he|they)\s+(is|are|was|were|has|have)\b")
_BARE_SUBJECT: Final = re.compile(r"\b(?:she|he|they)\b")
_PLURAL: Final = {"is": "are", "are": "are", "was": "were", "were": "were", "has": "have", "have": "have"}
_LINK: Final = re.compile(r"^(?:that|know that|know|about|for|of|to|regarding|on)\s+", re.IGNORECASE)
_CLAUSE: Final = re.compile(
    r"\b(?:is|are|was|were|has|have|had|will|would|can|could|must|should|may|does|did|do|lists?|ships?|starts?"
    r"|begins?|ends?|collected|added|opens?|closes?|moves?|arrives?|costs?|needs?|\w+ed)\b"
)
_ACRONYM: Final = re.compile(r"^[A-Z0-9]{2}|^I\b")

_TITLED: Final = re.compile(r"\b(?:Mr|Mrs|Ms|Mx|Dr|Prof|Professor|Sir|Madam)\b\.? ")
_PASSED_ON: Final = frozenset({"tell", "ask", "invite", "remind"})

MOST_SUBJECT_WORDS: Final = 9


class Letter(Struct, frozen=True, kw_only=True):
    """An e-mail in parts; `padding` may be left out to save words."""

    subject: str
    greeting: str
    body: tuple[str, ...]
    padding: str
    closing: str


def letter_of(steps: Sequence[Step], voice: Voice) -> Letter:
    """The e-mail that does these steps, everything in them said once."""
    named = [step.whom for step in steps if step.whom]
    whom = next((each for each in named if _TITLED.search(each)), named[0] if named else "")
    name = name_in(whom)
    body = tuple(
        sentence
        for at, step in enumerate(steps)
        for sentence in (_passed_on(step, name) or _said(step, voice, is_first=at == 0))
    )
    return Letter(
        subject=_subject(steps),
        greeting=_greeting(name, voice),
        body=body,
        padding=_PADDING[voice],
        closing=_CLOSING[voice],
    )


_PADDING: Final[dict[Voice, str]] = {
    "formal": "Should you have any questions, please do not hesitate to reply to this e-mail.",
    "friendly": "If anything is unclear, just reply to this e-mail. I am happy to help.",
    "short": "Any questions, just reply.",
}
_CLOSING: Final[dict[Voice, str]] = {
    "formal": "Kind regards,",
    "friendly": "Best wishes,",
    "short": "Thanks and best regards,",
}


def _greeting(name: str, voice: Voice) -> str:
    opening = {"formal": "Dear", "friendly": "Hello", "short": "Hi"}[voice]
    if name:
        return f"{opening} {name},"
    return "Dear Sir or Madam," if voice == "formal" else f"{opening} there,"


def _passed_on(step: Step, greeted: str) -> list[str]:
    """A step that is for somebody else than who is written to: asked of the reader, or said of them. Mostly nothing."""
    name = name_in(step.whom)
    if not re.match(r"[^\W\d_a-z]", name) or name == greeted or not greeted:
        return []
    if step.act == "thank":
        return [_sentence(f"Many thanks to {step.whom} {step.what}")]
    return [_sentence(f"Please {step.act} {step.whom} {step.what}")] if step.act in _PASSED_ON else []


def _said(step: Step, voice: Voice, *, is_first: bool) -> Iterator[str]:  # noqa: C901, PLR0912 - one case an act
    """The sentences of one step."""
    what = _addressed(step.what)
    formal = voice == "formal"
    match step.act:
        case "tell":
            yield _sentence(_news(what, voice))
        case "ask" if what.startswith("to "):
            do = what.removeprefix("to ")
            if is_first:
                opening = {
                    "formal": "I would be grateful if you could",
                    "friendly": "Could you please",
                    "short": "Please",
                }[voice]
                yield _sentence(f"{opening} {do}", "?" if voice == "friendly" else ".")
            else:
                yield _sentence(f"Please {do}")
        case "ask":
            yield _sentence(f"{'I would like to ask' if formal else 'I wanted to ask'} {_small(what)}")
        case "invite":
            yield _sentence(f"{'I would like to invite you' if formal else 'You are warmly invited'} {_small(what)}")
        case "remind":
            joined = what if re.match(r"(?:that|about|of|to)\b", what) else f"about {what}"
            yield _sentence(f"{'This is to remind you' if formal else 'This is a quick reminder'} {_small(joined)}")
        case "thank":
            yield from _thanks(step, what)
        case "apologise":
            what = _regretted(what)
            joined = f" {what}" if re.match(r"(?:for|that|about|to)\b", what) else f": {what}"
            yield _sentence(f"{'Please accept our apologies' if formal else 'We are very sorry'}{joined}")
        case "confirm":
            opening = "I am writing to confirm" if formal else "This is to confirm"
            yield _sentence(f"{opening} {_small(what.removeprefix('about '))}")
        case "offer":
            opening = "We would like to offer you" if formal else "We are happy to offer you"
            yield _sentence(f"{opening} {_small(what.removeprefix('you '))}")
        case "propose":
            yield _sentence(f"{'I would like to propose' if formal else 'How about'} {what}", "." if formal else "?")
        case "announce":
            yield _sentence(f"{'I am pleased to announce' if formal else 'I am happy to announce'} {_small(what)}")
        case "note":
            joined = what if what.startswith("that ") or not _CLAUSE.search(what) else f"that {what}"
            yield _sentence(f"Please note {_small(joined)}")
        case "write":
            yield _sentence(f"I am writing to {what[:1].lower()}{what[1:]}")
        case "say":
            yield _sentence(what)


def _news(what: str, voice: Voice) -> str:
    """What the addressee is told: a sentence, or a topic."""
    bare = _LINK.sub("", _LINK.sub("", what))
    if re.match(r"(?:about|of|regarding|on)\b", what):
        opening = {
            "formal": "I am writing to you about",
            "friendly": "I wanted to write to you about",
            "short": "This is about",
        }
        return f"{opening[voice]} {_small(bare)}"
    if voice == "short":
        return bare
    opening = {"formal": "I am writing to let you know", "friendly": "I just wanted to let you know"}
    return f"{opening[voice]} {'that ' if _CLAUSE.search(bare) else ''}{_small(bare)}"


def _regretted(what: str) -> str:
    """`because of the noise` is what one apologises for; `because the lift broke` is said by itself."""
    return re.sub(r"^(?:because|since|as)\s+", "", re.sub(r"^because of\s+", "for ", what))


def _thanks(step: Step, what: str) -> Iterator[str]:
    """`Thank the volunteers of Riverside: 62 people came` thanks for nothing named, then says the rest."""
    if what.startswith("of "):
        group, _, rest = what.partition(":")
        yield _sentence(f"Many thanks to all {re.sub('^(?:the|our|all) ', '', step.whom)} {group.strip()}")
        if rest.strip():
            yield _sentence(rest.strip())
    elif what.startswith("for "):
        yield _sentence(f"Thank you very much {what}")
    else:
        yield "Thank you very much."
        if what:
            yield _sentence(what)


def _addressed(what: str) -> str:
    """What is said of the addressee, said to them: `her order` becomes `your order`."""
    said = _SUBJECT.sub(lambda verb: f"you {_PLURAL[verb[1]]}", what)
    return _OBJECT.sub("you", _BARE_SUBJECT.sub("you", _THIRD.sub("your", said)))


_AS_TITLES: Final = {
    "congratulate you on": "Congratulations on ",
    "complain about the following:": "Complaint: ",
    "report the following:": "Report: ",
    "complain about": "Complaint about ",
    "(?:report|explain) that": "",
    "welcome you": "Welcome ",
}
"""How what a letter does reads as its subject."""


def _subject(steps: Sequence[Step]) -> str:
    """A subject made of the first step's own words."""
    if not steps:
        return "A short note"
    step = steps[0]
    what = _addressed(_regretted(step.what) if step.act == "apologise" else step.what)
    for said, named in _AS_TITLES.items():
        what = re.sub(rf"^{said}\s+", named, what, flags=re.IGNORECASE)
    words = _LINK.sub("", _LINK.sub("", what)).split()
    end = MOST_SUBJECT_WORDS
    while end < len(words) and end < MOST_SUBJECT_WORDS + 4 and re.match(r"[A-Z\d]", words[end]):
        end += 1
    title = " ".join(words[: _phrase_end(words, end)]).rstrip(" ,;:.")
    while title.rsplit(" ", 1)[-1].lower() in _HANGING and " " in title:
        title = title.rsplit(" ", 1)[0].rstrip(" ,;:.")
    opening = {
        "remind": "Reminder: ",
        "invite": "Invitation: ",
        "thank": "Thank you: ",
        "apologise": "Our apologies: ",
        "confirm": "Confirmation: ",
    }.get(step.act, "")
    return _capital(opening + title) if title else "A short note"


def _phrase_end(words: Sequence[str], most: int) -> int:
    """How many of the words to keep, at most so many: to the end of a phrase, where one ends among them."""
    if len(words) <= most:
        return len(words)
    ends = (at for at in range(most, _FEWEST_SUBJECT_WORDS - 1, -1) if _ends_phrase(words[at - 1], words[at]))
    return next(ends, most)


def _ends_phrase(word: str, next_word: str) -> bool:
    return word.endswith((",", ";")) or next_word.lower() in _GOING_ON


_FEWEST_SUBJECT_WORDS: Final = 4
_GOING_ON: Final = frozenset(
    "and or but because although while when where which who that so since if unless until after before".split()  # noqa: SIM905 - as below
)
"""Words with which the next phrase begins."""

_HANGING: Final = frozenset(
    """a an the of in on at by for with from to and or but because which that is are was were be up only although
    while than as your our my mr mrs ms dr""".split()  # noqa: SIM905 - words read best as words
)


def _sentence(text: str, end: str = ".") -> str:
    text = _capital(text.strip().rstrip(" .,;"))
    return text if text.endswith(("!", "?")) else text + end


def _small(text: str) -> str:
    """The text to go on with in a sentence: its first letter small, unless it is a name or acronym we can tell."""
    first = text.split(" ", 1)[0]
    is_common = first in {"The", "A", "An", "Our", "Your", "This", "That", "We", "It", "There", "To", "For", "About"}
    return text[:1].lower() + text[1:] if is_common and not _ACRONYM.match(text) else text


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
