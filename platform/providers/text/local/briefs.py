"""What a brief asks for: who is addressed, what shall be said, point by point. Read by rules, not understood."""

import re
from typing import Final, Literal

from msgspec import Struct

from providers.text.local.sentences import sentences_of
from providers.text.local.words import one_line

Act = Literal[
    "tell",
    "ask",
    "invite",
    "remind",
    "thank",
    "apologise",
    "confirm",
    "offer",
    "propose",
    "announce",
    "write",
    "note",
    "say",
]

_ACTS: Final[dict[str, Act]] = {
    "tell": "tell",
    "telling": "tell",
    "inform": "tell",
    "informing": "tell",
    "notify": "tell",
    "notifying": "tell",
    "update": "tell",
    "let": "tell",
    "letting": "tell",
    "ask": "ask",
    "asking": "ask",
    "invite": "invite",
    "inviting": "invite",
    "remind": "remind",
    "reminding": "remind",
    "thank": "thank",
    "thanking": "thank",
    "apologise": "apologise",
    "apologising": "apologise",
    "apologize": "apologise",
    "apologizing": "apologise",
    "confirm": "confirm",
    "confirming": "confirm",
    "offer": "offer",
    "offering": "offer",
    "propose": "propose",
    "proposing": "propose",
    "suggest": "propose",
    "suggesting": "propose",
    "announce": "announce",
    "announcing": "announce",
    # what is to stand in it: `Mention that room B-204 is booked`
    **dict.fromkeys(("mention", "note that", "point out", "stress", "emphasise", "emphasize", "highlight"), "note"),
    # what the writer does by writing: said as it stands
    **dict.fromkeys(
        (
            "cancel",
            "decline",
            "accept",
            "complain",
            "explain",
            "describe",
            "introduce",
            "report",
            "share",
            "request",
            "congratulate",
            "welcome",
            "follow up",
            "enquire",
            "inquire",
            "apply",
            "schedule",
            "postpone",
            "recommend",
        ),
        "write",
    ),
}
_TO_NOBODY: Final = frozenset({"offer", "propose", "announce", "write", "note"})
_VERBS: Final = "|".join(sorted(_ACTS, key=len, reverse=True))
_WANTED: Final = (
    r"^(?:(?:hi|hello|hey)\b[,!.]?\s+)?(?:(?:i|we)\s+(?:need|want|would\s+like)\s+|(?:can|could|would)\s+you\s+"
    r"|help\s+me\s+(?:to\s+)?)?(?:please\s+)?"
)
WRAPPING: Final = re.compile(
    _WANTED + r"(?:(?:write|compose|draft|create|send|generate|prepare|make|give me)\s+(?:me\s+"
    r"|us\s+)?)?(?:(?:an?|the|some)\s+)?(?:[a-z]+\s+){0,2}"
    r"(?:e-?mail|mail|message|letter|note|reply|blog(?:\s+(?:post|article))?|article|post|product\s+(?:description|page"
    r"|text)|description)"
    r"\s*(?:,|:|-|\b(?:that|which|to|on|about|for|of)\b)?\s*",
    re.IGNORECASE,
)
_ACT: Final = re.compile(rf"^(?:please\s+|also\s+|then\s+|and\s+)*({_VERBS})\b\s*(.*)$", re.IGNORECASE | re.DOTALL)
_STEP: Final = re.compile(
    rf"\s*;\s+|,?\s+and\s+(?:also\s+|then\s+)?(?=(?:{_VERBS})\b)|,\s+(?:then\s+)?(?=(?:{_VERBS})\b)", re.IGNORECASE
)
_TITLES: Final = r"(?:Mr|Mrs|Ms|Mx|Dr|Prof|Professor|Sir|Madam)\.?"
_CAPITAL: Final = (
    "[A-Z\u00c0-\u00d6\u00d8-\u00de\u0100\u0104\u0106\u010c\u010e\u0110\u0118\u011a\u0130\u0141\u0143\u0158\u015a\u015e"
    "\u0160\u0164\u016e\u0179\u017b\u017d\u0386-\u03ab\u0400-\u042f]"
)
_NAME: Final = (
    rf"(?:{_TITLES}\s+)?{_CAPITAL}[\w'\u2019-]+"
    rf"(?:\s+(?:&\s+|of\s+|de\s+|van\s+|von\s+)?{_CAPITAL}[\w'\u2019-]+){{0,3}}"
)
_LETTER_TO: Final = re.compile(
    r"^(?:please\s+)?(?:(?:write|compose|draft|create|send|prepare)\s+(?:me\s+)?)?(?:an?\s+|the\s+)?(?:[a-z]+,?\s+){0,3}"
    r"(?:e-?mail|message|letter|note|reply)\s+(?:to|for)\s+",
    re.IGNORECASE,
)
_WRITE_TO: Final = re.compile(r"^(?:please\s+)?write\s+to\s+", re.IGNORECASE)
_SAYS_TO: Final = re.compile(r"^(complain|report|apply|explain|describe|recommend)\s+to\s+", re.IGNORECASE)
_FOLLOWING: Final = {"complain": "about the following: ", "report": "the following: "}
_WISHES: Final = re.compile(r"^(congratulate|welcome)\s+", re.IGNORECASE)
_FROM: Final = re.compile(rf"\bfrom\s+((?:the\s+)?{_NAME})")
_OF_GROUP: Final = re.compile(
    r"\s+of\s+(?:[\w'\u2019-]+\s+){0,3}?[\w'\u2019-]+"
    r"(?=\s+(?:to|that|for|about|on|whether|if|how|when|why|in|at)\b|\s*[:,;.]|\s*$)"
)
_APPOSED: Final = re.compile(rf"\s*,\s+({_NAME}),?(?=\s)")
_NAMED: Final = re.compile(rf"\b(?:named|called)\s+({_NAME})")
_NO_ROLE: Final = (
    r"(?:that|to|about|of|for|if|why|how|when|where|what|which|whether|the|an?|on|in|at|with|because|since|as|not|my|our|all|your|his"
    r"|their|this|these|those|from|by|questions|details|news|things|is|was|has)\b"
)
_ADDRESSED: Final = re.compile(
    rf"^(?:to\s+|by\s+)?((?:the|our|all|my|a|an|every)\s+(?:[\w'\u2019-]+\s+){{0,4}}?[\w'\u2019-]+(?:\s+{_NAME})?"
    rf"|{_NAME}(?:\s+and\s+{_NAME})?|(?!{_NO_ROLE})[a-z]+\s+{_NAME}"
    rf"|(?!{_NO_ROLE})(?:(?!{_NO_ROLE})[a-z-]+\s+){{0,2}}(?!{_NO_ROLE})[a-z-]{{3,}}s(?=\s+(?:that|to|about|of|why|how|when|whether|not|because|since)\b)"
    r"|everyone|everybody|customers|colleagues|staff|them|him|her|you)"
    r"(?=\s+(?:that|to|for|of|about|on|know|why|when|how|whether|if|not|in|at|regarding|because|since|as|the|a|an|his|her|their"
    r"|\w{3,}ing)\b"
    r"|\s*[:,;.]|\s*$)",
)
_ITEM: Final = re.compile(r"^\s*(?:[-*\u2022]|\d{1,2}[.)])\s+")
_TO_LINE: Final = re.compile(r"\A\s*(?:to|recipient|an|for|à|para)\s*:\s*([^\n]{1,80})(?:\n|\Z)", re.IGNORECASE)
_TO_AT_END: Final = re.compile(rf"(?<=[.;\s])[Tt]o:\s*((?:[A-Z][\w'\u2019-]+\s+)?{_NAME})\.?\s*\Z")


class Step(Struct, frozen=True):
    """One thing an e-mail does: the act, to whom (as the brief says it), and what about."""

    act: Act
    whom: str
    what: str


def steps_of(brief: str) -> list[Step]:
    """What the brief wants an e-mail to do, in its order."""
    addressed, said = _recipient(brief)
    line = one_line(_in_sentences(said))
    opening = _LETTER_TO.match(line) or _WRITE_TO.match(line)
    if opening:
        addressed, line = _whom(line[opening.end() :], may_be_of=True)
        line = re.sub(rf"^(?:to|and)\s+(?=(?:{_VERBS})\b)", "", line, flags=re.IGNORECASE)
        line = f"tell {line}" if re.match(r"(?:about|that|regarding)\b", line) else line
    elif not _ACT.match(line):
        line = WRAPPING.sub("", line, count=1) or line
    pieces = [piece for sentence in sentences_of(line) or [line] for piece in _STEP.split(sentence)]
    steps = [_step(piece.strip().rstrip(".")) for piece in pieces if piece.strip(" .")]
    if addressed and not steps:
        return [Step("say", addressed, "")]
    if addressed and steps and not name_in(steps[0].whom):
        steps[0] = Step(steps[0].act, addressed, steps[0].what)
    return steps


def _recipient(brief: str) -> tuple[str, str]:
    """Whom a line of its own names, `To: Marta`, and the rest of the brief."""
    for pattern in (_TO_LINE, _TO_AT_END):
        if hit := pattern.search(brief):
            return hit[1].strip(), f"{brief[: hit.start()]}{brief[hit.end() :]}".strip()
    return "", brief


def _in_sentences(brief: str) -> str:
    """The brief with each item of a list as a sentence of its own."""
    lines = brief.splitlines()
    if not any(map(_ITEM.match, lines)):
        return brief
    return "\n".join(_ended(_ITEM.sub("", line)) if _ITEM.match(line) else line for line in lines)


def _ended(item: str) -> str:
    item = item.strip()
    return f"{item[:1].upper()}{item[1:]}" + ("" if item.endswith((".", "!", "?")) else ".")


def _step(words: str) -> Step:
    match = _ACT.match(words)
    if match is None:
        return Step("say", "", words)
    act = _ACTS[match[1].lower()]
    if match[1].lower() == "follow up" and match[2].startswith("with "):
        whom, what = _whom(match[2].removeprefix("with "))
        return Step("write", whom, f"follow up {what}".replace("follow up about", "follow up on"))
    if act == "write":
        return _written(words)
    may_be_of = act in {"ask", "thank", "invite", "apologise"}
    rest = match[2].strip()
    if (act in _TO_NOBODY or act == "confirm") and not re.match(rf"(?:to|with)\s|{_NAME}\s+that\b", rest):
        return Step(act, "", rest)
    whom, what = _whom(re.sub(r"^with\s+", "", rest), may_be_of=may_be_of)
    return Step(act, whom, what)


def _written(words: str) -> Step:
    """What is done by writing, and to whom where that is said: `complain to Northwind about the delay`."""
    said = _SAYS_TO.match(words)
    if said:
        whom, what = _whom(words[said.end() :], may_be_of=True)
        if whom:
            joins = (
                ""
                if re.match(r"(?:about|that|of|on|to|why|how|for|regarding|because)\b", what)
                else _FOLLOWING.get(said[1].lower(), "")
            )
            return Step("write", whom, f"{said[1]} {joins}{what}")
    wish = _WISHES.match(words)
    if wish:
        whom, what = _whom(words[wish.end() :], may_be_of=True)
        return Step("write", whom, f"{wish[1]} you {what}") if whom else Step("write", "", words)
    sender = _FROM.search(words)
    return Step("write", sender[1] if sender else "", words)


def name_in(whom: str) -> str:
    """How to greet the addressee: the name in it, or the group; empty where neither is said."""
    named = _NAMED.search(whom)
    if named:
        return named[1]
    if re.fullmatch(rf"{_NAME}\s+and\s+{_NAME}", whom):
        return whom
    names = re.findall(_NAME, whom) if " of " not in whom else []
    if names:
        return str(max(names, key=len))
    group = re.sub(r"^(?:the|our|all|my)\s+", "", whom)
    is_person = re.match(r"(?:an?|every)\s", whom)
    return "" if is_person or whom in {"them", "him", "her", "you"} else group


def _whom(rest: str, *, may_be_of: bool = False) -> tuple[str, str]:
    """Splits `the design team to a workshop` after the addressee, who may be the parents `of` class 4b."""
    match = _ADDRESSED.match(rest)
    named = _NAMED.search(rest)
    if named and named.start() < 40 and (match is None or match.end() < named.end()):  # noqa: PLR2004 - near the start
        return rest[: named.end()], rest[named.end() :].strip(" ,:")
    if match is None:
        return "", rest
    whom, end = match[1], match.end()
    apposed = _APPOSED.match(rest, end)
    if apposed and not re.search(_NAME, whom):
        return f"{whom}, {apposed[1]}", rest[apposed.end() :].strip(" ,:")
    group = _OF_GROUP.match(rest, end) if may_be_of else None
    if group:
        whom, end = f"{whom}{group[0]}", group.end()
    return whom, rest[end:].strip(" ,:")
