"""Writes from a brief by frames, not by a language model: every fact of the brief is kept and none is added."""

import re
from collections.abc import Sequence
from typing import Final

from domain.text.generate import Generate
from providers.text.local.briefs import steps_of
from providers.text.local.letters import Letter, Voice, letter_of
from providers.text.local.posts import Manner, Piece, post_of, product_text_of
from providers.text.local.topics import topic_of, unlabelled
from providers.text.local.words import one_line

_FORMAL: Final = re.compile(
    r"formal|apolog|profession|polite|serious|business|luxur|elegant|respect|official|academic", re.IGNORECASE
)
_WARM: Final = re.compile(
    r"friend|warm|casual|playful|inspir|fun|cheer|excit|persua|enthus|happy|light|humor|humour|kind", re.IGNORECASE
)
_INFORMAL: Final = re.compile(r"informal", re.IGNORECASE)
_SHORT: Final = re.compile(r"short|brief|terse|concise|direct|plain", re.IGNORECASE)

_FACT: Final = re.compile(
    r"\"[^\"]{1,200}\"|\u201c[^\u201d]{1,200}\u201d|\b[\w.+-]{1,64}@[\w-]{1,64}\.[\w.]{1,64}|https?://\S+[\w/]"
    r"|[#$\u20ac\u00a3]?\d[\d.,:/-]*\d%?|[#$\u20ac\u00a3]?\d%?|(?<=[a-z,;] )[A-Z][\w'\u2019-]*[\w]"
)


def write(asked: Generate) -> str:
    """The text asked for; at most `max_words` words, facts before everything else."""
    if asked.format == "email":
        return _email(asked)
    topic = topic_of(asked.brief, is_product=asked.format == "product_description")
    manner = manner_of(asked.tone)
    pieces = post_of(topic, manner) if asked.format == "blog" else product_text_of(topic, manner)
    text = _fitted(pieces, asked.max_words)
    return _completed(text, asked, f"{text}\n\n{{}}")


def facts_of(brief: str) -> list[str]:
    """What must stand in the text as it stands in the brief: numbers, names, quotations, addresses."""
    return list(dict.fromkeys(_FACT.findall(one_line(unlabelled(brief)))))


def voice_of(tone: str | None) -> Voice:
    """How an e-mail in this tone speaks."""
    tone = tone or ""
    if _SHORT.search(tone):
        return "short"
    if _WARM.search(tone) or _INFORMAL.search(tone):
        return "friendly"
    return "formal"


def manner_of(tone: str | None) -> Manner:
    """How a post in this tone reads."""
    tone = tone or ""
    if _WARM.search(tone) or _INFORMAL.search(tone):
        return "warm"
    return "formal" if _FORMAL.search(tone) else "plain"


def count_words(text: str) -> int:
    """Words as a reader counts them: what stands between spaces, marks alone left out."""
    return sum(1 for word in text.split() if any(map(str.isalnum, word)))


def _email(asked: Generate) -> str:
    letter = letter_of(steps_of(asked.brief), voice_of(asked.tone))
    full = _laid_out(letter, [*letter.body, letter.padding])
    text = full if _fits(full, asked.max_words) else _laid_out(letter, letter.body)
    return _completed(text, asked, _laid_out(letter, [*letter.body, "{}"]))


def _laid_out(letter: Letter, body: Sequence[str]) -> str:
    said = " ".join(body[:-1]) if len(body) > 1 else " ".join(body)
    last = [body[-1]] if len(body) > 1 else []
    return "\n\n".join([f"Subject: {letter.subject}", letter.greeting, said, *last, letter.closing])


def _fitted(pieces: Sequence[Piece], most_words: int | None) -> str:
    """All pieces; where they are too many, without padding from the last back, as far as needed."""
    kept = list(pieces)
    for at in range(len(kept) - 1, -1, -1):
        if _fits(_joined(kept), most_words):
            break
        kept[at] = Piece(kept[at].fact)
    return _joined(kept)


def _joined(pieces: Sequence[Piece]) -> str:
    paragraphs = [f"{piece.fact} {piece.padding}".strip() for piece in pieces]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _completed(text: str, asked: Generate, frame: str) -> str:
    """The text with any fact it lost put in, and never more words than asked for."""
    shown = one_line(text)
    lost = [fact for fact in facts_of(asked.brief) if fact not in shown]
    if lost:
        whole = frame.replace("{}", f"In the words of the brief: {one_line(asked.brief)}")
        text = whole if _fits(whole, asked.max_words) else text
    return text if _fits(text, asked.max_words) else _cut(text, asked.max_words or 0)


def _fits(text: str, most_words: int | None) -> bool:
    return most_words is None or count_words(text) <= most_words


def _cut(text: str, most_words: int) -> str:
    """The opening of the text in so many words, ended at a sentence where one ends late enough."""
    kept: list[str] = []
    for word in re.findall(r"\s*\S+", text):
        if count_words(word) and count_words("".join(kept)) >= most_words:
            break
        kept.append(word)
    cut = "".join(kept).rstrip()
    ends = [end.end() for end in re.finditer(r"[.!?](?=\s|$)", cut)]
    return cut[: ends[-1]] if ends and ends[-1] > len(cut) // 2 else cut.rstrip(" ,;:") + "\u2026"
