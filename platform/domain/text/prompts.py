"""What a language model is told, kind by kind: short, versioned, the caller's text kept apart from our instructions."""

import unicodedata
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from domain.chat.conversation import ChatMessage
from domain.text.classify import OTHER, Classify, Label, labels_of
from domain.text.generate import Format, Generate
from domain.text.moderate import CATEGORIES, Moderate
from domain.text.redaction import holds_placeholder
from domain.text.summarize import Summarize

MOST_SHOWN_AGAIN: Final = 4_000


class Marks(Struct, frozen=True, kw_only=True):
    """Two random words, told to no caller, in lower-case letters and digits.

    `fence` opens and closes the caller's text, so that nothing inside it can pretend to have ended it. `canary` stands
    in the system text: a model that writes it gives away what it was told. Make them anew with each process.
    """

    fence: str
    canary: str


class Prompt(Struct, frozen=True, kw_only=True):
    """What to ask. `version` names the wording; it changes with every change that can change an answer.

    `messages` are the turns of a conversation, the last of them the user's.
    """

    version: str
    system: str
    messages: tuple[ChatMessage, ...]


class Wording(Struct, frozen=True):
    """What a model is told, word for word, with `{places}` for what differs; each wording has its version."""

    version: str
    text: str


class Wordings(Struct, frozen=True, kw_only=True):
    """The wordings in use: one a kind, and what stands behind or after every one of them."""

    summarize: Wording
    merge: Wording
    moderate: Wording
    classify: Wording
    generate: Wording
    reply: Wording
    earlier: Wording
    material: Wording
    stand_ins: Wording
    canary: Wording
    repair: Wording


_FORMATS: Final[dict[Format, str]] = {
    "email": "an e-mail: a subject line starting with 'Subject:', a greeting, a body, a closing",
    "blog": "a blog post: a headline, a lead, a few short paragraphs",
    "product_description": "a product description: a headline, the benefit in a sentence, the features",
}


def summarize_prompt(asked: Summarize, marks: Marks, wordings: Wordings) -> Prompt:
    """Ask for a summary."""
    return _summary_prompt(wordings.summarize, "text", asked, marks, wordings)


def merge_prompt(asked: Summarize, marks: Marks, wordings: Wordings) -> Prompt:
    """Ask for one summary of what is said by those of a text's parts, which are the text given."""
    return _summary_prompt(wordings.merge, "summaries", asked, marks, wordings)


def moderate_prompt(asked: Moderate, marks: Marks, wordings: Wordings) -> Prompt:
    """Ask for a judgement."""
    return _about(
        wordings,
        wordings.moderate.version,
        wordings.moderate.text.format(categories=", ".join(CATEGORIES)),
        {"text": asked.text},
        marks,
    )


def classify_prompt(asked: Classify, marks: Marks, wordings: Wordings) -> Prompt:
    """Ask for a label; the labels are the caller's words too, and so stand inside the marks."""
    other = f", or {OTHER} where none does" if asked.labels is None else ""
    labels = "\n".join(_described(label) for label in labels_of(asked))
    return _about(
        wordings,
        wordings.classify.version,
        wordings.classify.text.format(other=other),
        {"labels": labels, "text": asked.text},
        marks,
    )


def generate_prompt(asked: Generate, marks: Marks, wordings: Wordings) -> Prompt:
    """Ask for a text; the tone is the caller's word too, and so stands inside the marks."""
    tone = " and in the tone given" if asked.tone else ""
    length = f", in at most {asked.max_words} words" if asked.max_words else ""
    system = wordings.generate.text.format(what=_FORMATS[asked.format], tone=tone, length=length)
    given = {"tone": asked.tone, "brief": asked.brief} if asked.tone else {"brief": asked.brief}
    return _about(wordings, wordings.generate.version, system, given, marks)


def reply_prompt(conversation: Sequence[ChatMessage], marks: Marks, wordings: Wordings, earlier: str = "") -> Prompt:
    """Ask for a reply to the last message. Context starts with a user's turn, as models want it.

    What is told of `earlier` messages goes between marks in a turn of its own, which is a user's: it is made of what
    users said, and no word of ours. `messages` is empty where the conversation holds no user's turn.
    """
    recent = list(conversation)
    while recent and recent[0].role != "user":
        recent.pop(0)
    canary = wordings.canary.text.format(canary=marks.canary)
    if recent and earlier:
        told = ChatMessage(role="user", text=_fenced({"earlier": earlier}, marks))
        system = f"{wordings.reply.text} {wordings.earlier.text.format(fence=marks.fence)} {canary}"
        prompt = Prompt(version=f"{wordings.reply.version}-earlier", system=system, messages=(told, *recent))
    else:
        system = f"{wordings.reply.text} {canary}"
        prompt = Prompt(version=wordings.reply.version, system=system, messages=tuple(recent))
    return _told_of_stand_ins(prompt, wordings)


def repair_prompt(prompt: Prompt, said: str, reason: str, wordings: Wordings) -> Prompt:
    """Ask once more, showing what was wrong with the answer."""
    wrong = ChatMessage(role="assistant", text=said[:MOST_SHOWN_AGAIN])
    again = ChatMessage(role="user", text=wordings.repair.text.format(reason=reason))
    return Prompt(version=prompt.version, system=prompt.system, messages=(*prompt.messages, wrong, again))


def bare(text: str) -> str:
    """The letters and digits of a text alone, compatibility forms and accents taken off, in lower case."""
    plain = text if text.isascii() else unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in plain.casefold() if letter.isalnum())


def _summary_prompt(wording: Wording, name: str, asked: Summarize, marks: Marks, wordings: Wordings) -> Prompt:
    language = f"the text's language ({asked.language})" if asked.language else "the text's own language"
    system = wording.text.format(max_chars=asked.max_chars, language=language)
    return _about(wordings, wording.version, system, {name: asked.text}, marks)


def _about(wordings: Wordings, version: str, system: str, given: dict[str, str], marks: Marks) -> Prompt:
    sections = _fenced(given, marks)
    system = " ".join(
        (
            system,
            wordings.material.text.format(fence=marks.fence),
            wordings.canary.text.format(canary=marks.canary),
        )
    )
    prompt = Prompt(version=version, system=system, messages=(ChatMessage(role="user", text=sections),))
    return _told_of_stand_ins(prompt, wordings)


def _fenced(given: dict[str, str], marks: Marks) -> str:
    return "\n".join(f"<<<{name} {marks.fence}\n{text}\n{name} {marks.fence}>>>" for name, text in given.items())


def _told_of_stand_ins(prompt: Prompt, wordings: Wordings) -> Prompt:
    """Only who meets placeholders is told of them: it costs tokens, and the wording another version."""
    if not any(holds_placeholder(message.text) for message in prompt.messages):
        return prompt
    system = f"{prompt.system} {wordings.stand_ins.text}"
    return Prompt(version=f"{prompt.version}-redacted", system=system, messages=prompt.messages)


def _described(label: Label) -> str:
    described = f"- {label.name}: {label.description}" if label.description else f"- {label.name}"
    return "\n".join([described, *(f"  example: {example}" for example in label.examples)])
