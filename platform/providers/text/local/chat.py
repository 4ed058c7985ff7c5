"""Replies without a language model: quotations from the conversation and the documentation, or an honest no."""

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from domain.chat.conversation import ChatMessage
from providers.text.local.about import Documentation, read_passages
from providers.text.local.language import language_of
from providers.text.local.moderate import Moderator
from providers.text.local.sentences import sentences_of
from providers.text.local.sentiment import SentimentModel
from providers.text.local.static_table import StaticTable, Vector
from providers.text.local.summarize import Summarizer
from providers.text.local.words import one_line

SAID_NEAR_ENOUGH: Final = 0.45
SUMMARY_CHARS: Final = 300
FEWEST_CHARS: Final = 80
FEWEST_TO_SUMMARIZE: Final = 120
MOST_SENTENCES: Final = 2_000

NO_MODEL: Final = (
    "No language model is configured here, so I can only look things up: in this conversation and in Headrace's "
    "documentation. I found nothing there that answers this."
)
OFFER: Final = (
    "I can summarize a text, say how it sounds, check it for toxicity or tell its language (try “summarize:” and "
    "the text). "
    "With HEADRACE_GEMINI_API_KEY set, replies come from a language model."
)

_ORDER: Final = re.compile(
    r"^(?:please |can you |could you |would you |kindly )*(?P<verb>summari[sz]e|sum up|tl;?dr|shorten|moderate"
    r"|check|classify|analy[sz]e|what language|which language|"
    r"(?:sentiment|mood|tone|language|toxicity) of|"
    r"what(?:'s| is) the (?:sentiment|mood|tone)|is (?:this|it) (?:toxic|rude|offensive|positive|negative))\b"
    r"(?P<middle>[^:\n]{0,80}?)(?:[:\n]\s*(?P<text>.+))?$",
    re.IGNORECASE | re.DOTALL,
)
_GREETING: Final = re.compile(
    r"^(?:hi|hello|hey|good (?:morning|afternoon|evening)|greetings|howdy)\b[^?]{0,30}$", re.IGNORECASE
)
_THANKS: Final = re.compile(r"^(?:thanks|thank you|thx|cheers|great|perfect)\b[^?]{0,40}$", re.IGNORECASE)
_WHO: Final = re.compile(
    r"\b(?:who|what) are you\b|\bare you (?:an? )?(?:ai|bot|human|real|language model|llm|chatgpt|gemini)\b"
    r"|\bwhat can you do\b",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"\w{3,}")
_OF_ONESELF: Final = re.compile(r"\b(?:my|our|mine|ours|i|we|me|us)\b", re.IGNORECASE)
_OF_WHAT_WAS_SAID: Final = re.compile(
    r"^(?:what|who|where|when|which)\b.{0,20}\b(?:my|our|do i|am i|was i)\b"
    r"|\bi (?:just )?(?:said|told|mentioned|wrote|asked)\b|\b(?:did|have) (?:i|we)\b",
    re.IGNORECASE,
)
_ASKING: Final = frozenset(
    """what which who whose where when why how are was were did does the and you your our mine have has had can could
    would tell remember know say said again mean there""".split()  # noqa: SIM905 - words read best as words
)
_SPEAKER: Final = re.compile(r"^(?:User|Assistant): ")


class Known(Struct, frozen=True):
    """A passage that may answer, and whether the conversation or the documentation holds it."""

    text: str
    is_said: bool


class Talker:
    """Replies to conversations."""

    def __init__(
        self, table: StaticTable, summarizer: Summarizer, moderator: Moderator, sentiment: SentimentModel
    ) -> None:
        self._table = table
        self._summarizer = summarizer
        self._moderator = moderator
        self._sentiment = sentiment
        self._documentation = Documentation(table, read_passages())

    def reply(self, conversation: Sequence[ChatMessage], earlier: str = "") -> str:
        """The reply to the last message of the user's; never empty. `earlier` tells of what came before."""
        context = list(conversation)
        asked = next((message.text for message in reversed(context) if message.role == "user"), "")
        question = one_line(asked)
        if not question:
            return OFFER
        if _GREETING.match(question):
            return f"Hello! {OFFER}"
        if _THANKS.match(question):
            return "You are welcome."
        if _WHO.search(question):
            return (
                f"I am Headrace's local text engine: rules and small models on this machine, no language model. {OFFER}"
            )
        return self._done(asked.strip(), context) or self._found(question, context, earlier) or f"{NO_MODEL} {OFFER}"

    def _done(self, asked: str, context: Sequence[ChatMessage]) -> str | None:
        """What an order such as `summarize: …` asks for, done on the text given or on the longest one said before."""
        order = _ORDER.match(asked)
        if order is None:
            return None
        text = order["text"] or _longest_said(context, asked)
        if not text:
            return None
        verb = order[0].lower() if order["text"] is None else asked[: order.start("text")].lower()
        if "language" in verb:
            return f"The text's language is “{language_of(text)}”."
        if re.search(r"toxic|rude|offensive|moderate|check", verb):
            judged = self._moderator.judge(text)
            named = f" ({', '.join(judged.issues)})" if judged.issues else ""
            verdict = "I would flag it" if judged.is_flagged else "I would not flag it"
            return f"{verdict}{named}: toxicity {judged.toxicity:.2f}."
        if re.search(r"sentiment|mood|tone|positive|negative|classify|analy", verb):
            mood = self._sentiment.mood(text)
            return f"It sounds {mood.name} ({mood.score:+.2f} from -1 to 1)."
        return self._summarizer.summarize(text, min(SUMMARY_CHARS, max(FEWEST_CHARS, len(text) // 2)))

    def _found(self, question: str, context: Sequence[ChatMessage], earlier: str) -> str | None:
        """The passage nearest to the question, quoted, if one is near enough."""
        wanted = self._table.vector(question)
        said = [
            sentence
            for message in context
            if message.role == "user" and one_line(message.text) != question
            for sentence in sentences_of(message.text)
            if not sentence.endswith("?")
        ][-MOST_SENTENCES:]
        passage = self._documentation.nearest(question, wanted)
        if passage and not _OF_WHAT_WAS_SAID.search(question):  # who tells of a failed job and asks how to retry it
            return f"From Headrace's documentation ({passage.page}): {passage.says}"
        if quoted := self._nearest(question, wanted, said):
            return f"You said earlier: “{quoted}”"
        # not by whom, for a summary may put it in its own words
        told = [_SPEAKER.sub("", sentence) for sentence in sentences_of(earlier) if not sentence.endswith("?")]
        if quoted := self._nearest(question, wanted, told[:MOST_SENTENCES]):
            return f"From the summary of what was said before: “{quoted}”"
        return f"From Headrace's documentation ({passage.page}): {passage.says}" if passage else None

    def _nearest(self, question: str, wanted: Vector, sentences: Sequence[str]) -> str | None:
        """The sentence nearest to the question, if it is near enough and shares a word with it.

        One that has every word of a question about the asker (`What is my name?`) need be less near.
        """
        if not sentences:
            return None
        words = set(_WORD.findall(question.lower()))
        near = self._table.vectors(sentences) @ wanted
        shared = [len(words & set(_WORD.findall(sentence.lower()))) for sentence in sentences]
        best = max(range(len(sentences)), key=lambda at: float(near[at]) + 0.05 * shared[at])
        if float(near[best]) >= SAID_NEAR_ENOUGH and shared[best]:
            return sentences[best]
        asked = words - _ASKING
        if not asked or not _OF_ONESELF.search(question):
            return None
        whole = [at for at, sentence in enumerate(sentences) if asked <= set(_WORD.findall(sentence.lower()))]
        return sentences[max(whole, key=lambda at: float(near[at]))] if whole else None


def _longest_said(context: Sequence[ChatMessage], asked: str) -> str:
    """The longest text of the conversation but the order itself, if it is long enough to do something with."""
    said = [message.text for message in context if message.text.strip() != asked]
    longest = max(said, key=len, default="")
    if len(longest) >= FEWEST_TO_SUMMARIZE:
        return longest
    return "\n".join(message.text for message in context if message.role == "user" and message.text.strip() != asked)
