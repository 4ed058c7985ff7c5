"""The shorter forms a sentence can take and still read as one."""

import re
from collections import deque
from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

Cut = Literal["none", "mark", "clause", "phrase", "word"]
"""Where the end was cut off: nowhere, at a punctuation mark, before a clause, before a phrase, between words."""

FEWEST_WORDS: Final = 4
MOST_ENDS: Final = 12
"""How many places of a kind an end is looked for at; the latest ones, which lose least."""

_BRACKETS: Final = re.compile(r"\s*(?:\([^()]*\)|\[[^\[\]]*\])")
_SAYS_THAT: Final = re.compile(
    r"^(?:(?:we|the authors|the researchers|our (?:results|experiments|analysis|findings)|(?:this|the) (?:paper"
    r"|study|work|article|report)"
    r"|experiments|results|experimental results|empirical results|officials|police|he|she|they)\s+)(?:(?:also"
    r"|further|then|empirically|theoretically"
    r"|experimentally|first|finally|have|has)\s+)*(?:show|demonstrate|find|found|prove|argue|observe|believe|note"
    r"|reveal|said|say|suggest|indicate|conclude"
    r"|shown|demonstrated|observed)(?:s|ed)?\s+that\s+",
    re.IGNORECASE,
)
_CONNECTIVE: Final = re.compile(
    r"^(?:however|moreover|furthermore|additionally|in addition|besides|therefore|thus|hence|consequently"
    r"|as a result|specifically|in particular"
    r"|for example|for instance|finally|first|firstly|second|secondly|third|lastly|also|then|indeed|in fact"
    r"|meanwhile|nevertheless|nonetheless"
    r"|instead|similarly|likewise|overall|in summary|in conclusion|to this end|in this (?:paper|work|study|article"
    r"|report|talk|post)|here|and|but|so"
    r"|well|anyway|on the other hand|at the same time|in other words|that is|to summarize|importantly"
    r"|interestingly|notably|unfortunately"
    r"|more specifically|more precisely|inspired by this|motivated by this)\b\s*,\s*",
    re.IGNORECASE,
)
_BARE_CONNECTIVE: Final = re.compile(
    r"^(?:however|moreover|furthermore|additionally|therefore|thus|hence|finally|here|in this (?:paper|work|study)"
    r"|and|but|so)\s+(?=[a-z])",
    re.IGNORECASE,
)
_OPENING_CLAUSE: Final = re.compile(
    r"^[^,;:]{3,90},\s+(?=(?:we|the|this|a|an|it|he|she|they|our|these|those|most|many|\w+s)\b)", re.IGNORECASE
)
_INSERT: Final = re.compile(
    r",\s+(?:which|who|whose|where|when|such as|including|e\.g\.|i\.e\.|called|named|namely|for example"
    r"|for instance|however|in particular|especially|as well as|along with)[^,;]*,\s+(?!and\b|or\b|but\b|nor\b)",
    re.IGNORECASE,
)
_ADVERB: Final = re.compile(
    r"\b(?:also|typically|usually|generally|extensively|empirically|significantly|substantially|effectively"
    r"|efficiently|simply|very|quite|really|furthermore"
    r"|however|therefore|actually|basically|currently)\s",
)
_MARK: Final = re.compile(r"\s*(?:[,;:]\s|\s[-\u2013\u2014]\s|\u2014)")
_CLAUSE: Final = re.compile(
    r"\s(?=(?:which|while|whereas|because|although|though|when|where|who|whose|since|unless|until|after|before"
    r"|so that|such that|in order to|as well as"
    r"|as opposed to|rather than|but|if|by \w+ing|thereby|without \w+ing)\b)",
    re.IGNORECASE,
)
_PHRASE: Final = re.compile(
    r"\s(?=(?:by|with|for|in|on|from|through|via|using|under|over|during|across|among|between|within|without"
    r"|without|at|and|into|to|based on|as)\b)",
    re.IGNORECASE,
)
_LISTED: Final = re.compile(r",\s+(?:and|or)\b|,[^,]+,", re.IGNORECASE)
_HANGING: Final = frozenset(
    """
    a an the this that these those my your his her its our their some any each every no of in on at by for
    with from to into onto upon about over under between among through during against within without across
    via using per as than and or but nor so yet if because while although though when where which who whom
    whose what how why whether is are was were be been being am has have had do does did will would shall
    should can could may might must not very more most less least such both either neither also only just even
    too rather quite based due including several many much few other another new novel we i he she they it you
    not n't der die das den dem des ein eine einer eines und oder aber mit von zu im am auf für le la les un
    une des du de et ou mais avec pour dans sur par el los las una y o pero con para en por del al
""".split()  # noqa: SIM905 - words read best as words
)

# A sentence cut off after one of these says less than nothing: `a network that is able`, `the problem where one seeks`.
_WAITING: Final = frozenset(
    """
    able unable capable likely unlikely prone aims aim seeks seek tries try attempts tends tend needs wants hopes
    fails allows allow enables enable leads relies rely depends depend consists refers corresponds differs suffers
    requires require seems appears provides provide simply given
    """.split()  # noqa: SIM905 - words read best as words
)
# What one of these opens has hardly its verb yet within three words: `as the first train`, `because the supplier`.
_BEGUN_CLAUSES: Final = frozenset({"because", "when", "while", "if", "although", "though", "whether", "where"})
_AS_SOMEBODY: Final = re.compile(r"\bas (?:the|his|her|their|its) (?:\w+ ){0,2}\w+$")
_ARTICLES: Final = frozenset({"a", "an", "the"})
_OF_A_NOUN: Final = frozenset(
    """
    simple effective efficient general generic fast robust scalable flexible powerful unified principled practical
    lightweight accurate reliable large small big good better best long short high low strong weak modern global local
    """.split()  # noqa: SIM905 - words read best as words
)
_OPENS_BELOW: Final = re.compile(
    r"(?:in|on|for|with|by|at|from|through|under|over|after|before|since|because|although|though|while|whereas|when"
    r"|whenever|if|unless|until|once|as|given|using|based|compared|unlike|despite|to|during|without|beyond|among"
    r"|between|inspired|motivated|due|owing|rather|instead|thanks|according|contrary|similar|along|apart|besides)\b",
    re.IGNORECASE,
)


class Shortening(Struct, frozen=True, kw_only=True):
    """A sentence or a shorter form of it, and what was taken off."""

    text: str
    cut: Cut
    starts_late: bool
    """Whether an opening clause, connective or `we show that` was dropped."""
    lost_insert: bool


def shortenings_of(sentence: str, longest: int, *, is_english: bool = True) -> Iterator[Shortening]:
    """Forms of the sentence no longer than `longest` characters, made only by leaving words out; possibly none.

    What opens a clause is known of English alone: a sentence of another language ends at its marks.
    """
    seen: set[str] = set()
    for start, (body, lost_insert) in enumerate(_bodies(sentence) if is_english else [(sentence, False)]):
        for text, cut in _ends(body, longest):
            if not is_english and cut not in {"none", "mark"}:
                continue
            if text not in seen:
                seen.add(text)
                yield Shortening(text=text, cut=cut, starts_late=start > 0, lost_insert=lost_insert)


def cut_between_words(text: str, longest: int) -> str:
    """The opening of the text within `longest` characters, ended by `…`; a text of one endless word gives `…` alone."""
    room = longest - 1
    if _is_spaceless(text):
        return text[:room].rstrip() + "\u2026"
    end = text.rfind(" ", 0, room + 1)
    kept = _without_hanging(text[:end]) if end > 0 else ""
    return kept.rstrip(" ,;:-\u2013\u2014") + "\u2026"


def _bodies(sentence: str) -> list[tuple[str, bool]]:
    """The sentence without brackets; then with its opening dropped, by one means or another."""
    whole = _BRACKETS.sub("", sentence).strip() or sentence
    bodies = [(whole, False)]
    shorter = _BARE_CONNECTIVE.sub("", _CONNECTIVE.sub("", whole))
    said = _SAYS_THAT.sub("", shorter)
    opened = _OPENING_CLAUSE.sub("", shorter, count=1) if not _LISTED.search(shorter[:100]) else shorter
    bodies.extend(
        (_capital(body), False) for body in (shorter, said, opened, _SAYS_THAT.sub("", opened)) if body != whole
    )
    for body, _ in tuple(bodies):
        without = _ADVERB.sub("", _INSERT.sub(" ", body))
        if without != body:
            bodies.append((_capital(without), True))
    return list(dict.fromkeys(bodies))


def _ends(body: str, longest: int) -> Iterator[tuple[str, Cut]]:
    """The body whole, if it fits, and its openings up to each place where it may end."""
    if len(body) <= longest:
        yield body, "none"
    for kind, places in (("mark", _MARK), ("clause", _CLAUSE), ("phrase", _PHRASE)):
        for place in deque(places.finditer(body, 0, longest + 8), maxlen=MOST_ENDS):
            if kind == "mark" and _inside_list(body, place.start()):
                continue
            text = _without_hanging(body[: place.start()])
            if len(text) >= longest or len(text.split()) < FEWEST_WORDS or not _stands_alone(text, body):
                continue
            text = text.rstrip(" ,;:-\u2013\u2014")
            yield text if text.endswith(".") else f"{text}.", kind  # type: ignore[misc]


def _inside_list(body: str, at: int) -> bool:
    """Whether the comma at `at` parts the items of a list that goes on after it."""
    return body[at] == "," and re.match(r",[^,;.]{1,40}(?:,|\s(?:and|or)\s)", body[at : at + 60]) is not None


def _stands_alone(text: str, body: str) -> bool:
    """Whether an opening of the body says something: its main clause has begun, and its last word waits for nothing."""
    words = text.lower().split(" ")
    if not _BEGUN_CLAUSES.isdisjoint(words[-4:-1]) or _AS_SOMEBODY.search(text):
        return False
    if words[-1] in _WAITING or (words[-1] in _OF_A_NOUN and not _ARTICLES.isdisjoint(words[-3:-1])):
        return False
    return not (_OPENS_BELOW.match(body) and "," in body[len(text) :] and "," not in text)


def _without_hanging(text: str) -> str:
    """The text without words at its end that wait for more."""
    words = text.rstrip(" ,;:-\u2013\u2014").split(" ")
    while words and words[-1].lower().strip("\"'(,") in _HANGING:
        words.pop()
    return " ".join(words)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _is_spaceless(text: str) -> bool:
    """Whether the text is in a script that puts no spaces between words (Chinese, Japanese, Thai …)."""
    letters = [char for char in text[:400] if char.isalpha()]
    spaceless = sum(
        1
        for char in letters
        if "\u0e00" <= char <= "\u0eff"
        or "\u1000" <= char <= "\u109f"
        or "\u1780" <= char <= "\u17ff"
        or "\u3040" <= char <= "\u30ff"
        or "\u3400" <= char <= "\u9fff"
    )
    return spaceless > len(letters) / 2
